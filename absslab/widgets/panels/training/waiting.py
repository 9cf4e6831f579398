"""Wait in a notebook's cell while the panels above it go on."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError
from absslab.core.runs.launcher import OUTPUT, Launcher
from absslab.core.runs.processes import read_last_lines
from absslab.core.training.run_directory import RunReader, run_directory
from absslab.core.training.run_status import LIVE_STATES
from absslab.widgets.panels.training.training_panel import TrainingPanel

_LOOK = 0.5  # s between two looks
_BEGIN = 60.0  # s that a training may take until its process is there


async def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Wait until a condition is true, and return its value.

    Args:
        condition: asked again and again.
        seconds: how long.

    Raises:
        InputError: it did not become true.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise InputError(f"nothing came within {seconds:g} s")
        await asyncio.sleep(min(_LOOK, seconds / 10))
    return value


def start_or_follow(panel: TrainingPanel) -> Path:
    """Start the training that a panel's form describes, or follow it if it was started before.

    Args:
        panel: that shows it; the device may be in use.

    Raises:
        InputError: settings that can't be used.
    """
    folder = run_directory(Path(panel.form.settings.run.save_path).absolute())
    if panel.launcher.state(folder) == "gone":
        panel.start(anyway=True)
    else:
        panel.attach(folder)
    return folder


async def ended(folder: str | Path, *, seconds: float = 24 * 3600.0) -> RunReader:
    """Wait until a training has ended.

    Use it as in `run = await ended("runs/first")`.

    Args:
        folder: the run directory; the training, a process of its own, may still be about to begin.
        seconds: how long to wait; the training goes on all the same.

    Returns:
        what reads the run directory, its metrics read.

    Raises:
        InputError: it did not begin, it failed, or it takes longer.
    """
    folder, launcher = Path(folder).absolute(), Launcher()
    begin = time.monotonic()
    while (state := launcher.state(folder)) in (*LIVE_STATES, "gone"):
        waited = time.monotonic() - begin
        if state == "gone" and waited > min(seconds, _BEGIN):
            raise InputError(
                "{folder} is not a run directory: "
                f"no training has begun there within {waited:.0f} s",
                folder=folder,
            )
        if waited > seconds:
            raise InputError(
                f"{{folder}} is {state} after {seconds:g} s: it goes on; wait again, or stop it",
                folder=folder,
            )
        await asyncio.sleep(_LOOK)
    if state != "finished" and state != "stopped":
        raise InputError(
            f"{{folder}} has {state}: {read_last_lines(folder / OUTPUT, 1) or 'see its log.txt'}",
            folder=folder,
        )
    reader = RunReader(folder)
    reader.poll()
    return reader
