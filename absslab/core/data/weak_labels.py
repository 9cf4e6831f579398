"""Tables of weak labels: one column per class, or a list of classes per recording."""

from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.tables import read_table

ONE_HOT = "weak_labels.csv"
LISTS = "weak.tsv"
OTHER_COLUMNS = ("filename", "split", "origin")  # of a one-hot table; each other one is a class


@dataclass(frozen=True)
class LabelledRow:
    """A row of a table and the classes that it names."""

    cells: dict[str, str]  # by column
    labels: list[str]

    @property
    def filename(self) -> str:
        """The recording, as the table names it."""
        return self.cells["filename"]


@dataclass(frozen=True)
class WeakLabels:
    """A table of weak labels."""

    rows: list[LabelledRow]
    classes: list[str]


def read_weak_labels(path: Path) -> WeakLabels:
    """Read a table of weak labels in either format; its name says which.

    Raises:
        InputError: another name, or a table that can't be used.
    """
    if path.name == ONE_HOT:
        return read_one_hot(path)
    if path.name == LISTS:
        return read_label_lists(path)
    raise InputError(
        f"{{path}} is no table of weak labels: expected {ONE_HOT} or {LISTS}", path=path
    )


def read_one_hot(path: Path) -> WeakLabels:
    """Read a table with a column of 0 and 1 per class.

    Raises:
        InputError: a file that can't be read, no class, a cell that is neither 0 nor 1.
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
                    f"{{path}}, row {number}: {name} is {cells[name]!r}; expected 0 or 1", path=path
                )
        rows.append(LabelledRow(cells, [name for name in classes if cells[name] == "1"]))
    return WeakLabels(rows, classes)


def read_label_lists(path: Path) -> WeakLabels:
    """Read a tab-separated table with a comma-separated list of classes per recording.

    Raises:
        InputError: a file that can't be read, no class in any row.
    """
    rows = []
    for cells in read_table(path, required=("filename", "event_labels"), delimiter="\t"):
        names = [name.strip() for name in cells["event_labels"].split(",")]
        rows.append(LabelledRow(cells, [name for name in names if name]))
    classes = sorted(set().union(*(row.labels for row in rows)))
    if not classes:
        raise InputError(
            "{path} labels nothing: expected comma-separated classes in the column event_labels",
            path=path,
        )
    return WeakLabels(rows, classes)
