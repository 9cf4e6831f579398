"""Read arrays of HDF5 files, and say in one line why they can't be read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.common.errors import InputError, Reason, escape_braces

_N_LISTED = 12  # names that one line lists


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to read it.

    Args:
        path: the file.

    Raises:
        InputError: it is missing, no HDF5 file, or cut short; this also holds for what is read of
            it while it is open.
    """
    import h5py  # opening no such file needs it

    if not path.is_file():
        raise InputError("{path} does not exist: expected an HDF5 file", path=path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        raise InputError(
            "{path} can't be read as HDF5 ({reason}): it is another file, or cut short; get it "
            "again",
            path=path,
            reason=Reason.of(error),
        ) from None


def find_array(file: Any, path: Path, name: str, *, n_axes: int, n_rows: int | None = None) -> Any:
    """Return an array of an open HDF5 file, which is read where it is indexed.

    Args:
        file: the open file.
        path: where it is, for messages.
        name: of the array.
        n_axes: number of axes that it must have.
        n_rows: length of its first axis; None: any.

    Raises:
        InputError: there is no such array, or it has another shape.
    """
    found = file.get(name)
    if found is None or not hasattr(found, "shape"):
        raise InputError(
            f"{{path}} has no array {name}: expected one beside "
            f"{escape_braces(_list_names(list(file)))}",
            path=path,
        )
    if len(found.shape) != n_axes or (n_rows is not None and found.shape[0] != n_rows):
        first = "any number of" if n_rows is None else str(n_rows)
        raise InputError(
            f"{{path}}: {name} has the shape {tuple(found.shape)}: expected {n_axes} "
            f"{'axis' if n_axes == 1 else 'axes'}, the first with {first} values",
            path=path,
        )
    return found


def read_names(file: Any, path: Path, name: str) -> list[str]:
    """Read a list of texts.

    Raises:
        InputError: there is no such list, or it holds something else.
    """
    values = find_array(file, path, name, n_axes=1)[:]
    try:
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    except UnicodeDecodeError:
        raise InputError(f"{{path}}: {name} holds names that are not UTF-8", path=path) from None


def read_labels(
    file: Any, path: Path, name: str, classes: Sequence[str], n_rows: int
) -> list[frozenset[str]]:
    """Read a table of 0 and 1, a row per recording, and return the classes of each.

    Args:
        file: the open file.
        path: where it is, for messages.
        name: of the array (n, K).
        classes: the classes of its columns.
        n_rows: n.

    Raises:
        InputError: there is no such table, or it holds something else.
    """
    found = find_array(file, path, name, n_axes=2, n_rows=n_rows)
    if found.dtype.kind not in "biuf":
        raise InputError(f"{{path}}: {name} holds {found.dtype}: expected numbers", path=path)
    table = np.asarray(found[:], dtype=float)  # (n, K)
    if table.shape[1] != len(classes):
        raise InputError(
            f"{{path}}: {name} has {table.shape[1]} columns: expected {len(classes)}, one for "
            f"each of {escape_braces(', '.join(classes))}",
            path=path,
        )
    if not np.isin(table, (0, 1)).all():
        raise InputError(f"{{path}}: {name} holds other values than 0 and 1", path=path)
    return [
        frozenset(label for label, value in zip(classes, row, strict=True) if value)
        for row in table
    ]


def _list_names(names: Sequence[str]) -> str:
    more = " …" if len(names) > _N_LISTED else ""
    return ", ".join(names[:_N_LISTED]) + more if names else "nothing"
