"""Errors in one line for a person: a researcher sees whole paths, a visitor only names of files."""

import re
from collections.abc import Sequence

from absslab.core.common.errors import InputError, WorkError, describe_error

_hidden_folders: tuple[str, ...] | None = None  # None: whole paths are shown


def error_line(error: BaseException) -> str:
    """Return an error as one line; it names no folders after a call of `hide_folders`."""
    is_hidden = _hidden_folders is not None
    text = describe_error(error, names_only=is_hidden)
    if not isinstance(error, InputError | WorkError | OSError):
        text = f"Something went wrong: {type(error).__name__}: {text}"
    line = " ".join(text.split())
    return line if _hidden_folders is None else without_folders(line, _hidden_folders)


def hide_folders(folders: Sequence[str]) -> None:
    """Show no folders in errors from now on: the readers are visitors.

    Args:
        folders: that errors are known to name.
    """
    global _hidden_folders
    _hidden_folders = tuple(folders)


def without_folders(text: str, folders: Sequence[str] = ()) -> str:
    """Return a text that names files only, without their folders.

    Our own errors keep their paths as data, which is exact. This is for two texts that don't: the
    text of another library inside one of our errors, and the cells of the monitor's table, which
    hold any setting and the problems of runs that can't be read. It takes out the given folders
    and absolute paths; of a path with spaces outside the given folders, a part remains.
    """
    for folder in sorted(filter(None, folders), key=len, reverse=True):
        text = re.sub(rf"{re.escape(folder.rstrip('/'))}/(?:[^\s/:;,'\"()<>]+/)*", "", text)
    return re.sub(r"(?<![\w.:/])(?:/[^\s/:;,'\"()<>]+)*/(?=[^\s/])", "", text)
