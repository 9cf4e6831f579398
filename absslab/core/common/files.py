"""Files that appear whole or not at all."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A path to write to, in the same folder, that becomes `path` when the block ends and vanishes when it fails.

    Args:
        path: the file that is to appear; its folder is made if need be.

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
        error.filename = error.filename or str(path)  # a full disk does not say where
        raise
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def file_lock(path: str | Path) -> Iterator[None]:
    """Wait until no other thread or process is in such a block, and keep them out of it.

    Args:
        path: an empty file that says which block; it is made if need be, and stays.

    Raises:
        OSError: it can't be made.
    """
    import fcntl

    with open(path, "a") as file:
        fcntl.flock(
            file, fcntl.LOCK_EX
        )  # till the file is closed, also where the process is killed
        yield


def temporary_sibling(path: Path) -> Path:
    """Where this process writes a file or a folder that is not whole yet."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_unfinished(folder: str | Path, *, below: bool = True) -> None:
    """Remove what killed processes left half-written in a folder; those that still run are let alone.

    Args:
        folder: where to look.
        below: also in the folders below it.
    """
    for path in list(Path(folder).rglob(".*.part") if below else Path(folder).glob(".*.part")):
        ours = re.fullmatch(r"\..+\.(\d+)\.part", path.name)
        if ours and not is_process_running(int(ours.group(1))):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def is_process_running(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it until its parent asks."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON without NaN or infinity, which JSON does not have, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file can't be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error})") from None


def check_output_path(path: str | Path, suffix: str = ".json") -> None:
    """See, before long work, that its results can be written to a file of this suffix.

    Raises:
        InputError: another suffix, a folder in its place, a folder that can't be made or written to.
    """
    path = Path(path)
    if path.suffix != suffix or path.is_dir():
        what = f"the folder {path}" if path.is_dir() else repr(str(path))
        raise InputError(f"output is {what}: expected the name of a file that ends in {suffix}")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=above):  # the only way to know
            pass
    except OSError:
        raise InputError(
            f"output is {path}, but nothing can be written to {above}: choose another place"
        ) from None


def cache_folder() -> Path:
    """Where things that can be made again are kept: $ABSSLAB_CACHE, $XDG_CACHE_HOME/absslab or ~/.cache/absslab."""
    if folder := os.environ.get("ABSSLAB_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "absslab"
