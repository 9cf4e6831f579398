"""Which classes are taken for which: found by their tags where they are, and tagged where others are.

Axes: n mixtures, K classes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

FEWEST = 5  # mixtures that a rate needs to be worth words


@dataclass(frozen=True)
class Pair:
    """A class that is tagged where it is not, beside one that is there."""

    present: str
    tagged: str
    n_tagged: int
    n_mixtures: int  # that hold the one and not the other

    @property
    def rate(self) -> float:
        """Of these mixtures the part in which it is tagged."""
        return self.n_tagged / self.n_mixtures


@dataclass(frozen=True, eq=False)  # arrays have no one equality
class Confusion:
    """How often class j is tagged where class i is and j is not; on the diagonal how often i is found."""

    classes: list[str]
    n_tagged: np.ndarray  # (K, K)
    n_mixtures: np.ndarray  # (K, K)

    @property
    def rates(self) -> np.ndarray:
        """(K, K), row i and column j; NaN where no mixture can tell."""
        return np.where(self.n_mixtures > 0, self.n_tagged / np.maximum(self.n_mixtures, 1), np.nan)

    def pairs(self, fewest: int = FEWEST) -> list[Pair]:
        """The pairs that were confused at all, the highest rate first, of those that so many mixtures can tell."""
        found = [
            Pair(one, other, int(self.n_tagged[i, j]), int(self.n_mixtures[i, j]))
            for i, one in enumerate(self.classes)
            for j, other in enumerate(self.classes)
            if i != j and self.n_tagged[i, j] and self.n_mixtures[i, j] >= fewest
        ]
        return sorted(found, key=lambda pair: (-pair.rate, -pair.n_tagged))

    def of(self, classes: list[str]) -> "Confusion":
        """The part of some classes."""
        which = [self.classes.index(name) for name in classes]
        return Confusion(
            classes, self.n_tagged[np.ix_(which, which)], self.n_mixtures[np.ix_(which, which)]
        )

    def most_confused(self, n_classes: int) -> list[str]:
        """The classes with the most wrong or missing tags, in their own order."""
        wrong = self.n_tagged * (1 - np.eye(len(self.classes)))
        missed = np.diag(self.n_mixtures - self.n_tagged)  # (K,)
        worst = np.argsort(-(wrong.sum(0) + wrong.sum(1) + missed), kind="stable")[:n_classes]
        return [self.classes[k] for k in sorted(worst)]


def confusion(table: pd.DataFrame) -> Confusion | None:
    """Count confusions; None where nothing was tagged, or nothing is known to be there.

    Args:
        table: of scores, a row per mixture and class, with the columns label, present and decision. A class is there by
            its source, where that is known, otherwise by its label.
    """
    if "decision" not in table:
        return None
    classes = list(dict.fromkeys(table["class"]))
    there = pd.to_numeric(table["present"]).fillna(pd.to_numeric(table["label"]))
    tagged = pd.to_numeric(table["decision"])
    rows = [
        table.assign(value=values).pivot_table(
            index="mixture", columns="class", values="value", dropna=False
        )
        for values in (there, tagged)
    ]
    present, decided = (part.reindex(columns=classes).to_numpy(float) for part in rows)  # (n, K)
    known = ~np.isnan(present + decided).any(1)
    if not known.any():
        return None
    present, decided = present[known], decided[known]
    absent = 1 - present
    n_mixtures = present.T @ absent + np.diag(present.sum(0))  # (K, K)
    n_tagged = present.T @ (absent * decided) + np.diag((present * decided).sum(0))
    return Confusion(classes, n_tagged, n_mixtures)
