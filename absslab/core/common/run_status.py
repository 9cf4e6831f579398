"""The status of a process in a status.json, for other processes that follow it."""

import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import psutil

from absslab.core.common.errors import InputError
from absslab.core.common.files import read_json, write_json
from absslab.core.common.progress import LongWork, Result, Steps

_LARGEST = 1e15  # a number beyond is damage
VERSION = 1  # of the document; files without a number are read as version 1
LIVE_STATES = ("preparing", "running")
STATES = (*LIVE_STATES, "stopped", "finished", "failed")
HEARTBEAT = 5.0  # s between two heartbeats
# s without a heartbeat after which a process counts as dead; a long validation takes less
_MISSED_HEARTBEATS = 120
_BETWEEN_REPORTS = 0.5  # s between two reports of progress


@dataclass(frozen=True)
class TaskProgress:
    """Progress of a process with one task.

    Args:
        task: the task in a few words, for the user.
        done: number of items that are done.
        total: number of all items; 0 as long as it is not known.
    """

    task: str
    done: int = 0
    total: int = 0

    @property
    def fraction(self) -> float:
        """The fraction that is done, from 0 to 1."""
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class RunStatus:
    """The content of a status.json; a field is None as long as the process has not written it.

    Args:
        state: one of `STATES`; empty if there is no status, or if it can't be read.
        progress: of the preparation of a training, of what it does after its last epoch, or of the
            work of any other process. A training that trains has none; if one that has ended has
            one and was not killed, it ended before it ran.
        epoch: the last epoch that is finished.
        n_epochs: number of epochs that the training will have.
        step: the last finished step of the epoch that is being trained.
        n_steps: number of steps of that epoch.
        n_recordings: number of recordings to train on.
        device: device on which the process computes, as PyTorch names it.
        host: name of the machine.
        pid: id of the process.
        pid_started: when the process was started, in seconds since 1970. By now, another process
            may have the same pid.
        boot_time: when the machine was started, by the same clock. If the clock is set, both times
            seem to change, but not the time between them.
        heartbeat: when this was written, in seconds since 1970.
    """

    state: str = ""
    progress: TaskProgress | None = None
    epoch: int | None = None
    n_epochs: int | None = None
    step: int | None = None
    n_steps: int | None = None
    n_recordings: int | None = None
    device: str = ""
    host: str = ""
    pid: int | None = None
    pid_started: float | None = None
    boot_time: float | None = None
    heartbeat: float | None = None

    @property
    def is_live(self) -> bool:
        """Whether the status says that the process prepares or runs; see `is_alive`."""
        return self.state in LIVE_STATES

    @property
    def is_alive(self) -> bool:
        """Whether the status says that the process prepares or runs, and the process exists.

        On its own host this is decided by the pid and its start time; on another host by the
        heartbeat.
        """
        if not self.is_live:
            return False
        if not self.is_on_this_host:
            age = time.time() - (self.heartbeat or 0.0)
            return age < _MISSED_HEARTBEATS * HEARTBEAT
        if self.pid is None or self.pid_started is None:
            return False
        try:
            started, boot_time = _find_start(self.pid)
            # By another clock than when this was written, if that has been set since.
            shift = 0.0 if self.boot_time is None else boot_time - self.boot_time
            return abs(started - shift - self.pid_started) < 1
        except (psutil.Error, ValueError, OverflowError):
            return False

    @property
    def is_on_this_host(self) -> bool:
        """Whether the process runs on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_of_this_process(self) -> bool:
        """Whether this is the status of the current process."""
        return self.is_on_this_host and self.pid == os.getpid()

    @property
    def is_of_parent(self) -> bool:
        """Whether this is the status of the process that started the current one."""
        return self.is_on_this_host and self.pid == os.getppid()

    @classmethod
    def from_json(cls, values: Any) -> "RunStatus":
        """Make a status from the data of `to_json`; values of a wrong type are left out."""
        if not isinstance(values, Mapping):
            return cls()
        known: dict[str, Any] = {}
        for field in fields(cls):
            value = values.get(field.name)
            if field.name == "progress":
                known[field.name] = _progress_from_json(value)
            elif field.name in ("state", "device", "host"):
                known[field.name] = value if isinstance(value, str) else ""
            elif field.name in ("pid_started", "boot_time", "heartbeat"):
                known[field.name] = value if _is_number(value, int | float) else None
            else:
                known[field.name] = value if _is_number(value, int) else None
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data for JSON, without unknown fields."""
        values = asdict(self)
        known = {name: value for name, value in values.items() if value not in (None, "")}
        return {"version": VERSION, "state": self.state} | known


class StatusFile:
    """The status.json of this process, kept up to date.

    Args:
        path: path of the file; with None nothing is written.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self.status = RunStatus()
        self._written_at = -math.inf  # by a clock that nobody sets

    def write(self, state: str, **changes: Any) -> None:
        """Write the state.

        Args:
            state: one of `STATES`.
            changes: other fields of `RunStatus` to change; the rest stays.

        Raises:
            OSError: the file can't be written.
        """
        started, boot_time = _find_start(os.getpid())
        self.status = replace(
            self.status,
            state=state,
            host=socket.gethostname(),
            pid=os.getpid(),
            pid_started=started,
            boot_time=boot_time,
            heartbeat=time.time(),
            **changes,
        )
        self._written_at = time.monotonic()
        self._save()

    def write_heartbeat(self, **changes: Any) -> None:
        """Write that the process is alive, at most every `HEARTBEAT` seconds."""
        if time.monotonic() - self._written_at >= HEARTBEAT:
            self.write(self.status.state or "running", **changes)

    def report(self, task: str, done: int, total: int, *, state: str = "running") -> None:
        """Write the progress of a task: at its start, at its end, and now and then between.

        Args:
            task: the task in a few words, for the user.
            done: number of items that are done.
            total: number of all items.
            state: state of the process.
        """
        before = self.status.progress
        is_new = before is None or before.task != task or self.status.state != state
        age = time.monotonic() - self._written_at
        if is_new or done == total or age >= _BETWEEN_REPORTS:
            self.write(state, progress=TaskProgress(task, done, total))

    def _save(self) -> None:
        if self.path is not None:
            write_json(self.path, self.status.to_json())


def read_status(path: str | Path) -> RunStatus:
    """Read a status.json; a missing, damaged or foreign file gives an empty status."""
    try:
        return RunStatus.from_json(read_json(path))
    except (InputError, OSError):
        return RunStatus()


def write_child_status(path: str | Path, pid: int, task: str) -> None:
    """Write that a process that was just started prepares, unless it has already written this.

    Args:
        path: path of its status.json.
        pid: id of the process.
        task: its first task, in a few words.

    Raises:
        OSError: the file can't be written.
    """
    if read_status(path).pid == pid:
        return
    try:
        started, boot_time = _find_start(pid)
    except psutil.Error:  # it has ended already
        started = time.time()
        boot_time = psutil.boot_time()
    status = RunStatus(
        state="preparing",
        progress=TaskProgress(task),
        host=socket.gethostname(),
        pid=pid,
        pid_started=started,
        boot_time=boot_time,
        heartbeat=time.time(),
    )
    write_json(path, status.to_json())


@contextmanager
def report_state(path: str | Path | None) -> Iterator[StatusFile]:
    """Keep a status.json while a block runs: "preparing" at first, and the outcome at the end.

    Args:
        path: path of the status.json; with None nothing is written.

    Raises:
        OSError: the file can't be written.
    """
    file = StatusFile(None if path is None else Path(path))
    file.write("preparing", progress=TaskProgress("starting"))
    state = "failed"
    try:
        yield file
        state = "finished"
    except KeyboardInterrupt:
        state = "stopped"
        raise
    finally:
        file.write(state)


def report_steps(file: StatusFile, steps: Steps[Result], task: str) -> Steps[Result]:
    """Yield the steps of long work, and write their progress to a status.json.

    Args:
        file: the status.json.
        steps: steps of the work.
        task: the work in a few words; stages with a name are reported by this name.

    Returns:
        the result of the work.
    """
    work = LongWork(steps)
    for step in work:
        file.report(step.stage or task, step.done, step.total)
        yield step
    return work.result


def _find_start(pid: int) -> tuple[float, float]:
    """Return when a process and the machine were started, in seconds since 1970.

    Raises:
        psutil.Error: there is no such process, or it has ended.
    """
    boot_time = psutil.boot_time()
    process = psutil.Process(pid)
    if process.status() == psutil.STATUS_ZOMBIE:  # it has ended, but nobody has asked how
        raise psutil.ZombieProcess(pid)
    return process.create_time(), boot_time


def _progress_from_json(values: Any) -> TaskProgress | None:
    if not isinstance(values, Mapping):
        return None
    done = values.get("done")
    total = values.get("total")
    if not _is_number(done, int) or not _is_number(total, int):
        return None
    return TaskProgress(str(values.get("task", "")), int(done), int(total))  # type: ignore[arg-type]


def _is_number(value: Any, kind: Any) -> bool:
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    return abs(value) < _LARGEST  # false for NaN as well
