"""Tagging scores, which measure how well the classes of recordings are recognised.

Axes: n recordings, K classes. The scores are those of scikit-learn.

Labels (n, K) are 0 or 1, or NaN where it is not known: no score counts these. Probabilities (n, K)
are in [0, 1]. A class that is always or never present has no ranking score; one that is never
present and never predicted has neither F1 nor precision nor recall; one of which nothing is known
has no score. Such scores are None per class, and left out of the averages.
"""

from collections.abc import Sequence

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.metrics.ranking import equal_error_rate

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
    from sklearn.metrics import precision_recall_curve

    validate(labels, probabilities)
    thresholds = np.broadcast_to(np.asarray(otherwise, float), labels.shape[1]).tolist()
    columns = zip(labels.T, probabilities.T.astype(np.float64), strict=True)
    for k, (column, of_all) in enumerate(columns):
        is_known = ~np.isnan(column)  # (n,)
        truth = column[is_known]
        predicted = of_all[is_known]
        if not 0 < truth.sum() < len(truth):
            continue
        # The levels ascend; precision and recall have one more point.
        precision, recall, levels = precision_recall_curve(truth, predicted)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(len(levels) - 1 - np.argmax(f1[:-1][::-1]))
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
    from sklearn import metrics

    scores: dict[str, float | None] = dict.fromkeys(SCORES)
    is_known = ~np.isnan(truth)  # (n,)
    if not is_known.any():
        return scores
    truth = truth[is_known].astype(int)
    probabilities = probabilities[is_known]
    decided = decided[is_known]
    if 0 < truth.mean() < 1:
        scores["roc_auc_score"] = metrics.roc_auc_score(truth, probabilities)
        scores["average_precision_score"] = metrics.average_precision_score(truth, probabilities)
        level = np.unique(probabilities, return_inverse=True)[1]  # (n,)
        positives, negatives = (np.bincount(level, weights=truth == kind) for kind in (1, 0))
        scores["equal_error_rate"] = float(equal_error_rate(positives, negatives))
    if truth.any() or decided.any():
        scores["f1-score"] = metrics.f1_score(truth, decided, zero_division=0)
        scores["precision"] = metrics.precision_score(truth, decided, zero_division=0)
        scores["recall"] = metrics.recall_score(truth, decided, zero_division=0)
    scores["accuracy"] = metrics.accuracy_score(truth, decided)
    scores["matthews_corrcoef"] = 0.0
    if len({*truth, *decided}) > 1:  # otherwise scikit-learn also gives 0, but warns
        scores["matthews_corrcoef"] = metrics.matthews_corrcoef(truth, decided)
    return {name: None if value is None else float(value) for name, value in scores.items()}


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    """Return the weighted mean of the defined values, if there are any."""
    total = 0.0
    total_weight = 0.0
    for value, weight in zip(values, weights, strict=True):
        if value is not None:
            total += value * weight
            total_weight += weight
    return float(total / total_weight) if total_weight else None
