"""Trainings with partly labelled, unlabelled and one-sided recordings."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.batches import Batch
from absslab.core.evaluation.confusion import count_confusions
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.training.augmentation import AugmentationConfig, augment
from absslab.core.training.config import TrainingConfig
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment
from absslab.core.training.losses import (
    TAG_LOSSES,
    absent_mask_loss,
    unite_labels,
)
from absslab.core.training.run_directory import RunReader
from absslab.core.training.validation import choose_metric

NAN = math.nan


@pytest.mark.parametrize("name", TAG_LOSSES)
def test_unknown_labels_cost_nothing_and_pull_nowhere(name):
    probabilities = torch.tensor([[0.8, 0.3], [0.6, 0.5]], requires_grad=True)
    loss = TAG_LOSSES[name](probabilities, torch.tensor([[1.0, NAN], [NAN, 0.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(-np.log([0.8, 0.5]).mean(), rel=1e-5)
    assert (probabilities.grad != 0).tolist() == [[True, False], [False, True]]
    nothing = TAG_LOSSES[name](probabilities, torch.full((2, 2), NAN))
    assert nothing.item() == 0


def test_masks_of_unknown_classes_are_not_pushed_down():
    masks = torch.rand(1, 3, 4, 5, requires_grad=True)
    absent_mask_loss(masks, torch.tensor([[1.0, NAN, 0.0]])).backward()
    assert [bool(masks.grad[:, k].any()) for k in range(3)] == [False, False, True]


def test_a_sum_has_what_one_of_its_recordings_has():
    first = torch.tensor([[1.0, 1.0, 0.0, 0.0, NAN]])
    second = torch.tensor([[NAN, 0.0, NAN, 0.0, NAN]])
    assert str(unite_labels(first, second).tolist()) == "[[1.0, 1.0, nan, 0.0, nan]]"


def test_a_recording_that_meets_none_lends_no_unknown_labels():
    waveforms = torch.randn(6, 2048, generator=torch.Generator().manual_seed(0))
    batch = Batch(waveforms, None, torch.full((6, 2), NAN), torch.arange(6))
    stft = STFT(window_size=256, hop_size=128)
    config = AugmentationConfig(pair_probability=0.5)
    pairs = augment(batch, config, stft, 8000, np.random.default_rng(1))
    alone = ~pairs.second.abs().sum((1, 2)).bool()
    assert 0 < alone.sum() < 6
    assert not pairs.labels_second[alone].any()
    assert pairs.labels_second[~alone].isnan().all()


def counts_of(labels):
    """Return how often each class is present, and how often it is absent."""
    return (labels == 1).sum(0), (labels == 0).sum(0)


def test_the_loss_chooses_the_best_model_where_a_metric_is_not_defined():
    config = TrainingConfig(metric="roc_auc_score")
    assert choose_metric(config, *counts_of(np.array([[1, 1], [1, 0]]))) == "roc_auc_score"
    with collect_notices() as notices:
        assert choose_metric(config, *counts_of(np.array([[1, NAN], [1, 0]]))) == "loss"
        f1 = replace(config, metric="f1-score")
        assert choose_metric(f1, *counts_of(np.full((2, 2), NAN))) == "loss"
    assert "no class has recordings with it and recordings without it" in str(notices[0])
    assert "no label is known" in str(notices[1])
    micro = replace(config, metric_average="micro")
    assert choose_metric(micro, *counts_of(np.array([[1, 0], [1, 0]]))) == "roc_auc_score"


@pytest.fixture
def folder(mixtures, tmp_path):
    return shutil.copytree(mixtures, tmp_path / "mixtures")


def settings_of(new_run, folder, **training):
    return replace(
        new_run,
        data=replace(new_run.data, data_folder=str(folder)),
        training=replace(new_run.training, **training),
    )


def change_labels(folder, split, change):
    """Change the cells of a table of weak labels: (number of the row, cells) → cells."""
    table = folder / split / "weak_labels.csv"
    header, *lines = table.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    rows = [[row[0], *change(number, row[1:])] for number, row in enumerate(rows)]
    table.write_text("\n".join([header, *map(",".join, rows)]) + "\n")


def finish(settings):
    with collect_notices() as notices:
        events = list(Experiment(settings).run())
    results = [event for event in events if isinstance(event, EpochResult)]
    return results, [str(notice) for notice in notices]


@pytest.mark.parametrize("share_weight", [2.0, 0.0])
def test_partly_labelled_and_unlabelled_recordings_train(new_run, folder, share_weight):
    def hide(number, cells):
        return [""] * 4 if number % 3 == 0 else [cells[0], "", *cells[2:]]

    change_labels(folder, "train", hide)
    change_labels(folder, "validation", hide)
    results, notices = finish(settings_of(new_run, folder, n_epochs=4, share_weight=share_weight))
    assert "train: weak_labels.csv: 48 of 96 labels are unknown" in notices[0]
    assert "no label of 8 of 24 recordings is known" in notices[0]
    assert sum("no training recording is known to have 1 class: " in line for line in notices) == 1
    losses = [result.losses["total"] for result in results]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0]
    classes = list(results[-1].per_class)
    assert set(results[-1].per_class[classes[1]].values()) == {None}
    assert results[-1].metrics["accuracy"] is not None
    log = RunReader.open(new_run.run.save_path.removesuffix(".ckpt")).folder / "log.txt"
    assert "labels are unknown" in log.read_text()


def test_a_run_with_unknown_labels_resumes_and_refuses_others(new_run, folder):
    change_labels(folder, "train", lambda number, cells: ["", *cells[1:]] if number else cells)
    settings = settings_of(new_run, folder, n_epochs=2)
    finish(settings)
    last = f"{new_run.run.save_path.removesuffix('.ckpt')}/last.ckpt"
    with collect_notices():
        assert run_to_end(Experiment.resume(last, {"n_epochs": 3}).prepare()).epoch == 2
        change_labels(folder, "train", lambda number, cells: [cells[0], "", *cells[2:]])
        with pytest.raises(InputError, match="other recordings or labels"):
            run_to_end(Experiment.resume(last, {"n_epochs": 3}).prepare())


def test_labels_that_are_all_unknown_are_told_in_one_line(new_run, folder, tmp_path):
    settings = settings_of(new_run, folder)
    change_labels(folder, "train", lambda number, cells: [""] * 4)
    with pytest.raises(InputError, match=r"weak_labels.csv knows no label: the columns alert, "):
        finish(settings)
    assert not (tmp_path / "run").exists()


def test_training_recordings_of_which_nothing_is_known_are_refused(new_run, tmp_path, folder):
    """Only the validation recordings of a table are labelled."""
    rows = ["filename,alert,speech,split"]
    for number, path in enumerate(sorted((folder / "train").glob("*.wav"))[:6]):
        shutil.copy(path, tmp_path / path.name)
        rows.append(f"{path.name},,,train" if number < 3 else f"{path.name},1,0,validation")
    (tmp_path / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    settings = settings_of(new_run, tmp_path)
    data = replace(settings.data, data_set_type="weakly_labelled_folder")
    with pytest.raises(InputError, match="no label of the 3 training recordings is known"):
        finish(replace(settings, data=data))


def test_a_class_that_is_in_every_recording_trains_with_a_notice(new_run, folder):
    for split in ("train", "validation"):
        change_labels(folder, split, lambda number, cells: ["1", *cells[1:]])
    results, notices = finish(settings_of(new_run, folder))
    assert notices == [
        "every training recording has 1 class: alert: the model can't learn where it is absent, "
        "and its AUC is not defined; add recordings without it"
    ]
    assert results[-1].per_class["alert"]["roc_auc_score"] is None
    assert results[-1].metrics["roc_auc_score"] is not None


def test_a_single_class_that_is_in_every_recording_is_chosen_by_the_loss(new_run, folder):
    for split in ("train", "validation", "test"):
        table = folder / split / "weak_labels.csv"
        names = [line.split(",")[0] for line in table.read_text().splitlines()[1:]]
        table.write_text("\n".join(["filename,alert", *(f"{name},1" for name in names)]) + "\n")
    results, notices = finish(settings_of(new_run, folder, n_epochs=3))
    assert "every training recording has 1 class: alert" in notices[0]
    assert "roc_auc_score is not defined on the validation recordings" in notices[1]
    losses = {result.epoch: result.metrics["loss"] for result in results}
    made = load_checkpoint(new_run.run.save_path).made
    assert made["epoch"] == min(losses, key=losses.get)
    assert made["metrics"]["roc_auc_score"] is None


def test_recordings_without_any_class_are_negative_examples(new_run, folder):
    def empty_some(number, cells):
        return ["0"] * 4 if number < 6 else cells

    change_labels(folder, "train", empty_some)
    results, notices = finish(settings_of(new_run, folder))
    assert len(results) == 2
    assert notices == []


def test_scores_leave_unknown_labels_out(checkpoint, folder):
    config = EvaluationConfig(
        checkpoint_path=str(checkpoint), data_folder=str(folder), split="test"
    )

    def evaluate():
        return run_to_end(open_evaluation(config).run())

    with collect_notices():
        whole = evaluate()
        change_labels(
            folder, "test", lambda number, cells: ["", *cells[1:]] if number < 4 else cells
        )
        partly = evaluate()
        change_labels(folder, "test", lambda number, cells: ["", *cells[1:]])
        without = evaluate()
    labels = partly.table.set_index(["class", "mixture"])["label"]["alert"]
    assert labels.isna().sum() == 4
    names = set(whole.scores.per_class) - {"alert"}
    for name in names:
        assert partly.scores.per_class[name].auc == whole.scores.per_class[name].auc
    assert partly.scores.per_class["alert"].n_labelled <= whole.scores.per_class["alert"].n_labelled
    assert partly.scores.tagging.auc is not None
    areas = [without.scores.per_class[name].auc for name in names]
    assert without.scores.tagging.auc == pytest.approx(np.mean([a for a in areas if a is not None]))
    assert without.scores.separation == whole.scores.separation
    assert count_confusions(partly.table) is not None
