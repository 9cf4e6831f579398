"""Pages without a browser: tests set what visitors change, and read what visitors see."""

import html
import json
import logging
import shutil
import time
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
import soundfile

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, Reason, describe_error
from absslab.core.evaluation.listening_trials import Tally, read_votes
from absslab.widgets.dashboards import notebook as notebook_module
from absslab.widgets.dashboards import page_heartbeat as heartbeat_module
from absslab.widgets.dashboards.notebook import open_page
from absslab.widgets.dashboards.pages.blind_comparison import describe_votes
from absslab.widgets.dashboards.pages.keep_controls import KeepControls
from absslab.widgets.dashboards.pages.page import ProblemPage
from absslab.widgets.dashboards.pages.run_pair import distinct_names
from absslab.widgets.dashboards.settings import ENVIRONMENT, DashboardConfig
from absslab.widgets.ui import error_line as error_line_module
from absslab.widgets.ui.error_line import error_line, hide_folders
from absslab.widgets.ui.upload import Uploaded


@pytest.fixture(autouse=True)
def _show_folders_again(monkeypatch):
    """A dashboard hides folders in its whole process, which other tests share."""
    monkeypatch.setattr(error_line_module, "_hides_folders", False)


@pytest.fixture
def other_run(other_checkpoint):
    return other_checkpoint.with_suffix("")


@pytest.fixture
def opened(tmp_path, settle):
    """`opened("listen", run_directory=…)` opens a page that is closed at the end."""
    pages = []

    def open_it(name, **settings):
        pages.append(open_page(name, visitors_folder=str(tmp_path), **settings))
        settle()
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()
    log = logging.getLogger("absslab")
    for handler in [h for h in log.handlers if isinstance(h, logging.FileHandler)]:
        handler.close()
        log.removeHandler(handler)
    log.propagate = True


def names(page):
    return [track.name for track in page.recording_view.player.tracks]


def test_listen_begins_with_the_first_recording_and_goes_round(opened, run, mixtures, settle):
    page = opened("listen", run_directory=[str(run)])
    assert page.message == ""
    assert len(page.files) == 8
    assert names(page)[0] == "mixture"
    assert page.recording_view.player.title == "000000.wav"
    page.choice.step(-1)
    settle()
    assert page.recording_view.player.title == "000007.wav"
    page.choice.step(1)
    settle()
    assert page.recording_view.player.title == "000000.wav"
    assert "SI-SDR" in page.table.value
    assert str(mixtures) not in "".join(title for title, _ in page.choice.control.options)


@pytest.mark.parametrize("name", ["listen", "compare"])
def test_an_error_in_showing_a_result_is_shown(name, opened, run, other_run, settle, monkeypatch):
    runs = [str(run), str(other_run)] if name == "compare" else [str(run)]
    page = opened(name, run_directory=runs)

    def show(*args, **options):
        raise ValueError("not of this world")

    monkeypatch.setattr(page.recording_view, "show", show)
    page.choice.step(1)
    settle()
    assert "Something went wrong; the host's log has the details" in page.message


def test_data_that_moved_are_found(opened, checkpoint, mixtures, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(mixtures, moved)
    page = opened(
        "listen", run_directory=[str(checkpoint.with_suffix(""))], mixture_folder=str(moved)
    )
    assert {path.parent for path in page.files} == {moved / "test"}


def test_separate_keeps_softens_and_removes(opened, run, mixtures, tmp_path, settle):
    page = opened("separate", run_directory=[str(run)])
    mixture = mixtures / "test" / "000000.wav"
    page._upload_done(Uploaded(mixture, "mine.wav", ""))
    settle()
    assert page.result.layout.display == ""
    tracks = {track.name: track.sound for track in page.recording_view.player.tracks}
    n = tracks["before"].n_samples
    np.testing.assert_allclose(tracks["after"].read(0, n), tracks["before"].read(0, n), atol=1e-6)
    page.keep_controls.set_choices({page.keep_controls.found_names[-1]: "soften"})
    settle()
    after = {track.name: track.sound for track in page.recording_view.player.tracks}["after"]
    (folder,) = page.folder.glob(f"separated-*/{mixture.stem}")
    files = {path.stem: soundfile.read(path)[0] for path in folder.glob("*.wav")}
    kept_sum = sum(
        samples for name, samples in files.items() if name in page.keep_controls.found_names
    )
    rest = sum(
        samples for name, samples in files.items() if name not in page.keep_controls.found_names
    )
    np.testing.assert_allclose(after.read(0, n)[0], kept_sum + 10 ** (-12 / 20) * rest, atol=1e-5)
    assert "soften everything else" in page.keep_controls.description
    page.clear()
    assert not folder.exists()
    assert page.recording_view.player is None
    page.close()
    assert not page.folder.exists()


def test_an_example_can_be_tried(opened, run, settle):
    page = opened("separate", run_directory=[str(run)])
    page.examples.value = page.examples.options[1][1]
    settle()
    assert page.recording_view.player is not None
    with soundfile.SoundFile(page.examples.value) as file:
        assert page.recording_view.player.n_samples == file.frames


def test_what_nobody_waits_for_is_not_separated_on(opened, run, monkeypatch):
    page = opened("separate", run_directory=[str(run)])
    ended = []
    monkeypatch.setattr(page.progress_line, "cancel", lambda: ended.append("separation"))
    monkeypatch.setattr(page.upload, "cancel", lambda: ended.append("upload"))
    page.heartbeat._on_leave()
    assert ended == ["separation", "upload"]
    monkeypatch.undo()


def test_a_visitor_takes_no_more_disk_than_allowed(opened, run, mixtures, settle):
    mixture = mixtures / "test" / "000000.wav"
    size = mixture.stat().st_size / 1e6
    page = opened("separate", run_directory=[str(run)], max_disk=1.5 * size)
    page.separate(mixture, "mine.wav")
    settle()
    assert "with what is made of mine.wav your files here would take more than" in page.message
    assert page.recording_view.player is None
    assert [path for path in page.folder.rglob("*") if path.is_file()] == []
    page.close()
    assert not page.folder.exists()


def test_download_without_a_result_is_refused(opened, run):
    page = opened("separate", run_directory=[str(run)])
    page.download.click()
    assert "upload or choose a recording first" in page.message


def test_keeping_lists_what_sounds_longest_first_and_the_rest_last():
    changed = []
    keeping = KeepControls(lambda: changed.append(1))
    assert keeping.gains == {}
    keeping.set_classes({"a": 0.0, "b": 1.0, "c": 2.0, "d": 0.01}, rest="rest")
    assert keeping.found_names == ["c", "b", "rest"]
    assert keeping.gains == {"a": 1, "b": 1, "c": 1, "d": 1, "rest": 1}
    keeping.set_choices({"rest": "remove", "b": "soften"})
    assert keeping.gains == {
        "a": 0,
        "b": pytest.approx(0.2512, abs=1e-4),
        "c": 1,
        "d": 0,
        "rest": 0,
    }
    assert keeping.description == "soften b, remove rest"
    assert len(changed) == 1
    keep_all, remove_rest = keeping.widget.children[-2].children
    keep_all.click()
    assert set(keeping.gains.values()) == {1}
    remove_rest.click()
    assert keeping.gains == {"a": 0, "b": 1, "c": 1, "d": 0, "rest": 0}
    keeping.set_classes({"a": 0.0}, rest="rest")
    assert "found none of the sounds" in keeping.widget.children[0].value


def test_monitor_shows_runs_and_no_folders(opened, run, mixtures, tmp_path):
    shutil.copytree(run, tmp_path / "runs" / "one")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    page = opened(
        "monitor",
        runs_folder=str(tmp_path / "runs"),
        run_directory=[str(tmp_path / "runs" / "one")],
    )
    assert page.view.reader.folder.name == "one"
    assert "one" in page.table.value
    assert "broken" in page.table.value
    assert str(tmp_path) not in page.table.value
    assert str(mixtures) not in page.table.value
    assert page.training is None
    before = page.table
    shutil.rmtree(tmp_path / "runs" / "one")
    page.refresh()
    assert ">one<" not in before.value
    shutil.rmtree(tmp_path / "runs")
    page.refresh()
    assert "no runs here" in page.table.value


def test_monitor_names_no_folder_of_a_setting_or_of_a_damaged_run(opened, run, tmp_path):
    secret = "/srv/my private data"
    for name in ("one", "two"):
        folder = tmp_path / "my runs" / name
        shutil.copytree(run, folder)
        config = json.loads((folder / "config.json").read_text())
        config["data"]["feature_store"] = f"{secret}/features of {name}"
        config["training"]["teachers"] = [f"{secret}/teacher of {name}.ckpt"]
        (folder / "config.json").write_text(json.dumps(config))
    damaged = tmp_path / "my runs" / "damaged"
    (damaged / "config.json").mkdir(parents=True)
    shutil.copytree(damaged, damaged.with_name("torn"))
    (damaged.with_name("torn") / "status.json").write_text("{")
    page = opened("monitor", runs_folder=str(tmp_path / "my runs"))
    table = html.unescape(page.table.value)
    for shown in (
        "features of one",
        "teacher of two.ckpt",
        "no setting 'teachers'",
        "config.json is not readable JSON (Is a directory)",
        "status.json is not readable JSON (JSONDecodeError)",
    ):
        assert shown in table
    for hidden in ("/srv", "private", "my runs", str(tmp_path)):
        assert hidden not in table


def test_monitor_offers_trainings_where_the_host_allows_them(opened, tmp_path):
    page = opened("monitor", runs_folder=str(tmp_path), allow_training=True)
    assert page.training.form is not None


def test_compare_puts_both_side_by_side(opened, run, other_run, tmp_path):
    page = opened(
        "compare", run_directory=[str(run), str(other_run)], votes_folder=str(tmp_path / "votes")
    )
    assert page.message == ""
    track_names = names(page)
    a = [name for name in track_names if name.endswith(", A")]
    b = [name for name in track_names if name.endswith(", B")]
    assert [f"{name[:-1]}B" for name in a] == b
    sounds = {track.name: track.sound for track in page.recording_view.player.tracks}
    assert abs(sounds[a[0]].read(0, 1000) - sounds[f"{a[0][:-1]}B"].read(0, 1000)).max() > 1e-6
    assert "A\nprobability" in page.table.value
    assert "B\nprobability" in page.table.value


def test_a_blind_test_tells_nothing_before_its_end(opened, run, other_run, tmp_path, settle):
    votes = tmp_path / "votes"
    page = opened("compare", run_directory=[str(run), str(other_run)], votes_folder=str(votes))
    test = page.test
    test.start(np.random.default_rng(0))
    settle()
    assert [track.name for track in test.recording_view.player.tracks][:3] == ["mixture", "X", "Y"]
    assert all(track.mask is None for track in test.recording_view.player.tracks)
    seen = test.about.value + test.result.value + test.recording_view.player.title
    assert run.name not in seen
    while test.number < len(test.trials):
        test.vote("X")
        settle()
    saved_votes = read_votes(next(votes.glob("*.jsonl")))
    assert len(saved_votes) == len(test.trials)
    n_first = sum(vote.preferred == run.name for vote in saved_votes)
    assert (
        f"You: {n_first} for {run.name}, {len(saved_votes) - n_first} for other"
        in test.result.value
    )
    assert "not a significant difference" in test.result.value
    test.votes["X"].disabled = False
    test.votes["X"].click()
    settle()
    assert "not loaded yet" in page.message


def test_votes_name_recordings_and_not_where_they_are(opened, run, other_run, mixtures, tmp_path):
    page = opened(
        "compare", run_directory=[str(run), str(other_run)], votes_folder=str(tmp_path / "votes")
    )
    assert list(page.pair.paths)[:2] == ["000000.wav", "000001.wav"]
    assert page.pair.paths["000001.wav"] == mixtures / "test" / "000001.wav"


def test_a_round_whose_sounds_are_gone_ends_the_test_and_one_may_begin_again(
    opened, run, other_run, tmp_path, settle
):
    page = opened(
        "compare", run_directory=[str(run), str(other_run)], votes_folder=str(tmp_path / "votes")
    )

    def fail(*_):
        raise InputError("gone.wav does not exist")

    page.pair.compare = fail
    page.test.start()
    settle()
    assert "gone.wav does not exist" in page.message
    assert page.test.start_button.layout.display == ""


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("/a/one", "/a/two", ("one", "two")),
        ("/a/runs/x", "/b/runs/x", ("a/runs/x", "b/runs/x")),
        ("/x", "/a/x", ("//x", "a/x")),
    ],
)
def test_runs_are_named_by_as_much_as_tells_them_apart(first, second, names):
    assert distinct_names(Path(first), Path(second)) == names


def test_one_run_is_not_compared_with_itself():
    with pytest.raises(InputError, match="is named twice"):
        distinct_names(Path("/a/x"), Path("/a/x"))


@pytest.mark.parametrize(
    ("p_value", "words"),
    [(0.0, ": a significant difference"), (0.3, "not a significant difference"), (None, ".")],
)
def test_how_sure_votes_are_is_said(p_value, words):
    counted = Tally((1, 9), 0, 1, 0.9, None if p_value is None else (0.5, 1.0), p_value)
    assert words in describe_votes(counted, ("a", "b"))


def test_x_is_what_the_trial_says(opened, run, other_run, mixtures, tmp_path, settle):
    page = opened(
        "compare", run_directory=[str(run), str(other_run)], votes_folder=str(tmp_path / "votes")
    )
    test = page.test
    test.start(np.random.default_rng(1))
    settle()
    trial = test.trials[0]
    compared = page.pair.compare(page.pair.paths[trial.mixture], [trial.label])
    sources = [
        next(track for track in compared.tracks if track.name == f"{trial.label}, {letter}")
        for letter in "AB"
    ]
    tracks = {track.name: track.sound for track in test.recording_view.player.tracks}
    for name, which in (("X", trial.first), ("Y", 1 - trial.first)):
        np.testing.assert_array_equal(tracks[name].read(0, 500), sources[which].sound.read(0, 500))
        assert (
            abs(tracks[name].read(0, 500) - sources[1 - which].sound.read(0, 500)).max() > 1e-6
        ), "their names differ"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("listen", "expected one run"),
        ("separate", "expected one run"),
        ("compare", "expected two runs"),
    ],
)
def test_a_page_that_can_not_be_made_says_why(opened, name, line):
    page = opened(name)
    assert isinstance(page, ProblemPage)
    assert line in page.message


def test_what_visitors_can_not_mend_is_for_the_hosts_log(
    opened, run, tmp_path, monkeypatch, settle
):
    page = opened("listen", run_directory=[str(run)])
    assert list(tmp_path.glob("log-*.txt")) == []  # there is nothing to say yet
    monkeypatch.setattr(page._models, "separate_excerpt", lambda *_: 1 / 0)
    page._latest._function = page._models.separate_excerpt
    page.choice.step(1)
    settle()
    assert "the host's log has the details" in page.message
    assert "ZeroDivision" not in page.message
    assert "ZeroDivisionError" in next(tmp_path.glob("log-*.txt")).read_text()


def test_messages_of_a_dashboard_name_no_folders(opened, run, monkeypatch, checkpoint, settle):
    monkeypatch.setenv(ENVIRONMENT, "{}")
    page = opened("listen", run_directory=[str(run)])
    page.files[1] = checkpoint.parent / "deep" / "gone.wav"
    page.choice.step(1)
    settle()
    assert "gone.wav does not exist" in page.message
    assert str(checkpoint.parent) not in page.message


def test_what_a_page_finds_missing_or_cut_is_said_on_it_without_folders(
    opened, run, mixtures, tmp_path, monkeypatch
):
    monkeypatch.setattr(error_line_module, "_hides_folders", True)
    moved = tmp_path / "moved"
    shutil.copytree(mixtures, moved)
    (moved / "test/000003.wav").unlink()
    cut = moved / "test/000000.wav"  # which is separated when the page opens
    cut.write_bytes(cut.read_bytes()[:30044])
    page = opened("listen", run_directory=[str(run)], mixture_folder=str(moved))
    assert page.notices == [
        "1 recording of moved is missing",
        "000000.wav is cut short: 15000 of 32000 samples are there",
    ]
    assert "is cut short" in page.message_line.value
    assert str(tmp_path) not in page.message_line.value


@pytest.mark.parametrize("name", ["listen", "compare"])
def test_a_page_without_its_data_does_not_say_where_they_were(
    opened, run, other_run, tmp_path, monkeypatch, name
):
    monkeypatch.setenv(ENVIRONMENT, "{}")
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    config = json.loads((run / "config.json").read_text())
    config["data"]["data_folder"] = "/srv/my private data/secret mixtures/house"
    (moved / "config.json").write_text(json.dumps(config))
    shutil.copy(run.with_suffix(".ckpt"), moved.with_suffix(".ckpt"))
    runs = [str(moved), str(other_run)][: 2 if name == "compare" else 1]
    page = opened(name, run_directory=runs)
    assert page.message == "house, the data of the run moved, does not exist"


DETAILS = "; the host's log has the details"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("{path} is gone", path="/a/b/c.wav"), "c.wav is gone"),
        (InputError("12 of 100 s, 3/4 and ../x"), "12 of 100 s, 3/4 and ../x"),
        (InputError("see '{a}', ({b})", a="/a/b.txt", b="/c/d"), "see 'b.txt', (d)"),
        (InputError("http://127.0.0.1/x"), "http://127.0.0.1/x"),
        (InputError("a / b"), "a / b"),
        (InputError("{path} is gone", path="/home/my runs/a b/x.wav"), "x.wav is gone"),
        (InputError("{path}", path="/home/my runs/y"), "y"),
        (FileNotFoundError(2, "No such file", "/home/my runs/y"), "y: No such file"),
        (OSError("no space in /home/my runs"), f"OSError{DETAILS}"),
        (KeyError("/home/my runs"), f"Something went wrong: KeyError{DETAILS}"),
        (
            InputError("{path} ({reason})", path="/a/b", reason=Reason.of(ValueError("in /a/b"))),
            f"b (ValueError){DETAILS}",
        ),
    ],
)
def test_of_paths_the_last_part_is_left(error, expected, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("absslab"), "propagate", True)
    hide_folders()
    assert error_line(error) == expected
    logged = [record.getMessage() for record in caplog.records]
    assert any(describe_error(error) in line for line in logged) == expected.endswith(DETAILS)


def test_it_is_known_when_nobody_looks_any_more(monkeypatch):
    calls = []
    heartbeat = heartbeat_module.PageHeartbeat(
        on_open=lambda: calls.append("open"), on_leave=lambda: calls.append("leave")
    )
    heartbeat.check()
    assert calls == []
    heartbeat._handle_msg(
        {"content": {"data": {"method": "custom", "content": {"type": "here"}}}, "buffers": []}
    )
    heartbeat.check()
    assert calls == ["open"]
    now = time.monotonic()
    monkeypatch.setattr(
        heartbeat_module.time, "monotonic", lambda: now + heartbeat_module.TIMEOUT + 1
    )
    heartbeat.check()
    heartbeat.check()
    assert calls == ["open", "leave"]
    heartbeat.close()


def test_what_changed_while_a_page_was_loading_is_sent_again(opened, run, monkeypatch, settle):
    page = opened("listen", run_directory=[str(run)])
    settle()
    sent = {}

    def note(widget, key=None):
        if isinstance(key, list):  # many at once, not the one that has changed
            sent[widget] = set(key)

    monkeypatch.setattr(ipywidgets.Widget, "send_state", note)
    here = {"content": {"data": {"method": "custom", "content": {"type": "here"}}}, "buffers": []}
    page.heartbeat._handle_msg(here)
    settle()
    assert "children" in sent[page.widget]
    assert {"index", "_options_labels"} <= sent[page.choice.control]
    assert {"_dom_classes", "layout"} <= sent[page.recording_view.player]
    assert not any(
        key.startswith(("_esm", "_model_name")) for keys in sent.values() for key in keys
    )
    sent.clear()
    page.heartbeat._handle_msg(here)
    settle()
    assert sent == {}


def test_a_page_frees_what_it_opened(run, tmp_path, settle):

    before = len(ipywidgets.widgets.widget._instances)
    for name in ("listen", "separate", "monitor"):
        page = notebook_module.open_page(
            name,
            run_directory=[str(run)],
            runs_folder=str(run.parent),
            visitors_folder=str(tmp_path),
        )
        settle()
        page.close()
    assert len(ipywidgets.widgets.widget._instances) == before
    logging.getLogger("absslab").handlers.clear()
    logging.getLogger("absslab").propagate = True


def test_settings_of_a_notebook_of_ones_own_take_the_place_of_the_servers(
    run, monkeypatch, tmp_path, settle
):
    monkeypatch.setenv(ENVIRONMENT, '{"split": "validation"}')
    page = open_page("listen", run_directory=[str(run)])
    settle()
    assert page.config == DashboardConfig(run_directory=(str(run),))
    page.close()


def test_the_levels_of_what_is_kept_are_those_of_the_file(opened, run, mixtures, settle):
    page = opened("separate", run_directory=[str(run)])
    page.separate(mixtures / "test" / "000001.wav", "x.wav")
    settle()
    before = next(track for track in page.recording_view.player.tracks if track.name == "before")
    samples = sound_files.load(mixtures / "test" / "000001.wav")
    np.testing.assert_array_equal(before.sound.read(0, len(samples))[0], samples)
