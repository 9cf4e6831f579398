"""Folders of visitors: each its own, that nobody else can read, gone when the visitor is.

A folder is named after the process that it belongs to: what killed processes left is found and removed.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from absslab.core.files import process_runs

LOG = "log.txt"  # beside the folders: what went wrong, with tracebacks, for the host
_NAME = re.compile(r"visitor-(\d+)-\w+")


def own_folder(root: str | Path = "") -> Path:
    """A new folder of this process' own, removed at its end.

    Args:
        root: where; among temporary files by default.

    Raises:
        OSError: it can't be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"visitor-{os.getpid()}-", dir=root or None))  # for its owner alone
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def remove_abandoned(root: str | Path) -> int:
    """Remove the folders whose process is gone; returns how many."""
    abandoned = [
        path
        for path in Path(root).iterdir()
        if (named := _NAME.fullmatch(path.name)) and not process_runs(int(named.group(1)))
    ]
    for path in abandoned:
        shutil.rmtree(path, ignore_errors=True)
    return len(abandoned)
