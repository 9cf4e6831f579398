"""Both layouts of a folder are read as recordings with labels and splits, or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.data.audio_data_set import open_split, read_split
from absslab.core.data.layouts import THESIS_SPLITS, DataConfig, find_layout
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.office_sounds import synthesise

from .labelled_folders import RATE, TEN, config_of, refusal_of, weak, write

# --- folders of mixtures --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory):
    """A folder of ten mixtures of three classes of built-in recordings."""
    events = tmp_path_factory.mktemp("events")
    output = tmp_path_factory.mktemp("mixtures")
    for name in ("switch", "mouse", "knock"):
        for take in range(1, 4):
            write(events / f"{name}{take:02d}.wav", synthesise(name, take), 44100)
    config = MixtureFolderConfig(
        event_folder=str(events), output_folder=str(output), n_files=10, n_workers=1
    )
    list(write_mixtures(config, MixingConfig(length=1.0, sampling_rate=RATE)))
    return output


def test_a_folder_of_mixtures_has_its_three_splits_and_the_labels_of_its_table(mixtures):
    config = DataConfig(data_folder=str(mixtures))
    sets = {split: open_split(config, split, sampling_rate=RATE) for split in THESIS_SPLITS}
    assert {split: len(data_set) for split, data_set in sets.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    train = sets["train"]
    assert list(train.classes) == ["knock", "mouse", "switch"]
    rows = (mixtures / "train" / "weak_labels.csv").read_text().splitlines()[1:]
    assert [[int(value) for value in row.split(",")[1:]] for row in rows] == train.labels.tolist()
    for index in range(len(train)):
        samples, _ = soundfile.read(train.path(index), dtype="float32")
        np.testing.assert_array_equal(train[index].numpy(), samples)


def test_the_thesis_names_of_the_splits_are_read(mixtures, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    for ours, name in {
        "train": "training",
        "validation": "development",
        "test": "validation",
    }.items():
        (folder / name).symlink_to(mixtures / ours)
    for split in ("train", "validation", "test"):
        ours, theirs = (
            open_split(DataConfig(data_folder=str(path)), split, sampling_rate=RATE)
            for path in (mixtures, folder)
        )
        assert ours.labels.tolist() == theirs.labels.tolist()
        assert torch.equal(ours[0], theirs[0])


def test_an_unfinished_folder_of_mixtures_is_refused(mixtures, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "manifest.json").write_text((mixtures / "manifest.json").read_text())
    assert "not finished" in refusal_of(DataConfig(data_folder=str(tmp_path)))


def test_a_folder_of_tut_rare_is_known_by_its_files(tmp_path):
    (tmp_path / "training.h5").touch()
    refusal = refusal_of(DataConfig(data_folder=str(tmp_path)))
    assert "it has training.h5, add --data_set_type TUT_rare_2017" in refusal


def test_a_folder_that_is_none_of_mixtures_is_refused(tmp_path):
    config = DataConfig(data_folder=str(tmp_path))
    assert "neither train/ nor training/" in refusal_of(config)
    (tmp_path / "my labels.csv").write_text("filename,hum\na.wav,1\n")
    assert "my labels.csv; if it is a table of labels, pass it as --labels" in refusal_of(config)
    (tmp_path / "weak_labels.csv").write_text("filename,hum\na.wav,1\n")
    assert "add --data_set_type weakly_labelled_folder" in refusal_of(config)


def test_splits_with_other_classes_are_refused(tmp_path):
    weak(tmp_path / "train", TEN)
    weak(tmp_path / "test", ["0.wav,1,0"], header="filename,dog,cat")
    assert "other classes" in refusal_of(DataConfig(data_folder=str(tmp_path)))


# --- weakly labelled folders ----------------------------------------------------------------------


def test_one_hot_labels_split_a_folder_without_overlap_and_completely(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    sets = [
        open_split(config, split, sampling_rate=RATE) for split in ("train", "validation", "test")
    ]
    paths = [item.path for data_set in sets for item in data_set.recordings]
    assert len(paths) == len(set(paths)) == 10
    assert all(data_set.labels.sum(0).all() for data_set in sets)
    again = open_split(config, "train", sampling_rate=RATE)
    assert [item.path for item in again.recordings] == [item.path for item in sets[0].recordings]


def test_a_split_column_is_followed(tmp_path):
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = [f"{row},{split}" for row, split in zip(TEN, splits, strict=True)]
    config = config_of(weak(tmp_path, rows, header="filename,dog,bell,split"))
    test = open_split(config, "test", sampling_rate=RATE)
    assert [test.path(i).name for i in range(len(test))] == ["8.wav", "9.wav"]
    assert list(test.classes) == ["dog", "bell"]


def test_a_split_column_with_empty_cells_is_refused(tmp_path):
    rows = [f"{row},{'train' if i else ''}" for i, row in enumerate(TEN)]
    message = refusal_of(config_of(weak(tmp_path, rows, header="filename,dog,bell,split")))
    assert "0.wav" in message
    assert "split" in message


def test_a_split_that_there_is_not_is_refused(tmp_path):
    rows = [f"{row},dev" for row in TEN]
    assert "'dev'; expected one of train, validation, test" in refusal_of(
        config_of(weak(tmp_path, rows, header="filename,dog,bell,split"))
    )


def sides(folder, config):
    return {
        (folder / item.path).name: split
        for split in ("train", "validation", "test")
        for item in open_split(config, split, sampling_rate=RATE).recordings
    }


@pytest.mark.reference_flaw("segments of one recording were in training and in validation")
def test_recordings_of_one_origin_stay_on_one_side(tmp_path):
    rows = [f"{i}.wav,{int(i // 3 % 2 == 0)},{int(i // 3 % 2)},o{i // 3}" for i in range(24)]
    folder = weak(tmp_path, rows, header="filename,dog,bell,origin")
    side = sides(folder, config_of(folder))
    assert all(len({side[f"{3 * o + i}.wav"] for i in range(3)}) == 1 for o in range(8))


def test_the_origin_may_stand_in_the_file_name(tmp_path):
    rows = [f"o{i // 3}_{i}.wav,{int(i // 3 % 2 == 0)},{int(i // 3 % 2)}" for i in range(24)]
    folder = weak(tmp_path, rows)
    side = sides(folder, config_of(folder, origin_pattern=r"^(o\d+)_"))
    assert all(len({side[f"o{o}_{3 * o + i}.wav"] for i in range(3)}) == 1 for o in range(8))


def test_a_pattern_that_does_not_match_is_refused(tmp_path):
    assert "does not match" in refusal_of(config_of(weak(tmp_path, TEN), origin_pattern="take"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    folder = weak(tmp_path, TEN)
    (folder / "3.wav").unlink()
    assert "names 3.wav, which is not in" in refusal_of(config_of(folder))


def test_both_tables_or_none_are_refused(tmp_path):
    assert "neither weak_labels.csv nor weak.tsv" in refusal_of(config_of(tmp_path))
    weak(tmp_path, TEN)
    (tmp_path / "weak.tsv").write_text("filename\tevent_labels\n0.wav\tdog\n")
    assert "both weak_labels.csv and weak.tsv" in refusal_of(config_of(tmp_path))


def test_classes_other_than_the_models_are_refused_by_name(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    message = refusal_of(config, classes=["dog", "cat"])
    assert "lacks cat and adds bell" in message


def test_the_models_order_of_classes_is_used(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    own, models = (
        open_split(config, "train", sampling_rate=RATE, classes=names)
        for names in (None, ["bell", "dog"])
    )
    assert models.labels.tolist() == own.labels[:, ::-1].tolist()


def test_what_is_no_folder_and_no_split_is_refused(tmp_path):
    assert "data_folder is missing" in refusal_of(DataConfig())
    assert "is not a directory" in refusal_of(config_of(tmp_path / "missing"))
    assert "no split 'half'" in refusal_of(config_of(weak(tmp_path, TEN)), "half")
    config = config_of(tmp_path, split_percentages=(80.0, 20.0, 0.0))
    assert "no recordings in its test split" in refusal_of(config, "test")


def test_an_unknown_layout_lists_the_known_ones():
    with pytest.raises(InputError, match="mixture_folder, weakly_labelled_folder"):
        find_layout("AudioSet")
    with pytest.raises(InputError, match="AudioSet"):
        DataConfig(data_set_type="AudioSet")


def test_a_layout_is_found_by_its_name_in_the_thesis():
    assert find_layout("DCASE2013_remixed_data_set") is find_layout("mixture_folder")
    config = DataConfig.from_json({"data_set_type": "DCASE2013_remixed_data_set"})
    assert config == DataConfig()
    assert config.to_json()["data_set_type"] == "mixture_folder"


def test_settings_of_data_are_checked(tmp_path):
    assert replace(config_of(tmp_path), in_memory=False).in_memory is False
    for name, value in (
        ("n_loaders", -1),
        ("clip_length", 0.0),
        ("split_percentages", (80.0, 20.0)),
    ):
        with pytest.raises(InputError, match=name):
            config_of(tmp_path, **{name: value})


def test_a_split_of_the_users_own_keeps_an_origin_on_one_side(tmp_path):
    rows = [
        f"{name}.wav,1,0,{origin},{split}"
        for name, origin, split in (("a", "x", "train"), ("b", "x", "test"))
    ]
    folder = weak(tmp_path, rows, header="filename,dog,bell,origin,split")
    assert "origin 'x' is in test and train" in refusal_of(config_of(folder))


def test_recordings_that_are_missing_change_the_split_of_no_other(tmp_path):
    folder = weak(tmp_path, TEN)
    config = config_of(folder)
    read = find_layout(config.data_set_type)
    before = {item.path: item.split for item in read(config, folder).recordings}
    gone = sorted(before)[2:4]
    for path in gone:
        Path(path).unlink()
    labelled = read(config, folder)
    assert sorted(labelled.missing) == gone
    after = {item.path: item.split for item in labelled.recordings}
    assert after == {path: split for path, split in before.items() if path not in gone}
    message = refusal_of(config)
    assert "2 of 10 files can't be used" in message
    assert all(Path(path).name in message for path in gone)
    left_out = LeftOut("train")
    for split in ("train", "validation", "test"):
        read_split(config, split, left_out=left_out)
    assert (len(left_out), left_out.n_files) == (2, 10)


def test_a_split_that_fails_for_missing_recordings_names_them(tmp_path):
    folder = weak(tmp_path, ["a.wav,1,0", "b.wav,0,1"])
    (folder / "a.wav").unlink()
    message = refusal_of(config_of(folder))
    assert "names a.wav, which is not in" in message
    assert "expected at least 3" in message


@pytest.mark.parametrize(
    ("spell", "hint"),
    [
        (lambda name: name.replace(".wav", ".flac"), "did you mean 0.wav?"),
        (lambda name: f"clips/{name}", "did you mean 0.wav?"),
        (lambda name: f"https://host/{name}", "did you mean 0.wav?"),
        (lambda name: f"other{name[0]}{'x' * 20}.wav", "which is not in"),
    ],
)
def test_a_table_that_names_no_file_of_the_folder_says_what_may_be_meant(tmp_path, spell, hint):
    folder = weak(tmp_path, TEN)
    (folder / "weak_labels.csv").write_text(
        "filename,dog,bell\n" + "".join(f"{spell(row[:5])}{row[5:]}\n" for row in TEN)
    )
    message = refusal_of(config_of(folder))
    assert "none of the 10 recordings that the labels name is found" in message
    assert hint in message
    assert "; and 7 more; correct the names in the table, or pass the folder" in message


def test_files_that_the_table_does_not_name_are_counted_and_named(tmp_path):
    folder = weak(tmp_path, TEN)
    assert find_layout("weakly_labelled_folder")(config_of(folder), folder).notes == []
    for name in ("more.flac", "sub/other.wav"):
        write(folder / name, np.zeros(100))
    (note,) = find_layout("weakly_labelled_folder")(config_of(folder), folder).notes
    assert note == (
        "weak_labels.csv does not name 2 sound files of the folder, which are left out: "
        "more.flac, sub/other.wav"
    )
