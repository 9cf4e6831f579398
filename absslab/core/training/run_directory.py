"""A run directory on disk: one process writes it, anyone follows it.

::

    R/config.json     all settings
      metrics.jsonl   a line per epoch, append-only; of two lines on one epoch the later holds
      status.json     state, epoch, pid, the pid's start time, heartbeat
      log.txt         what happened, for a person
      last.ckpt       the latest epoch, with all that resuming needs
      epochs/         000010.ckpt …: models of epochs that were to be kept
      stop            put it there and training stops
    R.ckpt            beside it: the best model
"""

import json
import os
import socket
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from absslab.core.common.errors import InputError
from absslab.core.common.files import read_json, write_json

STATES = ("running", "stopped", "finished", "failed")
HEARTBEAT = 5.0  # s between two signs of life
_PATIENCE = 120  # heartbeats that may be missed: a long validation is no death


def run_directory(save_path: str | Path) -> Path:
    """The run directory of a best model's path: R for R.ckpt.

    Raises:
        InputError: the path does not end in .ckpt.
    """
    path = Path(save_path)
    if path.suffix != ".ckpt":
        raise InputError(f"save_path is {str(path)!r}: expected a file name that ends in .ckpt")
    return path.with_suffix("")


def best_checkpoint_path(run: str | Path) -> Path:
    """The best model of a run directory: R.ckpt of R."""
    run = Path(run)
    return run.with_name(f"{run.name}.ckpt")


class RunWriter:
    """Writes a run directory.

    Args:
        save_path: of the best model, R.ckpt; the directory is R.
        config: all settings, as plain data.
        resume: the run directory whose run goes on; it may be this one.

    Raises:
        InputError: there is another run that can be resumed, or one that is still running.
        OSError: the directory can't be written.
    """

    def __init__(
        self, save_path: str | Path, config: Mapping[str, Any], *, resume: str | Path | None = None
    ):
        self.save_path = Path(save_path)
        self.folder = run_directory(save_path)
        if (self.folder / "status.json").exists() and is_alive(
            read_json(self.folder / "status.json")
        ):
            raise InputError(
                f"{self.folder} is being trained by another process: stop that first, or save elsewhere"
            )
        if self.last.exists() and not (resume and self.folder.samefile(resume)):
            raise InputError(
                f"{self.folder} holds a run: go on with --checkpoint_path {self.last}, or choose another --save_path"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "stop").unlink(missing_ok=True)
        write_json(self.folder / "config.json", config)
        self._end_torn_line()
        self._status: dict[str, Any] = {}
        self._beaten = 0.0

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "last.ckpt"

    def kept(self, epoch: int) -> Path:
        """Where the model of an epoch is kept."""
        return self.folder / "epochs" / f"{epoch:06d}.ckpt"

    @property
    def stop_wanted(self) -> bool:
        """Whether someone put the file `stop` there."""
        return (self.folder / "stop").exists()

    def status(self, state: str, **more: Any) -> None:
        """Say where the run is; what was said before stays."""
        process = psutil.Process()
        self._status |= {"state": state, "host": socket.gethostname(), "pid": process.pid} | more
        self._status["pid_started"] = process.create_time()
        self._status["heartbeat"] = self._beaten = time.time()
        write_json(self.folder / "status.json", self._status)

    def heartbeat(self, **more: Any) -> None:
        """Say that the run is alive, at most every `HEARTBEAT` seconds."""
        if time.time() - self._beaten >= HEARTBEAT:
            self.status(self._status.get("state", "running"), **more)

    def add_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._append("metrics.jsonl", json.dumps(metrics, allow_nan=False))

    def log(self, message: str) -> None:
        """Append a line with the time to log.txt."""
        self._append(
            "log.txt", f"{datetime.now().isoformat(sep=' ', timespec='seconds')}  {message}"
        )

    def _append(self, name: str, line: str) -> None:
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _end_torn_line(self) -> None:
        """After a kill the last line may lack its end: what follows must not be glued to it."""
        for name in ("metrics.jsonl", "log.txt"):
            path = self.folder / name
            if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
                with open(path, "a") as file:
                    file.write("\n")


@dataclass
class RunReader:
    """Follows a run directory, from any process, also when it is deleted or begun anew meanwhile.

    Args:
        folder: the run directory.

    Raises:
        InputError: the folder is no run directory.
    """

    folder: Path
    metrics: dict[int, dict[str, Any]] = field(default_factory=dict)  # by epoch
    _offset: int = 0
    _file: int | None = None  # inode of metrics.jsonl

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        if not self._is_there:
            run = self.folder.with_suffix("") if self.folder.suffix == ".ckpt" else None
            hint = f"; did you mean {run}?" if run and (run / "config.json").is_file() else ""
            raise InputError(
                f"{self.folder} is no run directory: expected one with config.json, as absslab train writes{hint}"
            )

    @property
    def config(self) -> dict[str, Any]:
        """All settings of the run, as plain data: a newer version may have written some that this one does not know.

        Raises:
            InputError: they are damaged, or gone.
        """
        config = read_json(self.folder / "config.json")
        if not isinstance(config, dict):
            raise InputError(
                f"{self.folder}/config.json is damaged: expected an object with all settings"
            )
        return config

    def poll(self) -> list[dict[str, Any]]:
        """The epochs that were written since the last call; torn lines are passed over.

        Where another metrics.jsonl took the place of the one before, `metrics` starts over with it.
        """
        try:
            with open(self.folder / "metrics.jsonl", "rb") as file:
                about = os.fstat(file.fileno())
                if about.st_ino != self._file or about.st_size < self._offset:
                    self.metrics.clear()
                    self._offset, self._file = 0, about.st_ino
                file.seek(self._offset)
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            self._file = None
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        new = []
        for line in complete.splitlines():
            try:
                epoch = json.loads(line)
                self.metrics[int(epoch["epoch"])] = epoch
            except (ValueError, KeyError, TypeError):  # torn by a kill
                continue
            new.append(epoch)
        return new

    def status(self) -> dict[str, Any]:
        """What the run last said of itself: state, epoch, n_epochs, step, n_steps, device, host, pid, heartbeat, ….

        The heartbeat is in seconds since 1970. What is missing the run has not said yet, or its file is damaged.
        """
        try:
            status = read_json(self.folder / "status.json")
        except InputError:
            return {}
        return status if isinstance(status, dict) else {}

    def state(self) -> str:
        """running, stopped, finished or failed; dead: it says running, but its process is not; gone: deleted."""
        if not self._is_there:
            return "gone"
        status = self.status()
        state = status.get("state")
        return (
            "dead"
            if state not in STATES or (state == "running" and not is_alive(status))
            else state
        )

    def kept_epochs(self) -> dict[int, Path]:
        """The models that were kept, by epoch."""
        kept = {path.stem: path for path in sorted(self.folder.glob("epochs/*.ckpt"))}
        return {int(stem): path for stem, path in kept.items() if stem.isdecimal()}

    def log_tail(self, n_lines: int = 20) -> str:
        """The last lines of the log."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1000 * n_lines))
                lines = file.read().decode(errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return "\n".join(lines[-n_lines:])

    def seconds_left(self) -> float | None:
        """How long the rest of the epochs will take; None where it can't be told, or the run is not running."""
        return seconds_left(self.metrics, self.status()) if self.state() == "running" else None

    @property
    def _is_there(self) -> bool:
        return (self.folder / "config.json").is_file()


def seconds_left(
    metrics: Mapping[int, Mapping[str, Any]], status: Mapping[str, Any]
) -> float | None:
    """How long the rest of a run's epochs will take, by the median of its latest five.

    Args:
        metrics: the lines of metrics.jsonl, by epoch.
        status: of status.json.
    """
    epoch, n_epochs, step, n_steps = (
        status.get(name) for name in ("epoch", "n_epochs", "step", "n_steps")
    )
    seconds = [metrics[one].get("seconds") for one in sorted(metrics)][-5:]
    known = [one for one in seconds if isinstance(one, int | float)]
    if not known or not isinstance(epoch, int) or not isinstance(n_epochs, int):
        return None
    begun = (
        step / n_steps if isinstance(step, int) and isinstance(n_steps, int) and n_steps else 0.0
    )
    return max(0.0, n_epochs - epoch - begun) * statistics.median(known)


def request_stop(folder: str | Path) -> None:
    """Ask a run to stop; it does after the step that it is at, and can be resumed.

    Raises:
        InputError: the folder is no run directory.
        OSError: it can't be written.
    """
    (RunReader(Path(folder)).folder / "stop").touch()


def is_alive(status: Mapping[str, Any]) -> bool:
    """Whether the process that wrote a running status still runs.

    On its own host its pid and that pid's start tell; from another one only the heartbeat does.
    """
    if status.get("state") != "running":
        return False
    try:
        if status["host"] != socket.gethostname():
            return time.time() - status["heartbeat"] < _PATIENCE * HEARTBEAT
        return abs(psutil.Process(status["pid"]).create_time() - status["pid_started"]) < 1
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
