"""The table of an evaluation, a row per mixture and class, and what it tells: means, intervals, differences.

Axes: R resamples, n mixtures, K classes, U levels of a score. Mixtures are resampled, not rows: those of one mixture are
not independent of each other.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from absslab.core.common.errors import InputError
from absslab.core.metrics.detection import f1_score
from absslab.core.metrics.ranking import area_under_roc, average_precision
from absslab.core.metrics.undefined import mean_of_defined, ratio

SEPARATION = (
    "si_sdr",
    "si_sdr_improvement",
    "sdr",
    "sir",
    "sar",
    "image_sdr",
    "isr",
    "leakage",
    "residual",
)
MIXTURE = "mixture"  # the floor: the mixture is taken for each source
BASELINES = (
    MIXTURE,
    "ideal_binary_mask",
    "ideal_ratio_mask",
    "ideal_binary_mask_mel",
    "ideal_ratio_mask_mel",
)
CEILING = "ideal_ratio_mask_mel"  # what the model's masks could reach, class by class
PHASE_SENSITIVE = "phase_sensitive_mask"  # the best real number for each bin: what it lacks, the mixture's phase has taken
COUNTED = (
    "frame",
    "segment",
    "event",
)  # ways to count detections: columns frame_tp, _fp, _fn, _errors, …
CONFIDENCE = 0.95
_FEWEST = 5  # mixtures that an interval needs
_AT_ONCE = 100  # resamples


class Statistics:
    """Scores of a table, for any weights of its mixtures.

    Args:
        table: see `Scorer.table`.
    """

    def __init__(self, table: pd.DataFrame):
        self.mixtures = list(dict.fromkeys(table["mixture"]))
        self.classes = list(dict.fromkeys(table["class"]))
        if len(table) != len(self.mixtures) * len(self.classes):
            raise InputError(
                f"the table has {len(table)} rows: expected one per mixture and class, and each only once"
            )
        place = {name: i for i, name in enumerate(self.mixtures)}
        order = {name: k for k, name in enumerate(self.classes)}
        self._rows = (
            table["mixture"].map(place).to_numpy() * len(self.classes)
            + table["class"].map(order).to_numpy()
        )
        if len(set(self._rows)) != len(table):
            raise InputError(
                "the table has rows twice: expected one per mixture and class, each only once"
            )
        self._table = table
        self._parts: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        self._n_mixtures: dict[str, int] = {}  # that a mean is over
        for name in (
            *SEPARATION,
            *(f"{system}.{score}" for system in BASELINES for score in SEPARATION),
        ):
            if (values := self._column(name)) is not None and not np.isnan(values).all():
                prefix, _, score = name.rpartition(".")
                values = (
                    values[:, :1] if name == "residual" else values
                )  # that is the mixture's: the same in all its rows
                self._add_means(
                    f"baselines.{prefix}.{score}" if prefix else f"separation.{score}", values
                )
                if not prefix and name != "residual":
                    for k, of_class in enumerate(self.classes):
                        self._add_means(f"per_class.{of_class}.{name}", values[:, k : k + 1])
        self._add_tagging()
        for kind in COUNTED:
            self._add_counts(f"detection.{kind}", kind)
        self._add_counts("segmentation", "segmentation")

    def scores(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Every score by name, such as separation.si_sdr, for weights of the mixtures.

        Shape:
            (R, n), or none for the table as it is → (R,) each; NaN where a score is undefined.
        """
        weights = np.ones((1, len(self.mixtures))) if weights is None else weights
        return {name: part(weights) for name, part in self._parts.items()}

    def intervals(self, *, n_resamples: int, seed: int) -> dict[str, list[float]]:
        """Percentile intervals of every score over resampled mixtures; scores of too few mixtures have none."""
        found = self.resampled(n_resamples=n_resamples, seed=seed)
        return {
            name: interval(values) for name, values in found.items() if not np.isnan(values).all()
        }

    def resampled(self, *, n_resamples: int, seed: int) -> dict[str, np.ndarray]:
        """Every score of resampled mixtures, (R,) each; the same seed draws the same mixtures in each table.

        Scores that fewer than five mixtures have are left out: resampling can't tell how sure they are.
        """
        rng, n = np.random.default_rng(seed), len(self.mixtures)
        chunks = []
        for start in range(0, n_resamples, _AT_ONCE):
            size = min(_AT_ONCE, n_resamples - start)
            chunks.append(self.scores(rng.multinomial(n, np.full(n, 1 / n), size)))
        return {
            name: np.concatenate([chunk[name] for chunk in chunks])
            for name in self._parts
            if self._n_mixtures.get(name, len(self.mixtures)) >= _FEWEST
        }

    def _column(self, name: str) -> np.ndarray | None:
        """(n, K), NaN where a cell is empty; None where there is no such column."""
        if name not in self._table:
            return None
        values = np.full(len(self.mixtures) * len(self.classes), np.nan)
        try:
            values[self._rows] = pd.to_numeric(self._table[name]).to_numpy(float)
        except ValueError as error:
            raise InputError(
                f"the column {name} of the table does not hold numbers ({error}): evaluate once more"
            ) from None
        return values.reshape(len(self.mixtures), len(self.classes))

    def _add_means(self, name: str, values: np.ndarray) -> None:
        self._parts[name] = _mean_of(values)
        self._n_mixtures[name] = int((~np.isnan(values)).any(1).sum())

    def _add_tagging(self) -> None:
        labels, said, decided = (
            self._column(name) for name in ("label", "probability", "decision")
        )
        if labels is None or said is None or decided is None:
            return
        known = ~np.isnan(labels + said + decided).any(1)  # (n,)
        if not known.any():
            return
        labels, said, decided = (np.where(known[:, None], of, 0) for of in (labels, said, decided))
        for name, area in (("auc", area_under_roc), ("average_precision", average_precision)):
            self._parts[f"tagging.{name}"] = _mean_area(labels, said, known, area)
        counts = np.stack(
            [labels * decided, (1 - labels) * decided, labels * (1 - decided)]
        )  # (3, n, K)
        self._parts["tagging.f1"] = lambda weights: _mean_f1(counts, weights * known)

    def _add_counts(self, name: str, kind: str) -> None:
        columns = [self._column(f"{kind}_{count}") for count in ("tp", "fp", "fn")]
        if any(column is None or np.isnan(column).all() for column in columns):
            return
        counts = np.stack(
            [np.nan_to_num(column) for column in columns if column is not None]
        )  # (3, n, K)
        self._parts[f"{name}.f1"] = lambda weights: _mean_f1(counts, weights)
        if (errors := self._column(f"{kind}_errors")) is not None:
            of_mixture, n_there = (
                np.nan_to_num(errors[:, 0]),
                (counts[0] + counts[2]).sum(1),
            )  # (n,)
            self._parts[f"{name}.error_rate"] = lambda weights: ratio(
                weights @ of_mixture, weights @ n_there
            )


def interval(values: np.ndarray) -> list[float]:
    """The percentile interval of resampled scores."""
    tail = 50 * (1 - CONFIDENCE)
    return [float(value) for value in np.nanpercentile(values, [tail, 100 - tail])]


def _mean_of(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of what there is in (n, K'), for weights (R, n)."""
    sums, counts = np.nansum(values, 1), (~np.isnan(values)).sum(1)  # (n,)

    def mean(weights: np.ndarray) -> np.ndarray:
        return ratio(weights @ sums, weights @ counts)

    return mean


def _mean_area(
    labels: np.ndarray,
    said: np.ndarray,
    known: np.ndarray,
    area: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], np.ndarray]:
    """Mean over classes of an area under a curve of (n, K), where `known` (n,), for weights (R, n).

    A class counts that has both kinds of labels.
    """
    orders = np.argsort(said, axis=0, kind="stable").T  # (K, n)

    def mean(weights: np.ndarray) -> np.ndarray:
        areas, weights = [], weights * known
        for k, order in enumerate(orders):
            levels = np.flatnonzero(
                np.r_[True, np.diff(said[order, k]) > 0]
            )  # where a new score begins: (U,)
            positives, negatives = (
                np.add.reduceat(weights[:, order] * of[order], levels, axis=1)
                for of in (labels[:, k], 1 - labels[:, k])
            )  # (R, U)
            both = (positives.sum(1) > 0) & (negatives.sum(1) > 0)
            areas.append(np.where(both, area(positives, negatives), np.nan))
        return mean_of_defined(np.stack(areas))

    return mean


def _mean_f1(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the classes that have some of F1 of counts (3, n, K), for weights (R, n) → (R,)."""
    return mean_of_defined(f1_score(weights @ counts).T)
