"""Tagging: which classes a recording holds. Axes: n recordings, K classes. Scores are scikit-learn's.

Conventions: labels (n, K) are 0 or 1, probabilities (n, K) in [0, 1]. A class that is always or never there has no
ranking score; it is None per class and left out of the averages.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from absslab.core.errors import InputError

METRICS = (
    "roc_auc_score",
    "average_precision_score",
    "f1-score",
    "precision",
    "recall",
    "accuracy",
    "matthews_corrcoef",
)
AVERAGES = ("weighted", "macro")


def validate(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """See that labels and probabilities can be compared.

    Raises:
        InputError: other shapes, no recordings, values that are no labels or no probabilities.
    """
    if labels.shape != probabilities.shape or labels.ndim != 2:
        raise InputError(f"labels are {labels.shape}, probabilities {probabilities.shape}: expected the same (n, K)")
    if not len(labels):
        raise InputError("there are no recordings to score")
    if not np.isin(labels, (0, 1)).all():
        raise InputError("labels hold other values than 0 and 1")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise InputError("probabilities hold NaN or values outside [0, 1]")


def tagging_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    thresholds: Sequence[float] = (0.5,),
    average: str = "macro",
) -> dict[str, float | None]:
    """All tagging scores, averaged over classes.

    Args:
        labels, probabilities: (n, K).
        thresholds: from which probability on a class is said to be there: one, or one per class.
        average: macro: classes count alike; weighted: as often as they are there.

    Returns:
        a score per name in `METRICS`; None where no class has one.

    Raises:
        InputError: see `validate`; a wrong number of thresholds, an unknown average.
    """
    if average not in AVERAGES:
        raise InputError(f"average is {average!r}: expected one of {', '.join(AVERAGES)}")
    per_class = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
    weights = np.ones(labels.shape[1]) if average == "macro" else labels.sum(0)
    return {name: _mean(per_class[name], weights) for name in METRICS}


def tagging_scores_per_class(
    labels: np.ndarray, probabilities: np.ndarray, *, thresholds: Sequence[float] = (0.5,)
) -> dict[str, list[float | None]]:
    """All tagging scores of each class: K values per name in `METRICS`.

    Raises:
        InputError: see `validate`; a wrong number of thresholds.
    """
    from sklearn import metrics

    validate(labels, probabilities)
    n_classes = labels.shape[1]
    if len(thresholds) not in (1, n_classes):
        raise InputError(f"there are {len(thresholds)} thresholds: expected 1, or {n_classes}, one per class")
    decisions = (probabilities >= np.broadcast_to(np.asarray(thresholds), n_classes)).astype(int)  # (n, K)
    labels = labels.astype(int)

    def each(score: Any, predicted: np.ndarray, **options: Any) -> list[float | None]:
        return [float(score(labels[:, k], predicted[:, k], **options)) for k in range(n_classes)]

    def matthews(truth: np.ndarray, predicted: np.ndarray) -> float:
        one_value = len({*truth, *predicted}) == 1  # scikit-learn gives 0 as well, but warns
        return 0.0 if one_value else metrics.matthews_corrcoef(truth, predicted)

    def each_ranked(score: Any) -> list[float | None]:
        both = [0 < labels[:, k].mean() < 1 for k in range(n_classes)]
        return [float(score(labels[:, k], probabilities[:, k])) if both[k] else None for k in range(n_classes)]

    return {
        "roc_auc_score": each_ranked(metrics.roc_auc_score),
        "average_precision_score": each_ranked(metrics.average_precision_score),
        "f1-score": each(metrics.f1_score, decisions, zero_division=0),
        "precision": each(metrics.precision_score, decisions, zero_division=0),
        "recall": each(metrics.recall_score, decisions, zero_division=0),
        "accuracy": each(metrics.accuracy_score, decisions),
        "matthews_corrcoef": each(matthews, decisions),
    }


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    kept = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in kept)
    return float(sum(value * weight for value, weight in kept) / total) if total else None
