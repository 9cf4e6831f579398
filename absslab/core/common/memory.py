"""Keep freed memory for the next large arrays, or return it to the system (glibc)."""

import os
from typing import Any

# Of mallopt: keep up to so many free bytes, and take arrays up to so many from what was freed; the
# second is the largest value that glibc allows.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 256 << 20
_LARGEST = 32 << 20
_VARIABLES = (  # with which a user sets the same
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
)


def keep_freed_memory() -> None:
    """Keep up to 256 MiB that this process frees, for its next arrays.

    Otherwise the system often takes large arrays back and gives them again page by page, which is a
    tenth of the time of work on recordings. A user's MALLOC_TRIM_THRESHOLD_ and the like are
    respected.
    """
    library = _find_c_library("mallopt")
    if library is None or any(name in os.environ for name in _VARIABLES):
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)


def release_memory() -> None:
    """Return freed memory to the system.

    Large arrays of changing sizes leave holes behind.
    """
    library = _find_c_library("malloc_trim")
    if library is not None:
        library.malloc_trim(0)


def _find_c_library(function: str) -> Any:
    """Return the C library if it is glibc, which has this function, else None."""
    import ctypes  # most commands need it later, but not --help

    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, function) else None
    except (OSError, TypeError):
        return None
