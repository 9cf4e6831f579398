"""Files that appear complete or not at all."""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import tempfile
import time
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from absslab.core.common.errors import InputError, Reason
from absslab.core.common.home import find_home, private_folder

_MAX_NAME = 255  # bytes of a file's name, on nearly all disks
_MAX_PATH = 4095  # bytes of a path
_LONGEST_MARK = len("..89abcdef-4194304.part")  # bytes that an unfinished file's name has more
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # in names, since machines may share a folder
_ABANDONED = 24 * 3600.0  # s after which no other machine still writes to a file


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a path in the same folder to write to.

    The file becomes `path` when the block ends, and is removed when the block fails.

    Args:
        path: the file to write; its folder is made if necessary.

    Raises:
        OSError: the folder or the file can't be written, the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary_sibling(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        # The error of a full disk names no file, or the one that nobody knows.
        if error.filename in (None, str(unfinished), unfinished):
            error.filename = str(path)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def file_lock(path: str | Path, *, waits: bool = True) -> Iterator[None]:
    """Let one thread or process at a time into blocks with the same lock.

    Args:
        path: the lock, an empty file. It is made if necessary, and stays.
        waits: whether to wait while another is in such a block.

    Raises:
        BlockingIOError: another is in such a block, and this one does not wait.
        OSError: the file can't be made.
    """
    import fcntl

    with open(path, "a") as file:
        # The lock is held until the file is closed, also if the process is killed.
        fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def temporary_sibling(path: Path) -> Path:
    """Return where this process writes a file or a folder that is not complete yet."""
    name = path.name
    if len(os.fsencode(name)) + _LONGEST_MARK > _MAX_NAME:
        mark = f"-{zlib.crc32(os.fsencode(name)):08x}"  # names may differ only at their ends
        while len(os.fsencode(name + mark)) + _LONGEST_MARK > _MAX_NAME:
            name = name[:-1]
        name += mark
    return path.with_name(f".{name}.{_HOST}-{os.getpid()}.part")


def remove_unfinished(folder: str | Path, *, below: bool = True) -> None:
    """Remove the incomplete files of processes that have ended.

    Those of other machines are removed when nothing was written to them for a day.

    Args:
        folder: where to look.
        below: also look in the folders below it.
    """
    find = Path(folder).rglob if below else Path(folder).glob
    for path in list(find(".*.part")):
        name = re.fullmatch(r"\..+\.(?:([0-9a-f]{8})-)?(\d+)\.part", path.name)
        if name is None or _may_be_written(path, name[1] or _HOST, int(name[2])):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _may_be_written(path: Path, host: str, pid: int) -> bool:
    """Tell whether the process that began an incomplete file may still write to it."""
    if host == _HOST:
        return is_process_running(pid)
    try:
        return time.time() - path.stat().st_mtime < _ABANDONED
    except OSError:  # it has just become complete
        return True


def replace_folder(folder: Path, finished: Path) -> None:
    """Put a finished folder in the place of another, or where none is.

    The old one is moved away before it is removed file by file, so that a kill leaves no folder
    that lacks some of its files. `remove_unfinished` removes what a kill leaves. Another process
    may do the same meanwhile: then the folder is that of one of them.

    Args:
        folder: is replaced.
        finished: a folder beside it, which gets its name.
    """
    old = temporary_sibling(folder.with_name(f"{folder.name}.old"))
    while True:
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            finished.rename(folder)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


class FileVersion(NamedTuple):
    """What changes when a file changes."""

    modified: int  # ns
    size: int  # bytes
    number: int  # of the file on its disk

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "FileVersion":
        """Return the version of a file now."""
        status = os.stat(path)
        return cls(status.st_mtime_ns, status.st_size, status.st_ino)


def file_version(path: str | Path) -> FileVersion | None:
    """Return what changes when a file changes; None if there is no file."""
    return FileVersion.of(path) if os.path.exists(path) else None


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Walk:
    """What is in a folder and in those below it.

    Args:
        files: the files, of which links may lead nowhere.
        loops: links to folders that have been looked at already, or that hold the folder itself.
        unreadable: errors about folders whose files can't be listed.
    """

    files: list[Path]
    loops: list[Path]
    unreadable: list[InputError]


def walk_once(folder: str | Path) -> Walk:
    """List the files in a folder and below it, except in hidden folders; each folder once.

    Folders are looked at before links to them.
    """
    files: list[Path] = []
    loops: list[Path] = []
    unreadable: list[InputError] = []
    seen: set[str] = set()
    waiting = [Path(folder)]

    def keep(error: OSError) -> None:
        unreadable.append(unreadable_error(error.filename, error))

    while waiting:
        links: list[Path] = []
        for start in waiting:
            real = Path(os.path.realpath(start))
            if str(real) in seen or (seen and lies_below(folder, real)):
                loops.append(start)
                continue
            for root, folders, names in os.walk(start, onerror=keep):
                seen.add(os.path.realpath(root))
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                links += [path for name in folders if (path := Path(root) / name).is_symlink()]
                files += [Path(root) / name for name in names]
        waiting = sorted(links)
    return Walk(files, loops, unreadable)


def list_folder(folder: str | Path) -> list[Path]:
    """List what is in a folder, sorted.

    Raises:
        InputError: the folder may not be read, or its disk has failed.
    """
    try:
        return sorted(Path(folder).iterdir())
    except OSError as error:
        raise unreadable_error(folder, error) from None


def unreadable_error(path: str | os.PathLike[str], error: OSError) -> InputError:
    """Return an error that says why the system does not let a file or a folder be read."""
    return InputError("{path} can't be read: {reason}", path=path, reason=Reason.of(error))


def fold_name(name: str) -> str:
    r"""Return the name or path of a file without regard to case and Unicode form.

    >>> fold_name("Cafe\u0301.WAV") == fold_name("caf\u00e9.wav")
    True
    """
    return unicodedata.normalize("NFC", name).casefold()


def stems_if_distinct(paths: Iterable[str | Path]) -> list[str]:
    """Return the names of files without suffix, or the whole paths if two such names are equal."""
    texts = [str(path) for path in paths]
    stems = [Path(text).stem for text in texts]
    return stems if len(set(stems)) == len(stems) else texts


def is_case_blind(folder: str | Path) -> bool:
    """Tell whether a disk takes names that differ by case alone for the same.

    Args:
        folder: on the disk; it need not exist.

    Raises:
        OSError: nothing can be written there.
    """
    existing = next(path for path in (Path(folder).absolute() / "x").parents if path.exists())
    with tempfile.NamedTemporaryFile(dir=existing, prefix="absslab-") as file:
        return os.path.exists(file.name.replace("absslab-", "ABSSLAB-"))


def lies_below(path: str | Path, folder: str | Path) -> bool:
    """Return whether a path leads to something in a folder, or in one below it.

    Args:
        path: may contain "..", links and names that do not exist yet.
        folder: the folder.
    """
    try:
        real_path = Path(os.path.realpath(path))
    except ValueError:  # a character that no path has
        return False
    return Path(os.path.realpath(folder)) in real_path.parents


def is_process_running(pid: int) -> bool:
    """Return whether a process exists, other than as a zombie that waits for its parent."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, completely or not at all."""
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    r"""Write a text file in UTF-8, completely or not at all.

    A byte of a file's name that is not UTF-8 is written as JSON has it, such as `\udce9`.
    """
    write_bytes(path, content.encode(errors="backslashreplace"))


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, completely or not at all; JSON has neither NaN nor infinity."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file can't be read or is not JSON.
    """
    check_ends(path, "JSON")
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError("{path} does not exist", path=path) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "{path} is not readable JSON ({reason})", path=path, reason=Reason.of(error)
        ) from None
    return parse_json(content, path)


def parse_json(content: bytes, path: str | Path) -> Any:
    """Return what JSON in UTF-8 says.

    Args:
        content: the JSON.
        path: where it comes from, for messages.

    Raises:
        InputError: it is not JSON.
    """
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(
            "{path} is not readable JSON ({reason})", path=path, reason=Reason.of(error)
        ) from None


def is_larger(path: str | Path, n_bytes: int) -> bool:
    """Return whether there is a file that has more bytes."""
    try:
        return os.stat(path).st_size > n_bytes
    except (OSError, ValueError):  # reading it says more
        return False


def check_ends(path: str | Path, content: str) -> None:
    """Check that a path is none of a pipe or a device, whose reading may never end.

    Args:
        path: the file, which need not exist.
        content: what it is to hold, for messages.

    Raises:
        InputError: it is a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # reading it says more
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise InputError(
            f"{{path}} is a {kind}: expected a file with {content}; write it to one first",
            path=path,
        )


def check_version(content: Mapping[str, Any], path: str | Path, *, newest: int) -> None:
    """Check that a file of ours has a format version that can be read.

    Args:
        content: of the file.
        path: of the file.
        newest: the version that is written now.

    Raises:
        InputError: it has no version, or a newer one.
    """
    version = content.get("version")
    if not isinstance(version, int):
        raise InputError("{path} is damaged: it lacks its format version", path=path)
    if version > newest:
        raise InputError(
            f"{{path}} has format version {version}, newer than {newest}: update ABSSLab",
            path=path,
        )


def check_output_path(path: str | Path, suffix: str = ".json", *, name: str = "output") -> None:
    """Check, before long work, that its results can be written to a file.

    Args:
        path: the file.
        suffix: that its name must have.
        name: what the path is called in messages.

    Raises:
        InputError: another suffix, a folder in its place, a folder that can't be made or written
            to.
    """
    path = Path(path)
    is_folder = os.path.isdir(path)  # unlike Path.is_dir, also answers if a name is too long
    if path.suffix != suffix or is_folder:
        kind = "the folder {path}" if is_folder else "'{path}'"
        raise InputError(
            f"{name} is {kind}: expected the name of a file that ends in {suffix}", path=path
        )
    check_place(path, name)


def check_output_folder(folder: str | Path, name: str = "output_folder") -> None:
    """Check, before long work, that files can be written to a folder, which need not exist.

    Args:
        folder: the folder.
        name: what it is called in messages.

    Raises:
        InputError: there is a file in its place, a name is too long, or it can't be made or
            written to.
    """
    folder = Path(folder)
    if os.path.isfile(folder):
        raise InputError(f"{name} {{path}} is a file: expected a folder to write to", path=folder)
    check_place(folder / "0", name, shown=folder)


def check_place(path: str | Path, name: str, *, shown: str | Path | None = None) -> None:
    """Check, before long work, that a file can be written; the attempt leaves nothing behind.

    Args:
        path: the file; its folders need not exist.
        name: what it is called in messages.
        shown: the path in messages, if it is another one.

    Raises:
        InputError: a name is too long, or its folder can't be made or written to.
    """
    shown = path if shown is None else shown
    path = Path(path).absolute()
    folder = next(parent for parent in path.parents if os.path.lexists(parent))
    longest = max(path.parts, key=lambda part: len(os.fsencode(part)))
    n_bytes = len(os.fsencode(longest))
    most = _MAX_NAME
    if n_bytes > most or len(os.fsencode(path)) > _MAX_PATH - _LONGEST_MARK:
        raise InputError(
            f"{name} is {{path}}, where a name has {n_bytes} bytes: expected at most {most}, and "
            f"{_MAX_PATH - _LONGEST_MARK} in all; choose shorter names",
            path=shown,
        )
    try:
        with tempfile.TemporaryFile(dir=folder):  # only an attempt tells
            pass
    except OSError as error:
        raise InputError(
            f"{name} is {{path}}, but nothing can be written to {{folder}} ({{reason}}): "
            "choose another place",
            path=shown,
            folder=folder,
            reason=Reason.of(error),
        ) from None


def cache_folder() -> Path:
    """Return the folder for files that can be made again.

    It is `$ABSSLAB_CACHE`, else `$XDG_CACHE_HOME/absslab`, else `~/.cache/absslab`. If the user has
    no home, or one that can't be written, it is a private folder for temporary files.
    """
    if folder := os.environ.get("ABSSLAB_CACHE"):
        return Path(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "absslab"
    home = find_home()
    if home is not None and _can_be_made(home / ".cache" / "absslab"):
        return home / ".cache" / "absslab"
    return private_folder() / ".cache" / "absslab"


def _can_be_made(folder: Path) -> bool:
    """Tell whether a folder can be written, or made if it does not exist."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
