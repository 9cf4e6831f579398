"""The scores of a run: where they are, and which mixtures it does worst and best on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_table import read_scores
from absslab.core.evaluation.score_text import COLUMNS, interval_rows, score_rows, score_text
from absslab.core.training.run_directory import best_checkpoint_path

DOUBT = "doubt"  # how far a mixture's probabilities are from its labels, in the mean
LOWER_IS_BETTER = ("leakage", DOUBT)


@dataclass(frozen=True)
class RankedMixture:
    """A mixture, and how well it came off."""

    mixture: str  # as the table of scores calls it
    path: str
    classes: tuple[str, ...]  # that are there
    score: float


@dataclass(frozen=True)
class RunScores:
    """What `absslab evaluate --output` wrote of a run.

    Args:
        path: of the JSON file.
        scores: what it holds.
        table: a row per mixture and class.
        is_old: the model has been trained further since.
    """

    path: Path
    scores: Mapping[str, Any]
    table: pd.DataFrame
    is_old: bool = False

    @property
    def choices(self) -> dict[str, str]:
        """The scores that classes have: name → title, the improvement first."""
        rows = self.scores["per_class"].values()
        found = {
            key: title
            for key, (title, _) in COLUMNS.items()
            if any(row.get(key) is not None for row in rows)
        }
        found.pop("ceiling", None)
        return {
            key: found[key] for key in sorted(found, key=lambda key: key != "si_sdr_improvement")
        }

    def per_class(self, score: str) -> dict[str, float | None]:
        """A score of each class."""
        return {name: row.get(score) for name, row in self.scores["per_class"].items()}

    def intervals(self, score: str) -> dict[str, list[float]]:
        """The 95 % intervals of those classes that have one."""
        found = self.scores["intervals"]["scores"]
        names = {name: f"per_class.{name}.{score}" for name in self.scores["classes"]}
        return {name: found[key] for name, key in names.items() if key in found}

    def per_mixture(self, score: str) -> tuple[str, pd.Series]:
        """A score of each mixture, the mean over its classes; `DOUBT` where mixtures don't have that score."""
        table = self.table
        if score not in table or table[score].isna().all():
            score = DOUBT
            said = (
                table["probability"] if "probability" in table else pd.Series(np.nan, table.index)
            )
            values = (pd.to_numeric(said) - table["label"]).abs()
        else:
            values = pd.to_numeric(table[score])
        return score, values.groupby(table["mixture"], sort=False).mean()

    def ranking(self, score: str) -> list[RankedMixture]:
        """The mixtures that have a score, the worst first."""
        score, values = self.per_mixture(score)
        ordered = values.dropna().sort_values(ascending=score not in LOWER_IS_BETTER, kind="stable")
        there = self.table["present"].fillna(self.table["label"]) == 1
        classes = self.table["class"][there].groupby(self.table["mixture"][there]).agg(tuple)
        paths = (
            self.table.groupby("mixture")["path"].first()
            if "path" in self.table
            else pd.Series(dtype=str)
        )
        return [
            RankedMixture(
                str(name), str(paths.get(name) or ""), classes.get(name, ()), float(value)
            )
            for name, value in ordered.items()
        ]

    def column(self, mixture: str, name: str) -> dict[str, float]:
        """A column of the table for a mixture: class → value, without those that are not known."""
        rows = self.table[self.table["mixture"] == mixture]
        if name not in rows:
            return {}
        values = pd.to_numeric(rows[name])
        return {
            label: float(value)
            for label, value in zip(rows["class"], values, strict=True)
            if not np.isnan(value)
        }


def typical_mixture(table: pd.DataFrame) -> str:
    """Of the mixtures with three classes or more, if there are any, the one whose mean improvement is the median.

    Args:
        table: of scores, with improvements.
    """
    present = table.dropna(subset="si_sdr_improvement").groupby("mixture")["si_sdr_improvement"]
    counts = present.count()
    means = present.mean()[counts >= min(3, counts.max())].sort_values(kind="stable")
    return str(means.index[len(means) // 2])


def scores_path(run: str | Path, split: str) -> Path:
    """Where the scores of a run on a split belong."""
    return Path(run) / ("scores.json" if split == "test" else f"scores-{split}.json")


def read_run_scores(run: str | Path, split: str) -> RunScores | None:
    """The scores of a run, in R/scores.json, R/scores-SPLIT.json or R.json; None where there are none of this split.

    Raises:
        InputError: they can't be read, are torn, or of a version that this one does not understand.
    """
    run = Path(run)
    for path in (scores_path(run, split), run.with_name(f"{run.name}.json")):
        if not path.is_file():
            continue
        scores, table = read_scores(path)
        try:
            if scores["split"] not in (split, None):
                continue
            checkpoint = best_checkpoint_path(run)
            is_old = checkpoint.is_file() and checkpoint.stat().st_mtime > path.stat().st_mtime
            found = RunScores(path, scores, table, is_old)
            score_text(scores), score_rows(scores), interval_rows(scores)
            for score in found.choices:
                found.ranking(score), found.intervals(score)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            version = scores.get("version", "an unknown version")
            raise InputError(
                f"{path} can't be shown ({type(error).__name__}: {error}); it was written by {version}: score it once more"
            ) from None
        return found
    return None


def locate_mixture(ranked: RankedMixture, folder: str | Path, split: str) -> Path:
    """Where a mixture is now: where it was when it was scored, or in a folder that its data moved to.

    Raises:
        InputError: in neither.
    """
    places = [Path(ranked.path)] if ranked.path else []
    if folder:
        places += [Path(folder) / split / ranked.mixture, Path(folder) / ranked.mixture]
    for path in places:
        if path.is_file():
            return path
    raise InputError(
        f"{ranked.path or ranked.mixture} is not there any more: choose the folder that the mixtures are in now "
        "(state.mixture_folder), or score the run once more"
    )
