"""Keep what C libraries print about damaged files from the standard error of a program."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_DECODER_MESSAGES = (
    b"libmpg123",
    b"Warning: Xing stream size off",
    b"Warning: Real sample count",
    b"Note: missing",
)
_STANDARD_ERROR = 2
_lock = threading.Lock()
_n_inside = 0
_original = -1  # while nothing is redirected
_redirected = -1


@contextmanager
def hide_decoder_messages() -> Iterator[None]:
    """Drop the lines that libmpg123 prints in the block, and print all others after it.

    The library has no switch for it that libsndfile would set. Standard error is one for the whole
    process; lines of other threads are only late. What another thread starts meanwhile as a program
    of its own keeps the redirected standard error, and its lines are lost: the block should hold
    no more than a call into the library. Where nothing can be redirected, the lines are printed.
    """
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _n_inside
    with _lock:
        if not _n_inside:
            _redirect()
        _n_inside += 1


def _redirect() -> None:
    """Let what is printed go to a file in memory, if the system can."""
    global _original, _redirected
    redirected = -1
    original = -1
    try:
        original = os.dup(_STANDARD_ERROR)  # fails if it is closed
        redirected = _open_file()
        os.dup2(redirected, _STANDARD_ERROR)
    except OSError:
        for descriptor in (original, redirected):
            if descriptor >= 0:
                os.close(descriptor)
        return
    _original = original
    _redirected = redirected


def _open_file() -> int:
    """Return the descriptor of a file without a name; where possible it needs no folder."""
    if hasattr(os, "memfd_create"):
        with suppress(OSError):  # a sandbox may not allow it
            return os.memfd_create("decoder_messages")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _end() -> None:
    global _n_inside
    with _lock:
        _n_inside -= 1
        if not _n_inside and _original >= 0:
            _restore()


def _restore() -> None:
    """Print the lines that are not a decoder's."""
    global _original, _redirected
    os.dup2(_original, _STANDARD_ERROR)
    os.close(_original)
    _original = -1
    with open(_redirected, "rb") as file:
        file.seek(0)
        others = [
            line
            for line in file
            if line.strip() and not any(mark in line for mark in _DECODER_MESSAGES)
        ]
    _redirected = -1
    if others:
        with suppress(OSError):  # its reader has gone
            os.write(_STANDARD_ERROR, b"".join(others))


def _forget_parent() -> None:
    """Print in a forked process, which does not go on with the block of another thread."""
    global _lock, _n_inside, _original, _redirected
    _lock = threading.Lock()
    _n_inside = 0
    if _original >= 0:
        os.dup2(_original, _STANDARD_ERROR)
        os.close(_original)
        os.close(_redirected)
    _original = -1
    _redirected = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
