"""A limit on what the files of one person may take on the disk."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.progress import LongWork, Result, Steps

_ADVICE = "take a shorter one, or reload the page, which removes those before"


class DiskQuota:
    """How much a folder may hold, with all that is below it.

    Args:
        folder: the folder.
        size: in bytes; 0: no limit.
    """

    def __init__(self, folder: Path, size: int):
        self._folder = folder
        self._size = size

    def require(self, size: int, name: str) -> None:
        """Check that there is room for a file before it is written.

        Args:
            size: of the file, in bytes.
            name: of the file in the message.

        Raises:
            InputError: there is no room for it.
        """
        if self._size and _size_of(self._folder) + size > self._size:
            raise InputError(
                f"{name} has {size / 1e6:.1f} MB: with it your files here would take more than "
                f"{self._size / 1e6:g} MB; {_ADVICE}"
            )

    def watch(self, steps: Steps[Result], name: str) -> Steps[Result]:
        """Run long work as long as the folder holds no more than it may.

        Args:
            steps: of the work, which removes what it has written when it is closed.
            name: of what is worked on, in the message.

        Yields:
            the progress of the work.

        Raises:
            InputError: the folder has become too large.
        """
        work = LongWork(steps)
        with closing(steps):
            for step in work:
                self._check(name)
                yield step
        self._check(name)
        return work.result

    def _check(self, name: str) -> None:
        if self._size and _size_of(self._folder) > self._size:
            raise InputError(
                f"with what is made of {name} your files here would take more than "
                f"{self._size / 1e6:g} MB; {_ADVICE}"
            )


def _size_of(folder: Path) -> int:
    """Return how much the files of a folder hold, in bytes."""
    return sum(_sizes(folder))


def _sizes(folder: str | Path) -> Iterator[int]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # it was removed meanwhile
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                yield entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
