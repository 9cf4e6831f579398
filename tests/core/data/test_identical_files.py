"""Files with the same bytes are of one origin, whatever their names; folders are read once."""

import os
import shutil

import numpy as np
import pytest
import soundfile

from absslab.core.common.files import is_case_blind, walk_once
from absslab.core.common.notices import collect_notices
from absslab.core.data.identical_files import find_copies, split_copies_together
from absslab.core.data.layouts import DataConfig, read_weakly_labelled_folder
from absslab.core.data.recordings import index_recordings, split_recordings


def write_sound(path, seed):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(800)
    soundfile.write(path, samples, 8000)


@pytest.fixture
def folder(tmp_path):
    """Three sounds of each of two classes, and three copies of the first tone."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for take in range(1, 4):
        write_sound(folder / f"tone{take}.wav", take)
        write_sound(folder / f"hum{take}.wav", 10 + take)
    for take in range(4, 7):
        shutil.copy(folder / "tone1.wav", folder / f"tone{take}.wav")
    return folder


def test_copies_are_found_among_files_of_one_size(folder):
    (group,) = find_copies(sorted(folder.iterdir()))
    assert [os.path.basename(path) for path in group] == [
        "tone1.wav",
        "tone4.wav",
        "tone5.wav",
        "tone6.wav",
    ]
    assert find_copies([folder / "hum1.wav", folder / "hum1.wav", folder / "nowhere.wav"]) == []


def test_files_that_differ_in_one_byte_are_no_copies(tmp_path):
    content = bytes(100_000)
    for place in range(0, 100_000, 9999):
        changed = bytearray(content)
        changed[place] = 1
        (tmp_path / f"{place}.wav").write_bytes(changed)
    assert find_copies(tmp_path.iterdir()) == []


def test_origins_of_copies_are_joined_with_all_their_files(folder):
    paths = {path.stem: str(path) for path in folder.iterdir()}
    origins = dict.fromkeys(paths.values(), "") | {
        paths["tone1"]: "b",
        paths["tone4"]: "c",
        paths["tone2"]: "c",
        paths["tone3"]: "d",
        paths["hum1"]: "e",
    }
    with collect_notices() as notices:
        joined = split_copies_together(origins, dict)
    assert joined[paths["tone2"]] == joined[paths["tone1"]] == joined[paths["tone6"]]
    assert joined[paths["tone3"]] == "d"
    assert joined[paths["hum1"]] == "e"
    (notice,) = notices
    copies, _, what = notice.with_names().partition(" hold the same bytes: ")
    assert sorted(copies.split(", ")) == ["tone1.wav", "tone4.wav", "tone5.wav", "tone6.wav"]
    assert what == "they count as one origin, which is on one side of the split"


def test_copies_are_on_several_sides_with_a_word_if_there_is_nothing_else(tmp_path):
    for name in ("hum", "tone"):
        for take in range(1, 4):
            write_sound(tmp_path / f"{name}{take}.wav", name == "hum")
    with collect_notices() as notices:
        split = split_recordings(index_recordings(tmp_path))
    assert [len(part) for part in split.values()] == [2, 2, 2]
    (notice,) = notices
    assert "(6 files in 2 groups): they may be on several sides of the split" in str(notice)


@pytest.mark.parametrize("seed", range(6))
def test_copies_of_a_recording_are_in_one_split_of_the_mixtures(folder, seed):
    with collect_notices() as notices:
        split = split_recordings(index_recordings(folder), seed=seed)
    assert len(notices) == 1
    homes = {
        name
        for name, part in split.items()
        if {"tone1.wav", "tone4.wav", "tone5.wav", "tone6.wav"}
        & {os.path.basename(recording.path) for recording in part}
    }
    assert len(homes) == 1


@pytest.mark.parametrize("seed", range(6))
def test_copies_of_a_labelled_recording_are_in_one_split(folder, seed):
    names = sorted(path.name for path in folder.iterdir())
    rows = [f"{name}\t{name.rstrip('0123456789.wav')}" for name in names]
    (folder / "weak.tsv").write_text("\n".join(["filename\tevent_labels", *rows, ""]))
    config = DataConfig(data_folder=str(folder), split_seed=seed)
    with collect_notices() as notices:
        recordings = read_weakly_labelled_folder(config, folder).recordings
    assert len(notices) == 1
    copies = ("tone1.wav", "tone4.wav", "tone5.wav", "tone6.wav")
    splits = {item.split for item in recordings if os.path.basename(item.path) in copies}
    assert len(splits) == 1


def test_copies_that_a_table_puts_into_several_splits_are_named(folder):
    rows = ["filename,hum,tone,split"]
    for path in sorted(folder.iterdir()):
        is_tone = path.name.startswith("tone")
        split = {"1": "train", "2": "validation", "3": "test"}.get(path.stem[-1], "test")
        rows.append(f"{path.name},{1 - is_tone},{is_tone:d},{split}")
    (folder / "weak_labels.csv").write_text("\n".join([*rows, ""]))
    with collect_notices() as notices:
        read_weakly_labelled_folder(DataConfig(data_folder=str(folder)), folder)
    assert len(notices) == 1
    assert "tone6.wav hold the same bytes: they are in several splits" in str(notices[0])


def test_links_that_lead_back_are_followed_once_and_named(tmp_path):
    folder = tmp_path / "recordings"
    for name in ("hum", "tone"):
        (folder / name).mkdir(parents=True)
        for take in range(3):
            write_sound(folder / name / f"{take}.wav", (name == "hum") * 10 + take)
    (folder / "hum" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "tone")
    (folder / "root").symlink_to(tmp_path)
    with collect_notices() as notices:
        recordings = index_recordings(folder)
    assert sorted({recording.event_label for recording in recordings}) == ["hum", "tone"]
    assert len(recordings) == 6
    assert len(notices) == 1
    assert "again is not read again: 3 links lead to a folder that is read already" in str(
        notices[0]
    )


def test_links_to_folders_elsewhere_are_followed(tmp_path):
    (tmp_path / "store/hum").mkdir(parents=True)
    write_sound(tmp_path / "store/hum/1.wav", 1)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/hum").symlink_to(tmp_path / "store/hum")
    (recording,) = index_recordings(tmp_path / "recordings")
    assert recording.event_label == "hum"


def test_hidden_folders_are_not_walked(tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/a.wav").touch()
    (tmp_path / "b.wav").touch()
    assert walk_once(tmp_path).files == [tmp_path / "b.wav"]


def test_a_disk_that_tells_case_apart_is_not_case_blind(tmp_path, monkeypatch):
    assert not is_case_blind(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("os.path.exists", lambda path: True)
    assert is_case_blind(tmp_path)
