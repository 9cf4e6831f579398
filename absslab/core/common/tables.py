"""Tables in CSV or tab-separated text with a header, read strictly."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from absslab.core.common.errors import InputError, Reason, escape_braces
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
        required: columns that the table must have.
        optional: columns that it may have; None allows any.
        delimiter: between the cells.
        key: the column in which no value may occur twice; None allows repetitions.
        may_be_empty: whether a header without rows is allowed.

    Returns:
        a dictionary per row, in the order of the file.

    Raises:
        InputError: the file is missing or not text, lacks a column or a cell, has a column twice
            or an unknown one, has a row twice, or no row at all.
    """
    lines = _read_lines(Path(path), delimiter)
    header = [name.strip() for name in lines[0][1]] if lines else []
    required = list(required)
    _check_header(header, required, optional, Path(path))
    if len(lines) < 2 and not may_be_empty:
        raise InputError("{path} has no rows below its header", path=path)
    rows: list[dict[str, str]] = []
    seen: set[str] = set()
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"{{path}}, line {number}: {len(cells)} cells, expected {len(header)}", path=path
            )
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        rows.append(row)
        if key is None:
            continue
        if row[key] in seen:
            raise InputError(
                f"{{path}}, line {number}: {escape_braces(row[key])} occurs twice; "
                "keep one of the rows",
                path=path,
            )
        seen.add(row[key])
    return rows


def _read_lines(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each line that is not empty."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            return [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise InputError("{path} does not exist", path=path) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "{path} can't be read as a table ({reason})", path=path, reason=Reason.of(error)
        ) from None


def _check_header(
    header: list[str], required: list[str], optional: Iterable[str] | None, path: Path
) -> None:
    known = None if optional is None else {*required, *optional}
    for name in required:
        if name not in header:
            raise InputError(
                f"{{path}} has no column {name!r}: "
                f"expected {', '.join(required)} in its first line",
                path=path,
            )
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{{path}} has the column {escape_braces(name)!r} twice", path=path)
        if known is not None and name not in known:
            raise InputError(f"{{path}} has an unknown column {escape_braces(name)!r}", path=path)


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
