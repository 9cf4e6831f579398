"""Start, stop and resume trainings as processes, and tell their states."""

import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absslab.core.common.config import to_flags
from absslab.core.common.errors import InputError
from absslab.core.common.run_status import LIVE_STATES, read_status, write_child_status
from absslab.core.runs.processes import end_process, read_last_lines, start_process
from absslab.core.training.run_directory import RunReader, request_stop

KILLED = "its process was ended from outside, perhaps because the memory was full"
OUTPUT = "output.txt"  # in the run directory: what the process printed


class TrainingPlan(NamedTuple):
    """What a run was to train, as far as it is known.

    Args:
        n_epochs: number of epochs.
        n_steps: number of steps, if its length is counted in these.
        device: the device that was asked for.
    """

    n_epochs: int | None = None
    n_steps: int | None = None
    device: str = "auto"


class Launcher:
    """Controls trainings by their run directories, no matter which process started them.

    Args:
        working_folder: of the processes that it starts; by default that of this one.
        environment: of these processes; by default that of this one.
    """

    def __init__(
        self, working_folder: str | None = None, environment: Mapping[str, str] | None = None
    ):
        self.working_folder = working_folder
        self.environment = environment

    def start(self, arguments: Sequence[str], folder: Path) -> None:
        """Start a new training.

        Args:
            arguments: arguments of `absslab train`, with --save_path=<folder>.ckpt.
            folder: the run directory.

        Raises:
            InputError: there is already a run.
        """
        self.check_idle(folder)
        if (folder / "last.ckpt").exists():
            raise InputError(
                "{folder} holds a run: choose another save_path, or resume that run", folder=folder
            )
        self._start(arguments, folder)

    def resume(
        self,
        folder: Path,
        n_epochs: int | None = None,
        *,
        n_steps: int | None = None,
        device: str = "",
        data_folder: str = "",
    ) -> None:
        """Continue a run.

        Args:
            folder: the run directory.
            n_epochs: train up to this epoch; by default as planned.
            n_steps: train up to this step, if the length of the run is counted in steps; by
                default as planned.
            device: device to train on; by default as before.
            data_folder: where the data are; by default where they were.

        Raises:
            InputError: it is running, or has no checkpoint to continue from.
        """
        self.check_idle(folder)
        checkpoint = folder / "last.ckpt"
        if not checkpoint.exists():
            raise InputError(
                "{folder} has no last.ckpt, since no epoch was complete yet: start it again",
                folder=folder,
            )
        flags: dict[str, Any] = {"checkpoint_path": str(checkpoint)}
        if n_epochs is not None:
            flags["n_epochs"] = n_epochs
        if n_steps is not None:
            flags["n_steps"] = n_steps
        if device:
            flags["device"] = device
        if data_folder:
            flags["data_folder"] = data_folder
        self._start(["train", *to_flags(flags)], folder)

    def stop(self, folder: Path) -> None:
        """Ask a training to stop after the current step.

        Raises:
            InputError: it is not running.
        """
        state = self.state(folder)
        if state not in LIVE_STATES:
            raise InputError(
                f"{{folder}} is not running ({state}): there is nothing to stop", folder=folder
            )
        request_stop(folder)
        status = read_status(folder / "status.json")
        if state == "preparing" and status.is_on_this_host and status.pid is not None:
            # In this state it does not look for the file `stop` yet.
            os.kill(status.pid, signal.SIGINT)

    def end(self, folder: Path) -> None:
        """End a training of this machine at once, as Ctrl-C does, and wait for that.

        Nothing happens if it is not running. It can be resumed.
        """
        status = read_status(folder / "status.json")
        if self.state(folder) in LIVE_STATES and status.is_on_this_host and status.pid is not None:
            request_stop(folder)  # an end before it can write its state is then known to be meant
            end_process(status.pid)

    def state(self, folder: Path) -> str:
        """Return the state of a run, as `RunReader.state` does; "gone" if there is no run."""
        try:
            return RunReader.open(folder).state()
        except InputError:
            # Versions before status.json said "preparing" left a start that failed so.
            return "failed" if (folder / OUTPUT).exists() else "gone"

    def find_problem(self, folder: Path, *, names_only: bool = False) -> str:
        """Find the reason why the last start of a training failed, in one line.

        Args:
            folder: the run directory.
            names_only: name no folders. What the process printed may name some: then only the file
                is named that holds it.

        Returns:
            the reason; empty if it began, or is still being prepared.
        """
        state = self.state(folder)
        status = read_status(folder / "status.json")
        has_begun = status.progress is None or status.state == "running"
        if state in ("gone", "finished", *LIVE_STATES):
            return ""
        if has_begun and (folder / "config.json").exists():
            return ""
        if state == "stopped":
            return "it was stopped while it was being prepared"
        printed = read_last_lines(folder / OUTPUT, 1)
        if state == "dead" and not _says_why(printed):
            return KILLED if names_only or not printed else f"{KILLED}; it printed: {printed}"
        if printed and names_only:
            return f"the file {OUTPUT} in its folder says why"
        return printed or "it ended without a message"

    def check_idle(self, folder: Path) -> None:
        """Check that no process trains there.

        Raises:
            InputError: a process trains there.
        """
        if self.state(folder) in LIVE_STATES:
            raise InputError(
                "{folder} is being trained: stop it first, or choose another save_path",
                folder=folder,
            )

    def _start(self, arguments: Sequence[str], folder: Path) -> None:
        """Start the process, and write that it prepares: it can't say so before Python is up."""
        (folder / "stop").unlink(missing_ok=True)
        job = start_process(arguments, folder / OUTPUT, self.working_folder, self.environment)
        write_child_status(folder / "status.json", job.pid, "starting")


def read_plan(folder: Path) -> TrainingPlan:
    """Read what a run was to train."""
    try:
        reader = RunReader.open(folder)
        config: Any = reader.config
        training = config["training"]
        # A training may have more epochs than its settings name, see least_steps.
        n_epochs = reader.status().n_epochs or training["n_epochs"]
        return TrainingPlan(n_epochs, training.get("n_steps"), config["run"]["device"])
    except (InputError, KeyError, TypeError, AttributeError):
        return TrainingPlan()


def _says_why(line: str) -> bool:
    """Whether the last line of a process is the reason of its end, and not about something else."""
    is_message = line.startswith("absslab ") and " warning: " not in line
    return is_message or re.match(r"[\w.]*(Error|Exception)\b", line) is not None
