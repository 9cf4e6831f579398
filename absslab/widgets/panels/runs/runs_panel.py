"""Runs side by side: a table, their curves and scores in one figure, and the settings in which they differ."""

from pathlib import Path

import ipywidgets

from absslab.core.metrics.tagging import METRICS
from absslab.core.runs.catalogue import (
    TRAINING_LOSS,
    RunSummary,
    curves,
    differing_settings,
    filter_runs,
    find_runs,
    run_table,
    scores,
)
from absslab.plots.curves import compare_runs
from absslab.plots.html_tables import html_table
from absslab.plots.html_text import paragraph
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.live_plot import Plot
from absslab.widgets.ui.main_loop import Ticker

POLL = 5.0  # s, while one of them is running
CURVES = ["validation loss", TRAINING_LOSS, *(f"validation {name}" for name in METRICS)]


class RunsPanel(WorkbenchPanel):
    """The runs of the runs folder; choosing one selects it for the other panels, choosing several compares them."""

    title = "runs"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.found: list[RunSummary] = []  # in the folder
        self._ticker: Ticker | None = None
        self._drawn: object = None  # what the figure shows
        wide = {"width": "420px"}
        self.folder = ipywidgets.Text(
            self.state.runs_folder, description="runs folder", continuous_update=False, layout=wide
        )
        self.filter = ipywidgets.Text(
            description="filter", placeholder="name, state or setting=value", layout=wide
        )
        self.selection = ipywidgets.SelectMultiple(description="compare", rows=4, layout=wide)
        self.metric = ipywidgets.Dropdown(options=CURVES, description="curve", layout=wide)
        hint = ipywidgets.HTML(
            paragraph("one is chosen for all panels; several, with Ctrl or Shift, are compared")
        )
        self.table, self.differences = ipywidgets.HTML(), ipywidgets.HTML()
        self.plot = self.own(Plot(height=320))
        self.compared = ipywidgets.VBox([self.plot.widget, self.differences])
        look = button("look again", self.guard(self.refresh))
        rows = [[self.folder, look], [self.filter], [self.selection, hint], [self.metric]]
        above, narrowing, *choice = [
            ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows
        ]
        self.show(above, narrowing, self.table, *choice, self.compared)
        self.folder.observe(
            self.guard(lambda _: self.state.set_trait("runs_folder", self.folder.value.strip())),
            "value",
        )
        self.filter.observe(self.guard(lambda _: self._list()), "value")
        self.selection.observe(self.guard(lambda _: self._select()), "value")
        self.metric.observe(self.guard(lambda _: self._compare()), "value")
        self.watch("runs_folder", self._other_folder)
        self.watch("runs_changed", self.refresh)
        self.watch("run", self._follow)
        self.refresh()

    @property
    def listed(self) -> list[RunSummary]:
        """The runs that the filter leaves."""
        return filter_runs(self.found, self.filter.value)

    @property
    def selected(self) -> list[RunSummary]:
        """The runs that are chosen."""
        return [run for run in self.listed if str(run.path) in self.selection.value]

    def select(self, *names: str) -> None:
        """Choose runs by their names: one for the other panels too, several to compare them."""
        self.selection.value = tuple(str(run.path) for run in self.listed if run.name in names)

    def refresh(self) -> None:
        """Look at the folder again."""
        self.found = find_runs(Path(self.state.runs_folder).absolute())
        self._list()
        is_live = any(run.state == "running" for run in self.found)
        if is_live and self._ticker is None:
            self._ticker = self.loop.every(POLL, self.guard(self.refresh))
        elif not is_live:
            self._stop_looking()

    def close(self) -> None:
        """Look no longer, and free what `Panel.close` does."""
        self._stop_looking()
        super().close()

    def _list(self) -> None:
        """Show the runs that the filter leaves; those that were chosen stay so."""
        runs = self.listed
        self.table.value = self._shown(runs)
        options = tuple((f"{run.name}: {run.state or run.problem}", str(run.path)) for run in runs)
        if self.selection.options != options:
            before = [path for _, path in self.selection.options]
            kept = [path for path in self.selection.value if path in [path for _, path in options]]
            self.selection.options, self.selection.rows = options, min(10, max(4, len(options)))
            self.selection.value = kept
            if str(self._chosen) not in before:
                self._follow()
        self._compare()

    def _shown(self, runs: list[RunSummary]) -> str:
        if not self.found:
            return paragraph(
                f"there are no runs in {self.state.runs_folder}: start a training, or choose another folder"
            )
        if not runs:
            return paragraph(
                f"none of {len(self.found)} runs fits the filter: clear it, or write name, state or setting=value"
            )
        table = run_table(runs)
        about = (
            f"{len(runs)} of {len(self.found)} runs; settings in which they differ are on the right"
        )
        chosen = next((number for number, run in enumerate(runs) if run.path == self._chosen), None)
        return html_table(
            list(table.columns), table.to_numpy().tolist(), caption=about, marked=chosen
        )

    @property
    def _chosen(self) -> Path | None:
        """The run that all panels are about."""
        return Path(self.state.run).absolute() if self.state.run else None

    def _follow(self) -> None:
        """Another run was chosen, here or in another panel; a comparison stays."""
        self.table.value = self._shown(self.listed)
        if len(self.selection.value) < 2 and str(self._chosen) in [
            path for _, path in self.selection.options
        ]:
            self.selection.value = (str(self._chosen),)

    def _select(self) -> None:
        if len(self.selection.value) == 1:
            self.state.run = self.selection.value[0]
        self._compare()

    def _compare(self) -> None:
        """Curves, scores and differences of the chosen runs."""
        runs, title = self.selected, self.metric.value
        self.compared.layout.display = "" if runs else "none"
        different = differing_settings(runs)
        rows = different.reset_index().to_numpy().tolist()
        same = (
            "choose several runs to compare their settings"
            if len(runs) < 2
            else "their settings are the same"
        )
        self.differences.value = (
            html_table(["setting", *different.columns], rows) if rows else paragraph(same)
        )
        of_curves = curves(
            runs, title if title == TRAINING_LOSS else title.removeprefix("validation ")
        )
        of_scores = scores(runs)
        content = (title, of_curves.to_numpy().tolist(), of_scores.to_numpy().tolist())
        if runs and content != self._drawn:
            self._drawn = content
            compare_runs(self.plot.figure, of_curves, of_scores, title=title)
            self.plot.draw()

    def _other_folder(self) -> None:
        self.folder.value = self.state.runs_folder
        self.refresh()

    def _stop_looking(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None
