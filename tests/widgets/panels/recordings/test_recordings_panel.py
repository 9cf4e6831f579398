"""The panel of recordings shows classes, split, sounds and problems of a folder."""

import asyncio
import re

import numpy as np
import pytest
import soundfile
from ipywidgets.widgets.widget import _instances

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.widgets.panels import State, event_recordings
from absslab.widgets.panels.recordings import RecordingsPanel

CLICK = np.concatenate([np.ones(400), -np.ones(400)]).astype(np.float32) / 2  # 0.1 s at 8 kHz
HTML = "<img src=x onerror=alert(1)>"


def takes(classes):
    """Three recordings of each class."""
    return [f"{name}/{i}.wav" for name in classes for i in range(3)]


def fill(folder, names):
    for name in names:
        sound_files.save(folder / name, CLICK, 8000)
    return folder


@pytest.fixture
def panel(settle):
    panel = RecordingsPanel()
    settle()
    yield panel
    panel.close()


def test_a_folder_that_is_chosen_elsewhere_is_read_and_the_first_recording_can_be_heard(
    panel, event_folder, settle
):
    panel.state.event_folder = str(event_folder)
    settle()
    assert panel.form.config.event_folder == str(event_folder)
    assert panel.message == ""
    assert len(panel.recordings) == 20
    assert panel.class_control.options == ("alert", "knock", "pageturn", "speech")
    assert "20 recordings of 4 classes" in panel.table.value
    (track,) = panel.recording_view.player.tracks
    assert (track.name, track.sound.sampling_rate) == ("alert01", 44100)
    assert len(panel.chart.widget.children) == 1


def test_the_panel_s_own_control_sets_the_folder_for_all_panels(panel, event_folder, settle):
    panel.form.controls["event_folder"].value = str(event_folder)
    settle()
    assert panel.state.event_folder == str(event_folder)
    assert len(panel.recordings) == 20


def test_a_panel_that_opens_on_a_chosen_folder_reads_it(event_folder, settle):
    panel = RecordingsPanel(State(event_folder=str(event_folder)))
    settle()
    assert len(panel.recordings) == 20
    panel.close()


def test_without_a_folder_nothing_is_read_until_asked_for_and_then_the_built_in_recordings(
    panel, event_folder, monkeypatch, settle
):
    monkeypatch.setattr(event_recordings, "cached_recordings", lambda: event_folder)
    assert panel.recordings == []
    panel.button.click()
    settle()
    assert len(panel.recordings) == 20
    assert "the built-in recordings: 20" in panel.table.value


def test_the_table_holds_what_there_is_of_each_class_in_each_split(panel, tmp_path, settle):
    panel.form.set({"split_percentages": (50, 0, 50)})
    settle()
    panel.state.event_folder = str(
        fill(tmp_path, [*(f"alert/{i}.wav" for i in range(6)), "knock/1.wav", "knock/2.wav"])
    )
    settle()
    lines = panel.table.value.split("<tbody>")[1].split("</tr>")[:2]
    rows = [re.findall(r"<td[^>]*>([^<]*)", line) for line in lines]
    assert rows == [
        ["alert", "6", "6", "0.6", "0.10", "0.10", "3", "0", "3"],
        ["knock", "2", "2", "0.2", "0.10", "0.10", "1", "0", "1"],
    ]


def test_another_split_of_the_same_folder_does_not_read_it_again(
    panel, event_folder, monkeypatch, settle
):
    panel.state.event_folder = str(event_folder)
    settle()
    before = panel.recordings
    table = panel.table.value
    panel.form.set({"split_percentages": (60, 20, 20)})
    settle()
    assert panel.recordings is before
    panel.form.set({"split_percentages": (40, 40, 20)})
    settle()
    assert panel.table.value != table


def test_a_class_and_a_recording_are_chosen_by_control_or_from_python(panel, event_folder, settle):
    panel.state.event_folder = str(event_folder)
    settle()
    panel.class_control.value = "speech"
    settle()
    assert [label for label, _ in panel.recording_control.options] == [
        f"speech{i:02d}.wav" for i in range(1, 6)
    ]
    assert panel.recording_view.player.tracks[0].name == "speech01"
    chosen = panel.choose("knock", 2)
    settle()
    assert chosen.path.endswith("knock03.wav")
    assert panel.recording_view.player.tracks[0].name == "knock03"
    for name, index in (("bird", 0), ("knock", 5), ("knock", -1)):
        with pytest.raises(InputError, match="there is no recording"):
            panel.choose(name, index)


def test_files_that_can_t_be_used_are_named_and_the_others_shown(panel, tmp_path, settle):
    fill(tmp_path, [f"alert{i}.wav" for i in range(1, 6)])
    sound_files.save(tmp_path / "alert6.wav", np.zeros(80, np.float32), 8000)
    soundfile.write(tmp_path / "alert7.wav", np.full(80, np.nan), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "alert8.wav", np.zeros(0), 8000)
    (tmp_path / "alert9.wav").write_bytes(b"no sound")
    panel.state.event_folder = str(tmp_path)
    settle()
    assert len(panel.recordings) == 5
    assert "4 files can't be used" in panel.message
    for words in (
        "alert6.wav is silent",
        "alert7.wav holds NaN",
        "alert8.wav holds 0 samples",
        "alert9.wav is not a read",
    ):
        assert words in panel.message
    assert panel.recording_view.player is not None


def test_a_folder_of_bad_files_only_shows_what_is_wrong(panel, tmp_path, settle):
    (tmp_path / "alert9.wav").write_bytes(b"no sound")
    panel.state.event_folder = str(tmp_path)
    settle()
    assert "1 files can't be used" in panel.message
    assert panel.recordings == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds nothing: expected recordings"),
        (["a1.wav", "b/1.wav"], "both directly"),
        (["residual/1.wav"], "can't be called 'residual'"),
        (["0001.wav"], "names no class"),
    ],
)
def test_a_folder_that_can_t_be_read_says_why(panel, tmp_path, names, message, settle):
    panel.state.event_folder = str(fill(tmp_path, names))
    settle()
    assert message in panel.message
    assert panel.recordings == []


def test_a_missing_folder_says_so_and_a_good_one_clears_it(panel, tmp_path, event_folder, settle):
    panel.state.event_folder = str(tmp_path / "none")
    settle()
    assert "is not a directory" in panel.message
    panel.state.event_folder = str(event_folder)
    settle()
    assert panel.message == ""


def test_a_folder_of_mixtures_is_named_for_what_it_is(panel, mixtures, settle):
    panel.state.event_folder = str(mixtures)
    settle()
    assert "is a folder of mixtures" in panel.message
    panel.state.event_folder = str(mixtures / "train")
    settle()
    assert "is weakly labelled audio" in panel.message


def test_a_class_with_too_few_recordings_is_shown_with_what_to_do(panel, tmp_path, settle):
    panel.state.event_folder = str(
        fill(tmp_path, [*(f"alert{i}.wav" for i in range(5)), "speech1.wav"])
    )
    settle()
    assert "class 'speech' has 1 origin" in panel.message
    assert "6 recordings of 2 classes" in panel.table.value
    assert panel.class_control.options == ("alert", "speech")


def test_names_of_classes_are_text_whatever_they_hold(panel, tmp_path, settle):
    names = [HTML, "\"quotes\" & 'more'", "ключи", "鍵", "$x_1$"]
    panel.state.event_folder = str(fill(tmp_path, takes(names)))
    settle()
    assert panel.message == ""
    assert HTML not in panel.table.value
    assert "&lt;img src=x onerror=alert(1)&gt;" in panel.table.value
    panel.choose(HTML, 1)
    settle()
    assert HTML not in panel.recording_view.caption.value


def test_a_hundred_classes_are_shown(panel, tmp_path, settle):
    panel.state.event_folder = str(fill(tmp_path, takes(f"class {k:03d}" for k in range(100))))
    settle()
    assert panel.message == ""
    assert len(panel.class_control.options) == 100


def test_a_recording_that_was_deleted_meanwhile_is_reported(panel, tmp_path, settle):
    panel.state.event_folder = str(fill(tmp_path, [f"alert{i}.wav" for i in range(5)]))
    settle()
    (tmp_path / "alert3.wav").unlink()
    panel.choose("alert", 3)
    settle()
    assert "alert3.wav does not exist" in panel.message


def test_a_folder_that_can_not_be_used_leaves_what_is_shown(panel, event_folder, tmp_path, settle):
    panel.state.event_folder = str(event_folder)
    settle()
    table = panel.table.value
    player = panel.recording_view.player
    panel.state.event_folder = str(tmp_path / "gone")
    settle()
    assert "gone is not a directory" in panel.message
    assert panel.table.value == table
    assert panel.recording_view.player is player is not None
    assert len(panel.recordings) == 20


def test_a_pattern_that_is_none_is_said(panel, event_folder, settle):
    panel.state.event_folder = str(event_folder)
    settle()
    panel.form.set({"origin_pattern": "tape("})
    settle()
    assert "not a regular expression" in panel.message


def test_reading_goes_on_beside_the_loop_and_can_be_cancelled(tmp_path):
    # More files than are read before the cancel.
    fill(tmp_path, [f"alert{i}.wav" for i in range(100)])

    async def read():
        panel = RecordingsPanel()
        panel.state.event_folder = str(tmp_path)
        assert panel.progress_line.is_running
        panel.cancel()
        await panel.loop.until(lambda: not panel.progress_line.is_running)
        cancelled = panel.message, list(panel.recordings)
        panel.index()
        await panel.loop.until(lambda: not panel.progress_line.is_running)
        n_recordings = len(panel.recordings)
        panel.close()
        return cancelled, n_recordings

    cancelled, n_recordings = asyncio.run(read())
    assert "Cancelled" in cancelled[0]
    assert cancelled[1] == []
    assert n_recordings == 100


def test_closing_frees_all_widgets_and_stops_reading(event_folder, tmp_path, settle):
    before = set(_instances)

    panel = RecordingsPanel(
        State(event_folder=str(fill(tmp_path, [f"alert{i}.wav" for i in range(5)])))
    )
    panel.close()
    settle()
    assert panel.recordings == []
    panel = RecordingsPanel(State(event_folder=str(event_folder)))
    settle()
    panel.state.event_folder = str(tmp_path)
    settle()
    panel.choose("alert", 1)
    settle()
    panel.close()
    panel.close()
    assert set(_instances) <= before
