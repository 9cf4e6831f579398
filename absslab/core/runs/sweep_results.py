"""The results of a sweep: a document, a table with a row per training, and a summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.documents import SavedDocument
from absslab.core.common.files import write_json
from absslab.core.evaluation.score_text import SCORE_COLUMNS
from absslab.core.runs.result_tables import (
    COLUMNS,
    ResultColumn,
    list_failures,
    summarise_seeds,
    write_tables,
)

_N_NAMED = 10  # number of failures that one line names
_PER_CLASS = "per_class."


@dataclass(frozen=True)
class SweepRow:
    """The scores of a training.

    Args:
        name: name of the training, which its seeds share.
        seed: its seed.
        values: what the grid varies: name of the setting → its value, as text.
        epochs: number of epochs that were trained.
        minutes: they took, without validation.
        clips_per_second: recordings per second of training.
        scores: by their dotted names.
    """

    name: str
    seed: int
    values: Mapping[str, str]
    epochs: int
    minutes: float | None
    clips_per_second: float | None
    scores: Mapping[str, float]


@dataclass(frozen=True)
class SweepFailure:
    """A training that has no scores, and why."""

    name: str
    seed: int
    reason: str


@dataclass(frozen=True)
class SweepResults(SavedDocument):
    """All results of a sweep on one split.

    Args:
        split: whose recordings were scored.
        rows: a row per training.
        failures: what has no row, and why.
    """

    FORMAT = "absslab sweep"
    VERSION = 1

    split: str
    rows: tuple[SweepRow, ...] = ()
    failures: tuple[SweepFailure, ...] = ()

    def add(self, result: SweepRow | SweepFailure) -> "SweepResults":
        """Return the results with that of a training in the place of its earlier one."""
        key = (result.name, result.seed)
        rows = [row for row in self.rows if (row.name, row.seed) != key]
        failures = [item for item in self.failures if (item.name, item.seed) != key]
        if isinstance(result, SweepRow):
            rows.append(result)
        else:
            failures.append(result)
        return replace(self, rows=tuple(rows), failures=tuple(failures))

    def sort(self, names: Sequence[str]) -> "SweepResults":
        """Return the results in the order of the grid; trainings that it has no more come last.

        Args:
            names: the names of the trainings of the grid.
        """
        order = {name: index for index, name in enumerate(dict.fromkeys(names))}

        def place(result: SweepRow | SweepFailure) -> tuple[int, str, int]:
            return order.get(result.name, len(order)), result.name, result.seed

        return replace(
            self,
            rows=tuple(sorted(self.rows, key=place)),
            failures=tuple(sorted(self.failures, key=place)),
        )

    def to_markdown(self, columns: Sequence[str], class_scores: Sequence[str]) -> str:
        """Return a table of scores, one with a column per class for each score, and the failures.

        Cells are means over the seeds, with their standard deviation if there are several.

        Args:
            columns: dotted names of scores, or names of other columns in `COLUMNS`.
            class_scores: names of scores that classes have, such as auc.
        """
        systems: dict[tuple[str, ...], list[SweepRow]] = {}
        for row in self.rows:
            systems.setdefault((row.name,), []).append(row)
        described = {name: COLUMNS.get(name, ResultColumn(name, ".3g")) for name in columns}
        parts = [summarise_seeds(("training",), systems, described)]
        for score in class_scores:
            described = self._class_columns(score)
            table = summarise_seeds(("training",), systems, described)
            parts.append(f"{_describe(score).title} of each class, {self.split} split:\n\n{table}")
        failures = {f"{item.name}, seed {item.seed}": item.reason for item in self.failures}
        if failures:
            parts.append(list_failures(failures))
        return "\n".join(parts)

    def class_names(self) -> list[str]:
        """Return the classes that any training has scores of."""
        names: dict[str, None] = {}
        for row in self.rows:
            for score in row.scores:
                if score.startswith(_PER_CLASS):  # the name of a class may hold dots
                    names[score.removeprefix(_PER_CLASS).rpartition(".")[0]] = None
        return list(names)

    def _class_columns(self, score: str) -> dict[str, ResultColumn]:
        number_format = _describe(score).format
        return {
            f"{_PER_CLASS}{name}.{score}": ResultColumn(name, number_format)
            for name in self.class_names()
        }


def _describe(score: str) -> ResultColumn:
    """Return how a score of a class is shown."""
    if score not in SCORE_COLUMNS:
        return ResultColumn(score, ".3g")
    return ResultColumn(SCORE_COLUMNS[score].title, SCORE_COLUMNS[score].format)


@dataclass(frozen=True)
class FailedTrainings:
    """The trainings of a sweep that have no scores; true if there are any."""

    failures: tuple[SweepFailure, ...]

    def __len__(self) -> int:
        return len(self.failures)

    def summary(self) -> str:
        """Return one line that names them, each with its reason."""
        n_failures = len(self.failures)
        named = [
            f"{item.name}, seed {item.seed}: {item.reason}" for item in self.failures[:_N_NAMED]
        ]
        more = f"; and {n_failures - _N_NAMED} more" if n_failures > _N_NAMED else ""
        trainings = "1 training has" if n_failures == 1 else f"{n_failures} trainings have"
        return f"{trainings} no scores ({'; '.join(named)}{more}): the same command tries again"


def results_path(folder: str | Path, split: str) -> Path:
    """Return the path of the results of a sweep on a split."""
    return Path(folder) / ("results.json" if split == "test" else f"results-{split}.json")


def write_results(
    folder: Path, results: SweepResults, columns: Sequence[str], class_scores: Sequence[str]
) -> None:
    """Write results.json, results.csv (a row per training) and results.md (means over seeds).

    Args:
        folder: of the sweep.
        results: on one split; of other splits than test the files have the name of the split.
        columns: see `SweepResults.to_markdown`, as the next.
        class_scores: scores that classes have.

    Raises:
        OSError: a file can't be written.
    """
    path = results_path(folder, results.split)
    write_json(path, results.to_json())
    names = [{"training": row.name, "seed": row.seed, **row.values} for row in results.rows]
    summary = results.to_markdown(columns, class_scores)
    write_tables(path.with_suffix(".csv"), summary, names, results.rows)


def read_sweep_results(folder: str | Path, split: str = "test") -> SweepResults:
    """Read the results of a sweep.

    Args:
        folder: of the sweep.
        split: whose recordings were scored.

    Raises:
        InputError: there are none, they are damaged, or a newer version has written them.
    """
    return SweepResults.read(results_path(folder, split), "absslab sweep")
