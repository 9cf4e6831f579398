"""What servers for tests have in common: a home folder of their own, and a free port."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil


def isolated_environment(home: Path) -> dict[str, str]:
    """Return the environment of a server that neither reads nor writes files of this user."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "JPY_", "XDG_"))
    }
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "MPLCONFIGDIR": home / "matplotlib",
    }
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return variables | threads | {name: str(folder) for name, folder in folders.items()}


def at_home(home: Path) -> Iterator[psutil.Process]:
    """Yield the processes with this home folder: a server, its kernels, and all that they started.

    Detached processes are among them.
    """
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home):
                yield process
        except psutil.Error:
            continue  # it has ended, or belongs to another user


def free_port() -> int:
    """Find a loopback port that is not in use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
