"""Folders for the files of visitors: closed to other users, and removed with their process.

A folder is named after the process that it belongs to, a visitor's kernel or a server. That is how
the folders of processes that were killed are recognised and removed.
"""

import atexit
import os
import re
import resource
import shutil
import tempfile
from pathlib import Path

from absslab.core.common.files import is_process_running

LOG_NAME = "log-{pid}.txt"  # beside the folders: a visitor's errors, with tracebacks, for the host
_FOLDER_NAME = re.compile(r"(?:absslab-visitors|visitor)-(\d+)-\w+")


def create_visitor_folder(root: str | Path = "") -> Path:
    """Create a folder for this process, which is removed when it ends.

    Args:
        root: the folder to create it in; the one for temporary files if it is empty.

    Raises:
        OSError: it cannot be created.
    """
    folder = _create_folder("visitor", root)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def create_server_folder(root: str | Path = "") -> Path:
    """Create a folder for all visitors of this server, and remove those of ended servers.

    Args:
        root: the folder to create it in; the one for temporary files if it is empty.

    Raises:
        OSError: it cannot be created.
    """
    parent = Path(root or tempfile.gettempdir()).absolute()
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned_folders(parent)
    return _create_folder("absslab-visitors", parent)


def remove_abandoned_folders(root: str | Path) -> int:
    """Remove the folders of processes that have ended, and return their number."""
    abandoned = [path for path in Path(root).iterdir() if _is_abandoned(path)]
    for path in abandoned:
        shutil.rmtree(path, ignore_errors=True)
    return len(abandoned)


def limit_memory(size: float) -> None:
    """Limit how much memory this process may take: what would take more fails with a MemoryError.

    Args:
        size: in MB; 0: no limit.
    """
    _set_limit(resource.RLIMIT_DATA, size)


def limit_files(size: float) -> None:
    """Limit how large a file of this process may become: what would be larger is an OSError.

    Args:
        size: in MB; 0: no limit.
    """
    _set_limit(resource.RLIMIT_FSIZE, size)


def _set_limit(kind: int, size: float) -> None:
    if size:
        _, largest = resource.getrlimit(kind)
        limit = round(size * 1e6)
        if largest != resource.RLIM_INFINITY:
            limit = min(limit, largest)
        resource.setrlimit(kind, (limit, largest))


def _is_abandoned(path: Path) -> bool:
    match = _FOLDER_NAME.fullmatch(path.name)
    return match is not None and not is_process_running(int(match.group(1)))


def _create_folder(name: str, root: str | Path) -> Path:
    # mkdtemp closes it to all other users
    return Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=root or None))
