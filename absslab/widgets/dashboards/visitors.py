"""Folders of visitors: each its own, closed to other users of the machine, gone when the visitor is.

A folder is named after the process that it belongs to, a visitor's or a server's: what killed processes left is found and
removed.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from absslab.core.common.files import is_process_running

_NAME = re.compile(r"(?:absslab-visitors|visitor)-(\d+)-\w+")
LOG_NAME = "log-{pid}.txt"  # beside the folders: what went wrong for a visitor, with tracebacks, for the host


def create_visitor_folder(root: str | Path = "") -> Path:
    """A new folder of this process' own, removed at its end.

    Args:
        root: where; among temporary files by default.

    Raises:
        OSError: it can't be made.
    """
    folder = _new_folder("visitor", root)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def create_server_folder(root: str | Path = "") -> Path:
    """A new folder for those of all visitors of a server that is this process; those of servers that are gone are removed.

    Args:
        root: where; among temporary files by default.

    Raises:
        OSError: it can't be made.
    """
    place = Path(root or tempfile.gettempdir()).absolute()
    place.mkdir(parents=True, exist_ok=True)
    remove_abandoned_folders(place)
    return _new_folder("absslab-visitors", place)


def remove_abandoned_folders(root: str | Path) -> int:
    """Remove the folders whose process is gone; returns how many."""
    abandoned = [
        path
        for path in Path(root).iterdir()
        if (named := _NAME.fullmatch(path.name)) and not is_process_running(int(named.group(1)))
    ]
    for path in abandoned:
        shutil.rmtree(path, ignore_errors=True)
    return len(abandoned)


def _new_folder(name: str, root: str | Path) -> Path:
    return Path(
        tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=root or None)
    )  # for its owner alone
