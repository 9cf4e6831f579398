"""Split the text of a table into records of cells, which may be quoted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from absslab.core.common.errors import InputError

_LONGEST = 131_072  # characters of a cell, as the module csv has it
_BLANKS = " \t\r\n\v\f\u00a0\ufeff\u200b"


class Record(NamedTuple):
    """The cells of a line, or of several lines if a quoted cell holds line breaks."""

    line: int
    cells: list[str]
    quoted: list[bool]


def strip_blanks(text: str) -> str:
    """Return a text without blanks around it; hard and invisible blanks count as such."""
    return text.strip(_BLANKS)


def take_separator_line(text: str) -> tuple[str, str]:
    """Take off a first line such as `sep=;`, and return the rest and the delimiter it says.

    The line is left empty, so that lines keep their numbers.
    """
    first, _, rest = text.partition("\n")
    match = re.fullmatch(r'"?sep=(\\t|[^"\w])"?[,;\t ]*', first, re.IGNORECASE)
    if match is None:
        return text, ""
    return "\n" + rest, "\t" if match[1] == "\\t" else match[1]


def split_records(text: str, delimiter: str, path: Path) -> Iterator[Record]:
    """Split a text into cells, record by record."""
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        number = index + 1
        line = lines[index]
        cells, quoted, start = split_line(line, delimiter)
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
                more_cells, more_quoted, start = split_line(line, delimiter)
                cells += more_cells
                quoted += more_quoted
        longest = max(map(len, cells), default=0)
        if longest > _LONGEST:
            raise InputError(
                f"{{path}} can't be read as a table: line {number} has a cell of {longest} "
                f"characters, expected at most {_LONGEST}",
                path=path,
            )
        yield Record(number, cells, quoted)
        index += 1


def split_line(line: str, delimiter: str) -> tuple[list[str], list[bool], int]:
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


def drop_empty_end(record: Record, n_columns: int) -> Record:
    """Leave out empty cells beyond the last column."""
    n_cells = len(record.cells)
    while n_cells > n_columns and not strip_blanks(record.cells[n_cells - 1]):
        n_cells -= 1
    return record._replace(cells=record.cells[:n_cells], quoted=record.quoted[:n_cells])


def fill_end(record: Record, n_columns: int) -> Record:
    """Add the empty cells that are left out at the end."""
    n_missing = max(0, n_columns - len(record.cells))
    return record._replace(
        cells=record.cells + [""] * n_missing, quoted=record.quoted + [False] * n_missing
    )
