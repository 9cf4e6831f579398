"""Statistics of the table of an evaluation, which has a row per mixture and class.

Axes: R resamples, n mixtures, K classes, U distinct values of a probability.
Mixtures are resampled, not rows: the rows of a mixture are not independent of each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from absslab.core.common.errors import InputError, Reason
from absslab.core.metrics.detection import f1_score
from absslab.core.metrics.ranking import area_under_roc, average_precision
from absslab.core.metrics.undefined import mean_of_defined, ratio

BSS_EVAL = ("sdr", "sir", "sar", "image_sdr", "isr")  # scores that can be left out
CLASS_AWARE = ("ca_sdr_improvement", "casa_sdr_improvement")  # scores that need tags
SEPARATION = (
    *("si_sdr", "si_sdr_improvement", "plain_sdr", "plain_sdr_improvement"),
    *BSS_EVAL,
    *("leakage", "residual"),
    *CLASS_AWARE,
)
# Of SEPARATION: the same in all rows of a mixture, and of no class.
PER_MIXTURE = ("residual", *CLASS_AWARE)
NO_BASELINE = ("leakage", "residual", *CLASS_AWARE)  # of SEPARATION: not computed for BASELINES
MIXTURE = "mixture"  # the floor: the mixture itself is the estimate of each source
BASELINES = (
    MIXTURE,
    "ideal_binary_mask",
    "ideal_ratio_mask",
    "ideal_binary_mask_mel",
    "ideal_ratio_mask_mel",
)
CEILING = "ideal_ratio_mask_mel"  # the best that the model's masks can reach
# The best real-valued mask; the error that remains with it is due to the mixture's phase.
PHASE_SENSITIVE = "phase_sensitive_mask"
# Column of the table: 1 if a mixture holds more than its true sources, else 0.
HAS_BACKGROUND = "has_background"
EXTENT = "extent"  # true events are those that are labelled
ACTIVITY = "activity"  # true events are the parts of these in which the source sounds
TRUTHS = (ACTIVITY, EXTENT)
# The units in which detections are counted; the table has the columns frame_tp, frame_fp, ….
DETECTION_KINDS = ("frame", "segment", "event")
CONFIDENCE = 0.95
_MIN_MIXTURES = 5  # needed for an interval
_RESAMPLES_PER_BATCH = 100


class _WeightedScore(NamedTuple):
    """A score, as a function of the weights of the mixtures."""

    compute: Callable[[np.ndarray], np.ndarray]  # (R, n) → (R,)
    n_mixtures: int  # number of mixtures that have it


@dataclass(frozen=True)
class Statistics:
    """Scores of a table, for any weights of its mixtures; see `from_table`.

    Args:
        mixtures: n names, in the order of the weights.
        classes: K names, in their order in the table.
        weighted_scores: each score by its dotted name.
    """

    mixtures: list[str]
    classes: list[str]
    weighted_scores: dict[str, _WeightedScore]

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> "Statistics":
        """Prepare all scores that a table holds.

        Args:
            table: a row per mixture and class, as `Scorer.table` returns it.

        Raises:
            InputError: a mixture and a class have no row or two rows, or a column does not hold
                numbers.
        """
        columns = _Columns.from_table(table)
        scores: dict[str, _WeightedScore] = {}
        for score in SEPARATION:
            scores |= _separation_scores(columns, score)
        for system in BASELINES:
            for score in SEPARATION:
                name = f"baselines.{system}.{score}"
                scores |= _mean_scores(name, columns.read(f"{system}.{score}"))
        scores |= _tagging_scores(columns)
        for kind in DETECTION_KINDS:
            scores |= _count_scores(columns, f"detection.{kind}", kind)
            for truth in TRUTHS:
                name = f"detection_{truth}.{kind}"
                scores |= _count_scores(columns, name, f"{truth}.{kind}")
        scores |= _count_scores(columns, "segmentation", "segmentation")
        return cls(columns.mixtures, columns.classes, scores)

    def scores(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Compute all scores for weights of the mixtures, by dotted name.

        Without weights, all mixtures count equally.

        Shape:
            (R, n) → (R,) each; NaN where a score is undefined.
        """
        weights = np.ones((1, len(self.mixtures))) if weights is None else weights
        return {name: score.compute(weights) for name, score in self.weighted_scores.items()}

    def intervals(self, *, n_resamples: int, seed: int) -> dict[str, list[float]]:
        """Compute percentile intervals over resamples, of scores that enough mixtures have."""
        resampled = self.resampled(n_resamples=n_resamples, seed=seed)
        return {
            name: interval(values)
            for name, values in resampled.items()
            if not np.isnan(values).all()
        }

    def resampled(self, *, n_resamples: int, seed: int) -> dict[str, np.ndarray]:
        """Compute the scores of resampled mixtures, (R,) each.

        The same seed draws the same mixtures in each table. Scores that fewer than five mixtures
        have are left out: resampling does not measure their uncertainty.
        """
        rng = np.random.default_rng(seed)
        n = len(self.mixtures)
        chunks = []
        for start in range(0, n_resamples, _RESAMPLES_PER_BATCH):
            size = min(_RESAMPLES_PER_BATCH, n_resamples - start)
            chunks.append(self.scores(rng.multinomial(n, np.full(n, 1 / n), size)))
        return {
            name: np.concatenate([chunk[name] for chunk in chunks])
            for name, score in self.weighted_scores.items()
            if score.n_mixtures >= _MIN_MIXTURES
        }


@dataclass(frozen=True)
class _Columns:
    """The columns of a table, by mixture and class.

    Args:
        table: a row per mixture and class, in any order.
        mixtures: n names, in their order in the table.
        classes: K names, in their order in the table.
        places: index of each row of the table in (n, K), flattened.
    """

    table: pd.DataFrame
    mixtures: list[str]
    classes: list[str]
    places: np.ndarray

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> "_Columns":
        mixtures = list(dict.fromkeys(table["mixture"]))
        classes = list(dict.fromkeys(table["class"]))
        if len(table) != len(mixtures) * len(classes):
            raise InputError(
                f"the table has {len(table)} rows: expected one per mixture and class, "
                "and each only once"
            )
        place = {name: i for i, name in enumerate(mixtures)}
        order = {name: k for k, name in enumerate(classes)}
        places = (
            table["mixture"].map(place).to_numpy() * len(classes)
            + table["class"].map(order).to_numpy()
        )
        if len(set(places)) != len(table):
            raise InputError(
                "the table has rows twice: expected one per mixture and class, each only once"
            )
        return cls(table, mixtures, classes, places)

    def read(self, name: str) -> np.ndarray | None:
        """Read a column as (n, K), with NaN for empty cells; None if it does not exist."""
        if name not in self.table:
            return None
        values = np.full(len(self.mixtures) * len(self.classes), np.nan)
        try:
            values[self.places] = pd.to_numeric(self.table[name]).to_numpy(float)
        except ValueError as error:
            raise InputError(
                f"the column {name} of the table does not hold numbers ({{reason}}): "
                "evaluate once more",
                reason=Reason.of(error),
            ) from None
        return values.reshape(len(self.mixtures), len(self.classes))


def _separation_scores(columns: _Columns, score: str) -> dict[str, _WeightedScore]:
    """Give the mean of a score over all sources, and that of each class."""
    values = columns.read(score)  # (n, K)
    if score in PER_MIXTURE and values is not None:
        values = values[:, :1]  # (n, 1)
    scores = _mean_scores(f"separation.{score}", values)
    if score in PER_MIXTURE or values is None or not scores:
        return scores
    for k, name in enumerate(columns.classes):
        scores[f"per_class.{name}.{score}"] = _mean_score(values[:, k : k + 1])
    return scores


def _mean_scores(name: str, values: np.ndarray | None) -> dict[str, _WeightedScore]:
    """Give a mean, if any value is defined."""
    if values is None or np.isnan(values).all():
        return {}
    return {name: _mean_score(values)}


def _mean_score(values: np.ndarray) -> _WeightedScore:
    return _WeightedScore(_mean_of(values), int((~np.isnan(values)).any(1).sum()))


def _tagging_scores(columns: _Columns) -> dict[str, _WeightedScore]:
    labels = columns.read("label")
    probabilities = columns.read("probability")
    decisions = columns.read("decision")
    if labels is None or probabilities is None or decisions is None:
        return {}
    is_known, is_usable = known_values(labels + probabilities + decisions)  # (n,), (K,)
    if not is_usable.any():
        return {}
    n_mixtures = len(columns.mixtures)
    is_counted = ~np.isnan(labels + probabilities + decisions)  # (n, K)
    labels = np.where(is_counted, labels, 0)  # (n, K)
    probabilities = np.where(is_counted, probabilities, 0)  # (n, K)
    decisions = np.where(is_counted, decisions, 0)  # (n, K)
    scores = {}
    for name, area in (("auc", area_under_roc), ("average_precision", average_precision)):
        mean_area = _mean_area(labels, probabilities, is_counted, area)
        scores[f"tagging.{name}"] = _WeightedScore(mean_area, n_mixtures)
    hits = labels * decisions
    false_alarms = (1 - labels) * decisions
    misses = labels * (1 - decisions)
    counts = np.stack([hits, false_alarms, misses])  # (3, n, K)
    scores["tagging.f1"] = _WeightedScore(
        lambda weights: _mean_f1(counts, weights * is_known), n_mixtures
    )
    return scores


def known_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find which mixtures and which classes of (n, K) can be scored; NaN is unknown.

    A mixture counts if anything of it is known, a class if it is known of any of them.
    """
    is_missing = np.isnan(values)  # (n, K)
    is_known = ~is_missing.all(1)  # (n,)
    is_usable = ~is_missing.all(0)  # (K,)
    return is_known, is_usable


def _count_scores(columns: _Columns, name: str, kind: str) -> dict[str, _WeightedScore]:
    """Give F1 and the error rate of what is counted.

    Args:
        columns: of the table.
        name: of the section, dotted.
        kind: which columns are counted, such as frame.
    """
    columns_of_kind = [columns.read(f"{kind}_{count}") for count in ("tp", "fp", "fn")]
    if any(column is None or np.isnan(column).all() for column in columns_of_kind):
        return {}
    known = [np.nan_to_num(column) for column in columns_of_kind if column is not None]
    counts = np.stack(known)  # (3, n, K)
    n_mixtures = len(columns.mixtures)
    scores = {f"{name}.f1": _WeightedScore(lambda weights: _mean_f1(counts, weights), n_mixtures)}
    if (errors := columns.read(f"{kind}_errors")) is not None:
        # a mixture has one number of errors, which all of its rows repeat
        n_errors = np.nan_to_num(errors[:, 0])  # (n,)
        n_present = (counts[0] + counts[2]).sum(1)  # (n,)
        scores[f"{name}.error_rate"] = _WeightedScore(
            lambda weights: ratio(weights @ n_errors, weights @ n_present), n_mixtures
        )
    return scores


def interval(values: np.ndarray) -> list[float]:
    """Compute the percentile interval of resampled scores."""
    tail = 50 * (1 - CONFIDENCE)
    return [float(value) for value in np.nanpercentile(values, [tail, 100 - tail])]


def _mean_of(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the mean of the defined values of (n, K′), as a function of weights (R, n)."""
    sums = np.nansum(values, 1)  # (n,)
    counts = (~np.isnan(values)).sum(1)  # (n,)

    def mean(weights: np.ndarray) -> np.ndarray:
        return ratio(weights @ sums, weights @ counts)

    return mean


def _mean_area(
    labels: np.ndarray,
    probabilities: np.ndarray,
    is_counted: np.ndarray,
    area: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the mean over classes of an area under a curve, as a function of weights (R, n).

    A class counts where it has both kinds of labels.

    Args:
        labels: (n, K).
        probabilities: (n, K).
        is_counted: (n, K), whether a class of a mixture counts.
        area: function that computes the area from the counts (R, U) of positives and of negatives
    """
    orders = np.argsort(probabilities, axis=0, kind="stable").T  # (K, n)

    def mean(weights: np.ndarray) -> np.ndarray:
        areas = []
        for k, order in enumerate(orders):
            rises = np.diff(probabilities[order, k]) > 0
            starts = np.flatnonzero(np.r_[True, rises])  # (U,): where a new value begins
            ordered_weights = (weights * is_counted[:, k])[:, order]  # (R, n)
            ordered_labels = labels[order, k]  # (n,)
            positives = np.add.reduceat(ordered_weights * ordered_labels, starts, axis=1)
            negatives = np.add.reduceat(ordered_weights * (1 - ordered_labels), starts, axis=1)
            has_both = (positives.sum(1) > 0) & (negatives.sum(1) > 0)  # (R, U) → (R,)
            areas.append(np.where(has_both, area(positives, negatives), np.nan))
        return mean_of_defined(np.stack(areas))

    return mean


def _mean_f1(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the mean F1 over classes of counts (3, n, K), for weights (R, n) → (R,)."""
    return mean_of_defined(f1_score(weights @ counts).T)
