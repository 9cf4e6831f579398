"""Ranking scores, which measure how well a score puts positives above negatives.

Axes: K classes, U levels of the score in ascending order. Counts per level are all that the areas
under curves need. Counts of distinct scores give the exact areas; counts of binned scores give
areas whose error is known, in memory that does not grow with the number of scores.
"""

import math

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.metrics.undefined import ratio

_N_BINS = 8192
_SPAN = 16.0  # of log(p / (1 − p)), from −span to span


def area_under_roc(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Compute the area under the receiver operating characteristic.

    It is the probability that a positive is above a negative; ties count half.

    Shape:
        counts (…, U), (…, U) → (…); NaN where there are no positives or no negatives.
    """
    below = negatives.cumsum(-1) - negatives / 2  # (…, U)
    return ratio((positives * below).sum(-1), positives.sum(-1) * negatives.sum(-1))


def average_precision(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Compute the mean over positives of the precision at their level, as scikit-learn does.

    Shape:
        counts (…, U), (…, U) → (…); NaN where there are no positives.
    """
    hits = sum_from_above(positives)
    alarms = sum_from_above(negatives)
    return ratio((positives * ratio(hits, hits + alarms, 0.0)).sum(-1), positives.sum(-1))


def equal_error_rate(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Compute the rate at which false positives and false negatives are equally frequent.

    It is where the ROC, with straight lines between its points, has FPR = 1 − TPR: 0 is perfect,
    0.5 is guessing.

    Shape:
        counts (…, U), (…, U) → (…); NaN where there are no positives or no negatives.
    """
    alarms = sum_from_above(negatives)
    misses = positives.sum(-1, keepdims=True) - sum_from_above(positives)
    alarm_rate = np.flip(ratio(alarms, negatives.sum(-1, keepdims=True)), -1)  # (…, U), rising
    miss_rate = np.flip(ratio(misses, positives.sum(-1, keepdims=True)), -1)  # (…, U), falling
    start = np.zeros_like(alarm_rate[..., :1])  # where nothing is predicted
    alarm_rate = np.concatenate([start, alarm_rate], -1)  # (…, U + 1)
    miss_rate = np.concatenate([start + 1, miss_rate], -1)  # (…, U + 1)
    excess = alarm_rate - miss_rate  # from −1 to 1
    after = np.argmax(excess >= 0, axis=-1)[..., None]  # (…, 1)
    before = np.maximum(after - 1, 0)

    def take(values: np.ndarray, index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, index, -1)[..., 0]

    way = ratio(-take(excess, before), take(excess, after) - take(excess, before))
    first = take(alarm_rate, before)
    return first + way * (take(alarm_rate, after) - first)


class BinnedCounts:
    """Counts of probabilities of positives and of negatives, in bins of log-odds.

    Exactly 0 and exactly 1 have separate levels, since ties there do not come from binning.

    Args:
        n_classes: K.
        threshold: what `decisions` calls positive is at least this, in [0, 1].
    """

    def __init__(self, n_classes: int, *, threshold: float = 0.5):
        self.threshold = threshold
        # Axes: negatives and positives; classes; the level 0, the bins, the level 1.
        self.counts = np.zeros((2, n_classes, _N_BINS + 2), np.int64)

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Count more probabilities.

        Args:
            probabilities: (K, …) in [0, 1].
            truth: (K, …) bool.

        Raises:
            InputError: shapes differ, or there are NaN or values outside [0, 1].
        """
        if probabilities.shape != truth.shape or len(truth) != self.counts.shape[1]:
            raise InputError(
                f"probabilities are {probabilities.shape}, truth {truth.shape}: "
                "expected the same (K, …)"
            )
        if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
            raise InputError("probabilities hold NaN or values outside [0, 1]")
        values = probabilities.reshape(len(probabilities), -1).astype(np.float64)  # (K, n)
        with np.errstate(divide="ignore"):
            log_odds = np.log(values) - np.log1p(-np.minimum(values, 1.0))
        bins = np.clip((log_odds + _SPAN) * (_N_BINS / 2 / _SPAN), 0, _N_BINS - 1).astype(np.int64)
        # Rounding must not move a value across the threshold.
        limit = self._threshold_bin
        bins = np.where(
            values >= self.threshold, np.maximum(bins, limit), np.minimum(bins, limit - 1)
        )
        bins = np.where(values >= 1, _N_BINS + 1, bins + 1)
        bins = np.where(values <= 0, 0, bins)  # (K, n)
        rows = np.arange(len(bins))[:, None] + len(bins) * truth.reshape(bins.shape)  # (K, n)
        places = (rows * self.counts.shape[-1] + bins).ravel()
        self.counts += np.bincount(places, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def areas(self) -> dict[str, np.ndarray]:
        """Area under ROC ("auc"), average precision and equal error rate ("eer") of each class.

        They are (K,) each, NaN where undefined.
        """
        negatives, positives = self.counts
        return {
            "auc": area_under_roc(positives, negatives),
            "average_precision": average_precision(positives, negatives),
            "eer": equal_error_rate(positives, negatives),
        }

    @property
    def errors(self) -> dict[str, np.ndarray]:
        """Bounds of the error of the areas, for any order of the scores within bins: (K,) each."""
        negatives, positives = self.counts
        n_positive = positives.sum(-1)
        n_negative = negatives.sum(-1)
        hits = sum_from_above(positives)
        alarms = sum_from_above(negatives)
        above = hits - positives
        # the extremes: all positives of a bin come first, or all come last
        best = positives * ratio(hits, hits + alarms - negatives, 0.0)
        worst = positives * ratio(above + 1, above + 1 + alarms, 0.0)
        binned = slice(1, -1)  # the levels 0 and 1 are exact
        return {
            "auc": ratio((positives * negatives)[:, binned].sum(-1) / 2, n_positive * n_negative),
            "average_precision": ratio((best - worst)[:, binned].clip(0).sum(-1), n_positive),
        }

    @property
    def decisions(self) -> np.ndarray:
        """True positives, false positives, false negatives (3, K) at the threshold."""
        negatives, positives = self.counts
        level = self._threshold_bin + 1
        if self.threshold <= 0:
            level = 0
        if self.threshold >= 1:
            level = _N_BINS + 1
        above = slice(level, None)
        return np.stack(
            [
                positives[:, above].sum(-1),
                negatives[:, above].sum(-1),
                positives[:, :level].sum(-1),
            ]
        )

    @property
    def _threshold_bin(self) -> int:
        """The lowest bin of values that reach the threshold."""
        threshold = min(max(self.threshold, 1e-9), 1 - 1e-9)
        log_odds = math.log(threshold / (1 - threshold))
        return int(min(max(round((log_odds + _SPAN) * (_N_BINS / 2 / _SPAN)), 1), _N_BINS - 1))


def sum_from_above(counts: np.ndarray) -> np.ndarray:
    """Sum the counts at each level and above."""
    return np.flip(np.flip(counts, -1).cumsum(-1), -1)
