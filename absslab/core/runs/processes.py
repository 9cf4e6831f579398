"""Start processes of absslab that outlive the notebook that started them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


class Job:
    """A process that was started here, and that goes on after this one has ended.

    Args:
        process: the process that was started.
        log: the file that gets its output.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path):
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self._process.poll()

    def read_log_end(self, n_lines: int = 20) -> str:
        """Return the last lines of its output."""
        return read_last_lines(self.log, n_lines)

    def stop(self) -> None:
        """Interrupt it as Ctrl-C does, so that it cleans up and ends."""
        if self.poll() is None:
            self._process.send_signal(signal.SIGINT)


def start_process(
    arguments: Sequence[str],
    log: Path,
    working_folder: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """Start `python -m absslab …` as a process in a new session.

    Args:
        arguments: the command and its arguments.
        log: file for its output; earlier content is lost.
        working_folder: of the process; by default that of this one.
        environment: of the process; by default that of this one.

    Raises:
        OSError: the log can't be written, or there is no memory for a process.
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "absslab", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=working_folder,
            env=environment,
        )
    # Otherwise it would stay as a zombie after its end, and seem to run.
    threading.Thread(target=process.wait, daemon=True).start()
    return Job(process, log)


def end_process(pid: int, patience: float = 20.0) -> None:
    """Interrupt a process as Ctrl-C does; terminate it if it goes on for a while.

    Args:
        pid: id of the process; there need be none.
        patience: how long it may take to end by itself, s.
    """
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience)
        except psutil.TimeoutExpired:  # it ignores Ctrl-C, as processes of a background job do
            process.terminate()
            process.wait(patience)
    except psutil.Error:  # it has ended
        return


def describe_end(exit_status: int) -> str:
    """Say how a process ended that a signal has ended; empty if it ended by itself.

    >>> describe_end(-9)
    'it was ended from outside (SIGKILL), perhaps because the memory was full'
    >>> describe_end(2)
    ''
    """
    if exit_status >= 0:
        return ""
    try:
        name = signal.Signals(-exit_status).name
    except ValueError:
        name = f"signal {-exit_status}"
    # PyTorch ends its own process by SIGABRT if it gets no memory.
    memory = ", perhaps because the memory was full" if name in ("SIGKILL", "SIGABRT") else ""
    return f"it was ended from outside ({name}){memory}"


def read_last_lines(path: Path, n_lines: int = 20) -> str:
    """Return the last lines of a text file; empty if there is no such file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 400 * n_lines))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-n_lines:])
