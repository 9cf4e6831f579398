"""Class and origin of recordings are found in three layouts; ambiguous folders are refused."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.files import checksum
from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import LongWork, Progress, run_to_end
from absslab.core.data.recordings import (
    class_of,
    classes_of,
    index_backgrounds,
    index_recordings,
    indexing_steps,
    split_recordings,
    summarise_recordings,
)

CLICK = np.concatenate([np.ones(40), -np.ones(40)]).astype(np.float32) / 2  # 10 ms at 8 kHz


def fill(folder, names):
    for name in names:
        # The same bytes under two names are of one origin.
        level = 0.5 + zlib.crc32(name.encode()) / (1 << 33)
        sound_files.save(folder / name, level * CLICK, 8000)
    return folder


def labels(recordings):
    return {recording.path.rpartition("/")[2]: recording.event_label for recording in recordings}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("alert01.wav", "alert"),
        ("key01.wav", "key"),
        ("keyboard01.wav", "keyboard"),
        ("keysDrop040.wav", "keysDrop"),
        ("keys_drop_3.wav", "keys_drop"),
        ("take2_speech7.flac", "take2_speech"),
        ("page-turn 12.ogg", "page-turn"),
        ("door.slam.4.mp3", "door.slam"),
        ("mp3sound1.mp3", "mp3sound"),
        ("speech.wav", "speech"),
        ("Tür 3.wav", "Tür"),
    ],
)
def test_the_class_is_the_name_without_its_trailing_digits(name, label):
    assert class_of(name) == label


@given(st.text("abcKEYS_", min_size=1).filter(lambda text: text[-1] != "_"), st.integers(0, 10**6))
def test_the_number_of_a_take_never_changes_its_class(label, number):
    assert class_of(f"{label}{number:03d}.wav") == class_of(f"{label}_{number}.wav") == label


@pytest.mark.parametrize("name", ["01.wav", "_7.wav"])
def test_a_name_without_a_class_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"{name} names no class"):
        index_recordings(fill(tmp_path, ["alert01.wav", name]))


@pytest.mark.reference_flaw("a class was found by a part of its name, and so were others")
def test_a_class_that_begins_as_another_is_another(tmp_path):
    names = ["key01.wav", "key02.wav", "keyboard01.wav", "keys1.wav", "keysDrop040.wav"]
    recordings = index_recordings(fill(tmp_path, names))
    assert labels(recordings) == dict(
        zip(names, ["key", "key", "keyboard", "keys", "keysDrop"], strict=True)
    )
    assert classes_of(recordings) == ["key", "keyboard", "keys", "keysDrop"]
    assert [recording.origin for recording in recordings] == names
    assert {recording.duration for recording in recordings} == {0.01}


def test_the_class_may_be_the_sub_folder_whatever_the_files_are_called(tmp_path):
    recordings = index_recordings(
        fill(
            tmp_path, ["alert/speech01.wav", "speech/a.flac", "speech/deep/b.wav", "speech/01.wav"]
        )
    )
    assert labels(recordings) == {
        "speech01.wav": "alert",
        "a.flac": "speech",
        "b.wav": "speech",
        "01.wav": "speech",
    }
    assert len({recording.origin for recording in recordings}) == 4


def test_files_of_one_name_in_two_sub_folders_are_two_origins(tmp_path):
    recordings = index_recordings(fill(tmp_path, ["alert/1.wav", "speech/1.wav"]))
    assert [recording.origin for recording in recordings] == ["alert/1.wav", "speech/1.wav"]


def test_hidden_files_and_other_files_are_no_recordings(tmp_path):
    fill(tmp_path, ["alert01.wav", ".alert02.wav", ".trash/alert03.wav"])
    (tmp_path / "notes.txt").write_text("x")
    assert labels(index_recordings(tmp_path)) == {"alert01.wav": "alert"}


def test_recordings_come_in_one_order_however_the_folder_lists_them(tmp_path):
    names = ["b2.wav", "a10.wav", "a9.wav", "C1.wav"]
    assert [recording.path for recording in index_recordings(fill(tmp_path, names))] == sorted(
        str(tmp_path / name) for name in names
    )


def test_linked_files_and_folders_are_recordings_in_every_layout(tmp_path):
    fill(tmp_path / "store", ["a.wav", "b.wav"])
    for folder in ("nested", "listed"):
        (tmp_path / folder).mkdir()
    (tmp_path / "nested" / "speech").symlink_to(tmp_path / "store")
    assert labels(index_recordings(tmp_path / "nested")) == {"a.wav": "speech", "b.wav": "speech"}
    (tmp_path / "listed" / "a.wav").symlink_to(tmp_path / "store" / "a.wav")
    (tmp_path / "t.csv").write_text("filename,event_label\na.wav,speech\n")
    assert labels(index_recordings(tmp_path / "listed", csv=tmp_path / "t.csv")) == {
        "a.wav": "speech"
    }


def test_both_layouts_at_once_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"both directly \(alert01.wav\) and in sub-folders \(speech/1.wav\)"
    ):
        index_recordings(fill(tmp_path, ["alert01.wav", "speech/1.wav"]))


def test_a_csv_says_class_and_origin(tmp_path):
    fill(tmp_path, ["x.wav", "sub/y.wav", "left_out.wav"])
    table = tmp_path / "t.csv"
    table.write_text("filename,event_label,origin\nx.wav,speech,tape 1\nsub/y.wav,alert,\n")
    by_class = {
        recording.event_label: recording for recording in index_recordings(tmp_path, csv=table)
    }
    assert by_class.keys() == {"speech", "alert"}
    assert (by_class["speech"].origin, by_class["alert"].origin) == ("tape 1", "sub/y.wav")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "filename,event_label\nx.wav,speech\nnone.wav,speech\n",
            r"names none\.wav, which is not in",
        ),
        ("filename,event_label\n{outside},speech\n", "which is not in"),
        ("filename,event_label\n../outside.wav,speech\n", "which is not in"),
        ("filename,event_label\nx.wav,speech\nx.wav,alert\n", r"x\.wav occurs twice"),
        ("filename\nx.wav\n", "no column 'event_label'"),
        ("filename,event_label,tape\nx.wav,speech,1\n", "unknown column 'tape'"),
        ("filename,event_label\nx.wav,\n", "'' can't be a class"),
        ("filename,event_label\nx.wav,../speech\n", "'../speech' can't be a class"),
    ],
)
def test_a_csv_that_does_not_fit_the_folder_is_refused(tmp_path, text, message):
    fill(tmp_path, ["events/x.wav", "outside.wav"])
    (tmp_path / "t.csv").write_text(text.replace("{outside}", str(tmp_path / "outside.wav")))
    with pytest.raises(InputError, match=message):
        index_recordings(tmp_path / "events", csv=tmp_path / "t.csv")


def test_the_origin_may_be_found_in_the_name(tmp_path):
    fill(tmp_path, ["alert_tape1_01.wav", "alert_tape1_02.wav", "alert_tape2_01.wav"])
    by_group = index_recordings(tmp_path, origin_pattern=r"_(tape\d+)_")
    assert [recording.origin for recording in by_group] == ["tape1", "tape1", "tape2"]
    by_match = index_recordings(tmp_path, origin_pattern=r"tape\d+")
    assert [recording.origin for recording in by_match] == ["tape1", "tape1", "tape2"]


@pytest.mark.parametrize("pattern", [r"reel(\d)", r"alert(x)?", "x*"])
def test_a_pattern_that_finds_no_origin_is_refused(tmp_path, pattern):
    with pytest.raises(InputError, match=r"does not match alert01\.wav"):
        index_recordings(fill(tmp_path, ["alert01.wav"]), origin_pattern=pattern)


def test_a_pattern_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a regular expression"):
        index_recordings(fill(tmp_path, ["alert01.wav"]), origin_pattern="tape(")


def test_recordings_of_a_reserved_name_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"residual1\.wav: a class can't be called 'residual'"):
        index_recordings(fill(tmp_path, ["alert1.wav", "residual1.wav"]))


def test_backgrounds_may_be_called_anything_and_lie_anywhere(tmp_path):
    backgrounds = index_backgrounds(fill(tmp_path, ["background1.wav", "02.wav", "street/a,b.wav"]))
    assert [recording.origin for recording in backgrounds] == [
        "02.wav",
        "background1.wav",
        "street/a,b.wav",
    ]
    assert classes_of(backgrounds) == ["background"]


@pytest.mark.parametrize("index", [index_recordings, index_backgrounds])
def test_a_folder_without_recordings_is_refused(tmp_path, index):
    with pytest.raises(InputError, match="holds nothing: expected recordings"):
        index(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no sound file: expected recordings"):
        index(tmp_path)
    with pytest.raises(InputError, match="is not a directory"):
        index(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="is not a directory"):
        index(tmp_path / "none")


def test_a_bad_recording_is_refused_by_name(tmp_path):
    fill(tmp_path, ["alert1.wav", "alert2.wav"])
    sound_files.save(tmp_path / "alert3.wav", np.zeros(80, np.float32), 8000)
    with pytest.raises(InputError, match=r"alert3\.wav is silent"):
        index_recordings(tmp_path)


def test_a_class_with_one_recording_is_named(tmp_path):
    recordings = index_recordings(
        fill(tmp_path, [*(f"alert{i}.wav" for i in range(5)), "speech1.wav"])
    )
    with pytest.raises(InputError, match=r"class 'speech' has 1 origin: expected at least 3"):
        split_recordings(recordings)


@pytest.mark.reference_flaw("the validation set was the test set")
def test_clips_of_one_origin_are_never_on_two_sides(tmp_path):
    names = [
        f"{label}/{label}{tape}_{clip}.wav"
        for label in ("alert", "speech")
        for tape in range(10)
        for clip in range(3)
    ]
    recordings = index_recordings(fill(tmp_path, names), origin_pattern=r"[a-z]+\d+")
    split = split_recordings(recordings, percentages=(60, 20, 20), seed=3)
    assert sorted(recording.path for side in split.values() for recording in side) == [
        recording.path for recording in recordings
    ]
    sides = [{recording.origin for recording in side} for side in split.values()]
    assert [len(side) for side in sides] == [12, 4, 4]
    assert len(set.union(*sides)) == sum(map(len, sides)) == 20
    assert all(classes_of(side) == classes_of(recordings) for side in split.values())


def test_an_origin_with_several_classes_stays_on_one_side(tmp_path):
    names = [f"{label}/tape{tape}.wav" for label in ("alert", "speech") for tape in range(12)]
    recordings = index_recordings(fill(tmp_path, names), origin_pattern=r"tape\d+")
    split = split_recordings(recordings, seed=1)
    sides = [{recording.origin for recording in side} for side in split.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 12
    assert all(classes_of(side) == classes_of(recordings) for side in split.values())


def test_a_side_of_nothing_is_empty(tmp_path):
    split = split_recordings(
        index_recordings(fill(tmp_path, ["a1.wav", "a2.wav"])), percentages=(50, 0, 50)
    )
    assert [len(side) for side in split.values()] == [1, 0, 1]


def test_the_checksum_is_that_of_the_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert (
        checksum(tmp_path / "abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_indexing_tells_how_far_it_is_and_can_be_left_off(tmp_path, monkeypatch):
    decoded = []
    check = sound_files.check
    monkeypatch.setattr(sound_files, "check", lambda path: decoded.append(path) or check(path))
    steps = indexing_steps(fill(tmp_path, [f"alert{i}.wav" for i in range(4)]))
    assert next(steps) == Progress(0, 4)
    assert next(steps) == Progress(1, 4)
    steps.close()
    assert len(decoded) == 1
    work = LongWork(indexing_steps(tmp_path))
    assert list(work) == [Progress(done, 4) for done in range(5)]
    assert work.result.recordings == index_recordings(tmp_path)


def test_bad_files_are_passed_over_and_kept_in_mind_where_that_is_wanted(tmp_path):
    fill(tmp_path, ["alert1.wav", "alert3.wav"])
    (tmp_path / "alert2.wav").write_bytes(b"no sound")
    sound_files.save(tmp_path / "alert4.wav", np.zeros(80, np.float32), 8000)
    indexed = run_to_end(indexing_steps(tmp_path, left_out=LeftOut("mix")))
    assert [recording.origin for recording in indexed.recordings] == ["alert1.wav", "alert3.wav"]
    assert [item.file for item in indexed.left_out.files] == [
        str(tmp_path / f"alert{i}.wav") for i in (2, 4)
    ]
    assert [item.reason.split()[0] for item in indexed.left_out.files] == [
        str(tmp_path / f"alert{i}.wav") for i in (2, 4)
    ]


@pytest.mark.parametrize(
    ("names", "description"),
    [
        (["train/weak_labels.csv"], r"a folder of mixtures \(it has train/weak_labels\.csv\)"),
        (["training/weak_labels.csv"], "a folder of mixtures"),
        (["manifest.json", "test/notes.txt"], r"a folder of mixtures \(it has manifest\.json\)"),
        (["weak_labels.csv"], "weakly labelled audio"),
        (["weak.tsv"], "weakly labelled audio"),
    ],
)
def test_mixtures_and_weakly_labelled_audio_are_not_taken_for_recordings(
    tmp_path, names, description
):
    fill(tmp_path, ["train/0001.wav", "test/0001.wav"])
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"is {description}"):
        index_recordings(tmp_path)
    (tmp_path / "t.csv").write_text("filename,event_label\ntrain/0001.wav,speech\n")
    assert len(index_recordings(tmp_path, csv=tmp_path / "t.csv")) == 1


def test_a_summary_tells_what_there_is_of_each_class(tmp_path):
    fill(tmp_path, ["b/1.wav", "a/tape1_1.wav", "a/tape1_2.wav", "a/tape2_1.wav"])
    sound_files.save(tmp_path / "a" / "tape3_1.wav", np.tile(CLICK, 4), 8000)
    recordings = index_recordings(tmp_path, origin_pattern=r"tape\d|^1")
    split = {
        "train": [recording for recording in recordings if recording.event_label == "a"],
        "test": [],
    }
    a, b = summarise_recordings(recordings, split)
    assert (a.event_label, a.n_recordings, a.n_origins, a.in_split) == (
        "a",
        4,
        3,
        {"train": 4, "test": 0},
    )
    assert (a.total, a.shortest, a.longest) == pytest.approx((0.07, 0.01, 0.04))
    assert (b.event_label, b.n_recordings, b.n_origins, b.in_split) == (
        "b",
        1,
        1,
        {"train": 0, "test": 0},
    )
    assert summarise_recordings([], {}) == []
