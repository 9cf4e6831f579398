"""A training chooses the thresholds of events on its validation recordings."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import Progress, run_to_end
from absslab.core.data.audio_data_set import open_split
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.separation.threshold_choice import choice_steps
from absslab.core.training import event_thresholds
from absslab.core.training.event_thresholds import threshold_steps
from absslab.core.training.folder_source import TrainingData
from absslab.core.training.supervision import table_folder

N_VALIDATION = 8


@pytest.fixture
def model_path(checkpoint, tmp_path):
    """A copy of a model, without thresholds."""
    content = torch.load(checkpoint, weights_only=True)
    content.pop("event_thresholds")
    torch.save(content, tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def choose(settings, folder, model_path, choice):
    """Choose thresholds, and return them with the lines of the log and the notices."""
    settings = replace(
        settings,
        data=replace(settings.data, data_folder=str(folder)),
        run=replace(settings.run, choose_thresholds=choice),
    )
    classes = load_checkpoint(model_path).model.classes
    validation = open_split(
        settings.data,
        "validation",
        sampling_rate=settings.features.sampling_rate,
        classes=classes,
    )
    trainer = SimpleNamespace(
        model=SimpleNamespace(device=torch.device("cpu")),
        data=TrainingData(
            validation,
            validation,
            strong_label_folder=table_folder(settings, validation.recordings),
        ),
    )
    log: list[str] = []
    writer = SimpleNamespace(save_path=model_path, log=log.append)
    with collect_notices() as notices:
        run_to_end(threshold_steps(settings, trainer, writer, None))
    return load_checkpoint(model_path).model.event_thresholds, log, [str(line) for line in notices]


@pytest.fixture
def without_events(mixtures, tmp_path):
    """The mixtures without strong labels."""
    folder = shutil.copytree(mixtures, tmp_path / "set")
    for path in Path(folder).glob("*/events.tsv"):
        path.unlink()
    return folder


def test_a_training_saves_them_with_its_best_model(checkpoint):
    chosen = load_checkpoint(checkpoint).model.event_thresholds
    assert chosen.describe() == f"strong labels of {N_VALIDATION} validation recordings"
    log = (checkpoint.with_suffix("") / "log.txt").read_text()
    assert f"thresholds of events, of clarity: chosen by {chosen.describe()}" in log


def test_strong_labels_of_validation_are_used_by_default(settings, mixtures, model_path):
    chosen, log, notices = choose(settings, mixtures, model_path, "auto")
    assert chosen.chosen_by == "events"
    assert chosen.n_recordings == N_VALIDATION
    assert log == [
        f"thresholds of events, of clarity: chosen by {chosen.describe()}: "
        "none is clearly better than the fixed ones, which stay"
    ]
    assert notices == []


@pytest.mark.parametrize(
    ("kind", "thresholds", "ending"),
    [
        ("clarity", {}, "recordings: none is clearly better than the fixed ones, which stay"),
        ("magnitude", {}, "validation recordings"),
        ("clarity", {"alert": ClassThresholds(0.6, 0.4)}, "validation recordings"),
    ],
)
def test_the_log_says_whether_other_thresholds_were_chosen(
    settings, mixtures, model_path, monkeypatch, kind, thresholds, ending
):
    def choose_these(*_):
        yield Progress(0, 1)
        return EventThresholds(thresholds, activity=kind)

    monkeypatch.setattr(event_thresholds, "choice_steps", choose_these)
    _, log, _ = choose(settings, mixtures, model_path, "auto")
    assert log[0].startswith(f"thresholds of events, of {kind}: ")
    assert log[0].endswith(ending)


def test_weak_labels_alone_are_used_if_that_is_wished(settings, mixtures, model_path):
    chosen, _, notices = choose(settings, mixtures, model_path, "tags")
    assert chosen.chosen_by == "tags"
    assert notices == []


def test_thresholds_are_not_chosen_if_that_is_wished(settings, mixtures, model_path):
    before = model_path.read_bytes()
    chosen, log, _ = choose(settings, mixtures, model_path, "none")
    assert chosen is None
    assert log == []
    assert model_path.read_bytes() == before


def test_without_strong_labels_weak_ones_are_used(settings, without_events, model_path):
    chosen, log, notices = choose(settings, without_events, model_path, "auto")
    assert chosen.chosen_by == "tags"
    assert "weak labels of 8 validation recordings" in log[0]
    assert notices == []
    chosen, _, notices = choose(settings, without_events, model_path, "events")
    assert chosen.chosen_by == "tags"
    assert "have no strong labels in" in notices[0]


def test_strong_labels_that_can_not_be_read_end_no_training(settings, without_events, model_path):
    (without_events / "validation" / "events.tsv").write_text("filename\tonset\n000000.wav\tx\n")
    chosen, _, notices = choose(settings, without_events, model_path, "auto")
    assert chosen.chosen_by == "tags"
    assert "strong labels of the validation recordings can't be used" in notices[0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (event_thresholds.InputError("a.wav is gone"), "a.wav is gone"),
        (OSError(5, "Input/output error", "a.wav"), "Input/output error"),
        (MemoryError(), "the memory is full"),
    ],
)
def test_a_recording_that_can_not_be_read_by_then_ends_no_training(
    settings, mixtures, model_path, monkeypatch, error, reason
):
    def fail(*_):
        raise error

    monkeypatch.setattr(event_thresholds, "detect_recording", fail)
    chosen, log, notices = choose(settings, mixtures, model_path, "auto")
    assert chosen is None
    assert log == []
    assert notices == [f"no thresholds of events were chosen: {reason}"]


def test_weights_and_origin_of_the_model_stay(settings, mixtures, model_path):
    before = torch.load(model_path, weights_only=True)
    choose(settings, mixtures, model_path, "auto")
    after = torch.load(model_path, weights_only=True)
    assert after["made"] == before["made"]
    for name, weights in before["weights"].items():
        assert torch.equal(after["weights"][name], weights), name


def test_true_events_are_those_that_sound(settings, mixtures, model_path, tmp_path, monkeypatch):
    """Labels say that each class sounds from the beginning to the end."""
    folder = Path(shutil.copytree(mixtures, tmp_path / "set"))
    table = folder / "validation" / "events.tsv"
    header, *lines = table.read_text().splitlines()
    cells = (line.split("\t") for line in lines)
    rows = dict.fromkeys(f"{row[0]}\t0.0\t2.0\t{row[3]}" for row in cells)
    table.write_text("\n".join([header, *rows]) + "\n")
    seen = []

    def watched(recordings, *arguments):
        seen.extend(recordings)
        return choice_steps(recordings, *arguments)

    monkeypatch.setattr(event_thresholds, "choice_steps", watched)
    choose(settings, folder, model_path, "events")
    assert len(seen) == N_VALIDATION
    events = [event for recording in seen for event in recording.events]
    assert len(events) >= len(rows)
    assert min(event.offset - event.onset for event in events) < 1.0
