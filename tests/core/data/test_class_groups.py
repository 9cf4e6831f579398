"""A group of classes is one class: its label is that of any member, its source their sum."""

import json
from pathlib import Path

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import open_split, read_split
from absslab.core.data.class_groups import parse_groups
from absslab.core.data.layouts import DataConfig
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import background_file, read_specs, source_files
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.office_sounds import synthesise
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings

from .labelled_folders import RATE, config_of, weak, write

GROUPS = ("switch.mouse", "knock")
CLASSES = ("keys", "knock", "mouse", "switch")


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory):
    """Mixtures of four classes at the rate of the small model; several classes sound in each."""
    events = tmp_path_factory.mktemp("events")
    output = tmp_path_factory.mktemp("mixtures")
    for name in CLASSES:
        for take in range(1, 4):
            write(events / f"{name}{take:02d}.wav", synthesise(name, take), 44100)
    config = MixtureFolderConfig(
        event_folder=str(events),
        output_folder=str(output),
        n_files=24,
        split_percentages=(50, 25, 25),
        n_workers=1,
    )
    run_to_end(write_mixtures(config, MixingConfig(length=2.0, sampling_rate=RATE, max_event=4)))
    return output


def grouped(folder, groups=GROUPS, **changes):
    return DataConfig(data_folder=str(folder), class_categories=groups, **changes)


def test_a_group_has_the_labels_of_any_of_its_members(mixtures):
    with collect_notices() as notices:
        labelled = read_split(grouped(mixtures), "train")
    assert labelled.classes == list(GROUPS)
    assert [str(notice) for notice in notices] == [
        "class_categories leaves out 1 class: keys: their sounds stay in the recordings"
    ]
    for recording, spec in zip(labelled.recordings, read_specs(mixtures, "train"), strict=True):
        expected = {"switch.mouse"} if {"switch", "mouse"} & set(spec.labels) else set()
        assert recording.labels == expected | ({"knock"} & set(spec.labels))


def test_the_source_of_a_group_is_the_sum_of_its_members(mixtures):
    with collect_notices():
        data_set = open_split(grouped(mixtures), "train", sampling_rate=RATE)
    data_set.has_sources = True
    n_sums = 0
    for index in range(len(data_set)):
        path = data_set.path(index)
        files = source_files(path)
        total = {k: source.numpy() for k, source in data_set.sources(index).items()}
        members = [files[name] for name in ("switch", "mouse") if name in files]
        n_sums += len(members) == 2
        assert (0 in total) == bool(members)
        if members:
            expected = sum(sound_files.load(member) for member in members)
            padded = np.zeros_like(expected)
            padded[: len(total[0])] = total[0]
            np.testing.assert_allclose(padded, expected, atol=1e-4)
        rest = [files["keys"]] if "keys" in files else []
        residual = sum(sound_files.load(file) for file in [*rest, background_file(path)])
        knock = sound_files.load(files["knock"]) if "knock" in files else 0
        named = sum(sound_files.load(member) for member in members) if members else 0
        np.testing.assert_allclose(data_set[index].numpy() - named - knock, residual, atol=1e-4)
    assert n_sums


def test_a_group_has_the_events_of_its_members(mixtures):
    with collect_notices():
        data_set = open_split(grouped(mixtures), "test", sampling_rate=RATE)
    events = data_set.event_reader(data_set.classes, data_set.durations)
    for spec in read_specs(mixtures, "test"):
        own = events[str(mixtures / "test" / spec.filename)]
        expected = [event for event in spec.events if event.event_label != "keys"]
        assert len(own) == len(expected)
        assert {event.event_label for event in own} <= set(GROUPS)


@pytest.mark.parametrize("word", ["all_separated", "none"])
def test_the_words_of_the_thesis_for_no_groups(mixtures, word):
    assert read_split(grouped(mixtures, (word,)), "train").classes == list(CLASSES)


def test_names_of_members_are_compared_whole(tmp_path):
    rows = [f"{i}.wav,{i % 2},{(i + 1) % 2}" for i in range(10)]
    folder = weak(tmp_path, rows, header="filename,key,keyboard")
    with collect_notices():
        labelled = read_split(config_of(folder, class_categories=("key",)), "train")
    for recording in labelled.recordings:
        assert recording.labels == ({"key"} if int(Path(recording.path).stem) % 2 else set())


def test_an_unknown_label_of_a_member_is_known_if_another_member_is_there(tmp_path):
    rows = [f"{i}.wav,{i % 2},{(i + 1) % 2},1" for i in range(10)]
    rows += ["a.wav,,1,0", "b.wav,,0,0"]
    folder = weak(tmp_path, rows, header="filename,dog,bell,cat")
    config = config_of(
        folder, class_categories=("dog.bell", "cat"), split_percentages=(100.0, 0.0, 0.0)
    )
    with collect_notices():
        recordings = read_split(config, "train").recordings
    by_name = {Path(item.path).name: item for item in recordings}
    assert by_name["a.wav"].labels == {"dog.bell"}
    assert not by_name["a.wav"].unknown
    assert not by_name["b.wav"].labels
    assert by_name["b.wav"].unknown == {"dog.bell"}


def test_names_of_classes_may_have_dots():
    classes = ["a", "a.b", "c"]
    assert parse_groups(["a.b", "c.a"], classes, "F") == {"a.b": ("a.b",), "c.a": ("c", "a")}
    assert parse_groups(["c.a.b"], classes, "F") == {"c.a.b": ("c", "a.b")}


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (("switch.mous",), "names 'mous', which is no class of .*did you mean mouse"),
        (("swit",), "names 'swit', which is no class of"),
        (("switch.mouse", "mouse"), "names the class mouse twice"),
        (("mouse", "mouse"), "names the class mouse twice"),
        (("switch..mouse",), "names '', which is no class of"),
        (("none", "mouse"), "names 'none', which is no class of"),
    ],
)
def test_groups_that_can_not_be_are_refused_in_a_line(mixtures, groups, message):
    with pytest.raises(InputError, match=message) as error:
        read_split(grouped(mixtures, groups), "train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("supervision", ["sources", "events"])
def test_groups_are_trained_and_their_sources_scored(mixtures, tmp_path, small_model, supervision):
    flags = small_model | {
        "data_folder": str(mixtures),
        "categories": GROUPS,
        "supervision": supervision,
        "share_weight": 1.0,
        "masks": "competing",
        "save_path": str(tmp_path / "model.ckpt"),
        "n_epochs": 1,
    }
    with collect_notices():
        for _ in Experiment(Settings.from_flags(flags)).run():
            pass
    output = tmp_path / "scores.json"
    arguments = ["--checkpoint_path", str(tmp_path / "model.ckpt"), "--output", str(output)]
    own_rate = ["--at_own_rate", str(supervision == "sources"), "--bss_eval", "none"]
    assert main(["evaluate", *arguments, *own_rate]) == 0
    scores = json.loads(output.read_text())
    assert set(scores["per_class"]) == set(GROUPS)
    assert scores["separation"] is not None
    assert scores["detection"] is not None
