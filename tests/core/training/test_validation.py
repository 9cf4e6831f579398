"""Validation scores recordings as they are; its results are written under their own names."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from absslab.core.common.progress import run_to_end
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment


def read_metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.reference_flaw("levels of recordings were varied at evaluation as well")
def test_recordings_are_not_varied_in_validation(new_run):
    training = replace(new_run.training, share_weight=0.0)
    losses = []
    for gain_range in ((0.0, 0.0), (-30.0, -20.0)):
        augmentation = AugmentationConfig(gain_range=gain_range)
        settings = replace(new_run, training=training, augmentation=augmentation)
        trainer = run_to_end(Experiment(settings).prepare())
        losses.append(trainer.validate().metrics["loss"])
    assert losses[0] == losses[1]


@pytest.mark.reference_flaw("metrics of validation were saved in the place of its losses")
def test_losses_and_metrics_are_written_under_their_names(new_run, tmp_path):
    events = Experiment(new_run).run()
    results = [event for event in events if isinstance(event, EpochResult)]
    lines = read_metrics(tmp_path / "run")
    for result, line in zip(results, lines, strict=True):
        assert line["losses"] == pytest.approx(result.losses)
        assert line["metrics"] == pytest.approx(result.metrics)
    trainer = run_to_end(Experiment.resume(tmp_path / "run/last.ckpt").prepare())
    assert trainer.validate().metrics == pytest.approx(lines[-1]["metrics"])
