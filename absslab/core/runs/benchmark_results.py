"""The results of a benchmark: a document, a table with a row per training, and a summary."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError
from absslab.core.common.files import check_version, read_json, write_json, write_text
from absslab.core.common.tables import write_table

SHARE_OF_SOURCES = "share_of_sources"
_SOURCES = "sources"  # the supervision that is an upper bound
_IMPROVEMENT = "separation.si_sdr_improvement"
_CEILING = "baselines.ideal_ratio_mask_mel"


class ResultColumn(NamedTuple):
    """A column of the summary."""

    title: str
    format: str


COLUMNS = {  # by the dotted names of scores, and the names of what a training took
    "tagging.auc": ResultColumn("tagging AUC", ".3f"),
    "detection.event.f1": ResultColumn("event F1", ".3f"),
    "segmentation.f1": ResultColumn("mask F1", ".3f"),
    _IMPROVEMENT: ResultColumn("SI-SDRi, dB", ".1f"),
    SHARE_OF_SOURCES: ResultColumn("of that with true sources, %", ".0f"),
    "separation.si_sdr_improvement_median": ResultColumn("SI-SDRi median, dB", ".1f"),
    f"{_CEILING}.si_sdr_improvement": ResultColumn("ceiling of SI-SDRi, dB", ".1f"),
    "separation.plain_sdr_improvement": ResultColumn("SDRi, dB", ".1f"),
    f"{_CEILING}.plain_sdr_improvement": ResultColumn("ceiling of SDRi, dB", ".1f"),
    "separation.leakage": ResultColumn("leakage, dB", ".0f"),
    "minutes": ResultColumn("training, min", ".1f"),
    "clips_per_second": ResultColumn("clips/s", ".0f"),
}


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

    def value(self, name: str) -> float | None:
        """Return what a column of the summary shows; None if it is not defined."""
        if name in ("minutes", "clips_per_second"):
            value: float | None = getattr(self, name)
            return value
        return self.scores.get(name)


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
        titles = ["condition", "recipe", "labels", "seeds"]
        described = [COLUMNS.get(name, ResultColumn(name, ".3g")) for name in columns]
        lines = [[*titles, *(column.title for column in described)]]
        lines.append(["---"] * len(lines[0]))
        for system, rows in self._group_rows().items():
            cells = [*system, ", ".join(str(row.seed) for row in rows)]
            for name, column in zip(columns, described, strict=True):
                values = [self._value(row, name) for row in rows]
                cells.append(_format_mean(values, column.format))
            lines.append(cells)
        table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
        failures = [
            f"- no scores of {item.condition}, {item.recipe}, {item.supervision}, "
            f"seed {item.seed}: {item.reason}\n"
            for item in self.failures
        ]
        return "\n".join([table, "".join(failures)]) if failures else table

    def _value(self, row: BenchmarkRow, name: str) -> float | None:
        """Return what a column of the summary shows of a model; None if it is not defined."""
        if name != SHARE_OF_SOURCES:
            return row.value(name)
        own = row.value(_IMPROVEMENT)
        with_sources = {
            (other.condition, other.recipe, other.seed): other.value(_IMPROVEMENT)
            for other in self.rows
            if other.supervision == _SOURCES
        }
        best = with_sources.get((row.condition, row.recipe, row.seed))
        if own is None or best is None or best <= 0 or row.supervision == _SOURCES:
            return None
        return 100 * own / best

    def _group_rows(self) -> dict[tuple[str, str, str], list[BenchmarkRow]]:
        """Return the rows of each condition, recipe and supervision."""
        groups: dict[tuple[str, str, str], list[BenchmarkRow]] = {}
        for row in self.rows:
            groups.setdefault(row.system, []).append(row)
        return groups


def _format_mean(values: Sequence[float | None], number_format: str) -> str:
    """Format the mean of values and their deviation; a dash if one is not defined."""
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return "–"
    text = f"{statistics.mean(defined):z{number_format}}"  # z: without a sign if it is 0
    if len(defined) > 1:
        text += f" ± {statistics.stdev(defined):{number_format}}"
    return text.replace("-", "−")


def write_results(folder: Path, results: BenchmarkResults, columns: Sequence[str]) -> None:
    """Write results.json, results.csv (a row per seed) and results.md (means over the seeds).

    Raises:
        OSError: a file can't be written.
    """
    write_json(folder / "results.json", results.to_json())
    own = ("condition", "recipe", "supervision", "seed", "epochs", "minutes", "clips_per_second")
    names = sorted({name for row in results.rows for name in row.scores})
    rows = []
    for row in results.rows:
        cells = {name: _format_cell(getattr(row, name)) for name in own}
        cells |= {name: _format_cell(row.scores.get(name)) for name in names}
        rows.append(cells)
    write_table(folder / "results.csv", [*own, *names], rows)
    write_text(folder / "results.md", results.to_markdown(columns))


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def read_results(folder: str | Path) -> BenchmarkResults:
    """Read the results of a benchmark.

    Raises:
        InputError: there are none, they are damaged, or a newer version has written them.
    """
    path = Path(folder) / "results.json"
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != BenchmarkResults.FORMAT:
        raise InputError("{path} was not written by absslab benchmark", path=path)
    check_version(content, path, newest=BenchmarkResults.VERSION)
    try:
        return BenchmarkResults.from_json(content)
    except InputError as error:
        raise error.wrap("{path} is damaged: {error}", path=path) from None
