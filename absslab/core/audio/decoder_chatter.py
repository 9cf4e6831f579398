"""Keep what C libraries print about damaged files from the standard error of a program."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = (
    b"libmpg123",
    b"Warning: Xing stream size off",
    b"Warning: Real sample count",
    b"Note: missing",
)
_STANDARD_ERROR = 2
_lock = threading.Lock()
_n_inside = 0
_original = -1
_caught = -1


@contextmanager
def silence_chatter() -> Iterator[None]:
    """Drop the lines that libmpg123 prints in the block, and print all others after it.

    The library has no switch for it that libsndfile would set. Standard error is one for the whole
    process; lines of other threads are only late.
    """
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _n_inside, _original, _caught
    with _lock:
        _n_inside += 1
        if _n_inside > 1:
            return
        try:
            _original = os.dup(_STANDARD_ERROR)
        except OSError:  # it is closed
            _original = -1
            return
        with tempfile.TemporaryFile() as file:
            _caught = os.dup(file.fileno())
        os.dup2(_caught, _STANDARD_ERROR)


def _end() -> None:
    global _n_inside
    with _lock:
        _n_inside -= 1
        if _n_inside or _original < 0:
            return
        os.dup2(_original, _STANDARD_ERROR)
        os.close(_original)
        size = os.lseek(_caught, 0, os.SEEK_END)
        os.lseek(_caught, 0, os.SEEK_SET)
        printed = os.read(_caught, size) if size else b""
        os.close(_caught)
        others = [
            line
            for line in printed.splitlines(keepends=True)
            if line.strip() and not any(mark in line for mark in _CHATTER)
        ]
        if others:
            os.write(_STANDARD_ERROR, b"".join(others))
