"""Tables of trained and scored models: a row per training, and means over their seeds."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from absslab.core.common.files import write_text
from absslab.core.common.tables import write_table
from absslab.core.training.run_directory import RunReader

SHARE_OF_SOURCES = "share_of_sources"
_COSTS = ("epochs", "minutes", "clips_per_second")  # names that are no scores
_CEILING = "baselines.ideal_ratio_mask_mel"


class ResultColumn(NamedTuple):
    """A column of the summary."""

    title: str
    format: str


COLUMNS = {  # by the dotted names of scores, and the names of what a training took
    "tagging.auc": ResultColumn("tagging AUC", ".3f"),
    "detection.event.f1": ResultColumn("event F1", ".3f"),
    "segmentation.f1": ResultColumn("mask F1", ".3f"),
    "separation.si_sdr_improvement": ResultColumn("SI-SDRi, dB", ".1f"),
    SHARE_OF_SOURCES: ResultColumn("of that with true sources, %", ".0f"),
    "separation.si_sdr_improvement_median": ResultColumn("SI-SDRi median, dB", ".1f"),
    f"{_CEILING}.si_sdr_improvement": ResultColumn("ceiling of SI-SDRi, dB", ".1f"),
    "separation.plain_sdr_improvement": ResultColumn("SDRi, dB", ".1f"),
    f"{_CEILING}.plain_sdr_improvement": ResultColumn("ceiling of SDRi, dB", ".1f"),
    "separation.leakage": ResultColumn("leakage, dB", ".0f"),
    "minutes": ResultColumn("training, min", ".1f"),
    "clips_per_second": ResultColumn("clips/s", ".0f"),
}


class TrainingCost(NamedTuple):
    """What a training took.

    Args:
        epochs: number of epochs that were trained.
        minutes: they took, without validation.
        clips_per_second: recordings per second of training; None if no epoch was trained.
    """

    epochs: int
    minutes: float
    clips_per_second: float | None


class ScoredTraining(Protocol):
    """A row of results."""

    @property
    def seed(self) -> int:
        """Seed of the training."""

    @property
    def epochs(self) -> int:
        """Number of epochs that were trained."""

    @property
    def minutes(self) -> float | None:
        """They took, without validation."""

    @property
    def clips_per_second(self) -> float | None:
        """Recordings per second of training."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Scores by their dotted names."""


Row = TypeVar("Row", bound=ScoredTraining)


def measure_cost(run: Path) -> TrainingCost:
    """Read what a training took.

    Args:
        run: the run directory.

    Raises:
        InputError: it is none.
    """
    reader = RunReader.open(run)
    reader.poll()
    epochs = reader.metrics.values()
    seconds = sum(epoch["seconds"] for epoch in epochs)
    n_clips = sum(epoch["seconds"] * epoch["recordings_per_second"] for epoch in epochs)
    return TrainingCost(len(epochs), seconds / 60, n_clips / seconds if seconds else None)


def get_value(row: ScoredTraining, name: str) -> float | None:
    """Return what a column of the summary shows of a training; None if it is not defined."""
    if name in _COSTS:
        value: float | None = getattr(row, name)
        return value
    return row.scores.get(name)


def summarise_seeds(
    titles: Sequence[str],
    systems: Mapping[tuple[str, ...], Sequence[Row]],
    columns: Mapping[str, ResultColumn],
    value: Callable[[Row, str], float | None] = get_value,
) -> str:
    """Return a table in Markdown: a row per system, with means over its seeds.

    Where there are several seeds, the standard deviation stands behind the mean. A value that one
    of them lacks is a dash.

    Args:
        titles: of the columns that name a system.
        systems: name of each system, with a part per title, and its trainings.
        columns: by the names of their values.
        value: returns what a column shows of a training.
    """
    header = [*titles, "seeds", *(column.title for column in columns.values())]
    lines = [header, ["---"] * len(header)]
    for system, rows in systems.items():
        cells = [*system, ", ".join(str(row.seed) for row in rows)]
        for name, column in columns.items():
            cells.append(_format_mean([value(row, name) for row in rows], column.format))
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def list_failures(failures: Mapping[str, str]) -> str:
    """Return the lines below a table that say what has no scores.

    Args:
        failures: name of each training, and why it has none.
    """
    return "".join(f"- no scores of {name}: {reason}\n" for name, reason in failures.items())


def write_tables(
    csv_path: Path,
    summary: str,
    names: Sequence[Mapping[str, object]],
    rows: Sequence[ScoredTraining],
) -> None:
    """Write a table with a row per training, and the summary beside it, in Markdown.

    Args:
        csv_path: of the table.
        summary: in Markdown.
        names: what identifies each training: column → cell.
        rows: the trainings.

    Raises:
        OSError: a file can't be written.
    """
    score_names = sorted({name for row in rows for name in row.scores})
    first: dict[str, None] = {}  # columns, in the order in which they occur
    for cells in names:
        first |= dict.fromkeys(cells)
    table = []
    for identity, row in zip(names, rows, strict=True):
        cells = {name: _format_cell(identity.get(name)) for name in first}
        cells |= {name: _format_cell(getattr(row, name)) for name in _COSTS}
        cells |= {name: _format_cell(row.scores.get(name)) for name in score_names}
        table.append(cells)
    write_table(csv_path, [*first, *_COSTS, *score_names], table)
    write_text(csv_path.with_suffix(".md"), summary)


def _format_mean(values: Sequence[float | None], number_format: str) -> str:
    """Format the mean of values and their deviation; a dash if one is not defined."""
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return "–"
    text = f"{statistics.mean(defined):z{number_format}}"  # z: without a sign if it is 0
    if len(defined) > 1:
        text += f" ± {statistics.stdev(defined):{number_format}}"
    return text.replace("-", "−")


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)
