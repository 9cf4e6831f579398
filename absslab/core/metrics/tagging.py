"""Tagging scores, which measure how well the classes of recordings are recognised.

Axes: n recordings, K classes. The scores equal those of scikit-learn.

Labels (n, K) are 0 or 1, or NaN where it is not known: no score counts these. Probabilities (n, K)
are in [0, 1]. A class that is always or never present has no ranking score; one that is never
present and never predicted has neither F1 nor precision nor recall; one of which nothing is known
has no score. Such scores are None per class, and left out of the averages.
"""

import math
from collections.abc import Sequence

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.metrics.ranking import (
    area_under_roc,
    average_precision,
    equal_error_rate,
    sum_from_above,
)

METRICS = (
    "roc_auc_score",
    "average_precision_score",
    "f1-score",
    "precision",
    "recall",
    "accuracy",
    "matthews_corrcoef",
)
RANKING_METRICS = METRICS[:2]  # which need recordings with a class and others without it
SCORES = (*METRICS, "equal_error_rate")  # the last is best where it is lowest
AVERAGES = ("weighted", "macro", "micro")


def validate(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Check that labels and probabilities can be compared.

    Raises:
        InputError: shapes differ, there are no recordings, or values are not labels or not
            probabilities.
    """
    if labels.shape != probabilities.shape or labels.ndim != 2:
        raise InputError(
            f"labels are {labels.shape}, probabilities {probabilities.shape}: "
            "expected the same (n, K)"
        )
    if not len(labels):
        raise InputError("there are no recordings to score")
    if not (np.isin(labels, (0, 1)) | np.isnan(labels)).all():
        raise InputError("labels hold other values than 0 and 1, or NaN where they are unknown")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise InputError("probabilities hold NaN or values outside [0, 1]")


def tagging_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    thresholds: Sequence[float] = (0.5,),
    average: str = "macro",
) -> dict[str, float | None]:
    """Compute all tagging scores, averaged over classes.

    Args:
        labels: (n, K).
        probabilities: (n, K).
        thresholds: the lowest probabilities at which a class is predicted: one, or one per class.
        average: macro: classes have equal weights; weighted: weights are the numbers of positives;
            micro: all decisions have equal weights; samples: the mean over recordings of the score
            of all classes of a recording.

    Returns:
        a score per name in `SCORES`; None if no class (of samples: no recording) has one.

    Raises:
        InputError: see `validate`; also a wrong number of thresholds, or an unknown average.
    """
    if average not in (*AVERAGES, "samples"):
        raise InputError(f"average is {average!r}: expected one of {', '.join(AVERAGES)}, samples")
    if average == "micro":
        decisions = _decisions(labels, probabilities, thresholds)
        return _scores(labels.ravel(), probabilities.ravel(), decisions.ravel())
    if average == "samples":
        decisions = _decisions(labels, probabilities, thresholds)
        per_recording = _scores_of_columns(labels.T, probabilities.T, decisions.T)
        return {name: _mean(per_recording[name], np.ones(len(labels))) for name in SCORES}
    per_class = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
    n_positive = np.nan_to_num(labels).sum(0, dtype=np.float64)  # (K,)
    weights = np.ones(labels.shape[1]) if average == "macro" else n_positive
    return {name: _mean(per_class[name], weights) for name in SCORES}


def tagging_scores_per_class(
    labels: np.ndarray, probabilities: np.ndarray, *, thresholds: Sequence[float] = (0.5,)
) -> dict[str, list[float | None]]:
    """Compute all tagging scores of each class: K values per name in `SCORES`.

    Raises:
        InputError: see `validate`; also if the number of thresholds is wrong.
    """
    decisions = _decisions(labels, probabilities, thresholds)
    return _scores_of_columns(labels, probabilities, decisions)


def best_thresholds(
    labels: np.ndarray, probabilities: np.ndarray, *, otherwise: Sequence[float] = (0.5,)
) -> list[float]:
    """Choose the threshold of each class with the highest F1.

    Choose them on other recordings than those that are scored. A threshold lies in the middle
    between two probabilities; if several are equally good, it is the highest.

    Args:
        labels: (n, K).
        probabilities: (n, K).
        otherwise: thresholds of classes that are never or always present: one, or one per class.

    Raises:
        InputError: see `validate`.
    """
    validate(labels, probabilities)
    thresholds = np.broadcast_to(np.asarray(otherwise, float), labels.shape[1]).tolist()
    columns = zip(labels.T, probabilities.T.astype(np.float64), strict=True)
    for k, (column, of_all) in enumerate(columns):
        is_known = ~np.isnan(column)  # (n,)
        truth = column[is_known]
        predicted = of_all[is_known]
        if not 0 < truth.sum() < len(truth):
            continue
        levels, positives, negatives = _count_by_level(truth, predicted)
        hits = sum_from_above(positives)
        precision = hits / (hits + sum_from_above(negatives))
        recall = hits / hits[0]
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(len(levels) - 1 - np.argmax(f1[::-1]))
        next_lower = levels[best - 1] if best else 0.0
        thresholds[k] = float((levels[best] + next_lower) / 2)
    return thresholds


def _decisions(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    validate(labels, probabilities)
    n_classes = labels.shape[1]
    if len(thresholds) not in (1, n_classes):
        raise InputError(
            f"there are {len(thresholds)} thresholds: expected 1, or {n_classes}, one per class"
        )
    per_class = np.broadcast_to(np.asarray(thresholds), n_classes)  # (K,)
    return (probabilities >= per_class).astype(int)  # (n, K)


def _scores_of_columns(
    labels: np.ndarray, probabilities: np.ndarray, decisions: np.ndarray
) -> dict[str, list[float | None]]:
    """Compute all scores of each column of (n, m): m values per name."""
    scores: dict[str, list[float | None]] = {name: [] for name in SCORES}
    for column in zip(labels.T, probabilities.T, decisions.T, strict=True):
        for name, value in _scores(*column).items():
            scores[name].append(value)
    return scores


def _scores(
    truth: np.ndarray, probabilities: np.ndarray, decided: np.ndarray
) -> dict[str, float | None]:
    """Compute all scores of one class from its labels, probabilities and decisions (n,)."""
    scores: dict[str, float | None] = dict.fromkeys(SCORES)
    is_known = ~np.isnan(truth)  # (n,)
    if not is_known.any():
        return scores
    truth = truth[is_known] == 1
    decided = decided[is_known] == 1
    if truth.any() and not truth.all():
        _, *counts = _count_by_level(truth, probabilities[is_known])
        scores["roc_auc_score"] = float(area_under_roc(*counts))
        scores["average_precision_score"] = float(average_precision(*counts))
        scores["equal_error_rate"] = float(equal_error_rate(*counts))
    hits = int((truth & decided).sum())
    misses = int((truth & ~decided).sum())
    alarms = int((~truth & decided).sum())
    rejections = int((~truth & ~decided).sum())
    if hits + misses + alarms:
        scores["f1-score"] = 2 * hits / (2 * hits + misses + alarms)
        scores["precision"] = hits / max(hits + alarms, 1)
        scores["recall"] = hits / max(hits + misses, 1)
    scores["accuracy"] = (hits + rejections) / len(truth)
    product = (hits + alarms) * (hits + misses) * (rejections + alarms) * (rejections + misses)
    covariance = hits * rejections - alarms * misses
    scores["matthews_corrcoef"] = covariance / math.sqrt(product) if product else 0.0
    return scores


def _count_by_level(
    truth: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the U distinct probabilities, and the positives and negatives (U,) of each."""
    levels, level = np.unique(probabilities, return_inverse=True)  # (U,), (n,)
    positives = np.bincount(level, weights=truth)  # (U,)
    return levels, positives, np.bincount(level) - positives


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    """Return the weighted mean of the defined values, if there are any."""
    total = 0.0
    total_weight = 0.0
    for value, weight in zip(values, weights, strict=True):
        if value is not None:
            total += value * weight
            total_weight += weight
    return float(total / total_weight) if total_weight else None
