"""Read tables of weak labels: one column per class, or a list of classes per recording.

::

    filename,dog,speech          1 and 0, 1.0 and 0.0, True and False, yes and no
    filename    event_labels     dog,speech              a list, or several rows with a label each
    filename    onset    offset    event_label      strong labels: each class that sounds

In a column of a class an empty cell, `NaN` or a question mark says that it is not known whether the
recording has the class. Only if a table has no 0 at all, empty cells are 0.

In a list, commas separate classes; a class whose name has a comma stands in quotes. An empty cell,
`NaN` or a dash says that the recording has no class. All may have the columns `split` and `origin`.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import Table, TableRow, is_missing, open_table
from absslab.core.data.class_names import check_class_names, means_no_label, normalise
from absslab.core.data.label_columns import OTHER_COLUMNS, choose_class_columns
from absslab.core.data.label_lists import find_list_format

MULTI_HOT_FILE = "weak_labels.csv"
LABEL_LISTS_FILE = "weak.tsv"
LIST_COLUMNS = ("filename", "event_labels")
_LIST_NAMES = (  # of the column that holds the lists, in the order in which they are taken
    "event_label",
    "labels",
    "label",
    "category",
    "categories",
    "class_name",
    "class",
    "classes",
    "tags",
)
ALIASES = {
    "filename": (
        "file_name",
        "fname",
        "file name",
        "file_path",
        "filepath",
        "path",
        "audio_file",
        "audio_filename",
        "audio_path",
        "slice_file_name",
    ),
    "event_labels": _LIST_NAMES,
}
_EVENT_ALIASES = {"filename": ALIASES["filename"], "event_label": ("event_labels",)}
_YES = ("1", "true", "yes", "y", "t", "x")
_NO = ("0", "false", "no", "n", "f")
_EVENT_COLUMNS = ("onset", "offset", "event_label")
_KEPT = ("split", "origin")  # columns that must be alike in all rows of a recording


@dataclass(frozen=True)
class LabelledRow:
    """A row of a table: a recording with its classes."""

    cells: dict[str, str]  # by column
    labels: list[str]
    line: int = 0
    unknown: tuple[str, ...] = ()  # classes that it may have or not

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


def read_weak_labels(path: Path, class_columns: Sequence[str] = ()) -> WeakLabels:
    """Read a table of weak labels that has one of the two usual names.

    Args:
        path: the table.
        class_columns: see `read_multi_hot`.

    Raises:
        InputError: the file has another name, or the table can't be used.
    """
    if path.name in (MULTI_HOT_FILE, LABEL_LISTS_FILE):
        return read_label_table(path, class_columns)
    raise InputError(
        f"{{path}} is not a table of weak labels: expected {MULTI_HOT_FILE} or {LABEL_LISTS_FILE}",
        path=path,
    )


def read_label_table(path: Path, class_columns: Sequence[str] = ()) -> WeakLabels:
    """Read a table of weak or strong labels with any name, in the format that its columns show.

    Args:
        path: the table.
        class_columns: of a table with a column per class, those that are classes.

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
    has_labels = not columns.isdisjoint(("event_label", "event_labels"))
    if columns >= {"onset", "offset"} and has_labels:
        return read_strong_as_weak(path)
    if has_labels or path.name == LABEL_LISTS_FILE:
        return read_label_lists(path)
    if not class_columns and _find_list_column(table, path):
        return read_label_lists(path)
    return read_multi_hot(path, class_columns)


def _find_list_column(table: Table, path: Path) -> str:
    """Find a column that names classes, such as `category`; empty if there is none.

    Raises:
        InputError: the only one holds nothing but 0 and 1.
    """
    by_name = {column.casefold(): column for column in reversed(table.columns)}
    named = [by_name[name] for name in _LIST_NAMES if name in by_name]
    for column in named:
        cells = [row.cells[column] for row in table.rows]
        if any(not is_missing(cell) and _read_decision(cell) is None for cell in cells):
            return column
    classes, _ = choose_class_columns(table, path)
    if table.rows and named and set(classes) <= set(named):
        raise InputError(
            f"{{path}}: the column {escape_braces(repr(named[0]))} holds only 0 and 1: expected "
            "names of classes; or call the column as the class that it tells of",
            path=path,
        )
    return ""


def read_multi_hot(
    path: Path, class_columns: Sequence[str] = (), *, has_metadata: bool = True
) -> WeakLabels:
    """Read a table with a column of 0 and 1 per class.

    Args:
        path: the table.
        class_columns: the columns that are classes; by default all but those of metadata.
        has_metadata: whether columns may hold something else; see `label_columns`.

    Raises:
        InputError: the file can't be read, has no class, a cell holds something else than 0 and 1,
            or no cell holds one of them.
    """
    table = open_table(path, required=("filename",), aliases=ALIASES)
    classes_of_columns, notes = choose_class_columns(
        table, path, chosen=class_columns, has_metadata=has_metadata
    )
    notes = [*table.notes, *notes]
    if not classes_of_columns:
        reason = escape_braces(f" ({'; '.join(notes)})") if notes else ""
        raise InputError(
            "{path} has no class columns: expected filename and a column of 0 and 1 per class"
            + reason,
            path=path,
        )
    cells = [row.cells[column] for row in table.rows for column in classes_of_columns]
    has_zeros = any(_read_decision(cell) is False for cell in cells)
    if table.rows and not has_zeros and all(map(means_no_label, cells)):
        raise InputError(
            f"{{path}} knows no label: the columns {escape_braces(', '.join(classes_of_columns))} "
            "are empty in all rows; expected 1 where a recording has the class, and 0 where not",
            path=path,
        )
    n_empty = 0
    rows = []
    for row in table.rows:
        decisions: dict[str, list[bool]] = {}  # of the columns of a class, without unknown ones
        for column, name in classes_of_columns.items():
            decision = _read_decision(row.cells[column])
            if decision is None and not _may_be_empty(row.cells[column], has_zeros):
                raise InputError(
                    f"{{path}}, line {row.line}: {escape_braces(column)} is "
                    f"{escape_braces(row.cells[column])!r}; expected 0 or 1, or nothing where it "
                    "is not known",
                    path=path,
                )
            n_empty += decision is None
            if decision is None and not has_zeros:
                decision = False
            decisions.setdefault(name, []).extend([] if decision is None else [decision])
        renamed = _rename_cells(row, classes_of_columns)
        if not has_zeros:  # zeros are written, lest a correction make the other cells unknown
            renamed |= {name: "0" for name, known in decisions.items() if not any(known)}
        labels = [name for name, known in decisions.items() if any(known)]
        unknown = tuple(name for name, known in decisions.items() if not known)
        rows.append(LabelledRow(renamed, labels, row.line, unknown))
    classes = list(dict.fromkeys(classes_of_columns.values()))
    if n_empty and has_zeros:
        notes.append(_describe_unknown(path, rows, n_empty, len(cells), len(classes)))
    elif n_empty:
        notes.append(f"{path.name}: {n_empty} empty cells are read as 0, since the table has no 0")
    check_class_names(classes, path)
    return WeakLabels(rows, classes, table.delimiter, "multi_hot", notes)


def _may_be_empty(cell: str, has_zeros: bool) -> bool:
    """Tell whether a cell counts as empty; in a table with 0, a dash is too doubtful."""
    return is_missing(cell) or set(cell) == {"?"} or (means_no_label(cell) and not has_zeros)


def _describe_unknown(
    path: Path, rows: Sequence[LabelledRow], n_empty: int, n_all: int, n_classes: int
) -> str:
    n_unlabelled = sum(len(row.unknown) == n_classes for row in rows)
    unlabelled = f"; no label of {n_unlabelled} of {len(rows)} recordings is known"
    return (
        f"{path.name}: {n_empty} of {n_all} labels are unknown, since their cells are empty: "
        "losses and scores leave them out" + (unlabelled if n_unlabelled else "")
    )


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
    """Read a table with a list of classes per recording, or a row for each of its classes.

    Raises:
        InputError: the file can't be read, no row has a class, or two rows of a recording differ.
    """
    table = open_table(
        path,
        required=LIST_COLUMNS,
        aliases=ALIASES,
        delimiter="," if path.suffix == ".csv" else "\t",
        key=None,
        may_be_short=True,
    )
    split_cell, notes = find_list_format(table, path)
    marks = _Marks(path)
    rows = []
    for row in table.rows:
        names = [normalise(name) for name in split_cell(row)]
        rows.append(LabelledRow(_lower_case(row.cells), marks.leave_out(names), row.line))
    rows, repetitions = _join_rows(rows, path)
    notes = [*table.notes, *notes, *repetitions, *marks.notes]
    return _with_classes_of_rows(rows, path, table.delimiter, "lists", notes, "event_labels")


def read_strong_as_weak(path: Path) -> WeakLabels:
    """Read a table of strong labels as weak ones: a recording has each class that sounds in it.

    Raises:
        InputError: the file can't be read, no row has a class, or two rows of a recording have
            another split or origin.
    """
    table = open_table(
        path,
        required=("filename", *_EVENT_COLUMNS),
        aliases=_EVENT_ALIASES,
        delimiter="," if path.suffix == ".csv" else "\t",
        key=None,
        may_be_short=True,
    )
    marks = _Marks(path)
    joined: dict[str, LabelledRow] = {}
    for row in table.rows:
        labels = marks.leave_out([normalise(row.cells["event_label"])])
        labelled = LabelledRow(_lower_case(row.cells), labels, row.line)
        other = joined.get(labelled.filename)
        joined[labelled.filename] = _join(other, labelled, path) if other else labelled
    rows = [
        LabelledRow(
            {name: row.cells[name] for name in OTHER_COLUMNS if name in row.cells},
            row.labels,
            row.line,
        )
        for row in joined.values()
    ]
    notes = [*table.notes, *marks.notes]
    return _with_classes_of_rows(rows, path, table.delimiter, "strong", notes, "event_label")


class _Marks:
    """Leaves out what stands in place of a label and means that there is none, and counts it."""

    def __init__(self, path: Path):
        self.path = path
        self.counts: Counter[str] = Counter()

    def leave_out(self, names: Sequence[str]) -> list[str]:
        """Return the names that are labels, each once."""
        labels = list(dict.fromkeys(name for name in names if not means_no_label(name)))
        for name in names:
            # That cells are empty is said of whole recordings.
            if means_no_label(name) and (labels or not is_missing(name)):
                self.counts[name] += 1
        return labels

    @property
    def notes(self) -> list[str]:
        """A sentence about each mark."""
        return [
            f"{self.path.name}: {repr(mark) if mark else 'an empty label'} is no class, it means "
            f"that there is no label ({count} {'time' if count == 1 else 'times'})"
            for mark, count in self.counts.items()
        ]


def _lower_case(cells: Mapping[str, str]) -> dict[str, str]:
    """Return cells with the names of the columns that are known beside classes in lower case."""
    return {
        (name.casefold() if name.casefold() in OTHER_COLUMNS else name): cell
        for name, cell in cells.items()
    }


def _join_rows(rows: Sequence[LabelledRow], path: Path) -> tuple[list[LabelledRow], list[str]]:
    """Join the rows of each recording in a table with a row for each label.

    Returns:
        a row for each recording, and what is to be said about it.

    Raises:
        InputError: a recording has two rows in a table with lists of labels.
    """
    is_long = all(len(row.labels) <= 1 for row in rows)
    joined: dict[str, LabelledRow] = {}
    n_repeated = 0
    for row in rows:
        other = joined.get(row.filename)
        if other is None:
            joined[row.filename] = row
            continue
        if not is_long:
            alike = set(row.labels) == set(other.labels)
            labels = "the same labels" if alike else "other labels"
            raise InputError(
                f"{{path}}, line {row.line}: {escape_braces(row.filename)} occurs twice, first in "
                f"line {other.line} with {labels}; keep one of the rows",
                path=path,
            )
        n_repeated += set(row.labels) <= set(other.labels)
        joined[row.filename] = _join(other, row, path)
    notes = []
    several = [row for row in joined.values() if len(row.labels) > 1]
    if several and is_long:
        recordings = "1 recording has" if len(several) == 1 else f"{len(several)} recordings have"
        example = f"{several[0].filename}: {', '.join(several[0].labels)}"
        notes.append(
            f"{path.name}: {recordings} a row for each label, which are joined ({example})"
        )
    if n_repeated:
        rows_repeat = "1 row repeats" if n_repeated == 1 else f"{n_repeated} rows repeat"
        notes.append(f"{path.name}: {rows_repeat} a recording and its label, read once")
    return list(joined.values()), notes


def _join(row: LabelledRow, other: LabelledRow, path: Path) -> LabelledRow:
    """Return a row with the labels of two of the same recording."""
    cells = dict(row.cells)
    for column in _KEPT:
        said, said_too = (item.cells.get(column, "") for item in (row, other))
        if said and said_too and said.casefold() != said_too.casefold():
            raise InputError(
                f"{{path}}, line {other.line}: {escape_braces(row.filename)} has the {column} "
                f"{escape_braces(repr(said_too))}, and {escape_braces(repr(said))} in an earlier "
                "row: expected one",
                path=path,
            )
        if said_too:
            cells[column] = said_too
    return LabelledRow(cells, list(dict.fromkeys([*row.labels, *other.labels])), row.line)


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
