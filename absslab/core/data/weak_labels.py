"""Tables of weak labels: one column per class, or a list of classes per recording."""

from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.tables import read_table
from absslab.core.data.recordings import check_class_name


def read_one_hot(path: Path) -> tuple[list[tuple[dict[str, str], list[str]]], list[str]]:
    """Read a table of weak labels: its rows, each with the classes that it names, and all classes.

    Raises:
        InputError: a file that can't be read, no class, a cell that is neither 0 nor 1.
    """
    rows = read_table(path, required=("filename",))
    classes = [name for name in rows[0] if name not in ("filename", "split", "origin")]
    if not classes:
        raise InputError(
            f"{path} has no class columns: expected filename and a column of 0 and 1 per class"
        )
    for number, row in enumerate(rows, start=2):
        for name in classes:
            if row[name] not in ("0", "1"):
                raise InputError(f"{path}, row {number}: {name} is {row[name]!r}; expected 0 or 1")
    return [(row, [name for name in classes if row[name] == "1"]) for row in rows], classes


def read_lists(path: Path) -> tuple[list[tuple[dict[str, str], list[str]]], list[str]]:
    """Read a table of lists of weak labels: as `read_one_hot` does.

    Raises:
        InputError: a file that can't be read, no class in any row.
    """
    rows = read_table(path, required=("filename", "event_labels"), delimiter="\t")
    labels = [
        [name.strip() for name in row["event_labels"].split(",") if name.strip()] for row in rows
    ]
    classes = sorted({name for names in labels for name in names})
    if not classes:
        raise InputError(
            f"{path} labels nothing: expected comma-separated classes in the column event_labels"
        )
    return list(zip(rows, labels, strict=True)), classes


def _checked(classes: list[str], path: Path) -> list[str]:
    for name in classes:
        check_class_name(name, path)
    return classes
