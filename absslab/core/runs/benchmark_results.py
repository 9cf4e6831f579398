"""The results of a benchmark: a document, a table with a row per training, and a summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.documents import SavedDocument
from absslab.core.common.files import write_json
from absslab.core.runs.result_tables import (
    COLUMNS,
    SHARE_OF_SOURCES,
    ResultColumn,
    get_value,
    list_failures,
    summarise_seeds,
    write_tables,
)

_SOURCES = "sources"  # the supervision that is an upper bound
_IMPROVEMENT = "separation.si_sdr_improvement"


@dataclass(frozen=True)
class BenchmarkRow:
    """The scores of a model in a condition.

    Args:
        condition: name of the condition.
        recipe: recipe of the training.
        supervision: what the training learnt from, such as weak labels.
        seed: of split, mixtures and training.
        epochs: number of epochs that were trained.
        minutes: they took, without validation; of the condition that the model is from.
        clips_per_second: mixtures per second of training.
        scores: by their dotted names, without those of single classes.
    """

    condition: str
    recipe: str
    supervision: str
    seed: int
    epochs: int
    minutes: float | None
    clips_per_second: float | None
    scores: Mapping[str, float]

    @property
    def system(self) -> tuple[str, str, str]:
        """What all seeds have in common: condition, recipe and supervision."""
        return self.condition, self.recipe, self.supervision


@dataclass(frozen=True)
class BenchmarkFailure:
    """A condition that has no scores for a recipe and a seed, and why."""

    condition: str
    recipe: str
    supervision: str
    seed: int
    reason: str


@dataclass(frozen=True)
class BenchmarkResults(SavedDocument):
    """All results of a benchmark.

    Args:
        settings: settings on which the scores depend.
        rows: a row per condition, recipe, supervision and seed.
        failures: what has no row, and why.
    """

    FORMAT = "absslab benchmark"
    VERSION = 1

    settings: Mapping[str, object]
    rows: tuple[BenchmarkRow, ...] = ()
    failures: tuple[BenchmarkFailure, ...] = ()

    def to_markdown(self, columns: Sequence[str] = tuple(COLUMNS)) -> str:
        """Return a table: a row per condition, recipe and supervision; then what has no scores.

        Cells are means over the seeds, with their standard deviation if there are several.

        Args:
            columns: dotted names of scores, or names of other columns in `COLUMNS`; the share of
                SI-SDRi with true sources is left out if no model was trained with them.
        """
        if all(row.supervision != _SOURCES for row in self.rows):
            columns = [name for name in columns if name != SHARE_OF_SOURCES]
        titles = ("condition", "recipe", "labels")
        described = {name: COLUMNS.get(name, ResultColumn(name, ".3g")) for name in columns}
        table = summarise_seeds(titles, self._group_rows(), described, self._value)
        failures = {
            f"{item.condition}, {item.recipe}, {item.supervision}, seed {item.seed}": item.reason
            for item in self.failures
        }
        return f"{table}\n{list_failures(failures)}" if failures else table

    def _value(self, row: BenchmarkRow, name: str) -> float | None:
        """Return what a column of the summary shows of a model; None if it is not defined."""
        if name != SHARE_OF_SOURCES:
            return get_value(row, name)
        own = get_value(row, _IMPROVEMENT)
        with_sources = {
            (other.condition, other.recipe, other.seed): get_value(other, _IMPROVEMENT)
            for other in self.rows
            if other.supervision == _SOURCES
        }
        best = with_sources.get((row.condition, row.recipe, row.seed))
        if own is None or best is None or best <= 0 or row.supervision == _SOURCES:
            return None
        return 100 * own / best

    def _group_rows(self) -> dict[tuple[str, ...], list[BenchmarkRow]]:
        """Return the rows of each condition, recipe and supervision."""
        groups: dict[tuple[str, ...], list[BenchmarkRow]] = {}
        for row in self.rows:
            groups.setdefault(row.system, []).append(row)
        return groups


def write_results(folder: Path, results: BenchmarkResults, columns: Sequence[str]) -> None:
    """Write results.json, results.csv (a row per seed) and results.md (means over the seeds).

    Raises:
        OSError: a file can't be written.
    """
    write_json(folder / "results.json", results.to_json())
    own = ("condition", "recipe", "supervision", "seed")
    names = [{name: getattr(row, name) for name in own} for row in results.rows]
    summary = results.to_markdown(columns)
    write_tables(folder / "results.csv", summary, names, results.rows)


def read_results(folder: str | Path) -> BenchmarkResults:
    """Read the results of a benchmark.

    Raises:
        InputError: there are none, they are damaged, or a newer version has written them.
    """
    return BenchmarkResults.read(Path(folder) / "results.json", "absslab benchmark")
