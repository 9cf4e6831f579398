"""Count which classes are tagged where others are present.

Axes: n mixtures, K classes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MIN_MIXTURES = 5  # a rate over fewer mixtures means little


@dataclass(frozen=True)
class Pair:
    """A class that is tagged where it is absent and another one is present."""

    present: str
    tagged: str
    n_tagged: int
    n_mixtures: int  # with the present class and without the tagged one

    @property
    def rate(self) -> float:
        """The share of these mixtures in which the absent class is tagged."""
        return self.n_tagged / self.n_mixtures


@dataclass(frozen=True, eq=False)  # arrays cannot be compared to a single truth value
class Confusion:
    """How often class j is tagged where i is present and j is not.

    The diagonal counts how often class i is tagged where it is present.
    """

    classes: list[str]
    n_tagged: np.ndarray  # (K, K)
    n_mixtures: np.ndarray  # (K, K)

    @property
    def rates(self) -> np.ndarray:
        """Rates (K, K), row i and column j; NaN where there is no such mixture."""
        return np.where(self.n_mixtures > 0, self.n_tagged / np.maximum(self.n_mixtures, 1), np.nan)

    def pairs(self, min_mixtures: int = MIN_MIXTURES) -> list[Pair]:
        """List the pairs that were confused, the highest rate first.

        Args:
            min_mixtures: pairs with fewer mixtures are left out.
        """
        is_pair = (self.n_tagged > 0) & (self.n_mixtures >= min_mixtures)  # (K, K)
        is_pair &= ~np.eye(len(self.classes), dtype=bool)
        pairs = [
            Pair(
                self.classes[i],
                self.classes[j],
                int(self.n_tagged[i, j]),
                int(self.n_mixtures[i, j]),
            )
            for i, j in np.argwhere(is_pair)
        ]
        return sorted(pairs, key=lambda pair: (-pair.rate, -pair.n_tagged))

    def select(self, classes: list[str]) -> "Confusion":
        """Return the confusions between some of the classes."""
        indices = [self.classes.index(name) for name in classes]
        rows_and_columns = np.ix_(indices, indices)
        return Confusion(
            classes, self.n_tagged[rows_and_columns], self.n_mixtures[rows_and_columns]
        )

    def most_confused(self, n_classes: int) -> list[str]:
        """Name the classes with the most wrong or missing tags, in the order of `classes`."""
        wrong = self.n_tagged * (1 - np.eye(len(self.classes)))
        missed = np.diag(self.n_mixtures - self.n_tagged)  # (K,)
        worst = np.argsort(-(wrong.sum(0) + wrong.sum(1) + missed), kind="stable")[:n_classes]
        return [self.classes[k] for k in sorted(worst)]


def count_confusions(table: pd.DataFrame) -> Confusion | None:
    """Count confusions of classes.

    Args:
        table: the table of an evaluation: a row per mixture and class, with the columns label,
            present and decision. The column present (whether there is a source) decides whether
            a class is present; where it is empty, the label does.

    Returns:
        the counts; None if there are no decisions, or neither labels nor sources.
    """
    if "decision" not in table:
        return None
    classes = list(dict.fromkeys(table["class"]))

    def spread(values: pd.Series) -> np.ndarray:
        """Spread a column over mixtures and classes: (n, K)."""
        by_mixture = table.assign(value=values).pivot_table(
            index="mixture", columns="class", values="value", dropna=False
        )
        return by_mixture.reindex(columns=classes).to_numpy(float)

    present = spread(pd.to_numeric(table["present"]).fillna(pd.to_numeric(table["label"])))
    tagged = spread(pd.to_numeric(table["decision"]))
    is_known = ~np.isnan(present + tagged)  # (n, K)
    if not is_known.any():
        return None
    tagged = np.where(is_known, tagged, 0)
    absent = np.where(is_known, 1 - present, 0)
    present = np.where(is_known, present, 0)
    n_mixtures = present.T @ absent + np.diag(present.sum(0))  # (K, K)
    n_tagged = present.T @ (absent * tagged) + np.diag((present * tagged).sum(0))  # (K, K)
    return Confusion(classes, n_tagged, n_mixtures)
