"""Standard output and standard error of any encoding, open or closed: printing never fails.

Text is for a person who may have gone (`| head -1`), or whose terminal lacks a character. Neither
may end the work that it tells about.
"""

import codecs
import errno
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

_PLAIN_CHARACTERS = "absslab.plain_characters"  # name of the error handler of encodings
_PLAIN = {
    "→": "->",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "‑": "-",
    "±": "+-",
    "×": "x",
    "·": "*",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "∞": "inf",
    "√": "sqrt ",
    "Σ": "sum ",
    "λ": "lambda",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "ß": "ss",
    "█": "#",
}


def replace_with_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Return plain characters for those that an encoding lacks, and where to go on.

    >>> "→ Zoë, 3 – 5 kHz".encode("ascii", "absslab.plain_characters")
    b'-> Zoe, 3 - 5 kHz'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_plain_character, lacking)), error.end


codecs.register_error(_PLAIN_CHARACTERS, replace_with_plain_characters)


def _plain_character(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or ("" if unicodedata.combining(character) else "?")


def printable_text(text: str, stream: IO[str] | None = None) -> str:
    """Return a text in which plain characters stand for those that a stream lacks.

    Args:
        text: the text.
        stream: the stream; by default standard output.
    """
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, _PLAIN_CHARACTERS).decode(encoding)


class _TolerantFile(io.FileIO):
    """An open file that keeps its first error and drops what is written after it."""

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        """Write bytes, or drop them."""
        size = memoryview(content).nbytes
        if self.failure is not None:
            return size
        try:
            return super().write(content) or 0
        except BlockingIOError:
            raise
        except OSError as error:
            self.failure = error
            return size


class TolerantOutput:
    """The standard output while `tolerate_output_errors` lasts.

    Args:
        file: the open file; None if something else, such as a test, takes the place of standard
            output.
    """

    def __init__(self, file: _TolerantFile | None = None):
        self._file = file

    def find_failure(self) -> str:
        """Write what is still in the buffer, and return why something could not be written.

        It is empty if all was written, or if its reader wanted no more.
        """
        if self._file is None or sys.stdout is None:
            return ""
        sys.stdout.flush()
        failure = self._file.failure
        if failure is None or failure.errno == errno.EPIPE:
            return ""
        return failure.strerror or str(failure)


@contextmanager
def tolerate_output_errors() -> Iterator[TolerantOutput]:
    """Let nothing that is printed in the block fail.

    A character that a stream lacks is replaced by plain ones. What can't be written, because the
    reader of a pipe has gone, the disk is full or the stream was closed, is dropped.
    """
    before = (sys.stdout, sys.stderr)
    _reopen_closed_streams()
    outputs = [_make_tolerant(sys.stdout, 1), _make_tolerant(sys.stderr, 2)]
    sys.stdout, sys.stderr = (stream for stream, _ in outputs)
    try:
        yield TolerantOutput(outputs[0][1])
    finally:
        for stream, _ in outputs:
            stream.flush()
        if None not in before:
            sys.stdout, sys.stderr = before


def _reopen_closed_streams() -> None:
    """Open the null device as each standard stream that was closed.

    Otherwise the next file that is opened would get its number, and the output of libraries.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


def _make_tolerant(stream: Any, number: int) -> tuple[Any, _TolerantFile | None]:
    """Return a stream that never fails, and its file if it is a standard stream of the process."""
    original = (sys.__stdout__, sys.__stderr__)[number - 1]
    if stream is not None and stream is not original:
        # A test or a notebook looks at what is printed; its stream keeps its place.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN_CHARACTERS)
        return stream, None
    if stream is not None:
        _flush_quietly(stream)
        number = stream.fileno()
    file = _TolerantFile(number, "w", closefd=False)
    tolerant = io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors=_PLAIN_CHARACTERS,
        line_buffering=getattr(stream, "line_buffering", False),
    )
    return tolerant, file


def _flush_quietly(stream: Any) -> None:
    try:
        stream.flush()
    except OSError:
        return
