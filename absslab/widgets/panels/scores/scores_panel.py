"""The panel of a run's scores: tables, charts, its worst and best mixtures, and their labels to correct."""

from collections.abc import Mapping
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.splits import SPLITS
from absslab.core.runs.run_scores import RunScores, locate_mixture, read_run_scores
from absslab.plots.html_tables import score_table
from absslab.plots.html_text import paragraph
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.playback import listen_to
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.scores.label_editor import LabelEditor
from absslab.widgets.panels.scores.score_view import MixtureList, draw_scores
from absslab.widgets.panels.scores.scoring_job import ScoringJob
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button, offer


class ScoresPanel(WorkbenchPanel):
    """Scores of the run `state.run` on `state.split`: `score` makes them, `choose` plays a mixture, `correct` its labels.

    Args:
        state: what panels share.
    """

    title = "report"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.scores: RunScores | None = None
        wide = {"layout": ipywidgets.Layout(width="430px"), "style": {"description_width": "60px"}}
        narrow = {
            "layout": ipywidgets.Layout(width="260px"),
            "style": {"description_width": "60px"},
        }
        self.run = ipywidgets.Combobox(
            description="run", placeholder="a run directory", continuous_update=False, **wide
        )
        self.split = ipywidgets.Dropdown(options=SPLITS, description="split", **narrow)
        self.job = self.own(ScoringJob(self.loop, self.fail, self._scored))
        self.table = ipywidgets.HTML()
        self.score_control = ipywidgets.Dropdown(description="score", **narrow)
        self.mixtures = MixtureList(self.guard, self.choose)
        self.chart, self.listening = self.own(ChartArea()), self.own(Listening())
        self.labels = self.own(LabelEditor(self.loop, self.guard, self.say))
        self._reader = self.own(
            LatestOnly(self.loop, read_run_scores, deliver=self._show, failed=self._fail)
        )
        start = button("score it", self.guard(self.score), is_main=True)
        above = ipywidgets.HBox(
            [self.run, self.split, start], layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        below = [self.score_control, self.chart, self.mixtures, self.listening, self.labels]
        self.show(above, self.job, self.table, *below)
        self.run.observe(
            self.guard(lambda change: self.state.set_trait("run", change["new"].strip())), "value"
        )
        self.split.observe(
            self.guard(lambda change: self.state.set_trait("split", change["new"])), "value"
        )
        self.score_control.observe(self.guard(lambda _: self._draw()), "value")
        self.watch(("run", "split"), self.read)
        self.watch(("runs_folder", "runs_changed"), self._offer_runs)
        self._offer_runs()
        if self.state.run:
            self.read()

    def read(self) -> None:
        """Read the scores of the selected run and split again."""
        self.run.value = self.state.run
        self.split.value = self.state.split if self.state.split in SPLITS else "test"
        self._clear()
        if self.state.run:
            self._reader.request(self.state.run, self.split.value)

    def score(self, *flags: str) -> None:
        """Score the run's best model on the split, in a process of its own.

        Args:
            flags: more of `absslab evaluate`, such as --device cpu.

        Raises:
            InputError: no run is selected, it has no model yet, or a run is being scored.
        """
        self.say("")
        self.job.start(self.state.run, self.split.value, self.state.mixture_folder, flags)

    def cancel(self) -> None:
        """Stop scoring."""
        self.job.cancel()

    def choose(self, mixture: str) -> Path:
        """Play a mixture of the table and select it for all panels; returns where it is.

        Raises:
            InputError: the scores do not name it, or it is gone.
        """
        found = self.mixtures.find(mixture)
        if self.scores is None or found is None:
            raise InputError(
                f"there is no mixture {mixture!r} in the scores: expected one of those that were scored"
            )
        self.labels.clear()
        path = locate_mixture(found, self.state.mixture_folder, self.split.value)
        words = f"{path}: {', '.join(found.classes) or 'no class'}"
        listen_to(self.listening, path, list(self.scores.scores["classes"]), caption=words)
        columns = (self.scores.column(mixture, name) for name in ("probability", "present"))
        self.labels.show(path, *columns)
        self.mixtures.mark(mixture)
        self.state.mixture = str(path)
        return path

    def correct(self, labels: Mapping[str, bool]) -> list[str]:
        """Correct weak labels of the mixture that is shown, by class; returns the classes whose label is another now.

        Raises:
            InputError: no mixture with labels is shown, or there is no such class.
        """
        for name, present in labels.items():
            if name not in self.labels.boxes:
                raise InputError(
                    f"there is no label {name!r} here: choose a mixture, then one of its table's classes"
                )
            self.labels.boxes[name].value = present
        return self.labels.save()

    def _offer_runs(self) -> None:
        folder = Path(self.state.runs_folder)
        self.run.options = [str(path.parent) for path in sorted(folder.glob("*/config.json"))]

    def _scored(self) -> None:
        self.state.runs_changed += 1
        self.read()

    def _clear(self) -> None:
        self.scores, self.table.value = None, ""
        self.say("")
        self.chart.clear()
        self.listening.clear()
        self.labels.clear()
        offer(self.score_control, ())
        self.mixtures.show(())

    def _fail(self, error: Exception) -> None:
        self._clear()
        self.fail(error)

    def _show(self, scores: RunScores | None) -> None:
        if not self.state.run:
            return
        if scores is None:
            self.table.value = paragraph(
                f"{self.state.run} has no scores of its {self.split.value} split: “score it”."
            )
            return
        if scores.is_old:
            self.say(f"The model is newer than {scores.path}: score it once more.", "warning")
        self.scores, self.table.value = scores, score_table(scores)
        offer(self.score_control, [(title, key) for key, title in scores.choices.items()])

    def _draw(self) -> None:
        self.score_control.layout.display = "" if self.score_control.value else "none"
        if self.scores is not None and self.score_control.value:
            draw_scores(self.chart, self.scores, self.score_control.value)
            self.mixtures.show(self.scores.ranking(self.score_control.value))
