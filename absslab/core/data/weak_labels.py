"""Read tables of weak labels: one column per class, or a list of classes per recording.

::

    filename,dog,speech          1 and 0, 1.0 and 0.0, True and False, yes and no
    filename    event_labels     dog,speech
    filename    onset    offset    event_label      strong labels: each class that sounds

In a list, commas separate classes; a class whose name has a comma stands in quotes. An empty cell,
or `NaN`, says that the recording has no class.
"""

import ast
import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import Table, TableRow, is_missing, open_table
from absslab.core.data.class_names import check_class_names, normalise

MULTI_HOT_FILE = "weak_labels.csv"
LABEL_LISTS_FILE = "weak.tsv"
# Of a multi-hot table; all other columns are classes.
OTHER_COLUMNS = (
    "filename",
    "split",
    "origin",
)
LIST_COLUMNS = ("filename", "event_labels")
ALIASES = {
    "filename": ("file_name", "fname", "file name"),
    "event_labels": ("event_label",),
}
_YES = ("1", "true", "yes", "y", "t", "x")
_NO = ("0", "false", "no", "n", "f")
_STRONG = {"onset", "offset", "event_label"}


@dataclass(frozen=True)
class LabelledRow:
    """A row of a table: a recording with its classes."""

    cells: dict[str, str]  # by column
    labels: list[str]
    line: int = 0

    @property
    def filename(self) -> str:
        """The name of the recording in the table."""
        return self.cells["filename"]


@dataclass(frozen=True)
class WeakLabels:
    """A table of weak labels.

    Args:
        rows: its rows.
        classes: its classes.
        delimiter: between its cells.
        kind: multi_hot, lists or strong.
        notes: what was read in another way than it is written, or left out; a sentence each.
    """

    rows: list[LabelledRow]
    classes: list[str]
    delimiter: str = ","
    kind: str = "multi_hot"
    notes: list[str] = field(default_factory=list)


def read_weak_labels(path: Path) -> WeakLabels:
    """Read a table of weak labels that has one of the two usual names.

    Raises:
        InputError: the file has another name, or the table can't be used.
    """
    if path.name in (MULTI_HOT_FILE, LABEL_LISTS_FILE):
        return read_label_table(path)
    raise InputError(
        f"{{path}} is not a table of weak labels: expected {MULTI_HOT_FILE} or {LABEL_LISTS_FILE}",
        path=path,
    )


def read_label_table(path: Path) -> WeakLabels:
    """Read a table of weak or strong labels with any name, in the format that its columns show.

    Raises:
        InputError: the table can't be used.
    """
    table = open_table(
        path,
        required=("filename",),
        aliases=ALIASES,
        delimiter="," if path.suffix == ".csv" else "\t",
        key=None,
        may_be_empty=True,
        may_be_short=True,
    )
    columns = {name.casefold() for name in table.columns}
    if columns >= _STRONG:
        return read_strong_as_weak(path)
    is_list = not columns.isdisjoint(("event_labels", "event_label"))
    if is_list or path.name == LABEL_LISTS_FILE:
        return read_label_lists(path)
    return read_multi_hot(path)


def read_multi_hot(path: Path) -> WeakLabels:
    """Read a table with a column of 0 and 1 per class.

    Raises:
        InputError: the file can't be read, has no class, or a cell is neither 0 nor 1.
    """
    table = open_table(path, required=("filename",), aliases=ALIASES)
    classes_of_columns, notes = _name_classes(table, path)
    notes = [*table.notes, *notes]
    if not classes_of_columns:
        raise InputError(
            "{path} has no class columns: expected filename and a column of 0 and 1 per class",
            path=path,
        )
    has_zeros = any(
        _read_decision(row.cells[column]) is False
        for row in table.rows
        for column in classes_of_columns
    )
    n_empty = 0
    rows = []
    for row in table.rows:
        labels: dict[str, None] = {}
        for column, name in classes_of_columns.items():
            decision = _read_decision(row.cells[column])
            if decision is None and is_missing(row.cells[column]) and not has_zeros:
                decision = False
                n_empty += 1
            if decision is None:
                raise InputError(
                    f"{{path}}, line {row.line}: {escape_braces(column)} is "
                    f"{escape_braces(row.cells[column])!r}; expected 0 or 1",
                    path=path,
                )
            if decision:
                labels[name] = None
        rows.append(LabelledRow(_rename_cells(row, classes_of_columns), list(labels), row.line))
    if n_empty:
        notes.append(f"{path.name}: {n_empty} empty cells are read as 0, since the table has no 0")
    classes = list(dict.fromkeys(classes_of_columns.values()))
    check_class_names(classes, path)
    return WeakLabels(rows, classes, table.delimiter, "multi_hot", notes)


def _name_classes(table: Table, path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the class of each column, and what is to be said about columns."""
    classes: dict[str, str] = {}
    notes = []
    for column in table.columns:
        name = normalise(column)
        if name.casefold() in OTHER_COLUMNS:
            continue
        if is_missing(name):
            notes.append(f"the column {column!r} is left out: it means that there is no label")
            continue
        first = re.sub(r"\.\d+$", "", column)
        if first != column and first in table.columns:
            # pandas calls the second column of a name so.
            differs = any(row.cells[first] != row.cells[column] for row in table.rows)
            if differs:
                raise InputError(
                    f"{{path}} has the columns {escape_braces(repr(first))} and "
                    f"{escape_braces(repr(column))}, which differ: pandas calls the second of two "
                    "equal names so; keep one of them, or give it another name",
                    path=path,
                )
            notes.append(f"the column {column!r} is left out: it repeats {first!r}")
            continue
        if name in classes.values():
            notes.append(f"two columns are the class {name!r}, in other Unicode forms: joined")
        classes[column] = name
    return classes, notes


def _rename_cells(row: TableRow, classes: Mapping[str, str]) -> dict[str, str]:
    """Return the cells by name of the class; the other columns have lower-case names."""
    cells: dict[str, str] = {}
    for column, cell in row.cells.items():
        other = column.casefold() if column.casefold() in OTHER_COLUMNS else column
        name = classes.get(column, other)
        if cells.get(name) is None or _read_decision(cell):
            cells[name] = cell
    return cells


def _read_decision(cell: str) -> bool | None:
    """Return whether a cell says yes or no; None if it says neither."""
    text = cell.casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    if re.fullmatch(r"\d+[.,]0*", text):
        number = float(text.replace(",", "."))
        return bool(number) if number in (0, 1) else None
    return None


def read_label_lists(path: Path) -> WeakLabels:
    """Read a table with a list of classes per recording.

    Raises:
        InputError: the file can't be read, or no row has a class.
    """
    table = open_table(
        path,
        required=LIST_COLUMNS,
        aliases=ALIASES,
        delimiter="," if path.suffix == ".csv" else "\t",
        may_be_short=True,
    )
    split_cell, notes = _find_list_format(table, path)
    rows = []
    for row in table.rows:
        cells = {
            (name.casefold() if name.casefold() in OTHER_COLUMNS else name): cell
            for name, cell in row.cells.items()
        }
        names = [normalise(name) for name in split_cell(row)]
        labels = list(dict.fromkeys(name for name in names if not is_missing(name)))
        rows.append(LabelledRow(cells, labels, row.line))
    return _with_classes_of_rows(
        rows, path, table.delimiter, "lists", [*table.notes, *notes], "event_labels"
    )


def read_strong_as_weak(path: Path) -> WeakLabels:
    """Read a table of strong labels as weak ones: a recording has each class that sounds in it.

    Raises:
        InputError: the file can't be read, or no row has a class.
    """
    table = open_table(
        path,
        required=("filename", *sorted(_STRONG)),
        aliases=ALIASES,
        delimiter="," if path.suffix == ".csv" else "\t",
        key=None,
        may_be_short=True,
    )
    labels: dict[str, dict[str, None]] = {}
    first: dict[str, TableRow] = {}
    for row in table.rows:
        filename = row.cells["filename"]
        first.setdefault(filename, row)
        of_recording = labels.setdefault(filename, {})
        name = normalise(row.cells["event_label"])
        if not is_missing(name):
            of_recording[name] = None
    rows = [
        LabelledRow({"filename": name}, list(of_recording), first[name].line)
        for name, of_recording in labels.items()
    ]
    return _with_classes_of_rows(
        rows, path, table.delimiter, "strong", list(table.notes), "event_label"
    )


def _with_classes_of_rows(
    rows: list[LabelledRow],
    path: Path,
    delimiter: str,
    kind: str,
    notes: list[str],
    column: str,
) -> WeakLabels:
    """Return the labels with the classes that the rows have, and count rows without any."""
    classes = sorted(set().union(*(row.labels for row in rows)))
    if not classes:
        raise InputError(
            "{path} contains no labels: expected comma-separated classes in the column " + column,
            path=path,
        )
    check_class_names(classes, path)
    n_unlabelled = sum(not row.labels for row in rows)
    if n_unlabelled:
        notes.append(
            f"{path.name}: {n_unlabelled} of {len(rows)} recordings have no label (empty or NaN)"
        )
    return WeakLabels(rows, classes, delimiter, kind, notes)


def join_labels(labels: Iterable[str]) -> str:
    """Return a list of classes as a cell; names with commas or quotes stand in quotes.

    >>> join_labels(["dog", "Chirp, tweet"])
    'dog,"Chirp, tweet"'
    """
    buffer = io.StringIO()
    # A name with any other separator of lists is quoted as well.
    for index, name in enumerate(labels):
        needs_quotes = re.search(r'[,;|"\[]', name) is not None
        quoted = '"' + name.replace('"', '""') + '"' if needs_quotes else name
        buffer.write(("," if index else "") + quoted)
    return buffer.getvalue()


def _find_list_format(
    table: Table, path: Path
) -> tuple[Callable[[TableRow], list[str]], list[str]]:
    """Find out how the lists of a table are written.

    Spreadsheets put quotes around a whole list as well as around a name with a comma. In quotes, a
    comma that a blank follows belongs to a name, as in `Male speech, man speaking`; unless what
    stands before and after it are labels of their own elsewhere in the table.

    Returns:
        the function that splits the list of a row, and what is to be said about it.
    """
    column = "event_labels"
    cells = [(row.cells[column], column in row.quoted) for row in table.rows]
    simple = [(cell, is_quoted) for cell, is_quoted in cells if '"' not in cell]
    simple = [(cell, is_quoted) for cell, is_quoted in simple if not _is_literal(cell)]
    plain = [cell for cell, is_quoted in simple if not is_quoted]
    text = "".join(cell for cell, _ in simple)
    separator = next((mark for mark in ";|" if mark in text), ",")
    known: set[str] = set()
    for cell, is_quoted in simple:
        parts = re.split(r",(?! )", cell) if is_quoted else cell.split(separator)
        known |= {normalise(part) for part in parts if not is_quoted or ", " not in part}
    notes = []
    if separator != ",":
        mixed = [cell for cell in plain if re.search(r",\S", cell)]
        if mixed:
            raise InputError(
                f"{{path}}: labels are separated by {separator!r} and by commas, as in "
                f"{escape_braces(repr(mixed[0]))}: expected one separator; put names with commas "
                "into quotes",
                path=path,
            )
        notes.append(f"{path.name}: labels are separated by {separator!r}")
    else:
        lists = [(cell, cell.split(",")) for cell in plain if ", " in cell]
        for cell, is_quoted in simple:
            names = _split_at_commas(cell, known) if is_quoted else []
            if len(names) > 1 and table.delimiter != ",":
                lists.append((cell, names))
        if lists:
            cell, names = lists[0]
            notes.append(
                f"{path.name}: {cell!r} is read as {len(names)} labels; a name with a comma "
                "needs quotes of its own"
            )

    def split(row: TableRow) -> list[str]:
        cell = row.cells[column]
        if _is_literal(cell):
            return _read_literal(cell, row, path)
        if '"' in cell:
            return _split_quoted(cell, separator)
        if separator == "," and column in row.quoted:
            return _split_at_commas(cell, known)
        return cell.split(separator)

    return split, notes


def _split_at_commas(cell: str, known: set[str]) -> list[str]:
    """Split a list that stands in quotes as a whole.

    >>> _split_at_commas("dog,Chirp, tweet", {"dog"})
    ['dog', 'Chirp, tweet']
    >>> _split_at_commas("dog, cat", {"dog", "cat"})
    ['dog', 'cat']
    """
    names: list[str] = []
    for part in re.split(r",(?! )", cell):
        pieces = [normalise(piece) for piece in part.split(",")]
        names += pieces if known.issuperset(pieces) else [part]
    return names


def _split_quoted(cell: str, separator: str) -> list[str]:
    """Split a list in which names may stand in quotes."""
    (names,) = csv.reader([cell.replace("\n", " ")], delimiter=separator, skipinitialspace=True)
    return names


def _is_literal(cell: str) -> bool:
    """Tell whether a cell is a list as Python writes it: ['dog', 'speech']."""
    return cell.startswith(("[", "(", "{")) and cell.endswith(("]", ")", "}"))


def _read_literal(cell: str, row: TableRow, path: Path) -> list[str]:
    try:
        names: Sequence[object] = list(ast.literal_eval(cell))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        names = [None]
    if not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{{path}}, line {row.line}: {escape_braces(repr(cell[:60]))} is no list of labels: "
            "expected comma-separated classes",
            path=path,
        )
    return [str(name) for name in names]
