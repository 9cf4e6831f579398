"""The panel of mixtures draws and plays a mixture, writes a set, and chooses one for all panels."""

import asyncio
import re
import shutil

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import read_manifest, read_specs
from absslab.widgets.panels import State, event_recordings
from absslab.widgets.panels.mixtures.mixtures_panel import DRAWN, WRITTEN, MixturesPanel

HTML = "<img src=x onerror=alert(1)>"
SHORT = {"length": 0.5, "sampling_rate": 8000}


@pytest.fixture
def panel(event_folder):
    panel = MixturesPanel(State(event_folder=str(event_folder)))
    panel.mixing.set(SHORT)
    panel.folder.set({"n_workers": 1})
    yield panel
    panel.close()


def sounds(panel):
    return {
        track.name: track.sound.read(0, track.sound.n_samples)[0]
        for track in panel.recording_view.player.tracks
    }


def takes(classes):
    """Three recordings of each class."""
    return [f"{name}/{i}.wav" for name in classes for i in range(3)]


def fill(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        sound_files.save(folder / name, 0.1 * rng.standard_normal(1600).astype(np.float32), 8000)
    return folder


def test_a_mixture_is_drawn_and_is_the_sum_of_what_one_hears_beside_it(panel, settle):
    panel.draw(3, "train")
    settle()
    assert panel.message == ""
    tracks = sounds(panel)
    assert [track.kind for track in panel.recording_view.player.tracks][:2] == [
        "mixture",
        "reference",
    ]
    mixture = tracks.pop("mixture")
    np.testing.assert_array_equal(mixture, np.sum(list(tracks.values()), axis=0, dtype=np.float32))
    assert "train, number 3: " in panel.recording_view.caption.value
    assert len(panel.recording_view.chart.widget.children) == 1


def test_nothing_is_read_or_drawn_before_it_is_asked_for(panel, settle):
    panel.index.value = 5
    settle()
    panel.mixing.set({"max_event": 2})
    settle()
    assert panel.recording_view.player is None


def test_the_same_number_gives_the_same_mixture_and_the_next_another_one(panel, settle):
    panel.draw(3)
    settle()
    first = sounds(panel)["mixture"]
    panel.step(1)
    settle()
    assert panel.index.value == 4
    other = sounds(panel)["mixture"]
    panel.step(-1)
    settle()
    np.testing.assert_array_equal(sounds(panel)["mixture"], first)
    assert not np.array_equal(other, first)
    panel.draw(0)
    settle()
    panel.step(-1)
    settle()
    assert panel.index.value == 0


def test_the_mixture_changes_with_its_settings_while_one_listens(panel, settle):
    panel.draw(3)
    settle()
    before = sounds(panel)
    panel.mixing.controls["white_noise_ratio"].value = 0.0
    settle()
    assert "background" not in sounds(panel)
    panel.mixing.controls["length"].value = 1.0
    settle()
    assert len(sounds(panel)["mixture"]) == 2 * len(before["mixture"])
    panel.folder.set({"seed": 1})
    settle()
    assert sounds(panel).keys() != before.keys() or len(sounds(panel)["mixture"]) != len(
        before["mixture"]
    )


def test_a_setting_that_can_t_be_used_is_said_and_the_last_mixture_stays(panel, settle):
    panel.draw(3)
    settle()
    before = sounds(panel)["mixture"]
    panel.mixing.controls["length"].value = -1.0
    settle()
    assert "length is -1" in panel.message
    np.testing.assert_array_equal(sounds(panel)["mixture"], before)
    with pytest.raises(InputError, match="length is -1"):
        panel.draw(3)


def test_what_is_drawn_is_what_a_set_would_hold(panel, tmp_path, settle):
    panel.folder.set({"output_folder": str(tmp_path / "set"), "n_files": 30})
    panel.write()
    settle()
    panel.draw(2, "validation")
    settle()
    saved = sound_files.load(tmp_path / "set" / "validation" / "000002.wav")
    np.testing.assert_array_equal(sounds(panel)["mixture"], saved)
    assert "would hold only" not in panel.recording_view.caption.value
    panel.draw(3, "validation")
    settle()
    assert "would hold only 3 of this split" in panel.recording_view.caption.value


def test_a_set_is_written_and_chosen_for_all_panels(panel, tmp_path, settle):
    output = str(tmp_path / "set")
    panel.folder.controls["output_folder"].value = output
    panel.folder.controls["n_files"].value = 30
    settle()
    seen = []
    panel.state.observe(lambda change: seen.append(change["new"]), "mixture_folder")
    panel.write()
    settle()
    assert seen == [output]
    assert panel.message == f"{output} holds 24 train, 3 validation, 3 test mixtures."
    assert read_manifest(output).n_mixtures == {"train": 24, "validation": 3, "test": 3}


def test_mixtures_of_a_set_are_chosen_for_all_panels_with_their_events(panel, mixtures, settle):
    panel.state.mixture_folder = str(mixtures)
    settle()
    panel.browse(2, "train")
    settle()
    assert panel.state.mixture == str(mixtures / "train" / "000002.wav")
    assert panel.state.split == "train"
    spec = read_specs(mixtures, "train")[2]
    assert sounds(panel).keys() == {"mixture", *spec.labels, "background"}
    axes = panel.recording_view.chart._plot.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == spec.labels
    panel.step(1)
    settle()
    assert panel.state.mixture.endswith("000003.wav")
    panel.state.split = "test"
    settle()
    assert panel.state.mixture == str(mixtures / "test" / "000003.wav")
    panel.which.value = DRAWN
    settle()
    assert "test, number 3" in panel.recording_view.caption.value


@pytest.mark.parametrize(
    ("folder", "index", "split", "message"),
    [
        ("", 0, "test", "no set of mixtures is chosen"),
        ("/nowhere", 0, "test", "expected a folder that absslab mix has finished"),
        ("{mixtures}", 8, "test", "has 8 test mixtures: expected a number up to 7"),
    ],
)
def test_a_mixture_that_is_not_there_is_said(
    panel, mixtures, folder, index, split, message, settle
):
    panel.state.mixture_folder = folder.format(mixtures=mixtures)
    settle()
    with pytest.raises(InputError, match=message):
        panel.browse(index, split)
    panel.which.value = DRAWN
    panel._shown = ("anything",)
    panel.which.value = WRITTEN
    settle()
    assert message in panel.message


def test_a_set_that_changes_while_it_is_shown_is_said(panel, mixtures, tmp_path, settle):
    shutil.copytree(mixtures, tmp_path / "set")
    panel.state.mixture_folder = str(tmp_path / "set")
    settle()
    panel.browse(0, "test")
    settle()
    (tmp_path / "set" / "test" / "events.tsv").write_text("torn")
    panel.browse(0, "test")
    settle()
    assert "no timeline: " in panel.recording_view.caption.value
    (tmp_path / "set" / "test" / "000001.wav").unlink()
    panel.guard(panel.step)(1)
    settle()
    assert "000001.wav does not exist" in panel.message
    shutil.rmtree(tmp_path / "set")
    panel.guard(panel.step)(1)
    settle()
    assert "does not exist" in panel.message


def test_without_a_folder_the_built_in_recordings_are_mixed(
    event_folder, tmp_path, monkeypatch, settle
):
    monkeypatch.setattr(event_recordings, "cached_recordings", lambda: event_folder)
    panel = MixturesPanel()
    panel.mixing.set(SHORT)
    panel.draw(0)
    settle()
    assert panel.message == ""
    panel.folder.set({"output_folder": str(tmp_path / "set"), "n_files": 10, "n_workers": 1})
    panel.write()
    settle()
    assert read_manifest(tmp_path / "set").config["event_folder"] == str(event_folder)
    panel.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "output_folder is missing"),
        ({"output_folder": "{tmp}/foreign"}, "is not empty and holds no mixtures of ABSSLab"),
        ({"output_folder": "{events}/set"}, "lies in the event_folder"),
        ({"output_folder": "{tmp}/a_file"}, "is a file"),
        ({"output_folder": "{tmp}/a_file/set"}, "Not a directory"),
        (
            {"output_folder": "{tmp}/set", "recordings_csv": "{tmp}/none.csv"},
            "none.csv does not exist",
        ),
    ],
)
def test_a_set_that_can_t_be_written_says_why(
    panel, event_folder, tmp_path, settings, message, settle
):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.doc").touch()
    (tmp_path / "a_file").touch()
    panel.folder.set(
        {name: text.format(tmp=tmp_path, events=event_folder) for name, text in settings.items()}
    )
    panel.guard(panel.write)()
    settle()
    assert message in panel.message
    assert panel.state.mixture_folder == ""


def test_a_full_disk_is_said_and_the_set_can_be_gone_on_with(panel, tmp_path, full_disk, settle):
    panel.mixing.set({"length": 2.0})
    panel.folder.set({"output_folder": str(tmp_path / "set"), "n_files": 30})
    settle()
    with full_disk(20_000):
        panel.write()
        settle()
    assert "File too large" in panel.message
    assert str(tmp_path) in panel.message
    panel.write()
    settle()
    assert "holds 24 train" in panel.message


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds nothing"),
        (["alert1.wav"], "class 'alert' has 1 origin"),
    ],
)
def test_recordings_that_can_t_be_mixed_are_said(panel, tmp_path, names, message, settle):
    panel.state.event_folder = str(fill(tmp_path, names))
    settle()
    panel.draw()
    settle()
    assert message in panel.message
    sound_files.save(tmp_path / "alert1.wav", np.zeros(800, np.float32), 8000)
    panel.draw()
    settle()
    assert "alert1.wav is silent" in panel.message


def test_a_split_without_recordings_is_said(panel, settle):
    panel.folder.set({"split_percentages": (50, 0, 50)})
    panel.draw(0, "validation")
    settle()
    assert "the validation split has 0 %" in panel.message
    panel.draw(0, "test")
    settle()
    assert panel.message == ""


def test_classes_are_text_whatever_their_names_hold(panel, tmp_path, settle):
    names = [HTML, "\"quotes\" & 'more'", "ключи", "鍵", "$x_1$"]
    panel.state.event_folder = str(fill(tmp_path / "events", takes(names)))
    settle()
    panel.folder.set({"output_folder": str(tmp_path / "set"), "n_files": 10})
    panel.mixing.set({"max_event": 8, "length": 4.0})
    panel.write()
    settle()
    for index in range(4):
        panel.browse(index, "train")
        settle()
        panel.draw(index, "train")
        settle()
        assert HTML not in panel.recording_view.caption.value
        panel.recording_view.chart._plot.figure.canvas.draw()
    assert panel.message == ""


def test_a_hundred_classes_are_mixed(panel, tmp_path, settle):
    panel.state.event_folder = str(fill(tmp_path, takes(f"class {k:03d}" for k in range(100))))
    settle()
    panel.mixing.set({"max_event": 100, "length": 10.0})
    panel.draw(1)
    settle()
    assert panel.message == ""
    assert len(panel.recording_view.player.tracks) > 3


def test_writing_goes_on_beside_the_loop_is_not_started_twice_and_is_gone_on_with_after_a_cancel(
    event_folder, tmp_path
):
    output = tmp_path / "set"

    async def write():
        panel = MixturesPanel(State(event_folder=str(event_folder)))
        panel.mixing.set(SHORT)
        panel.folder.set({"output_folder": str(output), "n_files": 400, "n_workers": 1})
        panel.write()
        with pytest.raises(InputError, match="is being written"):
            panel.write()
        panel.draw(1)  # the player can be used meanwhile
        await panel.loop.until(lambda: re.search(r": [1-9]\d* of 400", panel.writing.label.value))
        panel.cancel()
        await panel.loop.until(lambda: not panel.writing.is_running)
        message = panel.message
        n_before = len(list(output.rglob("0*.wav")))
        chosen = panel.state.mixture_folder
        panel.write()
        await panel.loop.until(lambda: not panel.writing.is_running)
        result = message, n_before, chosen, panel.state.mixture_folder
        panel.close()
        return result

    message, n_before, chosen, chosen_at_last = asyncio.run(write())
    assert "continues" in message
    assert 0 < n_before < 400
    assert (chosen, chosen_at_last) == ("", str(output))
    assert len(list(output.rglob("0*.wav"))) == 400


def test_closing_frees_all_widgets(event_folder, mixtures, settle):
    before = set(_instances)
    panel = MixturesPanel(State(event_folder=str(event_folder), mixture_folder=str(mixtures)))
    settle()
    panel.mixing.set(SHORT)
    panel.draw(0)
    settle()
    panel.browse(0)
    settle()
    panel.close()
    panel.close()
    panel.state.mixture_folder = ""
    settle()
    assert set(_instances) <= before


def test_recordings_that_can_not_be_used_are_left_out_if_this_is_chosen_and_named(
    panel, event_folder, tmp_path, settle
):
    events = tmp_path / "events"
    shutil.copytree(event_folder, events)
    (events / "speech99.wav").write_bytes(b"no sound")
    (events / "speech98.webm").write_bytes(b"no sound")
    panel.folder.set({"event_folder": str(events), "output_folder": str(tmp_path / "set")})
    panel.folder.set({"n_files": 10, "n_workers": 1})
    settle()
    panel.write()
    settle()
    assert "2 of 22 files can't be used" in panel.message
    assert "on_error skip" in panel.message
    assert not (tmp_path / "set").exists()
    panel.folder.set({"on_error": "skip"})
    settle()
    panel.write()
    settle()
    assert "8 train, 1 validation, 1 test mixtures" in panel.message
    assert "2 of 22 files were left out" in panel.message
    assert "speech98.webm" in panel.message
    panel.draw(0, "train")
    settle()
    assert "2 of 22 files were left out" in panel.recording_view.caption.value
