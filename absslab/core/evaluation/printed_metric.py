"""One metric of tags, and their loss, as lines of text.

Axes: n recordings, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.metrics.tagging import (
    AVERAGES,
    SCORES,
    tagging_scores,
    tagging_scores_per_class,
)
from absslab.core.training.losses import TAG_LOSSES


@dataclass(frozen=True)
class PrintedMetricConfig(Config):
    """One metric of tags that is printed alone."""

    metric: str | None = option(
        None,
        "also print this metric of the tags; of equal_error_rate lower is better",
        choices=SCORES,
    )
    average: str | None = option(
        "weighted",
        "its average over the classes (samples: over recordings), or None: a line for each class",
        choices=(*AVERAGES, "samples"),
    )


def metric_lines(result: EvaluationResult, metric: str, average: str | None) -> list[str]:
    """Format a metric of the tags of an evaluation.

    Args:
        result: the scores and their table.
        metric: one of `SCORES`.
        average: how it is averaged; None: it is that of each class.

    Returns:
        a line that names the metric, then a line for each class, or one for the average.

    Raises:
        InputError: the recordings have no known labels.
    """
    classes = list(result.scores.classes)
    if result.scores.tagging is None:
        raise InputError(
            f"metric is {metric}, but no label of the recordings is known: "
            "expected recordings with labels"
        )
    labels, probabilities = _read_tags(result)  # (n, K) each
    rows = [result.scores.per_class[name].threshold for name in classes]
    thresholds = [0.5 if value is None else value for value in rows]
    if average is None:
        per_class = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
        values = dict(zip(classes, per_class[metric], strict=True))
        title = f"{metric} of each class"
    else:
        means = tagging_scores(labels, probabilities, thresholds=thresholds, average=average)
        values = {average: means[metric]}
        title = f"{metric}, average"
    width = max(map(len, values))
    lines = [f"{name:{width}}  {_format(value)}" for name, value in values.items()]
    split = f" ({result.scores.split})" if result.scores.split else ""
    return [f"{title}{split}:", *lines]


def loss_line(result: EvaluationResult, loss: str) -> str | None:
    """Format the loss of the tags of an evaluation, the mean over recordings and classes.

    Args:
        result: the scores and their table.
        loss: one of `TAG_LOSSES`.

    Returns:
        a line; None if no label is known.
    """
    if result.scores.tagging is None:
        return None
    labels, probabilities = _read_tags(result)  # (n, K) each
    labels = np.where(np.isnan(probabilities), np.nan, labels)
    value = TAG_LOSSES[loss](
        torch.from_numpy(np.nan_to_num(probabilities)), torch.from_numpy(labels)
    )
    return f"loss of the tags ({loss}): {value.item():.4f}"


def _read_tags(result: EvaluationResult) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and the probabilities of an evaluation, NaN where not known: (n, K)."""
    shape = (result.scores.n_mixtures, len(result.scores.classes))
    labels = result.table["label"].to_numpy(float).reshape(shape)  # (n, K)
    return labels, result.table["probability"].to_numpy(float).reshape(shape)  # (n, K)


def _format(value: float | None) -> str:
    return "not defined" if value is None or np.isnan(value) else f"{value:.4f}"
