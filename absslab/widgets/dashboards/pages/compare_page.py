"""The page compare: two runs on the same mixtures, side by side and in a blind listening test."""

from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.evaluation.comparison import compare, comparison_text
from absslab.core.runs.run_scores import read_run_scores
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph, preformatted
from absslab.widgets.dashboards.pages.blind_comparison import BlindComparison
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.pages.recording_choice import RecordingChoice, recording_title
from absslab.widgets.dashboards.pages.run_pair import RunPair
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.listening.side_by_side import SideBySide, draw_comparison
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.error_line import error_line

_HELP = (
    "SI-SDR improvement: how much closer a source is to its reference than the mixture. "
    "Higher is better."
)


class ComparePage(Page):
    """Shows a mixture as both models separate it, with scores, and a blind listening test."""

    title = "Compare"
    introduction = (
        "Two models separate the same recordings. Compare sounds and scores, or take part in "
        "a blind listening test."
    )

    def build(self) -> None:
        """Separate the first mixture with both models, and show the results.

        Raises:
            InputError: not exactly two runs are given, or their data can't be used.
        """
        if len(self.config.run_directory) != 2:
            raise InputError("expected two runs: absslab dashboard compare --run_directory A B")
        self.pair = self.own(RunPair.open(self.config))
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._compare,
                deliver=self.guard(self._deliver),
                failed=self.fail,
                noticed=self.show_notice,
            )
        )
        votes_folder = Path(self.config.votes_folder)
        self.test = self.own(BlindComparison(self, self.pair, votes_folder))
        tabs = ipywidgets.Tab(
            [self._side_by_side(), self.test.widget], titles=["side by side", "blind test"]
        )
        self.show(tabs)
        self.separate()

    def separate(self) -> None:
        """Separate and show the chosen mixture."""
        self.say("separating …")
        path, _ = self.pair.recordings[self.choice.index]
        self._latest.request(path)

    def _side_by_side(self) -> ipywidgets.Widget:
        titles = [
            recording_title(path.name, sorted(labels)) for path, labels in self.pair.recordings
        ]
        self.choice = self.own(RecordingChoice(titles, self.separate, self.loop, self.fail))
        self.recording_view = self.own(RecordingView())
        self.table = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        name_a, name_b = self.pair.names
        scores = ipywidgets.Accordion(
            [ipywidgets.HTML(_comparison_html(self.pair, self.config.split))],
            titles=["scores over all recordings"],
            selected_index=None,
        )
        return ipywidgets.VBox(
            [
                ipywidgets.HTML(paragraph(f"A is {name_a}, B is {name_b}", "lead")),
                self.choice.widget,
                self.recording_view.widget,
                self.table,
                self.chart.widget,
                scores,
            ]
        )

    def _compare(self, path: Path) -> tuple[SideBySide, Path]:
        return self.pair.compare(path), path

    def _deliver(self, result: tuple[SideBySide, Path]) -> None:
        comparison, path = result
        self.say("")
        self.recording_view.show(comparison.tracks, caption="", title=path.name)
        self.table.value = render_table(comparison.header, comparison.table, caption=_HELP)
        draw_comparison(self.chart, comparison)


def _comparison_html(pair: RunPair, split: str) -> str:
    """Return what `absslab compare` prints for both runs, or why they can't be compared."""
    try:
        paths = [scores.path for run in pair.runs if (scores := read_run_scores(run, split))]
        if len(paths) < len(pair.runs):
            return paragraph(
                "One of the runs has no scores: whoever runs this page can make them with "
                "absslab evaluate."
            )
        return preformatted(comparison_text(compare(paths), names=pair.names))
    except InputError as error:
        return paragraph(f"The scores can't be compared: {error_line(error)}")
