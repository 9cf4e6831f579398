"""Folders as data sets: what is read, what is refused, and that no sample is lost on the way."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import build_data_set, open_split
from absslab.core.data.layouts import THESIS_SPLITS, DataConfig, LabelledRecording, find_layout
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.office_sounds import synthesise

RATE = 8000


def tone(n, rate=RATE, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(n) / rate)


def write(path, samples, rate=RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)


def weak(folder, rows, *, header="filename,dog,bell", name="weak_labels.csv"):
    """A folder with a table and a short tone for every file that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        path = folder / row.split("\t" if name.endswith("tsv") else ",")[0]
        if not path.exists():
            write(path, tone(800))
    return folder


def config_of(folder, **changes):
    return DataConfig(data_set_type="weakly_labelled_folder", data_folder=str(folder), **changes)


def read_all(config, split="train", **options):
    data_set = open_split(config, split, sampling_rate=RATE, **options)
    return [data_set[index] for index in range(len(data_set))]


def refused(config, split="train", **options):
    """The message with which a folder is refused: one line."""
    with pytest.raises(InputError) as error:
        read_all(config, split, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def data_set_of(folder, waveforms, labels=("dog",), **options):
    """A data set of waveforms at RATE, in 16 bit."""
    items = []
    for index, waveform in enumerate(waveforms):
        write(folder / f"{index}.wav", waveform)
        items.append(LabelledRecording(str(folder / f"{index}.wav"), frozenset(labels), str(index)))
    return build_data_set(items, ["dog", "bell"], RATE, **options)


TEN = [f"{i}.wav,{int(i % 2 == 0)},{int(i % 2)}" for i in range(10)]


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
    assert {split: len(one) for split, one in sets.items()} == {
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
            open_split(DataConfig(data_folder=str(one)), split, sampling_rate=RATE)
            for one in (mixtures, folder)
        )
        assert ours.labels.tolist() == theirs.labels.tolist()
        assert torch.equal(ours[0], theirs[0])


def test_an_unfinished_folder_of_mixtures_is_refused(mixtures, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "manifest.json").write_text((mixtures / "manifest.json").read_text())
    assert "not finished" in refused(DataConfig(data_folder=str(tmp_path)))


def test_a_folder_that_is_none_of_mixtures_is_refused(tmp_path):
    assert "neither train/ nor training/" in refused(DataConfig(data_folder=str(tmp_path)))


def test_splits_with_other_classes_are_refused(tmp_path):
    weak(tmp_path / "train", TEN)
    weak(tmp_path / "test", ["0.wav,1,0"], header="filename,dog,cat")
    assert "other classes" in refused(DataConfig(data_folder=str(tmp_path)))


# --- folders of anything --------------------------------------------------------------------------


def test_one_hot_labels_split_a_folder_without_overlap_and_completely(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    sets = [
        open_split(config, split, sampling_rate=RATE) for split in ("train", "validation", "test")
    ]
    paths = [item.path for one in sets for item in one.recordings]
    assert len(paths) == len(set(paths)) == 10
    assert all(one.labels.sum(0).all() for one in sets)
    again = open_split(config, "train", sampling_rate=RATE)
    assert [item.path for item in again.recordings] == [item.path for item in sets[0].recordings]


def test_comma_separated_labels_are_read_and_an_empty_list_is_no_class(tmp_path):
    rows = [
        "a.wav\tdog,bell\ttrain",
        "b.wav\t\ttrain",
        "sub/c.wav\tbell\ttest",
        "d.wav\tdog\tvalidation",
    ]
    folder = weak(tmp_path, rows, header="filename\tevent_labels\tsplit", name="weak.tsv")
    train = open_split(config_of(folder), "train", sampling_rate=RATE)
    assert list(train.classes) == ["bell", "dog"]
    assert train.labels.tolist() == [[1, 1], [0, 0]]
    assert (
        open_split(config_of(folder), "test", sampling_rate=RATE).path(0)
        == folder / "sub" / "c.wav"
    )


def test_a_split_column_is_followed(tmp_path):
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = [f"{row},{split}" for row, split in zip(TEN, splits, strict=True)]
    config = config_of(weak(tmp_path, rows, header="filename,dog,bell,split"))
    test = open_split(config, "test", sampling_rate=RATE)
    assert [test.path(i).name for i in range(len(test))] == ["8.wav", "9.wav"]
    assert list(test.classes) == ["dog", "bell"]


def test_a_split_column_with_empty_cells_is_refused(tmp_path):
    rows = [f"{row},{'train' if i else ''}" for i, row in enumerate(TEN)]
    message = refused(config_of(weak(tmp_path, rows, header="filename,dog,bell,split")))
    assert "0.wav" in message
    assert "split" in message


def test_a_split_that_there_is_not_is_refused(tmp_path):
    rows = [f"{row},dev" for row in TEN]
    assert "'dev'; expected one of train, validation, test" in refused(
        config_of(weak(tmp_path, rows, header="filename,dog,bell,split"))
    )


def sides(folder, config):
    return {
        (folder / item.path).name: split
        for split in ("train", "validation", "test")
        for item in open_split(config, split, sampling_rate=RATE).recordings
    }


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
    assert "does not match" in refused(config_of(weak(tmp_path, TEN), origin_pattern="take"))


@pytest.mark.parametrize(
    ("rows", "header", "complaint"),
    [
        ([], "filename,dog,bell", "no rows"),
        (["0.wav,1,0", "0.wav,1,0"], "filename,dog,bell", "0.wav occurs twice"),
        (["0.wav,1,2"], "filename,dog,bell", "bell is '2'; expected 0 or 1"),
        (["0.wav,1,"], "filename,dog,bell", "bell is ''; expected 0 or 1"),
        (["0.wav,1"], "filename,dog,bell", "2 cells, expected 3"),
        (["0.wav,1,0"], "file,dog,bell", "no column 'filename'"),
        (["0.wav"], "filename", "no class columns"),
        (["0.wav,1,0"], "filename,dog,dog", "'dog' twice"),
        (["0.wav,1,0"], "filename,dog,a/b", "'a/b' can't be a class"),
        (["0.wav,1,0"], "filename,dog,background", "'background'"),
    ],
)
def test_a_table_of_labels_that_cannot_be_used_is_refused(tmp_path, rows, header, complaint):
    assert complaint in refused(config_of(weak(tmp_path, rows, header=header)))


def test_a_list_without_any_label_or_without_its_column_is_refused(tmp_path):
    labels = dict(name="weak.tsv")
    assert "labels nothing" in refused(
        config_of(weak(tmp_path / "1", ["a.wav\t"], header="filename\tevent_labels", **labels))
    )
    assert "no column 'event_labels'" in refused(
        config_of(weak(tmp_path / "2", ["a.wav\tdog"], header="filename\tlabels", **labels))
    )


def test_a_file_that_is_not_there_is_named(tmp_path):
    folder = weak(tmp_path, TEN)
    (folder / "3.wav").unlink()
    assert "names 3.wav, which is not in" in refused(config_of(folder))


def test_both_tables_or_none_are_refused(tmp_path):
    assert "neither weak_labels.csv nor weak.tsv" in refused(config_of(tmp_path))
    weak(tmp_path, TEN)
    (tmp_path / "weak.tsv").write_text("filename\tevent_labels\n0.wav\tdog\n")
    assert "both weak_labels.csv and weak.tsv" in refused(config_of(tmp_path))


def test_classes_other_than_the_models_are_refused_by_name(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    message = refused(config, classes=["dog", "cat"])
    assert "lacks cat and adds bell" in message


def test_the_models_order_of_classes_is_used(tmp_path):
    config = config_of(weak(tmp_path, TEN))
    own, models = (
        open_split(config, "train", sampling_rate=RATE, classes=names)
        for names in (None, ["bell", "dog"])
    )
    assert models.labels.tolist() == own.labels[:, ::-1].tolist()


def test_what_is_no_folder_and_no_split_is_refused(tmp_path):
    assert "data_folder is missing" in refused(DataConfig())
    assert "is not a directory" in refused(config_of(tmp_path / "missing"))
    assert "no split 'all'" in refused(config_of(weak(tmp_path, TEN)), "all")
    config = config_of(tmp_path, split_percentages=(80.0, 20.0, 0.0))
    assert "no recordings in its test split" in refused(config, "test")


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


# --- samples --------------------------------------------------------------------------------------


def test_other_rates_channels_and_formats_become_mono_at_one_rate(tmp_path):
    write(
        tmp_path / "a.wav",
        np.stack([tone(44100, 44100), 0.2 * tone(44100, 44100)], 1),
        44100,
        "PCM_24",
    )
    write(tmp_path / "b.flac", tone(16000, 16000), 16000)
    items = [
        LabelledRecording(str(tmp_path / name), frozenset({"dog"}), name)
        for name in ("a.wav", "b.flac")
    ]
    data_set = build_data_set(items, ["dog"], RATE)
    assert data_set.lengths == [RATE, RATE]
    for index, gain in enumerate((0.6, 1.0)):
        samples = data_set[index]
        assert samples.dtype == torch.float32
        np.testing.assert_allclose(samples[500:-500], gain * tone(RATE)[500:-500], atol=2e-3)


@pytest.mark.parametrize("rate", [RATE, 11025, 44100])
@pytest.mark.parametrize("n_samples", [1, 4001, 30011])
def test_the_lengths_are_those_of_the_waveforms(tmp_path, rate, n_samples):
    write(tmp_path / "a.wav", tone(n_samples, rate) + 0.1, rate)
    data_set = build_data_set(
        [LabelledRecording(str(tmp_path / "a.wav"), frozenset(), "a")],
        ["dog"],
        RATE,
        clip_length=1.0,
    )
    assert [len(data_set[index]) for index in range(len(data_set))] == data_set.lengths


@pytest.mark.parametrize("n_samples", [8000, 8001, 20011, 24000])
def test_cutting_a_long_recording_loses_no_sample(tmp_path, n_samples):
    whole = np.random.default_rng(0).integers(-3000, 3000, n_samples) / 32768
    data_set = data_set_of(tmp_path, [whole], clip_length=1.0)
    assert len(data_set) == -(-n_samples // 8000)
    assert max(data_set.lengths) <= 8000
    assert max(data_set.lengths) - min(data_set.lengths) <= 1
    np.testing.assert_array_equal(
        torch.cat([data_set[index] for index in range(len(data_set))]), whole.astype(np.float32)
    )
    assert data_set.labels.tolist() == [[1, 0]] * len(data_set)
    assert {data_set.path(index).name for index in range(len(data_set))} == {"0.wav"}


def test_training_cuts_long_recordings_and_scoring_does_not(tmp_path):
    folder = weak(tmp_path, TEN)
    config = config_of(folder, clip_length=0.05)  # the tones last 0.1 s
    assert len(open_split(config, "train", sampling_rate=RATE, cut=True)) == 12
    assert len(open_split(config, "train", sampling_rate=RATE)) == 6


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_in_memory_and_from_disk_give_the_same_samples(tmp_path, subtype):
    write(tmp_path / "a.wav", tone(5000), subtype=subtype)
    items = [LabelledRecording(str(tmp_path / "a.wav"), frozenset({"dog"}), "a")]
    kept, read = (
        build_data_set(items, ["dog"], RATE, in_memory=in_memory) for in_memory in (True, False)
    )
    first = kept[0]
    again = kept[0]
    assert torch.equal(first, again)
    assert torch.equal(first, read[0])
    (tmp_path / "a.wav").unlink()
    assert torch.equal(kept[0], first)


def test_full_scale_survives_in_memory(tmp_path):
    data_set = data_set_of(tmp_path, [np.array([-1.0, 1.0, 0.0, 32767 / 32768])])
    assert torch.equal(data_set[0], data_set[0])
    assert data_set[0].tolist() == [-1.0, 32767 / 32768, 0.0, 32767 / 32768]


def test_a_silent_recording_that_is_labelled_is_refused(tmp_path):
    data_set = data_set_of(tmp_path, [np.zeros(800)])
    with pytest.raises(InputError, match=r"0\.wav is silent but labelled dog"):
        data_set[0]


def test_a_silent_recording_is_found_beside_one_that_is_cut(tmp_path):
    data_set = data_set_of(tmp_path, [tone(20000), np.zeros(800)], clip_length=1.0)
    with pytest.raises(InputError, match=r"1\.wav is silent but labelled dog"):
        data_set[len(data_set) - 1]


def test_silence_without_a_label_and_a_silent_part_of_a_long_recording_are_fine(tmp_path):
    assert not data_set_of(tmp_path / "1", [np.zeros(800)], labels=())[0].any()
    half = np.concatenate([np.zeros(8000), tone(8000)])
    assert not data_set_of(tmp_path / "2", [half], clip_length=1.0)[0].any()


@pytest.mark.parametrize("content", [b"", b"no sound at all, just a text that was named so"])
def test_what_is_no_sound_is_refused_when_the_folder_is_opened(tmp_path, content):
    folder = weak(tmp_path, TEN)
    dealt = {
        split: [
            item.path
            for item in open_split(config_of(folder), split, sampling_rate=RATE).recordings
        ]
        for split in ("train", "validation", "test")
    }
    (folder / "3.wav").write_bytes(content)
    in_which = next(split for split, rows in dealt.items() if str(folder / "3.wav") in rows)
    with pytest.raises(InputError, match=r"3\.wav"):
        open_split(config_of(folder), in_which, sampling_rate=RATE)


def test_a_recording_with_NaN_is_refused(tmp_path):
    folder = weak(tmp_path, ["a.wav,1,0,train"], header="filename,dog,bell,split")
    write(folder / "a.wav", np.where(np.arange(800) == 5, np.nan, tone(800)), subtype="FLOAT")
    assert "NaN" in refused(config_of(folder))


# --- batches --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def equal(tmp_path_factory):
    return data_set_of(
        tmp_path_factory.mktemp("equal"), [tone(100, frequency=100 + i) for i in range(7)]
    )


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    lengths = np.random.default_rng(0).permutation(np.arange(100, 1300, 100))
    return data_set_of(tmp_path_factory.mktemp("unequal"), [tone(int(n)) for n in lengths])


def indices(batches):
    return [batch.indices.tolist() for batch in batches]


def test_without_a_generator_batches_come_in_order(equal):
    batches = list(equal.batches(3))
    assert indices(batches) == [[0, 1, 2], [3, 4, 5], [6]]
    assert all(batch.n_samples is None for batch in batches)
    for batch in batches:
        for waveform, index, label in zip(
            batch.waveforms, batch.indices.tolist(), batch.labels, strict=True
        ):
            assert torch.equal(waveform, equal[index])
            assert label.tolist() == equal.labels[index].tolist()


def test_an_epoch_has_every_recording_once_in_an_order_that_the_generator_decides(equal, unequal):
    for data_set in (equal, unequal):
        one, again, other = (
            indices(data_set.batches(3, rng=np.random.default_rng(seed))) for seed in (1, 1, 2)
        )
        assert sorted(index for group in one for index in group) == list(range(len(data_set)))
        assert one == again
        assert one != other


def test_recordings_of_different_lengths_are_padded_with_silence(unequal):
    for batch in unequal.batches(4, rng=np.random.default_rng(0)):
        assert batch.n_samples.tolist() == [unequal.lengths[index] for index in batch.indices]
        assert batch.waveforms.shape[1] == batch.n_samples.max()
        for waveform, n, index in zip(
            batch.waveforms, batch.n_samples, batch.indices.tolist(), strict=True
        ):
            assert torch.equal(waveform[:n], unequal[index])
            assert not waveform[n:].any()


def test_recordings_of_similar_length_meet(unequal):
    for batch in unequal.batches(4, rng=np.random.default_rng(0)):
        assert batch.n_samples.max() - batch.n_samples.min() <= 300


def test_batches_read_ahead_in_another_process_are_the_same(unequal):
    here, there = (
        list(unequal.batches(5, rng=np.random.default_rng(0), n_loaders=n_loaders))
        for n_loaders in (0, 1)
    )
    for one, other in zip(here, there, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_error_in_another_process_is_the_same_error(tmp_path):
    data_set = data_set_of(tmp_path, [np.zeros(800)])
    with pytest.raises(InputError, match=r"^\S*0\.wav is silent but labelled dog: .*$") as error:
        list(data_set.batches(1, n_loaders=1))
    assert "\n" not in str(error.value)


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
    assert "origin 'x' is in test and train" in refused(config_of(folder))
