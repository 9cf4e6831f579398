"""Write and follow a run directory: one process writes it, any process can follow it.

::

    R/config.json     all settings
      metrics.jsonl   a line per epoch, append-only; the last line of an epoch counts
      status.json     state, progress, epoch, pid, heartbeat; see `RunStatus`
      log.txt         what happened, for the user
      last.ckpt       the latest epoch, with all that is needed to resume
      epochs/         000010.ckpt …: models of the epochs that `keep_every` selects
      stop            create this file and the training stops
    R.ckpt            beside it: the best model
"""

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, InputWarning, shorten
from absslab.core.common.files import check_place, read_json, write_json
from absslab.core.common.process_group import find_processes
from absslab.core.common.run_status import (
    STATES,
    RunStatus,
    StatusFile,
    TaskProgress,
    read_status,
)

WARNING = "warning: "  # begins lines of the log that say what was lost or changed of the input
_TIME_LENGTH = len("2026-01-31 12:00:00")  # characters at the begin of each line of the log


def run_directory(save_path: str | Path) -> Path:
    """Return the run directory that belongs to the path of a best model: R for R.ckpt.

    Raises:
        InputError: the path does not end in .ckpt.
    """
    path = Path(save_path)
    if path.suffix != ".ckpt":
        raise InputError(
            "save_path is '{path}': expected the name of a file that ends in .ckpt", path=path
        )
    return path.with_suffix("")


def check_save_path(save_path: str | Path) -> None:
    """Check, before a training, that its best model and its run directory can be written.

    Raises:
        InputError: a name is too long, a folder lies in the model's place, or nothing can be
            written there.
    """
    folder = run_directory(save_path)
    if os.path.isdir(save_path):
        raise InputError(
            "save_path is the folder {path}: expected the name of a file to write to",
            path=save_path,
        )
    check_place(save_path, "save_path")
    check_place(folder / "last.ckpt", "save_path", shown=save_path)


def best_checkpoint_path(run: str | Path) -> Path:
    """Return the path of the best model of a run directory: R.ckpt for R."""
    run = Path(run)
    return run.with_name(f"{run.name}.ckpt")


class RunWriter:
    """Writes a run directory; make one with `begin`.

    Args:
        save_path: path of the best model, R.ckpt; the directory is R.
    """

    def __init__(self, save_path: str | Path):
        self.save_path = Path(save_path)
        self.folder = run_directory(save_path)
        self._status_file = StatusFile(self.folder / "status.json")

    @classmethod
    def begin(
        cls, save_path: str | Path, config: Mapping[str, Any], *, resume: str | Path | None = None
    ) -> "RunWriter":
        """Make the run directory, in the state "preparing", or take over the one that is resumed.

        Args:
            save_path: path of the best model, R.ckpt; the directory is R.
            config: all settings, as plain data.
            resume: the run directory whose run is continued; it may be this one.

        Raises:
            InputError: there is another run that can be resumed, or one that is still running.
            OSError: the directory can't be written.
        """
        writer = cls(save_path)
        folder = writer.folder
        status = read_status(folder / "status.json")
        # The process that started this one may have written that it prepares.
        is_own = status.is_of_this_process
        if find_processes().size > 1:  # or the one that started all that train together
            is_own = is_own or status.is_of_parent
        is_own = is_own and status.state == "preparing"
        if status.is_alive and not is_own:
            raise InputError(
                "{folder} is being trained by another process: stop that first, or save elsewhere",
                folder=folder,
            )
        if writer.last_checkpoint.exists() and not (resume and folder.samefile(resume)):
            raise InputError(
                "{folder} holds a run: go on with --checkpoint_path {checkpoint}, "
                "or choose another --save_path",
                folder=folder,
                checkpoint=writer.last_checkpoint,
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stop").unlink(missing_ok=True)
        writer.write_status("preparing", progress=TaskProgress("starting"))
        write_json(folder / "config.json", config)
        writer._end_incomplete_lines()
        return writer

    @property
    def last_checkpoint(self) -> Path:
        """Path of the checkpoint to resume from."""
        return self.folder / "last.ckpt"

    def epoch_checkpoint_path(self, epoch: int) -> Path:
        """Return the path for the model of an epoch, if it is to be kept."""
        return self.folder / "epochs" / f"{epoch:06d}.ckpt"

    @property
    def is_stop_requested(self) -> bool:
        """Whether somebody created the file `stop`."""
        return (self.folder / "stop").exists()

    def report_task(self, task: str, done: int, total: int) -> None:
        """Write the progress of a task, in the state that the run is in.

        Args:
            task: a few words, such as "checking recordings".
            done: number of items that are done.
            total: number of all items.
        """
        self._status_file.report(task, done, total, state=self._status_file.status.state)

    def write_status(self, state: str, **changes: Any) -> None:
        """Write the state of the run.

        Args:
            state: one of `STATES`. The progress of a task goes when the run begins to train, or
                ends after that; if it ends before, it tells how far the preparation was.
            changes: other fields of `RunStatus` to change; the rest stays.
        """
        if "running" in (state, self._status_file.status.state):
            changes = {"progress": None} | changes
        self._status_file.write(state, **changes)

    def write_heartbeat(self, **changes: Any) -> None:
        """Write that the run is alive, at most every `HEARTBEAT` seconds."""
        self._status_file.write_heartbeat(**changes)

    def add_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._append("metrics.jsonl", json.dumps(metrics, allow_nan=False))

    def log(self, message: str, *, waits: bool = True) -> None:
        """Append a line with the time to log.txt.

        Args:
            message: the line.
            waits: whether to wait until it is on the disk, which takes too long for many lines.
        """
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        self._append("log.txt", f"{now}  {message}", waits=waits)

    def _append(self, name: str, line: str, *, waits: bool = True) -> None:
        # A message may name a file whose name is not UTF-8.
        with open(self.folder / name, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")
            if waits:
                file.flush()
                os.fsync(file.fileno())

    def _end_incomplete_lines(self) -> None:
        """End the last line of each file, which a killed process may have left incomplete."""
        for name in ("metrics.jsonl", "log.txt"):
            path = self.folder / name
            content = path.read_bytes() if path.exists() else b""
            if content and not content.endswith(b"\n"):
                with open(path, "a") as file:
                    file.write("\n")


class NoticeLog:
    """Writes what a run lost or changed of its input to log.txt, as soon as there is one."""

    def __init__(self) -> None:
        self._writer: RunWriter | None = None
        self._waiting: list[InputWarning] = []

    def begin(self, writer: RunWriter) -> None:
        """Write to a run directory: what came so far, and all that comes."""
        self._writer = writer
        for notice in self._waiting:
            self.write(notice)
        self._waiting = []

    def write(self, notice: InputWarning) -> None:
        """Write a notice, or keep it until there is a run directory."""
        if self._writer is None:
            self._waiting.append(notice)
            return
        line = shorten(" ".join(str(notice).split()))
        self._writer.log(f"{WARNING}{line}", waits=False)


@dataclass
class RunReader:
    """Follows a run directory from any process, also if it is deleted or made again meanwhile.

    Args:
        folder: the run directory; `open` checks that it is one.
        metrics: the lines of metrics.jsonl that were read so far, by epoch.
        warnings: what was lost or changed of the input, as far as the log was read; each once.
    """

    folder: Path
    metrics: dict[int, dict[str, Any]] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    _offset: int = 0
    _inode: int | None = None  # of metrics.jsonl
    _log_offset: int = 0

    @classmethod
    def open(cls, folder: str | Path) -> "RunReader":
        """Begin to follow a run directory.

        Raises:
            InputError: the folder is not a run directory.
        """
        # Of "." and "..", neither the name nor the path of the model beside them is known.
        reader = cls(
            Path(folder) if Path(folder).name not in ("", "..") else Path(folder).resolve()
        )
        if reader._exists:
            return reader
        error = InputError(
            "{folder} is not a run directory: "
            "expected one with config.json, as absslab train writes",
            folder=reader.folder,
        )
        run = reader.folder.with_suffix("")
        if reader.folder.suffix == ".ckpt" and (run / "config.json").is_file():
            raise error.wrap("{error}; did you mean {run}?", run=run)
        raise error

    @property
    def config(self) -> dict[str, Any]:
        """All settings of the run as plain data; a newer version may have written unknown ones.

        Raises:
            InputError: they are damaged, or missing.
        """
        path = self.folder / "config.json"
        if self._exists and not path.exists() and self.state() == "preparing":
            raise InputError(
                "{folder} is only being prepared: its settings are not written yet; "
                "try again in a moment",
                folder=self.folder,
            )
        config = read_json(path)
        if not isinstance(config, dict):
            raise InputError(
                "{folder}/config.json is damaged: expected an object with all settings",
                folder=self.folder,
            )
        return config

    def poll(self) -> list[dict[str, Any]]:
        """Read the epochs that were written since the last call; damaged lines are skipped.

        If another metrics.jsonl took the place of the one before, `metrics` starts over with it.
        """
        try:
            with open(self.folder / "metrics.jsonl", "rb") as file:
                file_status = os.fstat(file.fileno())
                if file_status.st_ino != self._inode or file_status.st_size < self._offset:
                    self.metrics.clear()
                    self._offset = 0
                    self._inode = file_status.st_ino
                file.seek(self._offset)
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            self._inode = None
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        new = []
        for line in complete.splitlines():
            try:
                epoch = json.loads(line)
                self.metrics[int(epoch["epoch"])] = epoch
            except (
                ValueError,
                LookupError,
                TypeError,
                OverflowError,
            ):  # a killed process left half a line
                continue
            new.append(epoch)
        return new

    def poll_warnings(self) -> list[str]:
        """Read the warnings that were written to the log since the last call."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                if file.seek(0, os.SEEK_END) < self._log_offset:  # another run is in its place
                    self.warnings.clear()
                    self._log_offset = 0
                file.seek(self._log_offset)
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._log_offset += len(complete)
        new = []
        for line in complete.decode(errors="replace").splitlines():
            text = line[_TIME_LENGTH:].lstrip()
            if text.startswith(WARNING) and text.removeprefix(WARNING) not in self.warnings:
                new.append(text.removeprefix(WARNING))
                self.warnings[new[-1]] = None
        return new

    def status(self) -> RunStatus:
        """Read the last status of the run; empty if there is none."""
        return read_status(self.folder / "status.json")

    def state(self) -> str:
        """One of `STATES`, or dead (its process ended without a word), or gone (it was deleted)."""
        if not self._exists:
            return "gone"
        status = self.status()
        if status.state in STATES and (status.is_alive or not status.is_live):
            return status.state
        # A process that was interrupted before Python had started could not write its status.
        is_stopped = status.state == "preparing" and (self.folder / "stop").exists()
        return "stopped" if is_stopped else "dead"

    def epoch_checkpoints(self) -> dict[int, Path]:
        """Return the models of epochs that were kept, by epoch."""
        paths = sorted(self.folder.glob("epochs/*.ckpt"))
        return {int(path.stem): path for path in paths if path.stem.isdecimal()}

    def read_log_end(self, n_lines: int = 20) -> str:
        """Return the last lines of the log."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1000 * n_lines))
                lines = file.read().decode(errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return "\n".join(lines[-n_lines:])

    def read_log_times(self) -> list[float]:
        """Return the times of the lines of the log, in seconds since 1970."""
        try:
            log = (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        times = []
        for line in log.splitlines():
            try:
                times.append(datetime.fromisoformat(line[:_TIME_LENGTH]).timestamp())
            except ValueError:  # the rest of a message with several lines
                continue
        return times

    def estimate_seconds_left(self) -> float | None:
        """Estimate the seconds that the rest of the epochs will take; None if it is not running."""
        if self.state() != "running":
            return None
        return estimate_seconds_left(self.metrics, self.status())

    @property
    def _exists(self) -> bool:
        """Whether the folder is a run directory; at first it has only a status."""
        return any((self.folder / name).is_file() for name in ("config.json", "status.json"))


def estimate_seconds_left(
    metrics: Mapping[int, Mapping[str, Any]], status: RunStatus
) -> float | None:
    """Estimate how long the rest of a run's epochs will take, by the median of its latest five.

    Args:
        metrics: the lines of metrics.jsonl, by epoch.
        status: status of the run.

    Returns:
        seconds; None if they can't be estimated.
    """
    latest = [metrics[epoch].get("seconds") for epoch in sorted(metrics)][-5:]
    durations = [seconds for seconds in latest if isinstance(seconds, int | float)]
    if not durations or status.epoch is None or status.n_epochs is None:
        return None
    current = status.step / status.n_steps if status.step and status.n_steps else 0.0
    n_left = status.n_epochs - status.epoch - current
    return max(0.0, n_left) * statistics.median(durations)


def request_stop(folder: str | Path) -> None:
    """Ask a run to stop; it does so after the current step, and can be resumed.

    Raises:
        InputError: the folder is not a run directory.
        OSError: it can't be written.
    """
    (RunReader.open(folder).folder / "stop").touch()
