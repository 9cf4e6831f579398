"""Trainings as processes: start, stop and resume them, and tell how they are, also before they say so themselves."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absslab.core.common.config import to_flags
from absslab.core.common.errors import InputError
from absslab.core.runs.processes import Job, find_process, read_last_lines, start_process
from absslab.core.training.run_directory import RunReader, request_stop

OUTPUT = "output.txt"  # in the run directory: what the process printed
LIVE = ("starting", "running")
_INTERRUPTED = (
    -signal.SIGINT,
    128 + signal.SIGINT,
)  # exit status, where Python was not up yet, and else


class Launcher:
    """Trainings by their run directories, those of this notebook and any others.

    A training sets itself up for some seconds before its run directory says that it runs: it is "starting" then, and only
    its process tells.
    """

    def __init__(self) -> None:
        self._jobs: dict[Path, Job] = {}

    def start(self, arguments: Sequence[str], folder: Path) -> None:
        """Start a new training.

        Args:
            arguments: of the command line, which says --save_path=<folder>.ckpt.
            folder: its run directory.

        Raises:
            InputError: a run is there already.
        """
        self.check_idle(folder)
        if (folder / "last.ckpt").exists():
            raise InputError(f"{folder} holds a run: choose another save_path, or resume that run")
        self._jobs[folder] = start_process(arguments, folder / OUTPUT)

    def resume(self, folder: Path, n_epochs: int | None = None) -> None:
        """Go on with a run.

        Args:
            folder: its run directory.
            n_epochs: up to this epoch; without, as far as it was to go.

        Raises:
            InputError: it is running, or has nothing to go on from.
        """
        self.check_idle(folder)
        if not (folder / "last.ckpt").exists():
            raise InputError(
                f"{folder} has no last.ckpt, it ended before its first epoch did: start it anew"
            )
        flags = to_flags(
            {"checkpoint_path": str(folder / "last.ckpt")}
            | ({"n_epochs": n_epochs} if n_epochs else {})
        )
        self._jobs[folder] = start_process(["train", *flags], folder / OUTPUT)

    def stop(self, folder: Path) -> None:
        """Ask a training to stop after the step that it is at.

        Raises:
            InputError: it is not running.
        """
        state = self.state(folder)
        if state not in LIVE:
            raise InputError(f"{folder} is not running ({state}): there is nothing to stop")
        if state == "running":
            request_stop(folder)
        elif (pid := self._pid(folder)) is not None:  # it would not look for a flag yet
            os.kill(pid, signal.SIGINT)

    def state(self, folder: Path) -> str:
        """starting, running, stopped, finished, failed, dead, or gone."""
        status = _status(folder)
        state = status[0]
        if state == "running":
            return state
        pid = self._pid(folder)
        if pid is not None and pid != status[1]:
            return "starting"
        return "failed" if state == "gone" and (folder / OUTPUT).exists() else state

    def problem(self, folder: Path) -> str:
        """Why the last start of a training came to nothing, in one line; nothing where it began, or is about to."""
        state, pid = _status(folder)
        job, said = self._jobs.get(folder), read_last_lines(folder / OUTPUT, 1)
        if job is None:
            is_lost = state == "gone" and self.state(folder) == "failed"
        else:
            is_lost = job.poll() not in (None, 0) and job.pid != pid
            if is_lost and (
                job.poll() in _INTERRUPTED or said == "KeyboardInterrupt"
            ):  # Python was not up yet
                return "it was stopped while it was being set up"
        return said or "it ended without a word" if is_lost else ""

    def check_idle(self, folder: Path) -> None:
        """See that no process trains there.

        Raises:
            InputError: one does.
        """
        if self.state(folder) in LIVE:
            raise InputError(
                f"{folder} is being trained: stop it first, or choose another save_path"
            )

    def _pid(self, folder: Path) -> int | None:
        """Of the process that trains there."""
        job = self._jobs.get(folder)
        if job is not None and job.poll() is None:
            return job.pid
        return find_process(save_path=Path(f"{folder}.ckpt"), checkpoint_path=folder / "last.ckpt")


def planned(folder: Path) -> tuple[int | None, str]:
    """(epochs, device) that a run was to have."""
    try:
        config: Any = RunReader(folder).config
        return config["training"]["n_epochs"], config["run"]["device"]
    except (InputError, KeyError, TypeError):
        return None, "auto"


def _status(folder: Path) -> tuple[str, int | None]:
    """State and pid, as the run directory tells."""
    try:
        reader = RunReader(folder)
    except InputError:
        return "gone", None
    return reader.state(), reader.status().get("pid")
