"""Monitor: trainings as they run, to look at; who serves it may let visitors start and stop them as well."""

from pathlib import Path

import ipywidgets

from absslab.core.runs.catalogue import RunSummary, find_runs, run_table
from absslab.core.training.run_directory import RunReader
from absslab.plots.html_tables import html_table
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.panels import State
from absslab.widgets.panels.training.run_view import RunView
from absslab.widgets.ui.error_line import without_folders
from absslab.widgets.ui.main_loop import Ticker
from absslab.widgets.ui.panel import Panel

POLL = 2.0  # s, while somebody looks
_N_SETTINGS = 5  # in which runs differ
_NOT_SHOWN = (
    "data_folder",
    "save_path",
    "checkpoint_path",
    "n_epochs",
)  # settings that say where things are, or are shown


class MonitorPage(Page):
    """A table of the runs, and the curves of the one that is chosen."""

    title = "Trainings"
    words = "Every training of this machine's runs folder: how far each is, and how well it does on recordings held back."

    def __init__(self, shown: DashboardConfig):
        super().__init__(shown)
        self._folder = Path(shown.runs_folder or "runs")
        self._ticker: Ticker | None = None
        self._is_setting = False
        self.found: list[RunSummary] = []
        self.table = ipywidgets.HTML()
        self.run = ipywidgets.Dropdown(
            description="run", layout={"width": "auto", "max_width": "420px"}
        )
        self.view = self.own(RunView(has_log=False))
        self.run.observe(self.guard(lambda _: self._chosen()), "value")
        parts = [self.table, self.run, self.view]
        self.training = self.own(_training(self._folder, shown)) if shown.allow_training else None
        if self.training is not None:
            accordion = ipywidgets.Accordion(
                [self.training.widget], titles=["start and stop"], selected_index=None
            )
            parts.append(accordion)
        self.show(*parts)
        self.refresh(first=shown.run_directory[0] if shown.run_directory else "")

    def refresh(self, *, first: str = "") -> None:
        """Look at the folder again.

        Args:
            first: the run to show now; without, the one that is shown stays.
        """
        self.found = find_runs(self._folder)
        text = self._listed()
        if self.table.value != text:  # a kernel that publishes all the time is never ended
            self.table.value = text
        options = [
            (f"{run.name}: {run.state or 'did not begin'}", str(run.path)) for run in self.found
        ]
        if tuple(options) != self.run.options:
            value = first or self.run.value
            self._is_setting = True
            try:
                self.run.options = options
                self.run.value = (
                    value
                    if value in [path for _, path in options]
                    else options[0][1]
                    if options
                    else None
                )
            finally:
                self._is_setting = False
            self._chosen()
        elif self.view.reader is not None:
            self.view.update(self.view.reader.state())

    def back(self) -> None:
        """Somebody looks: follow what runs."""
        self.refresh()
        if self._ticker is None:
            self._ticker = self.loop.every(POLL, self.guard(self.refresh))

    def gone(self) -> None:
        """Nobody looks: publish nothing, so that this process may end."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None

    def close(self) -> None:
        """Look no longer, and free what `Panel.close` does."""
        self.gone()
        super().close()

    def _chosen(self) -> None:
        if self._is_setting:
            return
        path = next((run.path for run in self.found if str(run.path) == self.run.value), None)
        is_there = path is not None and (path / "config.json").is_file()
        before = self.view.reader
        if is_there and path is not None and (before is None or before.folder != path):
            self.view.follow(RunReader(path))
        elif not is_there:
            self.view.follow(None)
        if self.view.reader is not None:
            self.view.update(self.view.reader.state())
        self.view.widget.layout.display = "" if is_there else "none"

    def _listed(self) -> str:
        if not self.found:
            return paragraph("There are no runs here yet.")
        table = run_table(self.found, n_settings=_N_SETTINGS + len(_NOT_SHOWN))
        table = table.drop(columns=[name for name in _NOT_SHOWN if name in table])
        rows = [
            [without_folders(str(cell), [str(self._folder)]) for cell in row]
            for row in table.to_numpy().tolist()
        ]
        return html_table(list(table.columns), rows, caption="the latest first")


def _training(folder: Path, shown: DashboardConfig) -> Panel:
    from absslab.widgets.panels.training.training_panel import (
        TrainingPanel,
    )  # it knows every model: much to load for who only looks

    return TrainingPanel(State(runs_folder=str(folder), mixture_folder=shown.mixture_folder))
