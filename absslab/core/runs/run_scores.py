"""Find and read the scores of a run, and rank its mixtures by a score."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from absslab.core.common.errors import InputError
from absslab.core.common.files import FileVersion, checksum, file_version
from absslab.core.evaluation.score_files import read_scores, read_scores_alone
from absslab.core.evaluation.score_text import SCORE_COLUMNS
from absslab.core.evaluation.scores import Scores
from absslab.core.training.run_directory import best_checkpoint_path

TAG_ERROR = "tag_error"  # mean distance of a mixture's probabilities from its labels


@dataclass(frozen=True)
class RankedMixture:
    """A mixture, and its score."""

    mixture: str  # its name in the table of scores
    path: str
    classes: tuple[str, ...]  # that are present
    score: float


@dataclass(frozen=True)
class RunScores:
    """The scores that `absslab evaluate --output` wrote for a run.

    Args:
        path: path of the JSON file.
        scores: the scores in it.
        table: a row per mixture and class.
        is_old: they are not those of the run's best model as it is now.
    """

    path: Path
    scores: Scores
    table: pd.DataFrame
    is_old: bool = False

    @property
    def class_score_titles(self) -> dict[str, str]:
        """Titles of the scores that classes have, by name; the improvement comes first."""
        values = self.scores.flat()
        offered = {
            score: column.title
            for score, column in SCORE_COLUMNS.items()
            if score != "ceiling"
            and any(f"per_class.{name}.{score}" in values for name in self.scores.per_class)
        }
        names = sorted(offered, key=lambda score: score != "si_sdr_improvement")
        return {name: offered[name] for name in names}

    def per_class(self, score: str) -> dict[str, float | None]:
        """Return a score of each class."""
        values = self.scores.flat()
        return {name: values.get(f"per_class.{name}.{score}") for name in self.scores.per_class}

    def intervals(self, score: str) -> dict[str, list[float]]:
        """Return the 95 % intervals of the classes that have one."""
        intervals = self.scores.intervals.scores
        names = {name: f"per_class.{name}.{score}" for name in self.scores.classes}
        return {name: intervals[key] for name, key in names.items() if key in intervals}

    def per_mixture(self, score: str) -> tuple[str, pd.Series]:
        """Return a score of each mixture, the mean over its classes.

        Returns:
            the name of the score, which is `TAG_ERROR` if mixtures lack it, and its values.
        """
        table = self.table
        if score in table and table[score].notna().any():
            values = table[score]
        else:
            score = TAG_ERROR
            unknown = pd.Series(np.nan, table.index)
            values = (table.get("probability", unknown) - table["label"]).abs()
        return score, values.groupby(table["mixture"], sort=False).mean()

    def ranking(self, score: str) -> list[RankedMixture]:
        """Rank the mixtures that have a score, the worst first."""
        score, values = self.per_mixture(score)
        lower_is_better = score == TAG_ERROR
        if score in SCORE_COLUMNS:
            lower_is_better = SCORE_COLUMNS[score].best == "lowest"
        ordered = values.dropna().sort_values(ascending=not lower_is_better, kind="stable")
        table = self.table
        present = table[table["present"].fillna(table["label"]) == 1]
        classes = present.groupby("mixture")["class"].agg(tuple)
        paths = pd.Series(dtype=str)
        if "path" in table:
            paths = table.groupby("mixture")["path"].first()
        return [
            RankedMixture(
                str(name), str(paths.get(name) or ""), classes.get(name, ()), float(value)
            )
            for name, value in ordered.items()
        ]

    def column(self, mixture: str, name: str) -> dict[str, float]:
        """Return a column of the table for a mixture: class → value, if it is known."""
        rows = self.table[self.table["mixture"] == mixture]
        if name not in rows:
            return {}
        return {
            label: float(value)
            for label, value in zip(rows["class"], rows[name], strict=True)
            if not np.isnan(value)
        }


def typical_mixture(table: pd.DataFrame) -> str:
    """Choose the mixture whose mean improvement is the median.

    It is one of those with three classes or more, if there are any.

    Args:
        table: table of scores, with improvements.
    """
    present = table.dropna(subset="si_sdr_improvement").groupby("mixture")["si_sdr_improvement"]
    counts = present.count()
    means = present.mean()[counts >= min(3, counts.max())].sort_values(kind="stable")
    return str(means.index[len(means) // 2])


def scores_path(run: str | Path, split: str) -> Path:
    """Return the path for the scores of a run on a split."""
    return Path(run) / ("scores.json" if split == "test" else f"scores-{split}.json")


def read_run_scores(run: str | Path, split: str) -> RunScores | None:
    """Read the scores of a run, in R/scores.json, R/scores-SPLIT.json or R.json.

    Returns:
        the scores; None if there are none of this split.

    Raises:
        InputError: they can't be read, are damaged, or of a newer version.
    """
    run = Path(run)
    for path in (scores_path(run, split), run.with_name(f"{run.name}.json")):
        if not path.is_file():
            continue
        scores, table = read_scores(path)
        if scores.split in (split, None):
            return RunScores(path, scores, table, _are_old(scores, path, best_checkpoint_path(run)))
    return None


def are_current(scores: Path, model: Path) -> bool:
    """Tell whether there are scores of a model as it is now."""
    if not (scores.exists() and model.exists()):
        return False
    return read_scores_alone(scores).checkpoint_checksum == checksum(model)


def _are_old(scores: Scores, path: Path, checkpoint: Path) -> bool:
    """Tell whether scores are of another model than the checkpoint holds.

    Args:
        scores: say which checkpoint was scored, but those of earlier versions do not. Of these,
            the times of the files have to be believed.
        path: of the scores.
        checkpoint: of the best model, which may be missing.
    """
    version = file_version(checkpoint)
    if version is None:
        return False
    if scores.checkpoint_checksum is not None:
        return scores.checkpoint_checksum != _checksum(str(checkpoint), version)
    return checkpoint.stat().st_mtime > path.stat().st_mtime


@lru_cache(maxsize=64)
def _checksum(path: str, version: FileVersion) -> str:
    """Return the checksum of a file; `version` changes when the file does."""
    return checksum(path)


def locate_mixture(ranked: RankedMixture, folder: str | Path, split: str) -> Path:
    """Find the file of a mixture: at its place when it was scored, or in a folder of moved data.

    Raises:
        InputError: it is in neither place.
    """
    places = [Path(ranked.path)] if ranked.path else []
    if folder:
        places += [Path(folder) / split / ranked.mixture, Path(folder) / ranked.mixture]
    for path in places:
        if path.is_file():
            return path
    raise InputError(
        "{mixture} does not exist any more: choose the folder that the mixtures are in now "
        "(state.mixture_folder), or score the run once more",
        mixture=ranked.path or ranked.mixture,
    )
