"""Listen: a run's mixtures, taken apart, beside what was mixed."""

from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.run_data import run_recordings
from absslab.core.runs.run_scores import RunScores, read_run_scores
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.plots.html_tables import html_table, score_table
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.pages.recording_choice import RecordingChoice, recording_title
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.settings import DashboardConfig
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.live_separation import Answer, Excerpt, LiveModels, LiveSeparation
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.error_line import error_line

_LONGEST = 60.0  # s of a recording that are shown
_HELP = (
    "“mixture” is all that the model was given. Below it is what the model cut out for each class; “(reference)” is what "
    "was really mixed, where that is known. Press play, then click the names to hear one after the other."
)
_SCORES_HELP = (
    "probability: that the class is there, says the model. SI-SDR: how near its source is to the reference; improvement: "
    "how much nearer than the mixture was. Higher is better."
)


class ListenPage(Page):
    """Choose a recording of the split, see and hear it."""

    title = "Listen"
    words = (
        "Recordings that the model has never met, taken apart into the classes it knows. It has learned from weak labels "
        "alone: it was told what a recording holds, never when or how it sounds."
    )

    def __init__(self, shown: DashboardConfig):
        super().__init__(shown)
        run = Path(_only(shown.run_directory))
        self._checkpoint = best_checkpoint_path(run)
        items = run_recordings(RunReader(run), shown.split, data_folder=shown.mixture_folder)
        if not items:
            raise InputError(
                f"the {shown.split} split of {run.name} holds no recording: choose another with --split"
            )
        self.files = [Path(item.path) for item in items]
        titles = [recording_title(Path(one.path).name, sorted(one.labels)) for one in items]
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(self.loop, self._models.answer, deliver=self._deliver, failed=self.fail)
        )
        self.choice = RecordingChoice(titles, self.guard, self.separate)
        self.listening = self.own(Listening())
        self.table = ipywidgets.HTML()
        scores = ipywidgets.HTML(_scores(run, shown.split))
        more = ipywidgets.Accordion(
            [scores], titles=["scores of all recordings together"], selected_index=None
        )
        self.show(self.choice, self.listening, self.table, ipywidgets.HTML(paragraph(_HELP)), more)
        self.separate()

    def separate(self) -> None:
        """Show the chosen recording."""
        self.say("separating …")
        excerpt = Excerpt.of(self.files[self.choice.index], length=_LONGEST)
        self._latest.request(self._checkpoint, self.shown.device, excerpt, SeparationConfig())

    def _deliver(self, answered: tuple[Answer, LiveSeparation]) -> None:
        answer, live = answered
        name, classes = live.excerpt.path.name, live.separator.classes
        self.say("")
        self.listening.show(
            answer.tracks,
            caption="",
            title=name,
            events=answer.events,
            truth=live.truth,
            classes=classes,
        )
        self.table.value = html_table(*answer.table(), caption=_SCORES_HELP)


def _only(runs: tuple[str, ...]) -> str:
    if len(runs) != 1:
        raise InputError("no run is shown: absslab dashboard listen --run_directory R")
    return runs[0]


def _scores(run: Path, split: str) -> str:
    try:
        scores: RunScores | None = read_run_scores(run, split)
    except InputError as error:
        return paragraph(f"they can't be read: {error_line(error)}")
    if scores:
        n = scores.scores["n_mixtures"]
        return score_table(
            scores, caption=f"{n} recordings; below scores 95 % intervals", remarks=False
        )
    return paragraph("there are none yet: the host can make them with absslab evaluate")
