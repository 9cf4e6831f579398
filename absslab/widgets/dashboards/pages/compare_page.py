"""Compare: two runs on the same mixtures, side by side, and in a blind listening test."""

from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.evaluation.comparison import compare, comparison_text
from absslab.core.runs.run_scores import read_run_scores
from absslab.plots.html_tables import html_table
from absslab.plots.html_text import paragraph, preformatted
from absslab.widgets.dashboards.pages.blind_comparison import BlindComparison
from absslab.widgets.dashboards.pages.recording_choice import RecordingChoice, recording_title
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.pages.run_pair import RunPair
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.side_by_side import SideBySide, draw_masks
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.error_line import error_line

_HELP = "SI-SDR improvement: how much nearer to the reference a source is than the mixture was. Higher is better."


class ComparePage(Page):
    """Both runs' sources of one mixture, with their scores; and the blind test."""

    title = "Compare"
    words = (
        "Two models take the same recordings apart. Compare them by ear and by their scores, or, not knowing which is "
        "which, say which you prefer."
    )

    def __init__(self, shown: DashboardConfig):
        super().__init__(shown)
        if len(shown.run_directory) != 2:
            raise InputError("two runs are compared: absslab dashboard compare --run_directory A B")
        self.pair = self.own(RunPair(shown))
        self._latest = self.own(
            LatestOnly(self.loop, self._compare, deliver=self._deliver, failed=self.fail)
        )
        titles = [recording_title(path.name, sorted(labels)) for path, labels in self.pair.items]
        self.choice = RecordingChoice(titles, self.guard, self.separate)
        self.listening, self.chart = self.own(Listening()), self.own(ChartArea())
        self.table = ipywidgets.HTML()
        names = ipywidgets.HTML(
            paragraph(f"A is {self.pair.names[0]}, B is {self.pair.names[1]}", "lead")
        )
        scores = ipywidgets.HTML(_scores(self.pair, shown.split))
        more = ipywidgets.Accordion(
            [scores], titles=["scores of all recordings together"], selected_index=None
        )
        beside = ipywidgets.VBox(
            [names, self.choice.widget, self.listening.widget, self.table, self.chart.widget, more]
        )
        self.test = self.own(BlindComparison(self, self.pair, Path(shown.votes_folder)))
        tabs = ipywidgets.Tab([beside, self.test.widget], titles=["side by side", "blind test"])
        self.show(tabs)
        self.separate()

    def separate(self) -> None:
        """Show the chosen mixture."""
        self.say("separating …")
        self._latest.request(self.pair.items[self.choice.index][0])

    def _compare(self, path: Path) -> tuple[SideBySide, Path]:
        return self.pair.compare(path), path

    def _deliver(self, answered: tuple[SideBySide, Path]) -> None:
        compared, path = answered
        self.say("")
        self.listening.show(compared.tracks, caption="", title=path.name)
        self.table.value = html_table(compared.header, compared.table, caption=_HELP)
        draw_masks(self.chart, compared)


def _scores(pair: RunPair, split: str) -> str:
    """What `absslab compare` says of both, where both were scored on the same mixtures."""
    try:
        found = [read_run_scores(run, split) for run in pair.runs]
        if None in found:
            return paragraph("not both have scores: the host can make them with absslab evaluate")
        return preformatted(
            comparison_text(compare([one.path for one in found if one]), names=pair.names)
        )
    except InputError as error:
        return paragraph(f"they can't be compared: {error_line(error)}")
