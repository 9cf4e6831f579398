"""Run a function in a process of its own, which may hang, be killed, or take too much memory."""

import faulthandler
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_MEMORY = 6 << 30  # bytes that a process may take
FILE_SIZE = resource.RLIMIT_FSIZE
TRACEBACK = 70  # exit status of a function that raised an error which no command handles


@dataclass(frozen=True)
class Outcome:
    """What became of a process.

    Args:
        status: exit status; -N if signal N ended it.
        printed: everything that it printed, to stdout and stderr.
        seconds: how long it ran.
        is_late: whether it was killed because it took longer than it may.
    """

    status: int
    printed: str
    seconds: float
    is_late: bool = False

    @property
    def fault(self) -> str:
        """What is wrong with it, in one word; empty if it ended as a command may end."""
        if self.is_late:
            return "hang"
        if self.status < 0:
            return f"signal {-self.status}"
        if "Traceback (most recent call last)" in self.printed or self.status == TRACEBACK:
            return "traceback"
        if self.status not in (0, 2, 3):
            return f"status {self.status}"
        if self.status == 2 and not self.printed.strip():
            return "no message"
        return ""


def run_isolated(
    function: Callable[[], int | None],
    folder: Path,
    *,
    seconds: float,
    kill_after: float | None = None,
    max_file_size: int | None = None,
) -> Outcome:
    """Run a function in a forked process, and wait for its end.

    Args:
        function: returns the exit status; None is 0.
        folder: becomes the current folder of the process.
        seconds: after which it counts as hanging and is killed.
        kill_after: seconds after which it is killed on purpose; None: never.
        max_file_size: bytes beyond which no file can grow, as on a full disk; None: no limit.
    """
    reader, writer = os.pipe()  # a file could not grow on a full disk
    start = time.monotonic()
    process = os.fork()
    if process == 0:
        _run_child(function, folder, writer, max_file_size)
    os.close(writer)
    limit = seconds if kill_after is None else min(kill_after, seconds)
    printed, has_ended = _read_until_end(process, reader, limit)
    if not has_ended:
        with suppress(ProcessLookupError):  # it has just begun, and is no leader of a group yet
            os.killpg(process, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return Outcome(
        os.waitstatus_to_exitcode(status),
        printed,
        time.monotonic() - start,
        is_late=not has_ended and limit == seconds,
    )


def _read_until_end(process: int, reader: int, seconds: float) -> tuple[str, bool]:
    """Return what a process prints within some seconds, and whether it has ended by then."""
    descriptor = os.pidfd_open(process)
    os.set_blocking(reader, False)
    printed = bytearray()
    end = time.monotonic() + seconds
    has_ended = False
    try:
        while not has_ended and (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([descriptor, reader], [], [], left)
            has_ended = descriptor in ready
            while reader in ready:
                try:
                    piece = os.read(reader, 1 << 16)
                except BlockingIOError:
                    break
                printed += piece
                if not piece:
                    ready = []
                    has_ended = bool(select.select([descriptor], [], [], max(0.0, left))[0])
        return printed.decode(errors="replace"), has_ended
    finally:
        os.close(descriptor)
        os.close(reader)


def _run_child(
    function: Callable[[], int | None], folder: Path, output: int, max_file_size: int | None
) -> None:
    status = TRACEBACK
    try:
        os.setsid()  # its own processes are killed with it
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
        faulthandler.enable(sys.stderr)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, hard))
        if max_file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(FILE_SIZE, (max_file_size, resource.RLIM_INFINITY))
        os.chdir(folder)
        status = function() or 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(status)
