"""Files that the workers of a cluster share with this machine, and paths for them."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from absslab.core.common.errors import InputError
from absslab.core.common.files import temporary_sibling

_N_EXAMINED = 10  # folders of each kind of which each worker tells the size of a file


@dataclass(frozen=True)
class SharedFiles:
    """Files that the workers of a cluster must see as this machine does.

    Args:
        written: a folder that the jobs write to; None: they write nothing.
        read: files that the jobs read, by their kinds; some of each kind are compared.
    """

    written: Path | None = None
    read: Sequence[Iterable[str | Path]] = ()


class ExpectedFiles(NamedTuple):
    """What a worker must see."""

    mark: str  # a file in the folder that is written; empty: none
    sizes: tuple[tuple[str, int], ...]  # files with their sizes, bytes


class SentPaths:
    """Makes paths absolute for workers, which have other working folders, and undoes this."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}  # paths as the caller gave them, by the absolute ones

    def send(self, path: str | Path) -> str:
        """Return the absolute path for a worker."""
        absolute = os.path.abspath(path)
        self._given[absolute] = os.fspath(path)
        folder = os.path.dirname(absolute)
        for given in Path(path).parents:
            # A folder above one that is known is known too; one above .. is another one.
            if folder in self._given or os.path.abspath(given) != folder:
                break
            self._given[folder] = str(given)
            folder = os.path.dirname(folder)
        return absolute

    def restore(self, path: str) -> str:
        """Return the path as the caller gave it, or the folder that it is in."""
        for folder in (Path(path), *Path(path).parents):
            given = self._given.get(str(folder))
            if given is not None:
                return (
                    path
                    if given == str(folder)
                    else str(Path(given, Path(path).relative_to(folder)))
                )
        return path


@contextmanager
def mark_folder(folder: Path | None) -> Iterator[str]:
    """Put a file into a folder for the time of the block, and give its path; empty: no folder."""
    if folder is None:
        yield ""
        return
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = temporary_sibling(folder / f"cluster-{uuid.uuid4().hex[:8]}")
    path.write_bytes(b"")
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def can_be_opened(path: str) -> bool:
    """Tell whether a file exists now: shared disks look again when it is opened."""
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


def measure_files(kinds: Iterable[Iterable[str | Path]]) -> tuple[tuple[str, int], ...]:
    """Return the sizes of some files of each kind, bytes: of folders from the first to the last."""
    sizes = []
    for files in kinds:
        by_folder: dict[str, str] = {}
        for file in files:
            path = os.path.abspath(file)
            by_folder.setdefault(os.path.dirname(path), path)
        for path in _spread(list(by_folder.values()), _N_EXAMINED):
            with suppress(OSError):  # the job says what is wrong with it
                sizes.append((path, os.stat(path).st_size))
    return tuple(sizes)


def _spread(paths: Sequence[str], n: int) -> list[str]:
    """Return some of the paths, in equal distances, with the first and the last."""
    if len(paths) <= n:
        return list(paths)
    return [paths[round(index * (len(paths) - 1) / (n - 1))] for index in range(n)]


def find_unseen_path(expected: ExpectedFiles, patience: float = 3.0) -> str:
    """Return the first file or folder that this process does not see; empty: it sees all.

    Args:
        expected: what is to be seen.
        patience: how long to wait for a file that was written just now on another machine, s.
    """
    end = time.monotonic() + patience
    while expected.mark and not os.path.exists(expected.mark):
        if time.monotonic() > end:
            return os.path.dirname(expected.mark)
        time.sleep(0.1)
    if expected.mark and not os.access(os.path.dirname(expected.mark), os.W_OK | os.X_OK):
        return os.path.dirname(expected.mark)
    for path, size in expected.sizes:
        try:
            if os.stat(path).st_size != size:
                return path
        except OSError:
            return path
    return ""


def unseen_path_error(place: str, path: str) -> InputError:
    """Return the error of a worker that does not see a path."""
    return InputError(
        f"{place} does not see {{path}} as this machine does, or may not write it: let all "
        "machines share this folder under the same path, for the same user",
        path=path,
    )
