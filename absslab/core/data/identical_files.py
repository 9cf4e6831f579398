"""Find files that hold the same bytes under several names: they are of one origin.

A copy on the other side of a split would be scored as if it were new.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.files import FileVersion, checksum, file_version
from absslab.core.common.notices import give_notice

Result = TypeVar("Result")
_PROBE = 1 << 12  # bytes at three places, which nearly always tell files of one size apart
_N_NAMED = 4  # number of files that a line names


def find_copies(paths: Iterable[str | Path]) -> list[list[str]]:
    """Return the files that hold the same bytes, in groups of at least two.

    Files are compared by their sizes, then by a few of their bytes, and only then by all.

    Args:
        paths: files; those that can't be read are left out.
    """
    groups: dict[tuple[int, bytes], list[str]] = {}
    for path in dict.fromkeys(str(path) for path in paths):
        version = _version(path)
        if version is not None and version.size:
            groups.setdefault((version.size, _probe(path, version)), []).append(path)
    copies = []
    for group in groups.values():
        if len(group) > 1:
            copies += _same_bytes(group)
    return copies


def mark_files(paths: Iterable[str | Path]) -> dict[str, str]:
    """Return a mark of each file that tells it from nearly all others, whatever its name.

    It is of the size and a few bytes at three places, so that large files are quick to mark.

    Args:
        paths: files; those that can't be read are left out.
    """
    marks = {}
    for path in map(str, paths):
        version = _version(path)
        if version is not None and version.size:
            content = version.size.to_bytes(8, "big") + _probe(path, version)
            marks[path] = hashlib.blake2b(content, digest_size=8).hexdigest()
    return marks


def _same_bytes(paths: Sequence[str]) -> list[list[str]]:
    by_checksum: dict[str, list[str]] = {}
    for path in paths:
        version = _version(path)
        if version is not None:
            by_checksum.setdefault(_checksum(path, version), []).append(path)
    return [group for group in by_checksum.values() if len(group) > 1]


def _version(path: str) -> FileVersion | None:
    try:
        return file_version(path) if os.path.isfile(path) and os.access(path, os.R_OK) else None
    except OSError:
        return None


@lru_cache(maxsize=1 << 16)
def _probe(path: str, version: FileVersion) -> bytes:
    """Read a few bytes of a file; `version` changes when the file does."""
    with open(path, "rb") as file:
        parts = []
        for place in (0, version.size // 2, max(0, version.size - _PROBE)):
            file.seek(place)
            parts.append(file.read(_PROBE))
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


@lru_cache(maxsize=1 << 16)
def _checksum(path: str, version: FileVersion) -> str:
    """Return the checksum of a file; `version` changes when the file does."""
    return checksum(path)


def join_copies(origins: Mapping[str, str]) -> dict[str, str]:
    """Give files with the same bytes one origin, and tell which these are.

    Args:
        origins: the origin of each file, by its path.
    """
    copies = find_copies(origins)
    joined = _join_origins(origins, copies)
    if joined != origins:
        give_notice(_notice(copies, "count as one origin, which is within one fold"))
    return joined


def split_copies_together(
    origins: Mapping[str, str], split: Callable[[Mapping[str, str]], Result]
) -> Result:
    """Split recordings so that files with the same bytes are on one side, and tell which these are.

    Args:
        origins: the origin of each file, by its path.
        split: splits files, given their origins.

    Returns:
        what `split` returns. If too few origins are left where copies count as one, those that were
        given are used.
    """
    copies = find_copies(origins)
    joined = _join_origins(origins, copies)
    if joined == origins:
        return split(origins)
    try:
        result = split(joined)
    except InputError:
        result = split(origins)
        give_notice(
            _notice(
                copies,
                "may be on several sides of the split, since there are too few others; scores of "
                "such a split say little",
            )
        )
        return result
    give_notice(_notice(copies, "count as one origin, which is on one side of the split"))
    return result


def _join_origins(origins: Mapping[str, str], copies: Sequence[Sequence[str]]) -> dict[str, str]:
    """Give files with the same bytes, and all others of their origins, one origin: the first."""
    first: dict[str, str] = {}  # of the origins that are joined, by origin

    def find(origin: str) -> str:
        while first.get(origin, origin) != origin:
            origin = first[origin]
        return origin

    for group in copies:
        roots = sorted({find(origins[path]) for path in group})
        for root in roots[1:]:
            first[root] = roots[0]
    return {path: find(origin) for path, origin in origins.items()}


def give_notice_of_divided_copies(splits: Mapping[str, str]) -> None:
    """Tell which files with the same bytes a given split puts on several sides.

    Args:
        splits: the split of each file, by its path.
    """
    across = []
    for group in find_copies(splits):
        sides = {splits[path] for path in group}
        if len(sides) > 1:
            across.append(group)
    if across:
        give_notice(_notice(across, "are in several splits, as the table says"))


def _notice(copies: Sequence[Sequence[str]], what: str) -> InputWarning:
    """Return what is said about files that hold the same bytes."""
    named = copies[0][:_N_NAMED]
    paths = {f"copy_{number}": path for number, path in enumerate(named)}
    names = ", ".join(f"{{{name}}}" for name in paths)
    n_files = sum(map(len, copies))
    more = f" ({n_files} files in {len(copies)} groups)" if n_files > len(named) else ""
    return InputWarning(f"{names} hold the same bytes{more}: they {what}", **paths)
