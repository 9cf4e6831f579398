"""Wait in a cell of a notebook while the panels above it stay alive."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.run_status import LIVE_STATES
from absslab.core.runs.launcher import KILLED, OUTPUT, Launcher
from absslab.core.runs.processes import read_last_lines
from absslab.core.training.run_directory import RunReader, run_directory
from absslab.widgets.panels.training.training_panel import TrainingPanel

_POLL_INTERVAL = 0.5  # s
_START_LIMIT = 60.0  # s that a training may take until its run directory exists


async def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Wait until a condition is true, and return its value.

    Args:
        condition: function that is called repeatedly.
        seconds: longest time to wait.

    Raises:
        InputError: if it did not become true in this time.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise InputError(f"the condition did not become true within {seconds:g} s")
        await asyncio.sleep(min(_POLL_INTERVAL, seconds / 10))
    return value


def start_or_follow(panel: TrainingPanel) -> Path:
    """Start the training that a panel's form describes, or follow it if it was started before.

    Args:
        panel: the panel that shows the training. It is started even if the device is in use.

    Returns:
        the run directory.

    Raises:
        InputError: if a config does not take a value.
    """
    folder = run_directory(Path(panel.form.settings.run.save_path).absolute())
    if panel.launcher.state(folder) == "gone":
        panel.start(anyway=True)
    else:
        panel.attach(folder)
    return folder


async def wait_for_training(folder: str | Path, *, seconds: float = 24 * 3600.0) -> RunReader:
    """Wait until a training has ended.

    Use it as in `run = await wait_for_training("runs/first")`.

    Args:
        folder: the run directory. The training runs in a separate process, and may not have
            begun yet.
        seconds: longest time to wait; the training goes on after that.

    Returns:
        the reader of the run directory; it has read the metrics.

    Raises:
        InputError: if the training did not begin, failed, or takes longer.
    """
    folder = Path(folder).absolute()
    launcher = Launcher()
    begin = time.monotonic()
    while (state := launcher.state(folder)) in (*LIVE_STATES, "gone"):
        waited = time.monotonic() - begin
        if state == "gone" and waited > min(seconds, _START_LIMIT):
            raise InputError(
                "{folder} is not a run directory: "
                f"no training has begun there within {waited:.0f} s",
                folder=folder,
            )
        if waited > seconds:
            raise InputError(
                f"{{folder}} is still {state} after {seconds:g} s: wait again, or stop it",
                folder=folder,
            )
        await asyncio.sleep(_POLL_INTERVAL)
    if state != "finished" and state != "stopped":
        reason = read_last_lines(folder / OUTPUT, 1) or "see its log.txt"
        if state == "dead":
            reason = f"{KILLED}; it goes on from its last epoch when it is resumed"
        raise InputError(
            f"{{folder}} did not finish, its state is {state}: {escape_braces(reason)}",
            folder=folder,
        )
    reader = RunReader.open(folder)
    reader.poll()
    return reader
