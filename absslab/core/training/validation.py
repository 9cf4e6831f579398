"""Loss and tagging scores of a model on the validation recordings.

Axes: B batch, K classes.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.common.process_group import ALONE, Processes
from absslab.core.data.batches import Batch
from absslab.core.metrics.tagging import (
    RANKING_METRICS,
    tagging_scores,
    tagging_scores_per_class,
)
from absslab.core.model.separation_model import SeparationModel
from absslab.core.training.config import LOSS, TrainingConfig
from absslab.core.training.feature_store import FeatureBatch
from absslab.core.training.objective import Objective
from absslab.core.training.training_source import ScoredSet


class ValidationScores(NamedTuple):
    """Scores of a model on the validation recordings."""

    metrics: dict[str, float | None]  # averaged over the classes, and the loss
    per_class: dict[str, dict[str, float | None]]  # class → metric → value

    def rank(self, metric: str) -> float:
        """Return a metric, negated if lower is better; an undefined value is the worst."""
        value = self.metrics[metric]
        if value is None:
            return -np.inf
        return -value if metric == LOSS else value


def choose_metric(config: TrainingConfig, n_positive: np.ndarray, n_negative: np.ndarray) -> str:
    """Return the metric that chooses the best model: the loss where another one is not defined.

    Args:
        config: which metric is wanted, and how it is averaged.
        n_positive: number of validation recordings that are known to have each class, (K,).
        n_negative: number of those that are known to lack it, (K,).
    """
    if config.metric == LOSS:
        return LOSS
    if config.metric_average == "micro":
        n_positive, n_negative = n_positive.sum(), n_negative.sum()
    if config.metric in RANKING_METRICS:
        is_defined = (n_positive * n_negative).any()
        lacking = "no class has recordings with it and recordings without it"
    else:
        is_defined = (n_positive + n_negative).any()
        lacking = "no label is known"
    if is_defined:
        return config.metric
    give_notice(
        InputWarning(
            f"{config.metric} is not defined on the validation recordings, of which {lacking}: "
            "the best model is chosen by the loss"
        )
    )
    return LOSS


@torch.no_grad()
def validate(
    model: SeparationModel,
    objective: Objective,
    data_set: ScoredSet,
    batches: Iterable[Batch | FeatureBatch],
    config: TrainingConfig,
    processes: Processes = ALONE,
) -> ValidationScores:
    """Score a model.

    The probability of a recording that was cut is the highest of its clips, as in a separation.

    Args:
        model: the model to score.
        objective: computes the loss and the probabilities of a batch.
        data_set: the validation recordings.
        batches: batches of this data set, on the device of the model.
        config: thresholds and averages of the scores.
        processes: between which the batches are divided; all of them return the same scores.
    """
    model.eval()
    clip_probabilities = np.zeros((len(data_set), len(model.classes)), np.float32)
    clip_labels = np.zeros_like(clip_probabilities)
    total = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        batch_loss = objective(model, batch)
        total += float(batch_loss.losses["total"]) * len(batch.labels)
        clips = batch.indices.cpu().numpy()
        clip_probabilities[clips] = batch_loss.probabilities.cpu().numpy()
        clip_labels[clips] = batch.labels.cpu().numpy()
    # a process knows the probabilities of its own batches, and has 0 for those of the others
    clip_probabilities = processes.sum(torch.from_numpy(clip_probabilities)).numpy()
    clip_labels = processes.sum(torch.from_numpy(clip_labels)).numpy()
    total = processes.sum(total)
    labels, probabilities = data_set.max_per_recording(clip_labels, clip_probabilities)
    thresholds = config.thresholds
    metrics: dict[str, float | None] = {LOSS: float(total) / len(data_set)}
    metrics |= tagging_scores(
        labels, probabilities, thresholds=thresholds, average=config.metric_average
    )
    by_metric = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
    per_class = {}
    for k, name in enumerate(model.classes):
        per_class[name] = {metric: values[k] for metric, values in by_metric.items()}
    return ValidationScores(metrics, per_class)
