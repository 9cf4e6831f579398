"""Split the cells of tables that hold a list of classes, however the list is written."""

import ast
import csv
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import Table, TableRow
from absslab.core.data.class_names import normalise

# The brackets of a list as Python, JSON and NumPy write it.
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


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


def find_list_format(table: Table, path: Path) -> tuple[Callable[[TableRow], list[str]], list[str]]:
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
    return cell[:1] in _BRACKETS and cell.endswith(_BRACKETS[cell[:1]])


def _read_literal(cell: str, row: TableRow, path: Path) -> list[str]:
    """Read a list as Python, JSON or NumPy writes it.

    >>> row = TableRow(2, {})
    >>> _read_literal("['dog', 'speech']", row, Path("weak.csv"))
    ['dog', 'speech']
    >>> _read_literal("['dog' 'speech']", row, Path("weak.csv"))
    ['dog', 'speech']
    """
    try:
        # Python would join the names that NumPy writes one after another.
        content: object = ast.literal_eval(re.sub(r"""(['"])\s+(?=['"])""", r"\1, ", cell))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        content = None
    if isinstance(content, str):
        content = [content]  # ('dog') has one name, and is no tuple
    is_list = isinstance(content, list | tuple | set)
    names = list(content) if isinstance(content, list | tuple | set) else []
    if not is_list or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{{path}}, line {row.line}: {escape_braces(repr(cell[:60]))} is no list of labels: "
            "expected comma-separated classes",
            path=path,
        )
    return sorted(names) if isinstance(content, set) else names
