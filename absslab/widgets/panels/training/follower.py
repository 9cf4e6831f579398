"""Follow one run of the runs folder, and listen to the models of its epochs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.catalogue import find_runs
from absslab.core.runs.launcher import Launcher
from absslab.core.training.run_directory import RunReader
from absslab.core.training.run_status import LIVE_STATES
from absslab.widgets.panels.training.epochs import EpochListener
from absslab.widgets.panels.training.run_view import ENDED, RunView
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import Ticker
from absslab.widgets.ui.panel import Panel

POLL = 1.0  # s
NO_RUN = ("choose a run", "")


class Follower:
    """The part of a panel that follows the run which is selected in its state.

    Args:
        panel: whose part this is.
        launcher: tells how a run is.
        on_change: called when another run is followed, or its state has changed.
    """

    def __init__(self, panel: Panel, launcher: Launcher, on_change: Callable[[], Any]):
        self._panel = panel
        self._launcher = launcher
        self._on_change = on_change
        self.folder: Path | None = None
        self.state = ""  # as `RunReader.state` gives it; empty while no run is followed
        self._ticker: Ticker | None = None
        self._is_setting = False
        self.view = RunView()
        self.epochs = EpochListener(panel.loop, panel.guard, panel.fail)
        self.runs = ipywidgets.Dropdown(
            options=[NO_RUN], description="run", layout={"width": "420px"}
        )
        self.widget = ipywidgets.VBox(
            [self.view.widget, self.epochs.widget], layout={"display": "none"}
        )
        self.runs.observe(panel.guard(lambda _: self._chosen()), "value")
        panel.watch(["runs_folder", "runs_changed"], self.refresh)
        panel.watch("run", self._selected)
        self.refresh()

    @property
    def is_live(self) -> bool:
        """Whether the run is running, or being set up."""
        return self.state in LIVE_STATES

    def attach(self, folder: str | Path) -> None:
        """Follow a run, of this or of any other process, that runs or has ended.

        Raises:
            InputError: the folder is not a run directory.
        """
        path = Path(folder).absolute()
        if self._launcher.state(path) == "gone":
            raise InputError(
                "{path} is not a run directory: "
                "expected one with config.json, as absslab train writes",
                path=path,
            )
        self._stop_looking()
        self.folder, self.state = path, ""
        self.view.follow(None)
        self.epochs.follow(None)
        self._panel.state.run = str(path)
        self._panel.say("")
        self.update()
        self.refresh()
        if self.is_live:
            self._ticker = self._panel.loop.every(POLL, self._panel.guard(self.update))

    def update(self) -> None:
        """Look at the run again."""
        if self.folder is None:
            return
        before, self.state = self.state, self._launcher.state(self.folder)
        if self.view.reader is None and (self.folder / "config.json").exists():
            self._open()
        self.view.update(self.state)
        self.epochs.update()
        self.widget.layout.display = "none" if self.view.reader is None else ""
        if self.state != before:
            self._changed(before)

    def refresh(self) -> None:
        """Look for runs in the runs folder."""
        found = [
            (f"{run.name}: {run.state or 'did not begin'}", str(run.path.absolute()))
            for run in find_runs(self._runs_folder)
        ]
        value = "" if self.folder is None else str(self.folder)
        if value not in [path for _, path in found] and self.folder is not None:
            found.append((self.folder.name, value))
        if self.runs.options != (NO_RUN, *found):
            self._is_setting = True  # with other options it falls back to the first
            try:
                self.runs.options = [NO_RUN, *found]
                self.runs.value = value
            finally:
                self._is_setting = False
        elif self.runs.value != value:
            self.runs.value = value

    def close(self) -> None:
        """Follow no longer, and free figure and sound."""
        self._stop_looking()
        self.view.close()
        self.epochs.close()

    @property
    def _runs_folder(self) -> Path:
        return Path(self._panel.state.runs_folder)

    def _open(self) -> None:
        """Begin to read the run directory."""
        assert self.folder is not None
        reader = RunReader(self.folder)
        self.view.follow(reader)
        try:
            self.epochs.follow(reader)
        except (InputError, OSError) as error:  # its curves can be seen all the same
            self._panel.say(
                f"{error_line(error)}; the curves are shown, but no epoch can be listened to",
                "warning",
            )

    def _changed(self, before: str) -> None:
        assert self.folder is not None
        if self.state == "preparing":
            self._panel.say(
                f"{self.folder.name} is being set up: recordings are read, features are normalised"
            )
        elif problem := self._launcher.find_problem(self.folder):
            self._panel.say(f"{self.folder.name} was not started: {problem}", "error")
        elif self.state in ("failed", "dead", "gone"):
            self._panel.say(f"{self.folder.name}: {ENDED[self.state]}", "error")
        elif before in LIVE_STATES:
            self._panel.say("")
        if not self.is_live:
            self._stop_looking()
        if before:
            self._panel.state.runs_changed += 1
        self._on_change()

    def _chosen(self) -> None:
        """Another run was chosen from the list."""
        if self.runs.value and not self._is_setting:
            self._panel.state.run = self.runs.value

    def _selected(self) -> None:
        """Another run was selected in the state."""
        run = self._panel.state.run
        if run and Path(run).absolute() != self.folder:
            self.attach(run)

    def _stop_looking(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None
