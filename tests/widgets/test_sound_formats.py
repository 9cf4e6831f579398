"""Each format is separated, played and uploaded, and what is missing in a file is said there."""

import numpy as np
import pytest
import soundfile
from sound_kinds import KINDS, encode, frequency_of, tone, write_silent_film, write_with_av

from absslab.core.audio import sound_files
from absslab.core.common.notices import collect_notices
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator
from absslab.widgets.player.any_sound import make_tracks
from absslab.widgets.player.tracks import to_one_rate
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.panel import Panel
from absslab.widgets.ui.upload import Limits, Upload

RATE = 16000


@pytest.fixture(scope="module")
def separator(checkpoint) -> Separator:
    return Separator.from_checkpoint(str(checkpoint))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def recording(request, tmp_path):
    kind = request.param
    return kind.write(tmp_path / f"memo{kind.suffix}", tone(0.7, kind.rate), kind.rate)


def test_each_format_is_separated_into_sounds_of_its_length(recording, separator, tmp_path):
    with collect_notices() as notices:
        list(separate_file(separator, recording, tmp_path / "out"))
        expected, rate = sound_files.load_channels(recording)
    assert notices == []
    parts = [soundfile.read(path, always_2d=True) for path in (tmp_path / "out/memo").glob("*.wav")]
    assert len(parts) == len(separator.classes) + 1
    assert {part_rate for _, part_rate in parts} == {rate}
    total = sum(samples for samples, _ in parts)
    np.testing.assert_allclose(total.T, expected, atol=1e-5)


def test_each_format_is_played_from_any_position(recording):
    (track,) = to_one_rate(make_tracks(recording))
    sound = track.sound
    rate = sound.sampling_rate
    assert sound.n_samples / rate == pytest.approx(0.7, abs=0.3)
    whole = sound.read(0, sound.n_samples)
    assert frequency_of(whole[0], rate) == pytest.approx(440, abs=3)
    middle = sound.read(2000, 3000)
    np.testing.assert_allclose(middle, whole[:, 2000:5000], atol=1e-3)
    np.testing.assert_allclose(sound.read(-10, 500)[:, 10:], whole[:, :490], atol=1e-3)


class Page:
    """A page that uploads files."""

    def __init__(self, folder):
        self.answers = []
        self.arrived = []
        limits = Limits(size=2_000_000, count=10, duration=20.0)
        self.upload = Upload(folder, limits, arrived=self.arrived.append)
        self.upload.send = lambda content, buffers=None: self.answers.append(content)

    def send(self, path):
        """Upload a file, and return the last answer."""
        content = path.read_bytes()
        self._say({"type": "begin", "number": 1, "name": path.name, "size": len(content)})
        if self.answers[-1]["type"] == "next":
            piece = {"type": "piece", "number": 1, "offset": 0}
            self._say(piece, memoryview(content))
        return self.answers[-1]

    def _say(self, content, *buffers):
        data = {"method": "custom", "content": content}
        self.upload._handle_msg({"content": {"data": data}, "buffers": list(buffers)})
        current_main_loop().settle()


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    page = Page(folder)
    yield page
    page.upload.close()
    assert list(folder.iterdir()) == []


def test_each_format_is_uploaded(recording, page):
    answer = page.send(recording)
    assert answer["type"] == "done", answer
    (uploaded,) = page.arrived
    samples, rate = sound_files.load_channels(uploaded.path)
    expected, expected_rate = sound_files.load_channels(recording)
    assert rate == expected_rate
    np.testing.assert_array_equal(samples, expected)


def test_an_upload_beyond_full_scale_is_not_cut(page, tmp_path):
    samples = 3 * tone()
    soundfile.write(tmp_path / "loud.wav", samples, RATE, subtype="FLOAT")
    assert page.send(tmp_path / "loud.wav")["type"] == "done"
    np.testing.assert_allclose(sound_files.load(page.arrived[0].path), samples, atol=1e-6)


def test_an_upload_without_its_end_is_taken_with_a_word(page, tmp_path):
    content = encode(tone(), RATE, "WAV", "PCM_16")
    (tmp_path / "memo.wav").write_bytes(content[:16044])
    assert page.send(tmp_path / "memo.wav") == {
        "type": "done",
        "number": 1,
        "text": "memo.wav: 0.5 s, 16 kHz, mono; "
        "memo.wav is cut short: 8000 of 16000 samples are there",
    }
    assert sound_files.info(page.arrived[0].path).n_samples == 8000


def test_an_upload_that_has_no_sound_or_lasts_too_long_is_refused_in_a_line(page, tmp_path):
    write_silent_film(tmp_path / "film.mp4")
    answer = page.send(tmp_path / "film.mp4")
    assert answer["type"] == "refused"
    assert "film.mp4 is not a readable sound file (it has no sound, only video)" in answer["text"]
    write_with_av(tmp_path / "long.webm", np.zeros((1, 30 * 48000)), 48000, "libopus")
    answer = page.send(tmp_path / "long.webm")
    assert answer["type"] == "refused"
    assert "min: expected at most 0.333333 min" in answer["text"]


class ReadingPanel(Panel):
    """A panel that reads a file, itself or in a thread."""

    def read(self, path, in_thread):
        read = lambda: sound_files.load(path)  # noqa: E731
        if in_thread:
            self.loop.start_thread(read, "reading")
        else:
            read()


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_panel_shows_what_is_missing_in_a_file_it_reads(tmp_path, settle, in_thread):
    panel = ReadingPanel()
    for index in range(4):
        path = tmp_path / f"{index}.wav"
        path.write_bytes(encode(tone(), RATE, "WAV", "PCM_16")[:16044])
        for _ in range(2):
            panel.guard(panel.read)(path, in_thread)
            settle()
    panel.say("read")
    assert len(panel.notices) == 4
    assert panel.notices[0] == f"{tmp_path / '0.wav'} is cut short: 8000 of 16000 samples are there"
    assert "read" in panel.message_line.value
    assert "3.wav is cut short" in panel.message_line.value
    assert "4 warnings, the last 3:" in panel.message_line.value
    assert "0.wav" not in panel.message_line.value
    panel.close()
