"""Tagging: which classes a recording holds. Axes: n recordings, K classes. Scores are scikit-learn's.

Conventions: labels (n, K) are 0 or 1, probabilities (n, K) in [0, 1]. A class that is always or never there has no
ranking score; one that is never there and never said has neither F1 nor precision nor recall. They are None per class and
left out of the averages.
"""

from collections.abc import Sequence

import numpy as np

from absslab.core.common.errors import InputError

METRICS = (
    "roc_auc_score",
    "average_precision_score",
    "f1-score",
    "precision",
    "recall",
    "accuracy",
    "matthews_corrcoef",
)
AVERAGES = ("weighted", "macro", "micro")


def validate(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """See that labels and probabilities can be compared.

    Raises:
        InputError: other shapes, no recordings, values that are no labels or no probabilities.
    """
    if labels.shape != probabilities.shape or labels.ndim != 2:
        raise InputError(
            f"labels are {labels.shape}, probabilities {probabilities.shape}: expected the same (n, K)"
        )
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
        average: macro: classes count alike; weighted: as often as they are there; micro: all decisions count alike.

    Returns:
        a score per name in `METRICS`; None where no class has one.

    Raises:
        InputError: see `validate`; a wrong number of thresholds, an unknown average.
    """
    if average not in AVERAGES:
        raise InputError(f"average is {average!r}: expected one of {', '.join(AVERAGES)}")
    if average == "micro":
        decisions = _decisions(labels, probabilities, thresholds)
        return _scores(labels.ravel().astype(int), probabilities.ravel(), decisions.ravel())
    per_class = tagging_scores_per_class(labels, probabilities, thresholds=thresholds)
    weights = np.ones(labels.shape[1]) if average == "macro" else labels.sum(0, dtype=np.float64)
    return {name: _mean(per_class[name], weights) for name in METRICS}


def tagging_scores_per_class(
    labels: np.ndarray, probabilities: np.ndarray, *, thresholds: Sequence[float] = (0.5,)
) -> dict[str, list[float | None]]:
    """All tagging scores of each class: K values per name in `METRICS`.

    Raises:
        InputError: see `validate`; a wrong number of thresholds.
    """
    decisions = _decisions(labels, probabilities, thresholds)
    columns = zip(labels.T.astype(int), probabilities.T, decisions.T, strict=True)
    per_class = [_scores(*column) for column in columns]
    return {name: [scores[name] for scores in per_class] for name in METRICS}


def best_thresholds(
    labels: np.ndarray, probabilities: np.ndarray, *, otherwise: Sequence[float] = (0.5,)
) -> list[float]:
    """The threshold of each class with the highest F1: to be chosen on other recordings than those that are scored.

    It lies in the middle between two probabilities; of equally good ones it is the highest.

    Args:
        labels, probabilities: (n, K).
        otherwise: of a class that is never or always there: one, or one per class.

    Raises:
        InputError: see `validate`.
    """
    from sklearn.metrics import precision_recall_curve

    validate(labels, probabilities)
    chosen = np.broadcast_to(np.asarray(otherwise, float), labels.shape[1]).tolist()
    for k, (truth, said) in enumerate(
        zip(labels.T, probabilities.T.astype(np.float64), strict=True)
    ):
        if not 0 < truth.mean() < 1:
            continue
        precision, recall, levels = precision_recall_curve(
            truth, said
        )  # ascending levels, and one more point
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(len(levels) - 1 - np.argmax(f1[:-1][::-1]))
        chosen[k] = float((levels[best] + (levels[best - 1] if best else 0.0)) / 2)
    return chosen


def _decisions(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    validate(labels, probabilities)
    n_classes = labels.shape[1]
    if len(thresholds) not in (1, n_classes):
        raise InputError(
            f"there are {len(thresholds)} thresholds: expected 1, or {n_classes}, one per class"
        )
    return (probabilities >= np.broadcast_to(np.asarray(thresholds), n_classes)).astype(
        int
    )  # (n, K)


def _scores(truth: np.ndarray, said: np.ndarray, decided: np.ndarray) -> dict[str, float | None]:
    """Of one class: (n,) each."""
    from sklearn import metrics

    is_ranked = 0 < truth.mean() < 1
    one_value = (
        len({*truth, *decided}) == 1
    )  # of Matthews' coefficient scikit-learn gives 0 as well, but warns
    is_anywhere = truth.any() or decided.any()
    scores = {
        "roc_auc_score": metrics.roc_auc_score(truth, said) if is_ranked else None,
        "average_precision_score": metrics.average_precision_score(truth, said)
        if is_ranked
        else None,
        "f1-score": metrics.f1_score(truth, decided, zero_division=0) if is_anywhere else None,
        "precision": metrics.precision_score(truth, decided, zero_division=0)
        if is_anywhere
        else None,
        "recall": metrics.recall_score(truth, decided, zero_division=0) if is_anywhere else None,
        "accuracy": metrics.accuracy_score(truth, decided),
        "matthews_corrcoef": 0.0 if one_value else metrics.matthews_corrcoef(truth, decided),
    }
    return {name: None if value is None else float(value) for name, value in scores.items()}


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    kept = [
        (value, weight) for value, weight in zip(values, weights, strict=True) if value is not None
    ]
    total = sum(weight for _, weight in kept)
    return float(sum(value * weight for value, weight in kept) / total) if total else None
