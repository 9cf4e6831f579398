"""The panel of a run's scores: tables, charts, its worst and best mixtures, labels to correct."""

from collections.abc import Mapping
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.splits import SPLITS
from absslab.core.runs.run_scores import RunScores, locate_mixture, read_run_scores
from absslab.plots.html_tables import render_score_table
from absslab.plots.html_text import paragraph
from absslab.widgets.listening.playback import show_recording
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.panel import WorkbenchPanel, known_split
from absslab.widgets.panels.scores.label_editor import LabelEditor
from absslab.widgets.panels.scores.mixture_list import MixtureList
from absslab.widgets.panels.scores.score_charts import draw_scores
from absslab.widgets.panels.scores.scoring_job import ScoringJob
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button, offer


class ScoresPanel(WorkbenchPanel):
    """The scores of the run `state.run` on the split `state.split`; its tab is "report".

    `score` computes them, `choose` plays a mixture, `correct` changes its labels.

    Args:
        state: shared with other panels.
    """

    title = "report"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.scores: RunScores | None = None
        style = {"description_width": "60px"}
        narrow = {"width": "260px"}
        self.run = ipywidgets.Combobox(
            description="run",
            placeholder="a run directory",
            continuous_update=False,
            layout={"width": "430px"},
            style=style,
        )
        self.split = ipywidgets.Dropdown(
            options=SPLITS, description="split", layout=narrow, style=style
        )
        self.on_error = ipywidgets.Dropdown(
            options=[("stop", "stop"), ("leave them out", "skip")],
            description="recordings that can't be used",
            layout={"width": "340px"},
            style={"description_width": "190px"},
        )
        self.job = self.own(
            ScoringJob(self.loop, self.fail, self._finish_scoring, self.show_notice)
        )
        self.table = ipywidgets.HTML()
        self.score_control = ipywidgets.Dropdown(description="score", layout=narrow, style=style)
        self.mixtures = self.own(MixtureList(self.loop, self.fail, self.choose))
        self.chart = self.own(ChartArea())
        self.recording_view = self.own(RecordingView())
        self.labels = self.own(LabelEditor(self.loop, self.fail, self.say))
        self._reader = self.own(
            LatestOnly(
                self.loop,
                read_run_scores,
                deliver=self.guard(self._show_scores),
                failed=self._show_error,
                noticed=self.show_notice,
            )
        )
        score_button = button("compute the scores", self.guard(self.score), is_main=True)
        self.show(
            ipywidgets.HBox(
                [self.run, self.split, self.on_error, score_button],
                layout={"flex_flow": "row wrap"},
            ),
            self.job,
            self.table,
            self.score_control,
            self.chart,
            self.mixtures,
            self.recording_view,
            self.labels,
        )
        self.link("run", self.run)
        self.link("split", self.split, to_control=known_split)
        self.score_control.observe(self.guard(lambda _: self._show_chosen_score()), "value")
        self.watch(("run", "split"), self.read)
        self.watch(("runs_folder", "runs_changed"), self._offer_runs)
        self._offer_runs()
        self.read()

    def read(self) -> None:
        """Read the scores of the selected run and split again."""
        self._clear()
        if self.state.run:
            self._reader.request(self.state.run, self.split.value)

    def score(self, *flags: str) -> None:
        """Score the run's best model on the split, in a separate process.

        Args:
            flags: further flags of `absslab evaluate`, such as --device cpu.

        Raises:
            InputError: no run is selected, it has no model yet, or a run is being scored.
        """
        self.say("")
        if self.on_error.value == "skip":
            flags = ("--on_error", "skip", *flags)
        self.job.start(self.state.run, self.split.value, self.state.mixture_folder, flags)

    def cancel(self) -> None:
        """Stop scoring."""
        self.job.cancel()

    def choose(self, mixture: str) -> Path:
        """Play a mixture of the table, and select it for all panels.

        Args:
            mixture: its name in the table of scores.

        Returns:
            the sound file.

        Raises:
            InputError: the scores do not name the mixture, or its file is gone.
        """
        ranked = self.mixtures.find(mixture)
        if self.scores is None or ranked is None:
            raise InputError(
                f"there is no mixture {mixture!r} in the scores: "
                "expected one of those that were scored"
            )
        self.labels.clear()
        path = locate_mixture(ranked, self.state.mixture_folder, self.split.value)
        caption = f"{path}: {', '.join(ranked.classes) or 'no class'}"
        show_recording(self.recording_view, path, list(self.scores.scores.classes), caption=caption)
        probabilities = self.scores.column(mixture, "probability")
        self.labels.show(path, probabilities, self.scores.column(mixture, "present"))
        self.mixtures.mark(mixture)
        self.state.mixture = str(path)
        return path

    def correct(self, labels: Mapping[str, bool]) -> list[str]:
        """Correct weak labels of the mixture that is shown.

        Args:
            labels: class → whether it is present.

        Returns:
            the classes whose labels are different now.

        Raises:
            InputError: no mixture with labels is shown, or there is no such class.
        """
        for name, is_present in labels.items():
            if name not in self.labels.boxes:
                raise InputError(
                    f"there is no label {name!r} here: "
                    "choose a mixture, then one of the classes of its table"
                )
            self.labels.boxes[name].value = is_present
        return self.labels.save()

    def _offer_runs(self) -> None:
        folder = Path(self.state.runs_folder)
        self.run.options = [str(path.parent) for path in sorted(folder.glob("*/config.json"))]

    def _finish_scoring(self) -> None:
        self.state.runs_changed += 1
        self.read()

    def _clear(self) -> None:
        self._reader.cancel()
        self.scores = None
        self.table.value = ""
        self.say("")
        self.chart.clear()
        self.recording_view.clear()
        self.labels.clear()
        offer(self.score_control, ())
        self.score_control.layout.display = "none"
        self.mixtures.show(())

    def _show_error(self, error: Exception) -> None:
        self._clear()
        self.fail(error)

    def _show_scores(self, scores: RunScores | None) -> None:
        if scores is None:
            self.table.value = paragraph(
                f"{self.state.run} has no scores of its {self.split.value} split: "
                "press “compute the scores”."
            )
            return
        if scores.is_old:
            self.say(
                f"{scores.path} has the scores of another model than the run's best one now: "
                "compute the scores again.",
                "warning",
            )
        self.scores = scores
        self.table.value = render_score_table(scores)
        offer(
            self.score_control, [(title, key) for key, title in scores.class_score_titles.items()]
        )

    def _show_chosen_score(self) -> None:
        """Draw the score that is chosen, and rank the mixtures by it."""
        score = self.score_control.value
        self.score_control.layout.display = "" if score else "none"
        if self.scores is not None and score:
            draw_scores(self.chart, self.scores, score)
            self.mixtures.show(self.scores.ranking(score))
