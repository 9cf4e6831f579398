"""Folders for caches and settings of libraries where there is no home that can be written.

In a container the user may have no name, no home, or one that belongs to somebody else.
"""

import os
import pwd
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_NAMES_OF_USER = ("LOGNAME", "USER", "LNAME", "USERNAME")  # where `getpass.getuser` looks first
# Variables of libraries, and their folders below a home.
_FOLDERS = {
    "IPYTHONDIR": ".ipython",
    "JUPYTER_CONFIG_DIR": ".jupyter",
    "JUPYTER_DATA_DIR": ".local/share/jupyter",
    "JUPYTER_RUNTIME_DIR": ".local/share/jupyter/runtime",
    "MPLCONFIGDIR": ".cache/matplotlib",
    "NUMBA_CACHE_DIR": ".cache/numba",
    "TORCHINDUCTOR_CACHE_DIR": ".cache/torchinductor",
    "TRITON_CACHE_DIR": ".cache/triton",
    "XDG_CACHE_HOME": ".cache",
}


def provide_home() -> None:
    """Give libraries folders to write to, if the user has no home for them, and a name.

    It sets environment variables, for the processes that this one starts as well; those that are
    set stay as they are.
    """
    if not _has_name() and not any(map(os.environ.get, _NAMES_OF_USER)):
        os.environ["LOGNAME"] = f"user{os.getuid()}"
    home = find_home()
    if home is not None and os.access(home, os.W_OK | os.X_OK):
        return
    folder = private_folder()
    if home is None:
        os.environ["HOME"] = str(folder)
    for variable, below in _FOLDERS.items():
        os.environ.setdefault(variable, str(folder / below))
    with suppress(OSError):  # torch makes folders for its GPU code only below one that exists
        Path(os.environ["XDG_CACHE_HOME"]).mkdir(parents=True, exist_ok=True)


def find_home() -> Path | None:
    """Return the home of the user; None if there is none."""
    home = Path(os.path.expanduser("~"))
    return home if home.is_absolute() and home.is_dir() else None


def private_folder() -> Path:
    """Return a folder for temporary files that belongs to this user, and that nobody else can read.

    It is the same one each time, unless somebody else has taken its place.
    """
    folder = Path(tempfile.gettempdir()) / f"absslab-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="absslab-"))
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if status.st_uid == os.getuid() and is_private:
        return folder
    return Path(tempfile.mkdtemp(prefix="absslab-"))


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True
