"""Runs side by side: a table, their curves and scores, and the settings in which they differ."""

from pathlib import Path

import ipywidgets

from absslab.core.common.run_status import LIVE_STATES
from absslab.core.metrics.tagging import METRICS
from absslab.core.runs.catalogue import (
    TRAINING_LOSS,
    RunSummary,
    filter_runs,
    find_runs,
    tabulate_curves,
    tabulate_differing_settings,
    tabulate_runs,
    tabulate_scores,
)
from absslab.plots.curves import draw_run_comparison
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.live_plot import Plot
from absslab.widgets.ui.main_loop import Ticker

POLL_INTERVAL = 5.0  # s; how often the folder is read while a run is running
VALIDATION = "validation "
CURVES = [f"{VALIDATION}loss", TRAINING_LOSS, *(f"{VALIDATION}{name}" for name in METRICS)]
CHART_HEIGHT = 320  # pixels
WIDE = {"width": "420px"}
WRAP = {"flex_flow": "row wrap"}


class RunsPanel(WorkbenchPanel):
    """The runs of the runs folder; one is selected for all panels, several are compared.

    Args:
        state: shared with other panels.
    """

    title = "runs"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.runs: list[RunSummary] = []  # of the folder
        self._ticker: Ticker | None = None
        self._drawn: object = None  # what the figure shows
        self.folder = ipywidgets.Text(
            description="runs folder", continuous_update=False, layout=WIDE
        )
        self.filter = ipywidgets.Text(
            description="filter", placeholder="name, state or setting=value", layout=WIDE
        )
        self.selection = ipywidgets.SelectMultiple(description="compare", rows=4, layout=WIDE)
        self.metric = ipywidgets.Dropdown(options=CURVES, description="curve", layout=WIDE)
        hint = ipywidgets.HTML(
            paragraph("One run is selected for all panels; several (Ctrl or Shift) are compared.")
        )
        self.table = ipywidgets.HTML()
        self.differences = ipywidgets.HTML()
        self.plot = self.own(Plot(height=CHART_HEIGHT))
        self.comparison = ipywidgets.VBox([self.plot.widget, self.differences])
        read_button = button("read the folder again", self.guard(self.refresh))
        self.show(
            ipywidgets.HBox([self.folder, read_button], layout=WRAP),
            self.filter,
            self.table,
            ipywidgets.HBox([self.selection, hint], layout=WRAP),
            self.metric,
            self.comparison,
        )
        self.link("runs_folder", self.folder)
        self.filter.observe(self.guard(lambda _: self._show_runs()), "value")
        self.selection.observe(self.guard(lambda _: self._select()), "value")
        self.metric.observe(self.guard(lambda _: self._compare()), "value")
        self.watch(("runs_folder", "runs_changed"), self.refresh)
        self.watch("run", self._show_selected_run)
        self.refresh()

    @property
    def listed(self) -> list[RunSummary]:
        """The runs that fit the filter."""
        return filter_runs(self.runs, self.filter.value)

    @property
    def selected(self) -> list[RunSummary]:
        """The runs that are chosen for the comparison."""
        return [run for run in self.listed if str(run.path) in self.selection.value]

    def select(self, *names: str) -> None:
        """Choose runs: one is selected for all panels, several are compared.

        Args:
            names: names of the runs.
        """
        self.selection.value = tuple(str(run.path) for run in self.listed if run.name in names)

    def refresh(self) -> None:
        """Read the runs folder again."""
        self.runs = find_runs(Path(self.state.runs_folder).absolute())
        self._show_runs()
        is_live = any(run.state in LIVE_STATES for run in self.runs)
        if is_live and self._ticker is None:
            self._ticker = self.loop.every(POLL_INTERVAL, self.guard(self.refresh))
        elif not is_live:
            self._stop_ticker()

    def close(self) -> None:
        """Stop reading the folder, and free what `Panel.close` frees."""
        self._stop_ticker()
        super().close()

    @property
    def _run(self) -> Path | None:
        """The run that is selected for all panels."""
        return Path(self.state.run).absolute() if self.state.run else None

    def _show_runs(self) -> None:
        """Show the runs that fit the filter; runs that were chosen stay chosen."""
        runs = self.listed
        self.table.value = self._table_html(runs)
        options = tuple((f"{run.name}: {run.state or run.problem}", str(run.path)) for run in runs)
        if self.selection.options != options:
            previous = self._offered_paths()
            chosen = self.selection.value
            self.selection.options = options
            self.selection.rows = min(10, max(4, len(options)))
            offered = self._offered_paths()
            self.selection.value = [path for path in chosen if path in offered]
            if str(self._run) not in previous:
                self._show_selected_run()
        self._compare()

    def _offered_paths(self) -> list[str]:
        return [path for _, path in self.selection.options]

    def _table_html(self, runs: list[RunSummary]) -> str:
        if not self.runs:
            return paragraph(
                f"There are no runs in {self.state.runs_folder}: "
                "start a training, or choose another folder."
            )
        if not runs:
            return paragraph(
                f"None of the {len(self.runs)} runs fits the filter: "
                "clear it, or type a name, a state or setting=value."
            )
        table = tabulate_runs(runs)
        caption = (
            f"{len(runs)} of {len(self.runs)} runs; "
            "the settings in which they differ are on the right"
        )
        paths = [run.path for run in runs]
        marked = paths.index(self._run) if self._run in paths else None
        rows = table.to_numpy().tolist()
        return render_table(list(table.columns), rows, caption=caption, marked=marked)

    def _show_selected_run(self) -> None:
        """Mark the run of the state; a comparison of several runs stays."""
        self.table.value = self._table_html(self.listed)
        run = str(self._run)
        if len(self.selection.value) < 2 and run in self._offered_paths():
            self.selection.value = (run,)

    def _select(self) -> None:
        if len(self.selection.value) == 1:
            self.state.run = self.selection.value[0]
        self._compare()

    def _compare(self) -> None:
        """Show the curves, the scores and the differences of the chosen runs."""
        runs = self.selected
        self.comparison.layout.display = "" if runs else "none"
        self.differences.value = _differences_html(runs)
        title = self.metric.value
        run_curves = tabulate_curves(runs, title.removeprefix(VALIDATION))
        run_scores = tabulate_scores(runs)
        content = (title, run_curves.to_numpy().tolist(), run_scores.to_numpy().tolist())
        if runs and content != self._drawn:
            self._drawn = content
            draw_run_comparison(self.plot.figure, run_curves, run_scores, title=title)
            self.plot.draw()

    def _stop_ticker(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None


def _differences_html(runs: list[RunSummary]) -> str:
    differences = tabulate_differing_settings(runs)
    rows = differences.reset_index().to_numpy().tolist()
    if rows:
        return render_table(["setting", *differences.columns], rows)
    if len(runs) < 2:
        return paragraph("Choose several runs to compare their settings.")
    return paragraph("Their settings are the same.")
