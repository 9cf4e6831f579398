"""One metric of tags as lines of text: a line for each class, or one for their average.

Axes: n recordings, K classes.
"""

from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.evaluation.scores import EvaluationResult
from absslab.core.metrics.tagging import (
    AVERAGES,
    SCORES,
    tagging_scores,
    tagging_scores_per_class,
)


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
    shape = (result.scores.n_mixtures, len(classes))
    if result.scores.tagging is None:
        raise InputError(
            f"metric is {metric}, but no label of the recordings is known: "
            "expected recordings with labels"
        )
    labels = result.table["label"].to_numpy(float).reshape(shape)  # (n, K)
    probabilities = result.table["probability"].to_numpy(float).reshape(shape)  # (n, K)
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


def _format(value: float | None) -> str:
    return "not defined" if value is None or np.isnan(value) else f"{value:.4f}"
