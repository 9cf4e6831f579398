"""Follow one run of the runs folder, and listen to the models of its epochs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.common.run_status import LIVE_STATES
from absslab.core.runs.catalogue import find_runs
from absslab.core.runs.launcher import Launcher
from absslab.core.training.run_directory import RunReader
from absslab.widgets.panels.training.epochs import EpochListener
from absslab.widgets.panels.training.run_view import ENDED, RunView
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.error_line import are_folders_hidden, error_line
from absslab.widgets.ui.main_loop import Ticker
from absslab.widgets.ui.panel import Panel
from absslab.widgets.ui.part import Part

POLL_INTERVAL = 1.0  # s
NO_RUN = ("choose a run", "")


class Follower(Part):
    """The part of a panel that follows the run which is selected in the panel's state.

    Args:
        panel: the panel of this part.
        launcher: tells the state of a run.
        on_change: is called when another run is followed, or when its state has changed.
    """

    def __init__(self, panel: Panel, launcher: Launcher, on_change: Callable[[], Any]):
        super().__init__(panel.loop, panel.fail)
        self._panel = panel
        self._launcher = launcher
        self._on_change = on_change
        self.folder: Path | None = None
        self.state = ""  # as `RunReader.state` gives it; empty while no run is followed
        self._ticker: Ticker | None = None
        self.epochs = self.own(EpochListener(panel))
        self.view = self.own(RunView())
        self.runs = ipywidgets.Dropdown(
            options=[NO_RUN], description="run", layout={"width": "420px"}
        )
        self.widget = ipywidgets.VBox(
            [self.view.widget, self.epochs.widget], layout={"display": "none"}
        )
        self._on_choice = self.guard(lambda _: self._select_chosen())
        self.runs.observe(self._on_choice, "value")
        panel.watch(["runs_folder", "runs_changed"], self.refresh)
        panel.watch("run", self._attach_selected)
        self.refresh()

    @property
    def is_live(self) -> bool:
        """Whether the run is running, or being prepared."""
        return self.state in LIVE_STATES

    def attach(self, folder: str | Path) -> None:
        """Follow a run that is running or has ended, whichever process started it.

        Raises:
            InputError: if the folder is not a run directory.
        """
        path = Path(folder).absolute()
        if self._launcher.state(path) == "gone":
            raise InputError(
                "{path} is not a run directory: "
                "expected one with config.json, as absslab train writes",
                path=path,
            )
        self._stop_ticker()
        self.folder = path
        self.state = ""
        self.view.follow(None)
        self.epochs.follow(None)
        self._panel.state.run = str(path)
        self._panel.say("")
        self.update()
        self.refresh()
        if self.is_live:
            self._ticker = self.loop.every(POLL_INTERVAL, self.guard(self.update))

    def update(self) -> None:
        """Read the run directory again, and show what has changed."""
        if self.folder is None:
            return
        state_before = self.state
        self.state = self._launcher.state(self.folder)
        if self.view.reader is None and (self.folder / "config.json").exists():
            self._open()
        self.view.update(self.state)
        self.epochs.update()
        self.widget.layout.display = "none" if self.view.reader is None else ""
        if self.state != state_before:
            self._handle_new_state(state_before)

    def refresh(self) -> None:
        """Offer the runs that are in the runs folder now."""
        options = [
            NO_RUN,
            *(
                (f"{run.name}: {run.state or 'did not begin'}", str(run.path.absolute()))
                for run in find_runs(self._runs_folder)
            ),
        ]
        followed = "" if self.folder is None else str(self.folder)
        if self.folder is not None and followed not in [path for _, path in options]:
            options.append((self.folder.name, followed))
        if self.runs.options == tuple(options):
            self.runs.value = followed
            return
        # A dropdown falls back to its first option when the options change.
        with without_feedback(self._on_choice, self.runs):
            self.runs.options = options
            self.runs.value = followed

    def close(self) -> None:
        """Stop following the run, and free the figure and the sound."""
        self._stop_ticker()
        super().close()

    @property
    def _runs_folder(self) -> Path:
        return Path(self._panel.state.runs_folder)

    def _open(self) -> None:
        """Start reading the run directory."""
        assert self.folder is not None
        reader = RunReader.open(self.folder)
        self.view.follow(reader)
        try:
            self.epochs.follow(reader)
        except (InputError, OSError) as error:  # the curves can be shown all the same
            self._panel.say(
                f"{error_line(error)}; the curves are shown, but no epoch can be listened to",
                "warning",
            )

    def _handle_new_state(self, state_before: str) -> None:
        assert self.folder is not None
        if self.state == "preparing":
            self._panel.say(
                f"{self.folder.name} is being prepared: recordings and features are read"
            )
        elif problem := self._launcher.find_problem(self.folder, names_only=are_folders_hidden()):
            self._panel.say(f"{self.folder.name} was not started: {problem}", "error")
        elif self.state in ("failed", "dead", "gone"):
            self._panel.say(f"{self.folder.name}: {ENDED[self.state]}", "error")
        elif state_before in LIVE_STATES:
            self._panel.say("")
        if not self.is_live:
            self._stop_ticker()
        if state_before:
            self._panel.state.runs_changed += 1
        self._on_change()

    def _select_chosen(self) -> None:
        """Select the run in the state that was chosen from the list."""
        if self.runs.value:
            self._panel.state.run = self.runs.value

    def _attach_selected(self) -> None:
        """Follow the run that was selected in the state."""
        run = self._panel.state.run
        if run and Path(run).absolute() != self.folder:
            self.attach(run)

    def _stop_ticker(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None
