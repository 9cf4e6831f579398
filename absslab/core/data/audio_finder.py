"""Find the sound files that a table names, though other systems write paths in other ways."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from absslab.core.audio import formats
from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, MissingRecordingError, escape_braces
from absslab.core.common.files import fold_name

_MANY = 2000  # files; similar names are not looked for among more
_N_HINTS = 10  # missing names for which similar ones are looked for, which takes long
_N_NAMED = 10  # files that one line names
_ADDRESS = re.compile(r"^file:(//(localhost)?(?=/))?", re.IGNORECASE)
_DRIVE = re.compile(r"^([A-Za-z]:|//[^/]+/[^/]+)/*")


class AudioFinder:
    """Finds the files of a folder by the names that a table gives them.

    A file is found by its path from the folder. If there is no such file, these spellings are
    tried: with slashes for backslashes; without the beginning of an absolute path or of an address
    such as `file:///…`; in another case or Unicode form, or
    with blanks around it; with a suffix. A spelling counts only if it fits one file.

    Args:
        folder: the folder.
        table: the table that names the files.
    """

    def __init__(self, folder: Path, table: Path):
        self.folder = folder
        self.table = table
        self.n_respelled = 0
        self.n_missing = 0
        self.example = ("", "")  # a name, and how the file is spelled
        self._names: dict[Path, str] = {}  # by file

    def find(self, name: str) -> Path:
        """Return the path of a file.

        Args:
            name: the name in the table.

        Raises:
            MissingRecordingError: there is no such file, or the name leads out of the folder.
            InputError: several files fit, or it is another name of a file that was found before.
        """
        path = self.folder / name
        is_plain = bool(name) and not PurePosixPath(name).is_absolute()
        if not (is_plain and ".." not in PurePosixPath(name).parts and _is_file(path)):
            path = self._find_respelled(name)
        key = Path(os.path.normpath(path))
        other = self._names.setdefault(key, name)
        if other != name:
            raise InputError(
                f"{{table}} names {{path}} twice, as {escape_braces(repr(other))} and as "
                f"{escape_braces(repr(name))}: keep one of the rows",
                table=self.table,
                path=path,
            )
        return path

    @property
    def notes(self) -> list[str]:
        """What is to be said about the names: how many files were found in another spelling."""
        if not self.n_respelled:
            return []
        name, spelled = self.example
        names = "name was" if self.n_respelled == 1 else "names were"
        return [
            f"{self.table.name}: {self.n_respelled} {names} found in another spelling, "
            f"such as {name} as {spelled}"
        ]

    def note_unnamed(self) -> list[str]:
        """Say how many sound files of the folder were not looked for, and which are the first.

        The sources of a mixture, in a folder that is called after it, belong to it.
        """
        named = {os.path.realpath(path) for path in self._names}
        mixtures = {os.path.splitext(path)[0] for path in named}
        unnamed = []
        for path in self._list_files():
            real = os.path.realpath(self.folder / path)
            if real not in named and os.path.dirname(real) not in mixtures:
                unnamed.append(path)
        if not unnamed:
            return []
        files = "1 sound file" if len(unnamed) == 1 else f"{len(unnamed)} sound files"
        more = f" and {len(unnamed) - _N_NAMED} more" if len(unnamed) > _N_NAMED else ""
        return [
            f"{self.table.name} does not name {files} of the folder, which are left out: "
            f"{', '.join(unnamed[:_N_NAMED])}{more}"
        ]

    def _find_respelled(self, name: str) -> Path:
        fitting: list[str] = []
        for spelling in _spellings(name):
            if _is_file(self.folder / spelling):
                fitting = [spelling]
            else:
                fitting = self._files.get(_fold(spelling), [])
                same_case = [path for path in fitting if _normalise(path) == _normalise(spelling)]
                fitting = same_case or fitting
                is_audio = formats.is_audio(Path(spelling))
                if not fitting and not is_audio:
                    fitting = self._files_by_stem.get(_fold(spelling), [])
            if fitting:
                break
        if len(fitting) != 1:
            raise self._not_found(name, fitting)
        (found,) = fitting
        if found != name:
            self.example = self.example if self.n_respelled else (name, found)
            self.n_respelled += 1
        return self.folder / found

    def _not_found(self, name: str, fitting: list[str]) -> InputError:
        hint = ""
        if fitting:
            hint = f"; did you mean {' or '.join(fitting[:3])}?"
        else:
            self.n_missing += 1
            nearest = self._find_nearest(name)
            hint = f"; did you mean {' or '.join(nearest[:3])}?" if nearest else ""
        kind = InputError if fitting else MissingRecordingError
        return kind(
            f"{{table}} names {{path}}, which is not in {{folder}}{escape_braces(hint)}",
            table=self.table,
            path=name or "''",
            folder=self.folder,
        )

    def _find_nearest(self, name: str) -> list[str]:
        """Find the files that may be meant: of the same name elsewhere, or a similar one."""
        last = _fold(next(_spellings(name), "").rpartition("/")[2])
        same = self._files_by_last.get(last) or self._files_by_last.get(last.rpartition(".")[0])
        if same:
            return same
        known = self._list_files()
        if not known or len(known) > _MANY or self.n_missing > _N_HINTS:
            return []
        hint = suggest_nearest(name, known)
        return [hint.removeprefix("; did you mean ")[:-1]] if "did you mean" in hint else []

    def _list_files(self) -> list[str]:
        return [path for files in self._files.values() for path in files]

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Paths of the sound files, by themselves without regard to case and Unicode form."""
        return _group_by_folded_name(list_audio(self.folder))

    @cached_property
    def _files_by_stem(self) -> dict[str, list[str]]:
        return _group_by_stem(self._files)

    @cached_property
    def _files_by_last(self) -> dict[str, list[str]]:
        """The paths for each file name, with and without suffix, wherever the files are."""
        by_last: dict[str, list[str]] = {}
        for path in self._list_files():
            last = _fold(path.rpartition("/")[2])
            by_last.setdefault(last, []).append(path)
            by_last.setdefault(last.rpartition(".")[0], []).append(path)
        return by_last


class NameFinder:
    """Finds names of recordings among those that are known, in whatever spelling.

    Args:
        names: paths from a folder, as `AudioFinder` finds them.
    """

    def __init__(self, names: Iterable[str]):
        self.names = set(names)

    def find(self, name: str) -> str | None:
        """Return the known name that a name in a table stands for; None if there is none."""
        path = os.path.normpath(name or " ").strip()
        if path in self.names:
            return path
        for spelling in _spellings(name):
            folded = _fold(spelling)
            fitting = [spelling] if spelling in self.names else self._folded.get(folded)
            if fitting is None and not formats.is_audio(Path(spelling)):
                fitting = self._stems.get(folded)
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
        return None

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        return _group_by_folded_name(self.names)

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        return _group_by_stem(self._folded)


def _fold(path: str) -> str:
    """Return a path without regard to case, Unicode form, and the blanks that tables drop."""
    return fold_name(path).strip()


def _group_by_folded_name(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names by themselves without regard to case and Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_fold(name), []).append(name)
    return groups


def _group_by_stem(by_folded_name: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return names by their folded names without suffix."""
    groups: dict[str, list[str]] = {}
    for folded, names in by_folded_name.items():
        groups.setdefault(folded.rpartition(".")[0], []).extend(names)
    return groups


def _spellings(name: str) -> Iterator[str]:
    """Yield relative paths that a name may stand for: the whole one first, then its ends."""
    if _ADDRESS.match(name):
        # The path of an address begins with a slash, also before the drive of Windows.
        name = re.sub(r"^/+(?=[A-Za-z]:)", "", unquote(_ADDRESS.sub("", name)))
    path = name.replace("\\", "/")
    is_absolute = path.startswith("/") or _DRIVE.match(path) is not None
    path = _DRIVE.sub("", path)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return
    starts = range(len(parts)) if is_absolute else range(1)
    for start in starts:
        yield "/".join(parts[start:])


def list_audio(folder: Path) -> Iterator[str]:
    """Yield the paths of all sound files below a folder, with slashes; each folder once."""
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(root) / name
            if formats.is_audio(path):
                yield path.relative_to(folder).as_posix()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def _normalise(path: str) -> str:
    return unicodedata.normalize("NFC", path)
