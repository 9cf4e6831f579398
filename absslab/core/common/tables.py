"""Tables of text: CSV and tab-separated, as spreadsheets, pandas and editors write them.

What is read without doubt is read: any common delimiter, a line `sep=;`, UTF-8 and UTF-16, any
ending of lines, quoted cells, blanks around cells, empty lines and columns, a column that numbers
the rows. What would leave doubt is refused with one line that names the cause. What is left out is
said in `Table.notes`.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from absslab.core.common.delimited_text import (
    Record,
    drop_empty_end,
    fill_end,
    split_line,
    split_records,
    strip_blanks,
    take_separator_line,
)
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import write_text
from absslab.core.common.text_encoding import read_text

# What spreadsheets, pandas and others write for a value that there is not.
MISSING = frozenset(
    {
        "",
        "nan",
        "+nan",
        "-nan",
        "na",
        "n/a",
        "<na>",
        "#na",
        "#n/a",
        "null",
        "none",
        "nat",
    }
)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Args:
        line: its line in the file, from 1.
        cells: by column.
        quoted: the columns whose cell stood in quotes.
    """

    line: int
    cells: dict[str, str]
    quoted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Args:
        columns: names of the columns, without those that were left out.
        rows: the rows, in the order of the file.
        delimiter: between the cells.
        notes: what was left out, a sentence each.
    """

    columns: list[str]
    rows: list[TableRow]
    delimiter: str
    notes: list[str] = field(default_factory=list)


def is_missing(text: str) -> bool:
    """Tell whether a cell is empty, or says that there is no value, as `NaN` does.

    >>> is_missing("NaN"), is_missing(" "), is_missing("Nantes")
    (True, True, False)
    """
    return strip_blanks(text).casefold() in MISSING


def read_table(
    path: str | Path,
    *,
    required: Iterable[str],
    optional: Iterable[str] | None = None,
    delimiter: str = ",",
    key: str | None = "filename",
    may_be_empty: bool = False,
) -> list[dict[str, str]]:
    """Read a table with a header, as a dictionary per row; see `open_table`."""
    table = open_table(
        path,
        required=required,
        optional=optional,
        delimiter=delimiter,
        key=key,
        may_be_empty=may_be_empty,
    )
    return [row.cells for row in table.rows]


def open_table(
    path: str | Path,
    *,
    required: Iterable[str],
    optional: Iterable[str] | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    delimiter: str = ",",
    key: str | None = "filename",
    may_be_empty: bool = False,
    may_be_short: bool = False,
    header: Sequence[str] | None = None,
    comment: str = "",
) -> Table:
    """Read a table.

    Args:
        path: the file, in UTF-8 or UTF-16.
        required: columns that the table must have; they may be written in another case.
        optional: columns that it may have; None allows any.
        aliases: other names of required columns, each used if the column itself is not there.
        delimiter: between the cells; another one is found if the header needs it.
        key: the column in which no value may occur twice; None allows repetitions.
        may_be_empty: whether a header without rows is allowed.
        may_be_short: whether empty cells at the end of a row may be left out with their delimiters.
        header: names of the columns of a table without a header.
        comment: lines that begin with this are skipped.

    Returns:
        the table; empty lines, and columns that have neither name nor content, are left out.

    Raises:
        InputError: the file is missing or not text, lacks a column or a cell, has a column twice
            or an unknown one, has a row twice, or no row at all.
    """
    path = Path(path)
    text = read_text(path)
    text, delimiter_of_line = take_separator_line(text)
    required = list(required)
    aliases = aliases or {}
    delimiter = delimiter_of_line or _find_delimiter(
        text, delimiter, required, aliases, header, comment
    )
    records = [
        record
        for record in split_records(text, delimiter, path)
        if any(map(strip_blanks, record.cells))
        and not (comment and record.cells[0].startswith(comment))
    ]
    if header is None:
        first = records.pop(0) if records else None
        names = [strip_blanks(name) for name in first.cells] if first else []
        n_records = len(records)
        records = [item for item in records if list(map(strip_blanks, item.cells)) != names]
        n_repeated = n_records - len(records)
        names = _rename_columns(names, required, aliases)
    else:
        names = list(header)
        n_repeated = 0
    records = [drop_empty_end(record, len(names)) for record in records]
    n_named = max((index + 1 for index, name in enumerate(names) if name), default=0)
    records = [
        fill_end(record, len(names)) if may_be_short or len(record.cells) >= n_named else record
        for record in records
    ]
    kept, notes = _choose_columns(names, records, path)
    if n_repeated:
        repeat = "1 line repeats" if n_repeated == 1 else f"{n_repeated} lines repeat"
        notes.append(f"{path.name}: {repeat} the header, left out")
    columns = [names[index] for index in kept]
    _check_header(columns, required, optional, path)
    if not records and not may_be_empty:
        raise InputError("{path} has no rows below its header", path=path)
    rows = []
    for record in records:
        if len(record.cells) != len(names):
            is_long = len(record.cells) > len(names) and delimiter in _DELIMITERS
            raise InputError(
                f"{{path}}, line {record.line}: {len(record.cells)} cells, expected {len(names)}"
                + (f"; a cell with {_DELIMITERS[delimiter]} needs quotes" if is_long else ""),
                path=path,
            )
        rows.append(
            TableRow(
                record.line,
                {names[index]: strip_blanks(record.cells[index]) for index in kept},
                frozenset(names[index] for index in kept if record.quoted[index]),
            )
        )
    if key is not None:
        _check_no_repetition(rows, key, path)
    return Table(columns, rows, delimiter, notes)


def _find_delimiter(
    text: str,
    expected: str,
    required: Sequence[str],
    aliases: Mapping[str, Sequence[str]],
    header: Sequence[str] | None,
    comment: str,
) -> str:
    """Find the delimiter with which the first line has the required columns."""
    lines = (line for line in text.split("\n") if strip_blanks(line))
    first = next((line for line in lines if not (comment and line.startswith(comment))), "")
    candidates = [expected, *(other for other in _DELIMITERS if other != expected)]
    for delimiter in candidates:
        cells, _, _ = split_line(first, delimiter)
        if header is not None:
            if len(cells) == len(header):
                return delimiter
            continue
        names = _rename_columns([strip_blanks(cell) for cell in cells], required, aliases)
        # With a wrong delimiter a header such as "filename" alone would have all its columns, too.
        if set(required) <= set(names) and (len(names) > 1 or len(required) > 1):
            return delimiter
    return expected


def _rename_columns(
    names: Sequence[str], required: Sequence[str], aliases: Mapping[str, Sequence[str]]
) -> list[str]:
    """Give required columns their names where they are written in another case, or otherwise."""
    renamed = list(names)
    for column in required:
        for known in (column, *aliases.get(column, ())):
            matches = [
                index for index, name in enumerate(renamed) if name.casefold() == known.casefold()
            ]
            if column in renamed or not matches:
                continue
            if len(matches) == 1:
                renamed[matches[0]] = column
    return renamed


def _choose_columns(
    names: Sequence[str], records: Sequence[Record], path: Path
) -> tuple[list[int], list[str]]:
    """Choose the columns that have a name; an index that pandas wrote is left out, and said."""
    kept = []
    notes = []
    for index, name in enumerate(names):
        is_unnamed = re.fullmatch(r"Unnamed: \d+(_level_\d+)?", name) is not None
        if name and not is_unnamed:
            kept.append(index)
            continue
        cells = [record.cells[index] for record in records if index < len(record.cells)]
        if not any(map(strip_blanks, cells)):
            continue
        if not is_unnamed and index > 0:
            raise InputError(f"{{path}}: column {index + 1} has no name; give it one", path=path)
        title = f"{name!r}" if name else f"without a name (column {index + 1})"
        notes.append(f"{path.name}: the index column {title} is left out")
    return kept, notes


def _check_header(
    header: list[str], required: list[str], optional: Iterable[str] | None, path: Path
) -> None:
    known = None if optional is None else {*required, *optional}
    for name in required:
        if name not in header:
            found = ", ".join(map(repr, header[:5])) or "nothing"
            raise InputError(
                f"{{path}} has no column {name!r}: "
                f"expected {', '.join(required)} in its first line, found {escape_braces(found)}",
                path=path,
            )
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{{path}} has the column {escape_braces(name)!r} twice", path=path)
        if known is not None and name not in known:
            raise InputError(f"{{path}} has an unknown column {escape_braces(name)!r}", path=path)


def _check_no_repetition(rows: Sequence[TableRow], key: str, path: Path) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        value = row.cells[key]
        if value in lines:
            raise InputError(
                f"{{path}}, line {row.line}: {escape_braces(value)} occurs twice, first in "
                f"line {lines[value]}; keep one of the rows",
                path=path,
            )
        lines[value] = row.line


def original_path(table: Path) -> Path:
    """Return where a table is kept as it was before its first correction.

    >>> original_path(Path("weak_labels.csv")).name
    'weak_labels.original.csv'
    """
    return table.with_name(f"{table.stem}.original{table.suffix}")


def write_table(
    path: str | Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    delimiter: str = ",",
) -> None:
    """Write a table with a header, completely or not at all; see `table_text`."""
    write_text(path, table_text(columns, rows, delimiter=delimiter))


def table_text(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, delimiter: str = ","
) -> str:
    """Return the text of a table with a header; cells that hold the delimiter are quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)
    return buffer.getvalue()
