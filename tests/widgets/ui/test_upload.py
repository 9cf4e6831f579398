"""Uploads as the page sends them, and as a malicious page could."""

import inspect

import anywidget
import numpy as np
import pytest

from absslab.core.audio import sound_files
from absslab.widgets.ui.disk_quota import DiskQuota
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.upload import Limits, Upload

LIMITS = Limits(size=1_000_000, count=3, duration=5.0)


@pytest.fixture
def sound():
    rng = np.random.default_rng(0)
    return sound_files.encode(rng.uniform(-0.1, 0.1, 16000).astype(np.float32), 16000)


class Page:
    """A fake page, which sends messages and collects those it gets."""

    def __init__(self, folder, quota=None):
        self.answers = []
        self.arrived = []
        self.upload = Upload(folder, LIMITS, quota=quota, arrived=self.arrived.append)
        self.upload.send = lambda content, buffers=None: self.answers.append(content)

    def say(self, content, *buffers):
        self.upload._handle_msg(
            {
                "content": {"data": {"method": "custom", "content": content}},
                "buffers": list(buffers),
            }
        )
        current_main_loop().settle()

    def begin(self, name="a.wav", size=100, number=1):
        self.say({"type": "begin", "number": number, "name": name, "size": size})
        return self.answers[-1]

    def piece(self, offset, content, number=1):
        self.say({"type": "piece", "number": number, "offset": offset}, memoryview(content))
        return self.answers[-1]


@pytest.fixture
def page(tmp_path, settle):
    page = Page(tmp_path)
    yield page
    page.upload.close()
    settle()
    assert list(tmp_path.iterdir()) == []


def test_a_sound_comes_in_pieces_and_is_what_was_sent(page, sound, tmp_path):
    assert page.begin(size=len(sound)) == {"type": "next", "number": 1, "offset": 0}
    assert page.piece(0, sound[:20000]) == {"type": "next", "number": 1, "offset": 20000}
    last = page.piece(20000, sound[20000:])
    assert last == {"type": "done", "number": 1, "text": "a.wav: 1.0 s, 16 kHz, mono"}
    (uploaded,) = page.arrived
    assert uploaded.path.parent == tmp_path
    assert sound_files.encode(sound_files.load(uploaded.path), 16000) == sound
    assert [path.name for path in tmp_path.iterdir()] == [
        uploaded.path.name
    ]  # the uploaded bytes are removed, the converted file is kept


@pytest.mark.parametrize("share", [0.9, 1.5])
def test_an_upload_beyond_the_quota_is_refused(tmp_path, settle, sound, share):
    """The file itself has no room, or what is decoded of it beside it."""
    page = Page(tmp_path, DiskQuota(tmp_path, round(share * len(sound))))
    answer = page.begin(size=len(sound))
    if answer["type"] == "next":
        answer = page.piece(0, sound)
    assert answer["type"] == "refused"
    assert "your files here would take more than 0.0" in answer["text"]
    assert page.arrived == []
    settle()
    assert list(tmp_path.iterdir()) == []
    page.upload.close()


def test_another_upload_takes_the_place_of_the_one_before(page, sound, tmp_path):
    for number in (1, 2):
        page.begin(size=len(sound), number=number)
        page.piece(0, sound, number=number)
    assert [path.name for path in tmp_path.iterdir()] == [page.arrived[1].path.name]


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("a.wav", 0, "a.wav is empty (0 bytes)"),
        ("a.wav", -5, "is empty"),
        ("a.wav", 1.5, "is empty"),
        ("a.wav", "9", "is empty"),
        ("a.wav", True, "is empty"),
        ("a.wav", 1_000_001, "expected at most 1 MB"),
        ("a.wav", 10**400, "expected at most 1 MB"),
        ("a.exe", 100, "a.exe is of a kind that is not read here: expected .wav"),
        ("wav", 100, "is of a kind that is not read"),
        (None, 100, "None is of a kind"),
        ("", 100, "the file is of a kind"),
    ],
)
def test_what_may_not_come_is_refused_before_it_does(page, tmp_path, name, size, line):
    answer = page.begin(name=name, size=size)
    assert answer["type"] == "refused"
    assert line in answer["text"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("offset", "content"),
    [(5, b"x"), (-1, b"x"), (None, b"x"), (0, b""), (0, bytes(200)), (0, bytes(5 << 20))],
)
def test_a_piece_that_was_not_asked_for_ends_the_upload(page, tmp_path, offset, content):
    page.begin(size=100)
    assert page.piece(offset, content)["type"] == "refused"
    assert list(tmp_path.iterdir()) == []
    n_answers = len(page.answers)
    page.piece(0, b"x")
    assert len(page.answers) == n_answers, "later messages are ignored"


@pytest.mark.parametrize(
    "name",
    ["../../a.wav", "/etc/a.wav", "..\\..\\a.wav", "a\n\tb.wav", "\u202ea.wav", "x" * 500 + ".wav"],
)
def test_a_name_leads_nowhere_and_is_shown_in_one_line(page, tmp_path, name, sound):
    page.begin(name=name, size=len(sound))
    page.piece(0, sound)
    (uploaded,) = page.arrived
    assert uploaded.path.parent == tmp_path
    assert uploaded.name.isprintable()
    assert len(uploaded.name) <= 60
    assert not set(uploaded.name) & set("/\\")


@pytest.mark.parametrize(
    "message", [None, 3, "begin", [], {}, {"type": "piece"}, {"type": "begin"}, {"type": ["begin"]}]
)
def test_a_page_may_say_anything(page, message):
    page.say(message)
    assert page.arrived == []


def test_there_are_only_so_many(page, sound):
    for number in range(LIMITS.count):
        assert page.begin(size=len(sound), number=number)["type"] == "next"
    assert "3 uploads already" in page.begin(size=len(sound), number=9)["text"]


def test_a_refused_file_leaves_the_one_before(page, sound, tmp_path):
    page.begin(size=len(sound))
    page.piece(0, sound)
    page.begin(name="notes.txt", size=5, number=2)
    page.begin(name="notes.wav", size=5, number=3)
    assert page.piece(0, b"words", number=3)["type"] == "refused"
    assert [path.name for path in tmp_path.iterdir()] == [page.arrived[0].path.name]


def test_one_that_is_cancelled_when_it_is_whole_already_is_removed(
    page, sound, tmp_path, monkeypatch, loop
):
    call_on_loop = loop.call

    def call(function, *args):
        if function.__name__ == "_end":  # the page cancels just before it gets the answer
            call_on_loop(page.upload.cancel)
        call_on_loop(function, *args)

    monkeypatch.setattr(loop, "call", call)
    page.begin(size=len(sound))
    page.piece(0, sound)
    assert page.arrived == []
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_nothing_is_begun(page, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    assert "no room for a.wav" in page.begin(size=100)["text"]
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_cancelled(page, sound, tmp_path):
    page.begin(size=len(sound))
    page.piece(0, sound[:100])
    page.say({"type": "cancel"})
    assert list(tmp_path.iterdir()) == []
    page.piece(100, sound[100:])
    assert page.arrived == []


def test_what_is_no_sound_is_refused_by_its_name_alone(page, tmp_path):
    page.begin(name="notes.wav", size=5)
    answer = page.piece(0, b"words")
    assert answer["type"] == "refused"
    assert "notes.wav is not a readable sound file" in answer["text"]
    assert str(tmp_path) not in answer["text"]
    assert list(tmp_path.iterdir()) == []


def test_what_fails_after_it_arrived_is_said(page, sound, tmp_path):
    def fail(_):
        raise RuntimeError("out of luck")

    page.upload._arrived = fail
    page.begin(size=len(sound))
    assert "out of luck" in page.piece(0, sound)["text"]
    page.upload.remove()


def test_no_method_takes_the_place_of_one_of_ipywidgets():
    own = {name for name, value in vars(Upload).items() if inspect.isfunction(value)}
    assert own & set(dir(anywidget.AnyWidget)) == {"__init__", "close"}
