"""Corpora are read as they are unpacked, with their own splits; no origin is in two of them."""

import json
import re
import shutil
from pathlib import Path

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut, read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.corpora import CORPORA
from absslab.core.data.jams_files import read_jams
from absslab.core.data.layouts import LAYOUTS, DataConfig, find_layout
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings

from .corpus_miniatures import AUDIOSET_NAMES, CLASSES, MINIATURES, make_desed

SIZES = {  # of train, validation and test
    "desed": (18, 6, 6),
    "audioset": (None, None, 6),
    "fsd50k": (6, 3, 3),
    "esc50": (18, 6, 6),
    "urbansound8k": (48, 6, 6),
    "urban_sed": (6, 3, 3),
}


@pytest.fixture(scope="module", params=list(MINIATURES))
def corpus(request, tmp_path_factory):
    """The name and the folder of a miniature."""
    return request.param, MINIATURES[request.param](tmp_path_factory.mktemp(request.param))


def read(name, folder, **changes):
    return find_layout(name)(
        DataConfig(data_set_type=name, data_folder=str(folder), **changes), folder
    )


def test_each_corpus_is_a_layout_and_has_a_miniature():
    assert set(CORPORA) == set(MINIATURES) == set(SIZES)
    assert set(CORPORA) < set(LAYOUTS)


def test_a_corpus_has_its_own_splits_and_no_origin_is_in_two(corpus):
    name, folder = corpus
    labelled = read(name, folder)
    by_split = {split: [] for split in ("train", "validation", "test")}
    for recording in labelled.recordings:
        assert Path(recording.path).is_file()
        by_split[recording.split].append(recording)
    for size, recordings in zip(SIZES[name], by_split.values(), strict=True):
        assert recordings
        assert size is None or len(recordings) == size
        assert set().union(*(recording.labels for recording in recordings)) == set(labelled.classes)
    origins = [{recording.origin for recording in part} for part in by_split.values()]
    assert sum(map(len, origins)) == len(set().union(*origins))
    assert [recording.path for recording in read(name, folder).recordings] == [
        recording.path for recording in labelled.recordings
    ]


@pytest.mark.slow
def test_a_corpus_is_trained_on_for_an_epoch_and_scored(corpus, tmp_path, small_model):
    name, folder = corpus
    flags = small_model | {
        "data_set_type": name,
        "data_folder": str(folder),
        "save_path": str(tmp_path / "model.ckpt"),
        "n_epochs": 1,
        "batch_size": 4,
        "test_every": 1,
    }
    with collect_notices():
        for _ in Experiment(Settings.from_flags(flags)).run():
            pass
        evaluation = open_evaluation(
            EvaluationConfig(checkpoint_path=str(tmp_path / "model.ckpt"), device="cpu")
        )
    steps = evaluation.run()
    try:
        while True:
            next(steps)
    except StopIteration as end:
        scores = end.value.scores
    assert scores.tagging is not None
    assert (scores.detection is not None) == (name in ("desed", "urban_sed"))


def test_the_labels_of_each_corpus_are_those_of_its_tables(tmp_path):
    labelled = read("esc50", MINIATURES["esc50"](tmp_path / "1"))
    assert labelled.classes == sorted(CLASSES)
    labelled = read("audioset", MINIATURES["audioset"](tmp_path / "2"))
    assert labelled.classes == sorted(AUDIOSET_NAMES.values())
    assert "2 of 18 recordings" not in " ".join(labelled.notes)
    assert labelled.notes == [
        "1 of 18 recordings that the tables name are not there: left out (-08ab_cdeFG_30.000)"
    ]
    labelled = read("fsd50k", MINIATURES["fsd50k"](tmp_path / "3"))
    assert labelled.classes == ["Domestic_sounds_and_animals", *CLASSES]


@pytest.mark.parametrize("name", ["esc50", "urbansound8k"])
def test_the_fold_of_the_test_is_chosen(tmp_path, name):
    folder = MINIATURES[name](tmp_path)
    for fold in (1, 3):
        labelled = read(name, folder, test_fold=fold)
        test = [Path(item.path) for item in labelled.recordings if item.split == "test"]
        folds = {path.name[0] if name == "esc50" else path.parent.name[4:] for path in test}
        assert folds == {str(fold)}
    with pytest.raises(InputError, match="test_fold is 12"):
        read(name, folder, test_fold=12)


def test_an_origin_in_two_official_splits_stays_in_the_later_one_and_is_counted(tmp_path):
    folder = MINIATURES["esc50"](tmp_path)
    table = folder / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(",1000,", ",5000,"))
    labelled = read("esc50", folder)
    assert labelled.notes == [
        "2 recordings are left out, since a later split holds others of the same origin"
    ]
    assert {item.split for item in labelled.recordings if item.origin == "freesound 5000"} == {
        "test"
    }


def test_desed_without_eval_is_tested_on_its_validation_recordings(tmp_path):
    labelled = read("desed", make_desed(tmp_path, with_eval=False))
    by_split = dict.fromkeys(("train", "validation", "test"), 0)
    for recording in labelled.recordings:
        by_split[recording.split] += 1
    assert by_split["test"] == 6
    assert by_split["validation"] > 0
    assert "3 of 27 recordings that the tables name are not there" in " ".join(labelled.notes)
    assert "unlabel_in_domain.tsv is left out" in " ".join(labelled.notes)


def test_the_strong_labels_of_a_corpus_are_read(tmp_path):
    for name in ("desed", "urban_sed"):
        folder = MINIATURES[name](tmp_path / name)
        labelled = read(name, folder)
        test = [item for item in labelled.recordings if item.split == "test"]
        events = labelled.events["test"](labelled.classes, {item.path: 0.3 for item in test})
        assert {path: {event.event_label for event in of} for path, of in events.items()} == {
            item.path: set(item.labels) for item in test
        }


def test_what_is_missing_of_a_corpus_is_named(tmp_path):
    for name, make in MINIATURES.items():
        with pytest.raises(InputError, match=r"is missing|holds none|has neither"):
            read(name, tmp_path)
        folder = make(tmp_path / name)
        shutil.rmtree(
            next(path for path in folder.iterdir() if "audio" in path.name or path.name == "clips")
        )
        with pytest.raises(InputError) as caught:
            read(name, folder)
        assert "\n" not in str(caught.value)


def test_a_split_of_a_corpus_is_read_with_its_notices(tmp_path):
    folder = MINIATURES["audioset"](tmp_path)
    with collect_notices() as notices:
        read_split(DataConfig(data_set_type="audioset", data_folder=str(folder)), "train")
    assert ["are not there: left out" in str(notice) for notice in notices] == [True]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"annotations": []}', '{"annotations": [{"namespace": "beat", "data": []}]}',
     '{"annotations": [{"namespace": "scaper", "data": [{"time": "x"}]}]}'],
)  # fmt: skip
def test_a_damaged_jams_file_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.jams").write_text(text)
    with pytest.raises(InputError, match=r"a\.jams"):
        read_jams(tmp_path / "a.jams")


def test_values_of_jams_may_be_names_alone(tmp_path):
    (tmp_path / "a.jams").write_text(
        '{"annotations": [{"namespace": "tag_open", "data": '
        '[{"time": 1, "duration": 0.5, "value": "Chirp, tweet", "confidence": 1}]}]}'
    )
    assert read_jams(tmp_path / "a.jams") == [SoundEvent("Chirp, tweet", 1.0, 1.5)]


@pytest.mark.parametrize("name", ["esc50", "urbansound8k", "fsd50k", "urban_sed"])
def test_a_clip_that_is_missing_follows_the_rule_for_missing_files(tmp_path, name):
    folder = MINIATURES[name](tmp_path)
    clip = sorted(folder.rglob("*.wav"))[0]
    clip.unlink()
    labelled = read(name, folder)
    assert list(labelled.missing) == [str(clip)]
    config = DataConfig(data_set_type=name, data_folder=str(folder))
    with pytest.raises(InputError, match=f"names {re.escape(clip.name[:5])}|names fold"):
        read_split(config, "train")
    left_out = LeftOut("train", on_error="skip")
    read_split(config, "train", left_out=left_out)
    assert [item.file for item in left_out.files] == [str(clip)]


@pytest.mark.parametrize(("name", "clip"), [("desed", "Y00000000099_30"), ("audioset", "-08ab_")])
def test_clips_that_are_gone_are_named_in_left_out_and_stop_nothing(tmp_path, name, clip):
    folder = MINIATURES[name](tmp_path / name)
    left_out = LeftOut("train", on_error="stop", folder=tmp_path)
    with collect_notices() as notices:
        for split in ("train", "validation"):
            read_split(
                DataConfig(data_set_type=name, data_folder=str(folder)), split, left_out=left_out
            )
    left_out.stop_if_any()
    assert not left_out
    left_out.write()
    rows = read_left_out(tmp_path / "left_out.csv")
    (count,) = (str(item).split()[0] for item in notices if "not there: left out" in str(item))
    assert len(rows) == int(count)
    assert sum(clip in row["file"] and clip in row["reason"] for row in rows) == 1


def write_jams(path, *annotations):
    documents = [{"namespace": space, "data": data} for space, data in annotations]
    path.write_text(json.dumps({"annotations": documents}))


def test_all_annotations_of_a_jams_file_are_read(tmp_path):
    path = tmp_path / "a.jams"
    first = {"time": 0, "duration": 1, "value": "dog"}
    second = {"time": 2, "duration": 1, "value": "rain"}
    beat = {"time": 3, "duration": 1, "value": "beat"}
    write_jams(path, ("beat", [beat]), ("tag_open", [first]), ("segment_open", [first, second]))
    assert read_jams(path) == [SoundEvent("dog", 0, 1), SoundEvent("rain", 2, 3)]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"time": float("nan"), "duration": -3, "value": "dog"}, "time nan and the duration -3"),
        ({"time": 1, "duration": -3, "value": "dog"}, "'dog' with the time 1 and the duration -3"),
        ({"time": -1, "duration": 3, "value": "dog"}, "expected seconds of at least 0"),
        ({"time": 1, "duration": float("inf"), "value": "dog"}, "the duration inf"),
        ({"time": 1, "duration": 3, "value": None}, "an event without a label at 1 s"),
        ({"time": 1, "duration": 3, "value": {"label": "NaN"}}, "an event without a label at 1 s"),
    ],
)
def test_impossible_events_of_jams_are_refused_with_their_file(tmp_path, item, message):
    folder = MINIATURES["urban_sed"](tmp_path)
    path = min(folder.rglob("*.jams"))
    write_jams(path, ("scaper", [item]))
    (error,) = read("urban_sed", folder).missing.values()
    assert str(error).startswith(f"{path} has an event")
    assert message in str(error)


def test_events_of_jams_are_fitted_as_those_of_tables(tmp_path):
    folder = MINIATURES["urban_sed"](tmp_path)
    path = min((folder / "annotations" / "test").glob("*.jams"))
    times = ((0.1, 5), (0.2, 0), (0.31, 0.01))
    items = [{"time": time, "duration": length, "value": "dog"} for time, length in times]
    write_jams(path, ("scaper", items))
    labelled = read("urban_sed", folder)
    sound = str(folder / "audio" / "test" / f"{path.stem}.wav")
    with collect_notices() as notices:
        events = labelled.events["test"](labelled.classes, {sound: 0.3})
    assert events == {sound: [SoundEvent("dog", 0.1, 0.3)]}
    name = f"{path.stem}.wav"
    assert list(map(str, notices)) == [
        f"1 event cut at the end of the recording, in {name}",
        f"1 event without length, left out, in {name}",
        f"1 event behind the end of the recording, left out, in {name}",
    ]


def read_with_left_out(name, folder):
    config = DataConfig(data_set_type=name, data_folder=str(folder))
    with pytest.raises(InputError) as stopped:
        read_split(config, "train")
    left_out = LeftOut("train", on_error="skip")
    with collect_notices():
        read_split(config, "train", left_out=left_out)
    (item,) = left_out.files
    assert item.reason in str(stopped.value)
    return item


def test_a_file_of_a_video_is_that_of_one_segment_only(tmp_path):
    folder = MINIATURES["audioset"](tmp_path)
    before = {item.path: item.labels for item in read("audioset", folder).recordings}
    with open(folder / "balanced_train_segments.csv", "a") as table:
        table.write('-01ab_cdeFG, 60.000, 70.000, "/m/2"\n')
    item = read_with_left_out("audioset", folder)
    assert item.file == "-01ab_cdeFG_60.000 (balanced_train_segments.csv)"
    assert "names -01ab_cdeFG_60.000, but its file" in item.reason
    assert "is that of an earlier row (Gush/Hiss and Male speech" in item.reason
    assert {item.path: item.labels for item in read("audioset", folder).recordings} == before


@pytest.mark.parametrize("labels", ["rain", "dog,siren"])
def test_a_clip_that_desed_names_twice_follows_the_rule_for_files(tmp_path, labels):
    folder = make_desed(tmp_path)
    name = "Y00000000000_30.000_40.000"
    with open(folder / "metadata" / "train" / "weak.tsv", "a") as table:
        table.write(f"{name}\t{labels}\n")
    item = read_with_left_out("desed", folder)
    assert f"twice, as '{name}.wav' and as '{name}'" in item.reason


def test_an_ambiguous_name_of_desed_is_not_taken_for_one_that_is_gone(tmp_path):
    folder = make_desed(tmp_path)
    for suffix in ("wav", "flac"):
        (folder / "audio" / "train" / "weak" / f"a.{suffix}").touch()
    with open(folder / "metadata" / "train" / "weak.tsv", "a") as table:
        table.write("a\train\n")
    item = read_with_left_out("desed", folder)
    assert "did you mean a.flac or a.wav?" in item.reason
    assert "4 of 35 recordings" in " ".join(read("desed", folder).notes)


def test_a_recording_that_two_tables_describe_alike_is_read_once(tmp_path):
    folder = make_desed(tmp_path, with_eval=False)
    n_before = len(read("desed", folder).recordings)
    place = folder / "metadata" / "validation"
    shutil.copy(place / "validation.tsv", place / "test_dcase2018.tsv")
    (folder / "audio" / "validation" / "validation").rename(tmp_path / "moved")
    shutil.rmtree(folder / "audio" / "validation")
    (tmp_path / "moved").rename(folder / "audio" / "validation")
    labelled = read("desed", folder)
    assert len(labelled.recordings) == n_before
    assert not labelled.missing
    assert "6 rows name a recording again with the same labels" in " ".join(labelled.notes)
