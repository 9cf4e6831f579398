"""Tables as the field writes them: CSV and tab-separated text with a header, read strictly."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.files import write_text


def read_table(
    path: str | Path,
    *,
    required: Iterable[str],
    optional: Iterable[str] | None = None,
    delimiter: str = ",",
    key: str | None = "filename",
    may_be_empty: bool = False,
) -> list[dict[str, str]]:
    """Read a table with a header.

    Args:
        path: the file, in UTF-8.
        required: columns that must be there.
        optional: columns that may be; None allows any.
        delimiter: between the cells.
        key: the column in which no value may stand twice; None allows repetitions.
        may_be_empty: a header alone will do.

    Returns:
        a dictionary per row, in the order of the file.

    Raises:
        InputError: the file is missing or no text, lacks a column or a cell, has a column twice or an unknown one, has a
            duplicate row, or no row at all.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} can't be read as a table ({error})") from None
    header = [name.strip() for name in lines[0][1]] if lines else []
    required = list(required)
    for name in required:
        if name not in header:
            raise InputError(
                f"{path} has no column {name!r}: expected {', '.join(required)} in its first line"
            )
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{path} has the column {name!r} twice")
        if optional is not None and name not in required and name not in optional:
            raise InputError(f"{path} has an unknown column {name!r}")
    if len(lines) < 2 and not may_be_empty:
        raise InputError(f"{path} has no rows below its header")
    rows, seen = [], set()
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise InputError(f"{path}, line {number}: {len(cells)} cells, expected {len(header)}")
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        if key is not None and row[key] in seen:
            raise InputError(
                f"{path}, line {number}: {row[key]} is there twice; keep one of the rows"
            )
        seen.add(row.get(key or "", ""))
        rows.append(row)
    return rows


def original_path(table: Path) -> Path:
    """Where a table is kept as it was before the first correction: weak_labels.original.csv of weak_labels.csv."""
    return table.with_name(f"{table.stem}.original{table.suffix}")


def write_table(
    path: str | Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    delimiter: str = ",",
) -> None:
    """Write a table with a header, whole or not at all; see `table_text`."""
    write_text(path, table_text(columns, rows, delimiter=delimiter))


def table_text(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, delimiter: str = ","
) -> str:
    """A table with a header, as text; cells that hold the delimiter are quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)
    return buffer.getvalue()
