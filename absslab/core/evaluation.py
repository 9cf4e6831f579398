"""From a checkpoint and a split to scores, joined by class name.

Axes: K classes, N samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from absslab.core import audio
from absslab.core.config import Config, option
from absslab.core.datasets import AudioDataSet, DataConfig, open_split
from absslab.core.errors import InputError
from absslab.core.metrics.separation import leakage, si_sdr_improvement
from absslab.core.metrics.tagging import tagging_scores, tagging_scores_per_class
from absslab.core.mixture_folder import source_files
from absslab.core.model import load_checkpoint
from absslab.core.separation import SeparationConfig, Separator
from absslab.core.splits import SPLITS
from absslab.core.training import choose_device
from absslab.core.workers import Progress

NAMES = {  # of the scores in JSON
    "roc_auc_score": "auc",
    "average_precision_score": "average_precision",
    "f1-score": "f1",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "matthews_corrcoef": "matthews",
}


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """What is scored, and on what."""

    checkpoint_path: str = option("", "the model; what it was trained on is in it")
    split: str = option("test", "which recordings", choices=SPLITS)
    data_folder: str | None = option(None, "another folder of the same layout and classes")
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")


@dataclass
class Evaluation:
    """Scores a checkpoint on a split; iterate over `run`, then take `scores`.

    Args:
        config: which checkpoint, which split.
        separation: how masks are applied.

    Raises:
        InputError: a checkpoint, folder or split that can't be used, classes other than the model's.
    """

    config: EvaluationConfig
    separation: SeparationConfig = SeparationConfig()

    def __post_init__(self) -> None:
        config = self.config
        if not config.checkpoint_path:
            raise InputError("checkpoint_path is missing: say it with --checkpoint_path")
        self.device = choose_device(config.device)
        checkpoint = load_checkpoint(config.checkpoint_path, self.device)
        try:
            settings = checkpoint.made["settings"]
            data = DataConfig.from_json(settings["data"])
            self.thresholds = settings["training"]["thresholds"]
        except (KeyError, TypeError):
            raise InputError(f"{config.checkpoint_path} does not say what it was trained on") from None
        if config.data_folder:
            data = replace(data, data_folder=config.data_folder)
        self.separator = Separator(checkpoint.model, self.separation)
        rate = checkpoint.configs.features.sampling_rate
        data = replace(data, in_memory=False)
        self.data_set = open_split(data, config.split, sampling_rate=rate, classes=self.separator.classes)
        self.rows: list[dict[str, Any]] = []
        self.probabilities: list[np.ndarray] = []

    def run(self) -> Iterator[Progress]:
        """Separate and score every recording, one at a time."""
        for index in range(len(self.data_set)):
            self._score(index)
            yield Progress(index + 1, len(self.data_set))

    def _score(self, index: int) -> None:
        mixture, rate = self.data_set[index].numpy(), self.data_set.sampling_rate  # (N,)
        references = load_references(self.data_set, index)
        if references is None:  # a recording may be long: its sources need not be in memory at once
            parts = self.separator.stream([mixture[None]], rate, len(mixture))
            self.probabilities.append(np.max([part.probabilities for part in parts], axis=0))
            return
        separated = self.separator.separate(mixture, rate)
        self.probabilities.append(separated.probabilities)
        for name, estimate in zip(self.separator.classes, separated.sources, strict=True):
            row: dict[str, Any] = {
                "mixture": self.data_set.path(index).name,
                "class": name,
                "present": name in references,
            }
            if row["present"]:
                row["si_sdr_improvement"] = float(si_sdr_improvement(references[name], estimate, mixture))
            else:
                row["leakage"] = float(leakage(estimate, mixture))
            self.rows.append(row)

    def scores(self) -> dict[str, Any]:
        """The scores as plain data; null where there is none."""
        labels, said = self.data_set.labels, np.array(self.probabilities)
        classes = self.separator.classes
        tagging = tagging_scores(labels, said, thresholds=self.thresholds, average="macro")
        by_class = tagging_scores_per_class(labels, said, thresholds=self.thresholds)
        per_class: dict[str, dict[str, Any]] = {
            name: {short: by_class[long][k] for long, short in NAMES.items()} | {"n_present": int(labels[:, k].sum())}
            for k, name in enumerate(classes)
        }
        for name in classes:
            for score in ("si_sdr_improvement", "leakage"):
                values = [row[score] for row in self.rows if row["class"] == name and score in row]
                per_class[name][score] = float(np.mean(values)) if values else None
        return {
            "split": self.config.split,
            "n_mixtures": len(self.data_set),
            "classes": classes,
            "tagging": {short: tagging[long] for long, short in NAMES.items()},
            "separation": self._separation_scores(),
            "per_class": per_class,
        }

    def _separation_scores(self) -> dict[str, float | int | None] | None:
        if not self.rows:
            return None
        improvements = [row["si_sdr_improvement"] for row in self.rows if row["present"]]
        leakages = [row["leakage"] for row in self.rows if not row["present"]]
        return {
            "si_sdr_improvement": float(np.mean(improvements)) if improvements else None,
            "si_sdr_improvement_median": float(np.median(improvements)) if improvements else None,
            "n_present": len(improvements),
            "leakage": float(np.mean(leakages)) if leakages else None,
            "n_absent": len(leakages),
        }


def load_references(data_set: AudioDataSet, index: int) -> dict[str, np.ndarray] | None:
    """The sources that were mixed, by class name; None where they were not saved.

    Raises:
        InputError: a source of a class that the model does not know.
    """
    files = source_files(data_set.path(index))
    if not files:
        return None
    references = {}
    for name, path in files.items():
        if name == "background":
            continue
        if name not in data_set.classes:
            raise InputError(f"{path} is the source of an unknown class: expected {', '.join(data_set.classes)}")
        samples = audio.load(path, data_set.sampling_rate)
        if samples.any():  # silent sources were written for absent classes
            references[name] = samples
    return references
