"""The page monitor: the progress of trainings, and controls to start them if this is allowed."""

from pathlib import Path

import ipywidgets

from absslab.core.runs.catalogue import RunSummary, find_runs, tabulate_runs
from absslab.core.training.run_directory import RunReader
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.panels import State
from absslab.widgets.panels.training.run_view import RunView
from absslab.widgets.ui.binding import without_feedback
from absslab.widgets.ui.main_loop import Ticker
from absslab.widgets.ui.panel import Panel

POLL_INTERVAL = 2.0  # s, while somebody has the page open
_N_SETTINGS = 5  # columns of settings in which the runs differ
# settings that name folders of the server, or that the table shows elsewhere
_HIDDEN_COLUMNS = ("data_folder", "save_path", "checkpoint_path", "n_epochs")
_COLUMN_TITLES = {"data_set_type": "layout of the data"}  # others are the names of the settings


class MonitorPage(Page):
    """A table of the runs, and the curves of the chosen one."""

    title = "Trainings"
    introduction = (
        "All trainings in the runs folder of this server: their progress, and their scores on "
        "recordings that are not used for learning."
    )

    def __init__(self, config: DashboardConfig):
        super().__init__(config)
        self._folder = Path(config.runs_folder or "runs")
        self._ticker: Ticker | None = None
        self.runs: list[RunSummary] = []
        self.training: Panel | None = None

    def build(self) -> None:
        """Show the runs, and follow the first one that the settings name."""
        self.table = ipywidgets.HTML()
        self.run = ipywidgets.Dropdown(
            description="run", layout={"width": "auto", "max_width": "420px"}
        )
        self._run_chosen = self.guard(lambda _: self._follow_chosen_run())
        self.run.observe(self._run_chosen, "value")
        self.view = self.own(RunView(has_log=False))
        children = [self.table, self.run, self.view]
        if self.config.allow_training:
            self.training = self.own(_training_panel(self._folder, self.config.mixture_folder))
            children.append(
                ipywidgets.Accordion(
                    [self.training.widget], titles=["start and stop"], selected_index=None
                )
            )
        self.show(*children)
        self.refresh(first=next(iter(self.config.run_directory), ""))

    def refresh(self, *, first: str = "") -> None:
        """Read the runs folder again, and show what has changed.

        Args:
            first: path of the run to choose; the chosen run stays if it is empty.
        """
        self.runs = find_runs(self._folder)
        table = self._table_html()
        if self.table.value != table:  # unneeded updates would keep the kernel from being ended
            self.table.value = table
        options = [
            (f"{run.name}: {run.state or 'did not begin'}", str(run.path)) for run in self.runs
        ]
        if tuple(options) != self.run.options:
            self._offer_runs(options, first or self.run.value)
            self._follow_chosen_run()
        elif self.view.reader is not None:
            self.view.update(self.view.reader.state())

    def resume(self) -> None:
        """Follow the trainings, because somebody has the page open."""
        self.refresh()
        if self._ticker is None:
            self._ticker = self.loop.every(POLL_INTERVAL, self.guard(self.refresh))

    def pause(self) -> None:
        """Send no more updates, so that the server may end this process."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None

    def close(self) -> None:
        """Stop following the trainings, and close the page."""
        self.pause()
        super().close()

    def _offer_runs(self, options: list[tuple[str, str]], chosen: str | None) -> None:
        """Offer these runs to the visitor; the chosen run stays chosen if it still exists."""
        paths = [path for _, path in options]
        if chosen not in paths:
            chosen = next(iter(paths), None)
        with without_feedback(self._run_chosen, self.run):
            self.run.options = options
            self.run.value = chosen

    def _follow_chosen_run(self) -> None:
        path = next((run.path for run in self.runs if str(run.path) == self.run.value), None)
        reader = self.view.reader
        if path is None or not (path / "config.json").is_file():
            self.view.follow(None)
            self.view.widget.layout.display = "none"
            return
        if reader is None or reader.folder != path:
            reader = RunReader.open(path)
            self.view.follow(reader)
        self.view.update(reader.state())
        self.view.widget.layout.display = ""

    def _table_html(self) -> str:
        if not self.runs:
            return paragraph("There are no runs here yet.")
        table = tabulate_runs(
            self.runs, n_settings=_N_SETTINGS + len(_HIDDEN_COLUMNS), names_only=True
        )
        table = table.drop(columns=[name for name in _HIDDEN_COLUMNS if name in table])
        rows = [list(map(str, row)) for row in table.to_numpy().tolist()]
        titles = [_COLUMN_TITLES.get(name, name.replace("_", " ")) for name in table.columns]
        return render_table(titles, rows, caption="the latest first")


def _training_panel(runs_folder: Path, mixture_folder: str) -> Panel:
    # Imported here because it imports all models, which need much memory: most visitors only look.
    from absslab.widgets.panels.training.training_panel import TrainingPanel

    state = State(runs_folder=str(runs_folder), mixture_folder=mixture_folder)
    return TrainingPanel(state, writes_below=runs_folder)
