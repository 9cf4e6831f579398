"""Read tables of weak labels: one column per class, or a list of classes per recording."""

from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import read_table

MULTI_HOT_FILE = "weak_labels.csv"
LABEL_LISTS_FILE = "weak.tsv"
# Of a multi-hot table; all other columns are classes.
OTHER_COLUMNS = (
    "filename",
    "split",
    "origin",
)


@dataclass(frozen=True)
class LabelledRow:
    """A row of a table: a recording with its classes."""

    cells: dict[str, str]  # by column
    labels: list[str]

    @property
    def filename(self) -> str:
        """The name of the recording in the table."""
        return self.cells["filename"]


@dataclass(frozen=True)
class WeakLabels:
    """The rows and the classes of a table of weak labels."""

    rows: list[LabelledRow]
    classes: list[str]


def read_weak_labels(path: Path) -> WeakLabels:
    """Read a table of weak labels, in the format that belongs to its file name.

    Raises:
        InputError: the file has another name, or the table can't be used.
    """
    if path.name == MULTI_HOT_FILE:
        return read_multi_hot(path)
    if path.name == LABEL_LISTS_FILE:
        return read_label_lists(path)
    raise InputError(
        f"{{path}} is not a table of weak labels: expected {MULTI_HOT_FILE} or {LABEL_LISTS_FILE}",
        path=path,
    )


def read_multi_hot(path: Path) -> WeakLabels:
    """Read a table with a column of 0 and 1 per class.

    Raises:
        InputError: the file can't be read, has no class, or a cell is neither 0 nor 1.
    """
    table = read_table(path, required=("filename",))
    classes = [name for name in table[0] if name not in OTHER_COLUMNS]
    if not classes:
        raise InputError(
            "{path} has no class columns: expected filename and a column of 0 and 1 per class",
            path=path,
        )
    rows = []
    for number, cells in enumerate(table, start=2):
        for name in classes:
            if cells[name] not in ("0", "1"):
                raise InputError(
                    f"{{path}}, row {number}: {escape_braces(name)} is "
                    f"{escape_braces(cells[name])!r}; expected 0 or 1",
                    path=path,
                )
        rows.append(LabelledRow(cells, [name for name in classes if cells[name] == "1"]))
    return WeakLabels(rows, classes)


def read_label_lists(path: Path) -> WeakLabels:
    """Read a tab-separated table with a comma-separated list of classes per recording.

    Raises:
        InputError: the file can't be read, or no row has a class.
    """
    rows = []
    for cells in read_table(path, required=("filename", "event_labels"), delimiter="\t"):
        names = [name.strip() for name in cells["event_labels"].split(",")]
        rows.append(LabelledRow(cells, [name for name in names if name]))
    classes = sorted(set().union(*(row.labels for row in rows)))
    if not classes:
        raise InputError(
            "{path} contains no labels: expected comma-separated classes in the column "
            "event_labels",
            path=path,
        )
    return WeakLabels(rows, classes)
