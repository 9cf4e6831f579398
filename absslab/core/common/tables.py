"""Tables of text: CSV and tab-separated, as spreadsheets, pandas and editors write them.

What is read without doubt is read: any common delimiter, a line `sep=;`, UTF-8 and UTF-16, any
ending of lines, quoted cells, blanks around cells, empty lines and columns, a column that numbers
the rows. What would leave doubt is refused with one line that names the cause. What is left out is
said in `Table.notes`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from absslab.core.common.errors import InputError, Reason, escape_braces
from absslab.core.common.files import write_text

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
_LONGEST = 131_072  # characters of a cell, as the module csv has it
_BLANKS = " \t\r\n\v\f\u00a0\ufeff\u200b"
_OTHER_FILES = {  # beginnings of files that are no text
    b"PK\x03\x04": "a workbook of Excel or LibreOffice, or a zip file: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel: save it as CSV (UTF-8)",
    b"\x1f\x8b": "a gzip file: unpack it",
    b"PAR1": "a Parquet file: save it as CSV",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run git lfs pull",
    b"<!DOCTYPE": "an HTML page: download the file itself",
    b"<html": "an HTML page: download the file itself",
}
_UTF_BY_MARK = {  # byte order marks; those of UTF-32 begin as that of UTF-16 does
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


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


class _Record(NamedTuple):
    """The cells of a line, or of several lines if a quoted cell holds line breaks."""

    line: int
    cells: list[str]
    quoted: list[bool]


def is_missing(text: str) -> bool:
    """Tell whether a cell is empty, or says that there is no value, as `NaN` does.

    >>> is_missing("NaN"), is_missing(" "), is_missing("Nantes")
    (True, True, False)
    """
    return text.strip(_BLANKS).casefold() in MISSING


def strip_blanks(text: str) -> str:
    """Return a text without blanks around it; hard and invisible blanks count as such."""
    return text.strip(_BLANKS)


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
    text, delimiter_of_line = _take_separator_line(text)
    required = list(required)
    aliases = aliases or {}
    delimiter = delimiter_of_line or _find_delimiter(
        text, delimiter, required, aliases, header, comment
    )
    records = [
        record
        for record in _split_records(text, delimiter, path)
        if any(strip_blanks(cell) for cell in record.cells)
        and not (comment and record.cells[0].startswith(comment))
    ]
    if header is None:
        first = records.pop(0) if records else None
        names = [strip_blanks(name) for name in first.cells] if first else []
        names = _rename_columns(names, required, aliases)
    else:
        names = list(header)
    records = [_drop_empty_end(record, len(names)) for record in records]
    n_named = max((index + 1 for index, name in enumerate(names) if name), default=0)
    records = [
        _fill_end(record, len(names)) if may_be_short or len(record.cells) >= n_named else record
        for record in records
    ]
    kept, notes = _choose_columns(names, records, path)
    columns = [names[index] for index in kept]
    _check_header(columns, required, optional, path)
    if not records and not may_be_empty:
        raise InputError("{path} has no rows below its header", path=path)
    rows = []
    for record in records:
        if len(record.cells) != len(names):
            raise InputError(
                f"{{path}}, line {record.line}: {len(record.cells)} cells, expected {len(names)}",
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


def read_text(path: str | Path) -> str:
    """Read the text of a table, whatever its encoding; lines end in a line feed.

    Raises:
        InputError: the file is missing, or is no text; the message says what it is instead.
    """
    path = Path(path)
    if path.is_char_device():  # such as /dev/full, which never ends
        raise InputError("{path} is a device: expected the file of a table", path=path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("{path} does not exist", path=path) from None
    except OSError as error:
        raise InputError(
            "{path} can't be read as a table ({reason})", path=path, reason=Reason.of(error)
        ) from None
    for beginning, kind in _OTHER_FILES.items():
        if content.lstrip()[:40].lower().startswith(beginning.lower()):
            raise InputError(f"{{path}} can't be read as a table: it is {kind}", path=path)
    encoding = _find_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{{path}} can't be read as a table: line {line} is not {encoding.upper()}; "
            "save it in UTF-8 (in Excel: “CSV UTF-8”)",
            path=path,
        ) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{{path}} can't be read as a table: line {line} holds NUL bytes, so the file is "
            "damaged or no text; write it again",
            path=path,
        )
    return text


def _find_encoding(content: bytes) -> str:
    """Find the encoding by the byte order mark, or by where the zeros of UTF-16 are."""
    for mark, encoding in _UTF_BY_MARK.items():
        if content.startswith(mark):
            return encoding
    beginning = content[:2000]
    n_even = beginning[0::2].count(0)
    n_odd = beginning[1::2].count(0)
    # Most characters of a table are Latin: one of their two bytes is 0.
    enough = max(1, len(beginning) // 4)
    if n_odd >= enough and n_even < n_odd / 4:
        return "utf-16-le"
    if n_even >= enough and n_odd < n_even / 4:
        return "utf-16-be"
    return "utf-8"


def _take_separator_line(text: str) -> tuple[str, str]:
    """Take off a first line such as `sep=;`, and return the rest and the delimiter it says.

    The line is left empty, so that lines keep their numbers.
    """
    first, _, rest = text.partition("\n")
    match = re.fullmatch(r'"?sep=(\\t|[^"\w])"?[,;\t ]*', first, re.IGNORECASE)
    if match is None:
        return text, ""
    return "\n" + rest, "\t" if match[1] == "\\t" else match[1]


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
        cells, _, _ = _split_line(first, delimiter)
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


def _split_records(text: str, delimiter: str, path: Path) -> Iterator[_Record]:
    """Split a text into cells, record by record."""
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        number = index + 1
        line = lines[index]
        cells, quoted, start = _split_line(line, delimiter)
        while start >= 0:
            line = line[start:]  # the cell that is open; those before it are complete
            start = 0
            index += 1
            if index == len(lines) or len(line) > _LONGEST:
                raise InputError(
                    f"{{path}} can't be read as a table: line {number} opens a quote that is "
                    'never closed; close it, or write a quote of the text as ""',
                    path=path,
                )
            line += "\n" + lines[index]
            if '"' in lines[index].replace('""', ""):  # this closes the cell
                more_cells, more_quoted, start = _split_line(line, delimiter)
                cells += more_cells
                quoted += more_quoted
        longest = max(map(len, cells), default=0)
        if longest > _LONGEST:
            raise InputError(
                f"{{path}} can't be read as a table: line {number} has a cell of {longest} "
                f"characters, expected at most {_LONGEST}",
                path=path,
            )
        yield _Record(number, cells, quoted)
        index += 1


def _split_line(line: str, delimiter: str) -> tuple[list[str], list[bool], int]:
    """Split a line into cells.

    Returns:
        the complete cells; which of them stood in quotes; where the cell begins whose quote is open
        at the end, −1 if there is none.
    """
    if '"' not in line:
        cells = line.split(delimiter)
        return cells, [False] * len(cells), -1
    cells = []
    quoted: list[bool] = []
    position = 0
    while True:
        cell, is_quoted, end = _take_cell(line, position, delimiter)
        if end < 0:
            return cells, quoted, position
        cells.append(cell)
        quoted.append(is_quoted)
        if end == len(line):
            return cells, quoted, -1
        position = end + 1


def _take_cell(line: str, start: int, delimiter: str) -> tuple[str, bool, int]:
    """Return the cell that begins at `start`, whether it is quoted, and its end.

    The end is −1 if the cell opens a quote and does not close it. Text before or after quotes, as
    in `"a","b"` between tabs, is kept with these quotes.
    """
    begin = start
    while line[begin : begin + 1] == " ":
        begin += 1
    end = line.find(delimiter, start)
    end = len(line) if end < 0 else end
    if line[begin : begin + 1] != '"':
        return line[start:end], False, end
    close = _find_closing_quote(line, begin)
    if close < 0:
        return "", False, -1
    end = line.find(delimiter, close)
    end = len(line) if end < 0 else end
    if not line[close + 1 : end].strip(" "):
        return line[begin + 1 : close].replace('""', '"'), True, end
    while line[close + 1 : end].count('"') % 2:  # the delimiter stands in further quotes
        end = line.find(delimiter, end + 1)
        if end < 0:
            end = len(line)
            break
    return line[begin:end], False, end


def _find_closing_quote(line: str, begin: int) -> int:
    """Return where the quote that opens at `begin` is closed; −1 if it is not."""
    position = begin + 1
    while True:
        position = line.find('"', position)
        if position < 0:
            return -1
        if line[position + 1 : position + 2] != '"':
            return position
        position += 2


def _drop_empty_end(record: _Record, n_columns: int) -> _Record:
    """Leave out empty cells beyond the last column."""
    n_cells = len(record.cells)
    while n_cells > n_columns and not strip_blanks(record.cells[n_cells - 1]):
        n_cells -= 1
    return record._replace(cells=record.cells[:n_cells], quoted=record.quoted[:n_cells])


def _fill_end(record: _Record, n_columns: int) -> _Record:
    """Add the empty cells that are left out at the end."""
    n_missing = max(0, n_columns - len(record.cells))
    return record._replace(
        cells=record.cells + [""] * n_missing, quoted=record.quoted + [False] * n_missing
    )


def _choose_columns(
    names: Sequence[str], records: Sequence[_Record], path: Path
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
