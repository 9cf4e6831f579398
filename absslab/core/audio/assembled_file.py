"""A file made of pieces of another file and of bytes in memory, without a copy on the disk."""

import bisect
import io
import os
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple


class Span(NamedTuple):
    """A piece of a file: from a first byte to the one after the last."""

    start: int
    end: int


class AssembledFile(io.RawIOBase):
    """Reads pieces of a file and bytes, one after the other, as one file.

    Args:
        path: the file that the spans are pieces of.
        pieces: spans of this file, and bytes.
    """

    def __init__(self, path: str | os.PathLike[str], pieces: Sequence[Span | bytes]):
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115 (closed by close)
        self._pieces = [piece for piece in pieces if size_of(piece)]
        self._ends = list(accumulate(map(size_of, self._pieces)))
        self._position = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any position can be chosen."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Choose the position of the next read."""
        size = self._ends[-1] if self._ends else 0
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return the number of bytes: fewer only at the end."""
        view = memoryview(buffer).cast("B")
        n_read = 0
        while n_read < len(view):
            index = bisect.bisect_right(self._ends, self._position)
            if index == len(self._pieces):
                break
            piece = self._pieces[index]
            offset = self._position - (self._ends[index] - size_of(piece))
            n_wanted = min(len(view) - n_read, size_of(piece) - offset)
            content = self._read_piece(piece, offset, n_wanted)
            if not content:
                break
            view[n_read : n_read + len(content)] = content
            n_read += len(content)
            self._position += len(content)
        return n_read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _read_piece(self, piece: Span | bytes, offset: int, n_wanted: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[offset : offset + n_wanted]
        self._file.seek(piece.start + offset)
        return self._file.read(n_wanted)


def size_of(piece: Span | bytes) -> int:
    """Return the number of bytes of a piece."""
    return len(piece) if isinstance(piece, bytes) else piece.end - piece.start
