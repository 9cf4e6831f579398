"""TUT Rare 2017 is read with its background as a class and its channels as true sources."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from thesis_miniatures import CENTRE, CLASSES, EVENTS, RATE, change_arrays, make_tut_rare

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import check_steps, open_split
from absslab.core.data.layouts import DataConfig, find_layout
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import load_recording
from absslab.core.evaluation.reference_sounds import load_references
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separator import Separator
from absslab.widgets.listening.live_separation import Excerpt, LiveSeparation


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tut")
    make_tut_rare(root)
    return root


@pytest.fixture
def own(folder, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(folder, tmp_path / "tut")


def config_of(folder, **changes):
    return DataConfig(data_set_type="TUT_rare_2017", data_folder=str(folder), **changes)


def read(folder, **changes):
    config = config_of(folder, **changes)
    return find_layout("TUT_rare_2017")(config, Path(config.data_folder))


def refusal_of(folder, **changes):
    with pytest.raises(InputError) as error:
        read(folder, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_background_is_a_class_of_mixtures_and_single_sounds_have_one_label(folder):
    labelled = read(folder)
    assert sorted(labelled.classes) == sorted(CLASSES)
    assert len(labelled.recordings) == 2 * 3 * 3 * 2 * 3
    kinds = {"mix_0db": [], "event": [], "bg": []}
    for recording in labelled.recordings:
        kinds[Path(recording.path).name.split(".")[1]].append(recording)
    assert {kind: len(recordings) for kind, recordings in kinds.items()} == dict.fromkeys(kinds, 36)
    for recording in kinds["mix_0db"]:
        (event,) = recording.labels - {"background"}
        assert recording.labels == {event, "background"}
    for recording in kinds["event"]:
        (event,) = recording.labels
        assert event in EVENTS
    assert all(recording.labels == {"background"} for recording in kinds["bg"])


def test_a_mixture_and_its_sounds_alone_are_in_one_split_and_mixtures_come_first(folder):
    labelled = read(folder)
    parts_of = {}
    for split in SPLITS:
        own = [Path(item.path) for item in labelled.recordings if item.split == split]
        assert ["mix" in path.name for path in own] == sorted(
            ("mix" in path.name for path in own), reverse=True
        )
        for path in own:
            parts_of.setdefault((path.parent, path.name[:4]), []).append(split)
    assert len(parts_of) == 36
    assert all(len(splits) == 3 and len(set(splits)) == 1 for splits in parts_of.values())


def test_no_event_file_is_in_two_splits_and_every_class_in_each(folder):
    labelled = read(folder)
    by_split = {}
    for recording in labelled.recordings:
        by_split.setdefault(recording.split, []).append(recording)
    assert set(by_split) == {"train", "validation", "test"}
    origins = [{item.origin for item in part} for part in by_split.values()]
    assert sum(map(len, origins)) == len(set().union(*origins)) == 18
    for part in by_split.values():
        assert set().union(*(item.labels for item in part)) == set(CLASSES)
    assert all("/testing/" in item.path for item in by_split["test"])
    assert not any("/testing/" in item.path for item in by_split["validation"])


def sources_of(data_set, index):
    """Return the true sources of a recording by class, as long as the recording."""
    sources = {}
    for k, source in data_set.sources(index).items():
        sources[data_set.classes[k]] = np.zeros(data_set.lengths[index], np.float32)
        sources[data_set.classes[k]][: len(source)] = source
    return sources


def test_the_channels_are_the_true_sources_and_their_sum_is_the_mixture(folder):
    data_set = open_split(config_of(folder), "train", sampling_rate=RATE)
    data_set.has_sources = True
    for index in range(len(data_set)):
        samples, _ = soundfile.read(data_set.path(index), dtype="float32", always_2d=True)
        sources = sources_of(data_set, index)
        assert set(sources) == data_set.recording(index).labels
        np.testing.assert_array_equal(data_set[index], samples.sum(1))
        if len(sources) == 1:  # an event or a background alone
            (source,) = sources.values()
            np.testing.assert_array_equal(source, samples[:, 0])
            continue
        (event,) = set(sources) & set(EVENTS)
        np.testing.assert_array_equal(sources["background"], samples[:, 0])
        np.testing.assert_array_equal(sources[event], samples[:, 1])


@pytest.mark.parametrize("rate", [RATE, 11025, 44100])
def test_the_true_sources_sum_to_the_mixture_at_any_rate(folder, rate):
    data_set = open_split(config_of(folder), "test", sampling_rate=rate)
    data_set.has_sources = True
    for index in range(len(data_set)):
        total = sum(sources_of(data_set, index).values())
        np.testing.assert_array_equal(data_set[index], total)


def test_a_class_in_no_group_stays_in_the_mixture(folder):
    whole = open_split(config_of(folder), "test", sampling_rate=RATE)
    groups = ("babycry.glassbreak", "gunshot")
    with collect_notices():
        events = open_split(config_of(folder, class_categories=groups), "test", sampling_rate=RATE)
    events.has_sources = True
    for index in range(len(events)):
        np.testing.assert_array_equal(events[index], whole[index])
        samples, _ = soundfile.read(events.path(index), dtype="float32", always_2d=True)
        sources = sources_of(events, index)
        assert set(sources) == events.recording(index).labels
        for source in sources.values():
            np.testing.assert_array_equal(source, samples[:, -1])


def test_the_scored_mixture_is_the_sum_of_its_true_sources(folder):
    data_set = open_split(config_of(folder), "test", sampling_rate=RATE)
    for index in range(len(data_set)):
        mixture = data_set[index].numpy()
        references = load_references(
            data_set.recording(index), list(data_set.classes), RATE, len(mixture)
        )
        np.testing.assert_array_equal(sum(references.values()), mixture)


def test_thresholds_of_events_are_found_in_the_sum_of_channels(folder):
    data_set = open_split(config_of(folder), "validation", sampling_rate=RATE)
    for index in range(len(data_set)):
        loaded = load_recording(data_set.recording(index), RATE)
        np.testing.assert_array_equal(loaded, data_set[index])


def test_its_parts_are_found_beside_each_other_or_where_flags_say(folder, tmp_path):
    expected = [recording.path for recording in read(folder).recordings]
    features = folder / "packed_features" / "logmel"
    for place in (features, features.parent):
        assert [Path(item.path).name for item in read(place).recordings] == [
            Path(path).name for path in expected
        ]
    shutil.copytree(features, tmp_path / "features")
    assert "there is no folder mixed_audio beside" in refusal_of(tmp_path / "features")
    audio = folder / "mixed_audio"
    for lists in (folder / "mixed_yaml", folder / "mixed_yaml" / "training.csv"):
        labelled = read(tmp_path / "features", audio_folder=str(audio), yaml_file=str(lists))
        assert [recording.path for recording in labelled.recordings] == expected


def test_a_folder_without_sounds_is_named_with_its_flag(folder, tmp_path):
    refusal = refusal_of(folder, audio_folder=str(tmp_path))
    assert f"{tmp_path}/training is not a directory" in refusal
    assert "pass the folder mixed_audio as --audio_folder" in refusal


def test_features_in_the_working_directory_are_not_used_unasked(folder, tmp_path, monkeypatch):
    shutil.copy(folder / "packed_features" / "logmel" / "training.h5", tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "has no training.h5" in refusal_of(tmp_path / "empty")


def test_audio_folder_is_another_name_of_data_folder_with_other_layouts(tmp_path):
    for layout in ("mixture_folder", "weakly_labelled_folder"):
        config = DataConfig(data_set_type=layout, audio_folder="a")
        assert (config.data_folder, config.audio_folder) == ("a", None)
        with pytest.raises(InputError, match="data_folder and audio_folder are two folders"):
            DataConfig(data_set_type=layout, data_folder="b", audio_folder="a")


def test_a_list_that_would_run_code_is_refused(own, tmp_path):
    trap = tmp_path / "trap"
    path = own / "mixed_yaml" / "training.csv"
    path.write_text(f'- !!python/object/apply:os.mkdir ["{trap}"]\n')
    assert "is no YAML of plain names" in refusal_of(own)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is no YAML of plain names"),
        ("just a text", "expected a list of mixtures"),
        ("- {event_type: gunshot, event_name: a}", "mixture 0 lacks bg_name"),
        ("- 3", "mixture 0 lacks event_name, event_type, bg_name"),
        (
            "- {event_name: null, event_type: 4, bg_name: ''}",
            "mixture 0 lacks event_name, event_type, bg_name",
        ),
        ("[]", "begins with the number of one of the 0 mixtures"),
        (b"\xff\xfe\xff", "can't be read"),
    ],
)
def test_a_list_of_another_kind_is_refused(own, content, message):
    path = own / "mixed_yaml" / "training.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refusal_of(own)


def change_list(folder, change, part="testing"):
    path = folder / "mixed_yaml" / f"{part}.csv"
    mixtures = yaml.safe_load(path.read_text())
    for number, mixture in enumerate(mixtures):
        change(number, mixture)
    path.write_text(yaml.safe_dump(mixtures))


def events_of(folder, split):
    """Return the strong labels of a split, as its data set reads them, by the name of the file."""
    data_set = open_split(config_of(folder), split, sampling_rate=RATE)
    if data_set.event_reader is None:
        return None
    events = data_set.event_reader(data_set.classes, data_set.durations)
    return {Path(path).name: own for path, own in events.items()}


@pytest.mark.parametrize("split", SPLITS)
def test_an_event_sounds_in_the_middle_and_the_background_all_the_time(folder, split):
    labelled = [item for item in read(folder).recordings if item.split == split]
    events = events_of(folder, split)
    assert len(events) == len(labelled)
    for recording in labelled:
        own = {event.event_label: event for event in events[Path(recording.path).name]}
        assert set(own) == recording.labels
        for name, event in own.items():
            expected = (
                (0, 0.3) if name == "background" else (CENTRE.start / RATE, CENTRE.stop / RATE)
            )
            assert (event.onset, event.offset) == pytest.approx(expected, abs=1.1 / RATE)


def test_an_event_that_is_longer_than_its_mixture_was_cut_at_its_end(own):
    change_list(own, lambda number, mixture: mixture.update(event_segment=[1, 9]))
    assert events_of(own, "test")["0000.event.wav"] == [SoundEvent("babycry", 0.0, 0.3)]


def test_lists_without_segments_give_no_strong_labels(own):
    change_list(own, lambda number, mixture: mixture.pop("event_segment"))
    assert events_of(own, "test") is None
    assert events_of(own, "train") is not None


def test_a_segment_that_one_mixture_lacks_is_missed(own):
    change_list(own, lambda number, mixture: number == 4 and mixture.pop("event_segment"))
    assert "mixture 4 has no event_segment, but others have one" in refusal_of(own)


@pytest.mark.parametrize(
    "segment",
    [[1.5, 0.5], [1, 1], [0.5], 3, "0.5 1.5", ["0.5", "1.5"], [-1, 1], [True, 2], [0, float("nan")]]
    + [[0, float("inf")], [0, 10**400], {"onset": 1}, []],
)
def test_a_segment_that_is_no_beginning_and_later_end_is_refused(own, segment):
    change_list(own, lambda number, mixture: number == 2 and mixture.update(event_segment=segment))
    refusal = refusal_of(own)
    assert "testing.csv: mixture 2 has the event_segment" in refusal
    assert "expected the seconds at which the event begins and ends" in refusal


def test_a_list_of_another_mixing_is_refused(own):
    path = own / "mixed_yaml" / "testing.csv"
    mixtures = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(mixtures[::-1]))
    assert "labels 0000.event.wav with babycry, but" in refusal_of(own)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": None}, "has no array y: expected one beside na_list, x"),
        ({"y": np.zeros((54, 3))}, "y has 3 columns: expected 4"),
        ({"y": np.zeros((7, 4))}, "y has the shape (7, 4): expected 2 axes, the first with 54"),
        ({"y": np.full((54, 4), 0.5)}, "y holds other values than 0 and 1"),
        ({"y": np.full((54, 4), b"1")}, "y holds |S1: expected numbers"),
        ({"y": np.zeros((54, 4))}, "labels 0000.bg.wav with nothing"),
        ({"y": np.eye(4)[[0] * 54]}, "labels 0000.bg.wav with babycry"),
        ({"na_list": np.array([b"a.mix_0db.wav"] * 54)}, "names a.mix_0db.wav: expected a name"),
        (
            {"na_list": np.array([b"0000.wav"] * 54)},
            "names 0000.wav: expected a mixture as in 0000",
        ),
        ({"na_list": np.array([b"\xff"] * 54)}, "na_list holds names that are not UTF-8"),
    ],
)
def test_packed_features_of_another_layout_are_refused(own, arrays, message):
    change_arrays(own / "packed_features" / "logmel" / "training.h5", **arrays)
    assert message in refusal_of(own)


@pytest.mark.parametrize("n_bytes", [0, 100, 3000])
def test_packed_features_that_are_cut_short_are_refused(own, n_bytes):
    path = own / "packed_features" / "logmel" / "training.h5"
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert "can't be read as HDF5" in refusal_of(own)


def test_a_mixture_in_one_channel_is_refused(own):
    (path,) = (own / "mixed_audio" / "training").glob("0000.mix*")
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[:, 0], rate)
    data_set = open_split(
        config_of(own, split_percentages=(100.0, 0.0, 0.0)), "train", sampling_rate=RATE
    )
    message = "has 1 channel: expected a true source in channel 2"
    with pytest.raises(InputError, match=message):
        [data_set[index] for index in range(len(data_set))]
    data_set.has_sources = True
    with pytest.raises(InputError, match=message):
        [data_set.sources(index) for index in range(len(data_set))]
    left_out = LeftOut("train", on_error="skip")
    checked = run_to_end(check_steps(data_set, left_out))
    assert len(checked) == len(data_set) - 1
    assert message in str(left_out.files[0].error)


@pytest.fixture(scope="module")
def model(folder, train_with_sources):
    return train_with_sources(
        data_set_type="ICASSP2018JointSeparationClassificationDataSet",
        data_folder=str(folder / "packed_features" / "logmel"),
    )


def test_it_is_trained_and_its_sources_scored(model, tmp_path):
    given = ["evaluate", "--checkpoint_path", str(model), "--bss_eval", "none"]
    assert main([*given, "--output", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["per_class"]) == set(CLASSES)
    n_mixtures = 18  # single sounds are tagged, and their events found
    assert scores["n_scored"]["separation"] == scores["n_scored"]["segmentation"] == n_mixtures
    assert scores["n_scored"]["tagging"] == scores["n_scored"]["detection"] == 3 * n_mixtures
    with (tmp_path / "scores.csv").open() as file:
        names = {row["mixture"] for row in csv.DictReader(file)}
    kinds = ("mix_0db", "event", "bg")
    assert names == {f"testing/{n:04d}.{kind}.wav" for n in range(n_mixtures) for kind in kinds}


def test_a_mixture_that_is_left_out_has_a_plain_name(own, model, tmp_path):
    (own / "mixed_audio" / "testing" / "0003.mix_0db.wav").write_bytes(b"no sound")
    given = ["evaluate", "--checkpoint_path", str(model), "--bss_eval", "none"]
    given += ["--data_folder", str(own), "--on_error", "skip"]
    assert main([*given, "--output", str(tmp_path / "scores.json")]) == 3
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["left_out"]) == ["testing/0003.mix_0db.wav"]


def test_its_channels_are_not_separated_as_a_stereo_recording(model, capsys):
    given = ["evaluate", "--checkpoint_path", str(model), "--bss_eval", "none"]
    assert main([*given, "--at_own_rate", "True"]) == 2
    assert "leave out at_own_rate" in capsys.readouterr().err


def test_a_split_is_separated_as_the_sum_of_its_channels(folder, model, tmp_path):
    given = ["separate", "--checkpoint_path", str(model), "--n_recordings", "2"]
    assert main([*given, "--output_folder", str(tmp_path)]) == 0
    separator = Separator.from_checkpoint(str(model))
    recordings = [item for item in read(folder).recordings if item.split == "test"][:2]
    for recording in recordings:
        written = tmp_path / Path(recording.path).stem
        expected = separator.separate(load_recording(recording, RATE), RATE)
        total = 0
        for name, source in zip(separator.classes, expected.sources, strict=True):
            name = "%62ackground" if name == "background" else name
            samples, rate = soundfile.read(written / f"{name}.wav", dtype="float32")
            assert rate == RATE
            np.testing.assert_allclose(samples, source, atol=1e-6)
            total = total + samples
        residual, _ = soundfile.read(written / "residual.wav", dtype="float32")
        np.testing.assert_allclose(total + residual, load_recording(recording, RATE), atol=1e-6)


def test_sounds_of_any_system_are_scored_against_its_channels(folder, own, model, tmp_path):
    quick = ["--bss_eval", "none", "--n_resamples", "0"]
    given = ["--checkpoint_path", str(model)]
    by_model = tmp_path / "model.json"
    assert main(["evaluate", *given, *quick, "--output", str(by_model)]) == 0
    output = tmp_path / "separated"
    assert main(["separate", *given, "--output_folder", str(output)]) == 0
    places = {"references": own / "packed_features"}
    for name, place in {"audio_folder": "mixed_audio", "yaml_file": "mixed_yaml"}.items():
        places[name] = (own / place).rename(tmp_path / place)
    words = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    scores = {"model": json.loads(by_model.read_text())}
    for name, references in {"beside": ["--references", str(folder)], "apart": words}.items():
        path = tmp_path / f"{name}.json"
        given = ["evaluate", "--estimates", str(output), *references, *quick]
        assert main([*given, "--output", str(path)]) == 0
        scores[name] = json.loads(path.read_text())
    for name in ("beside", "apart"):
        assert scores[name]["n_scored"]["separation"] == 18
        assert scores[name]["n_scored"]["detection"] == 54
        for score in ("si_sdr", "si_sdr_improvement", "plain_sdr_improvement", "leakage"):
            expected = pytest.approx(scores["model"]["separation"][score], abs=0.01)
            assert scores[name]["separation"][score] == expected
        assert scores[name]["detection"]["event"] == scores["model"]["detection"]["event"]
    assert main(["compare", str(by_model), str(tmp_path / "beside.json")]) == 0


def test_references_that_are_its_sounds_alone_are_refused(folder, tmp_path, capsys):
    references = folder / "mixed_audio" / "testing"
    given = ["--estimates", str(tmp_path), "--references", str(references)]
    assert main(["evaluate", *given]) == 2
    assert "pass the folder that holds training.h5" in capsys.readouterr().err


def test_places_of_references_are_for_this_data_set_alone(tmp_path, capsys):
    for name in ("estimates", "references"):
        (tmp_path / name / "a").mkdir(parents=True)
    given = [f"--{name}={tmp_path / name}" for name in ("estimates", "references")]
    assert main(["evaluate", *given, "--audio_folder", "sounds"]) == 2
    said = capsys.readouterr().err.strip()
    assert "audio_folder is for references of TUT_rare_2017" in said
    assert "leave --audio_folder out" in said
    assert "\n" not in said


def test_moved_data_are_found_with_all_their_parts(own, model, tmp_path, capsys):
    config = config_of("elsewhere", audio_folder="there", yaml_file="list.csv")
    assert config.move("") == config.move("elsewhere") == config
    assert config.move(str(own)) == config_of(own)
    moved = ["--data_folder", str(own / "packed_features" / "logmel"), "--n_recordings", "1"]
    given = ["--checkpoint_path", str(model), *moved]
    assert main(["separate", *given, "--output_folder", str(tmp_path / "out")]) == 0
    assert str(own) in capsys.readouterr().out


def test_the_tracks_that_are_heard_add_up_to_the_sum_of_the_channels(folder, model):
    recording = next(item for item in read(folder).recordings if item.split == "test")
    excerpt = Excerpt.of(recording.path, 0.05, 0.2, channels=recording.channels)
    samples, _ = soundfile.read(recording.path, dtype="float32", start=800, frames=3200)
    live = LiveSeparation.open(Separator.from_checkpoint(str(model)), excerpt)
    mixture = samples[:, 0] + samples[:, 1]
    np.testing.assert_array_equal(live.waveform, mixture[None])
    assert {track.name for track in live.references} == set(recording.labels)
    total = sum(track.sound.read(0, 3200) for track in live.references)
    np.testing.assert_array_equal(total, live.waveform)
    result = live.separate(SeparationConfig())
    assert set(result.si_sdr) == set(recording.labels)
    np.testing.assert_array_equal(result.tracks[0].sound.read(0, 3200), live.waveform)


def test_a_group_is_heard_and_scored_by_the_sum_of_its_members(folder, train_with_sources):
    config = dict(data_set_type="TUT_rare_2017", data_folder=str(folder))
    model = train_with_sources(**config, class_categories=("babycry.background", "glassbreak"))
    separator = Separator.from_checkpoint(str(model))
    recording = next(item for item in read(folder).recordings if "babycry" in item.labels)
    excerpt = Excerpt.of(recording.path, channels=recording.channels)
    live = LiveSeparation.open(separator, excerpt)
    assert [track.name for track in live.references] == ["babycry.background"]
    [track] = live.references
    np.testing.assert_allclose(track.sound.read(0, live.waveform.shape[1]), live.waveform)
    assert set(live.separate(SeparationConfig()).si_sdr) == {"babycry.background"}
    other = next(item for item in read(folder).recordings if "gunshot" in item.labels)
    live = LiveSeparation.open(separator, Excerpt.of(other.path, channels=other.channels))
    assert {track.name for track in live.references} == {"babycry.background", "gunshot"}


def test_a_mixture_in_one_channel_is_not_listened_to(own):
    (path,) = (own / "mixed_audio" / "testing").glob("0000.mix*")
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[:, 0], rate)
    with pytest.raises(InputError, match="has 1 channel: expected a true source in channel 2"):
        Excerpt.of(path, channels={"babycry": 1, "background": 0}).read()
