"""The logs of visitors' processes: shown to the host, and removed when their process has ended."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.files import is_process_running
from absslab.widgets.dashboards.visitors import LOG_NAME

_MAX_PART = 65536  # bytes of a log that are shown at a time
_LOG = re.compile(LOG_NAME.format(pid=r"(\d+)").replace(".", r"\.") + r"(?:\.1)?")


@dataclass
class _PrintedPart:
    """How much of a log was shown."""

    file: int = 0  # its number on the disk: a log that is full gets a new file
    n_bytes: int = 0


class VisitorLogs:
    """The logs in a folder.

    Args:
        folder: contains the logs.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._shown: dict[int, _PrintedPart] = {}  # by process

    def show(self) -> None:
        """Print what was logged since the last time; remove the logs of processes that ended.

        Of a log that has grown much, a part is printed at a time; it stays until all was printed.
        """
        names = [_LOG.fullmatch(path.name) for path in self._folder.iterdir()]
        for pid in sorted({int(match[1]) for match in names if match}):
            has_ended = not is_process_running(pid)
            is_complete = self._show(pid)
            if has_ended and is_complete:
                self._shown.pop(pid, None)
                for path in self._paths(pid):
                    path.unlink(missing_ok=True)

    def _paths(self, pid: int) -> tuple[Path, Path]:
        """Return the log of a process, and the full one before it."""
        path = self._folder / LOG_NAME.format(pid=pid)
        return path, path.with_name(f"{path.name}.1")

    def _show(self, pid: int) -> bool:
        """Print a part of a log, and return whether all of it was printed."""
        path, full = self._paths(pid)
        shown = self._shown.setdefault(pid, _PrintedPart())
        try:
            found = path.stat()
        except FileNotFoundError:  # it is about to be made
            return True
        if shown.n_bytes and (found.st_ino != shown.file or found.st_size < shown.n_bytes):
            if _print_part(full, shown):
                self._shown[pid] = _PrintedPart()
            return False
        shown.file = found.st_ino
        return found.st_size == shown.n_bytes or _print_part(path, shown)


def _print_part(path: Path, shown: _PrintedPart) -> bool:
    """Print a part of a file, and return whether it was the last one."""
    try:
        with open(path, "rb") as file:
            file.seek(shown.n_bytes)
            text = file.read(_MAX_PART)
    except FileNotFoundError:
        return True
    shown.n_bytes += len(text)
    for line in text.decode(errors="replace").splitlines():
        sys.stderr.write(f"{printable(line)}\n")
    return len(text) < _MAX_PART


def printable(line: str) -> str:
    """Replace characters with which a visitor could control the host's terminal."""
    return "".join(c if c.isprintable() else "?" for c in line.expandtabs())
