"""The page listen: mixtures of a run with their separated sources and references."""

from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.runs.run_data import require_recordings
from absslab.core.runs.run_scores import read_run_scores
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.run_directory import RunReader, best_checkpoint_path
from absslab.plots.html_tables import render_score_table, render_table
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.pages.page import Page
from absslab.widgets.dashboards.pages.recording_choice import RecordingChoice, recording_title
from absslab.widgets.listening.live_separation import (
    Excerpt,
    LiveModels,
    LiveResult,
    LiveSeparation,
)
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.error_line import error_line

_MAX_DURATION = 60.0  # s; a longer recording is cut
_HELP = (
    "“mixture” is the input of the model. Below it are the sources that the model separated, one "
    "per class; “(reference)” is the true source, if it is known. Press play, then click a name to "
    "hear that sound alone."
)
_SCORES_HELP = (
    "probability: the model's probability that the class is present. SI-SDR: how close its source "
    "is to the reference; improvement: how much closer than the mixture. Higher is better."
)


class ListenPage(Page):
    """Choose a recording of the split, see it and hear it."""

    title = "Listen"
    introduction = (
        "Recordings that were not used in training, separated into the classes that the model "
        "knows. The model was trained only with weak labels: they tell which classes occur in a "
        "recording, but not when, and not how each class sounds alone."
    )

    def build(self) -> None:
        """Separate and show the first recording.

        Raises:
            InputError: not exactly one run is given, or its data can't be used.
        """
        if len(self.config.run_directory) != 1:
            raise InputError("expected one run: absslab dashboard listen --run_directory R")
        run = Path(self.config.run_directory[0])
        recordings = require_recordings(
            RunReader.open(run), self.config.split, data_folder=self.config.mixture_folder
        )
        self._checkpoint = best_checkpoint_path(run)
        self.files = [Path(recording.path) for recording in recordings]
        self._channels = [recording.channels for recording in recordings]
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._models.separate_excerpt,
                deliver=self.guard(self._deliver),
                failed=self.fail,
                noticed=self.show_notice,
            )
        )
        titles = [
            recording_title(Path(recording.path).name, sorted(recording.labels))
            for recording in recordings
        ]
        self.choice = self.own(RecordingChoice(titles, self.separate, self.loop, self.fail))
        self.recording_view = self.own(RecordingView())
        self.table = ipywidgets.HTML()
        scores = ipywidgets.Accordion(
            [ipywidgets.HTML(_scores_html(run, self.config.split))],
            titles=["scores over all recordings"],
            selected_index=None,
        )
        help_text = ipywidgets.HTML(paragraph(_HELP))
        self.show(self.choice, self.recording_view, self.table, help_text, scores)
        self.separate()

    def separate(self) -> None:
        """Separate and show the chosen recording."""
        self.say("separating …")
        index = self.choice.index
        excerpt = Excerpt.of(
            self.files[index], length=_MAX_DURATION, channels=self._channels[index]
        )
        self._latest.request(self._checkpoint, self.config.device, excerpt, SeparationConfig())

    def _deliver(self, result_and_separation: tuple[LiveResult, LiveSeparation]) -> None:
        result, live = result_and_separation
        self.say("")
        self.recording_view.show(
            result.tracks,
            caption="",
            title=live.excerpt.path.name,
            events=result.events,
            truth=live.truth,
            classes=live.separator.classes,
        )
        self.table.value = render_table(*result.table(), caption=_SCORES_HELP)


def _scores_html(run: Path, split: str) -> str:
    try:
        scores = read_run_scores(run, split)
    except InputError as error:
        return paragraph(f"The scores can't be read: {error_line(error)}")
    if scores is None:
        return paragraph(
            "There are no scores yet: whoever runs this page can make them with absslab evaluate."
        )
    n_mixtures = scores.scores.n_mixtures
    caption = f"{n_mixtures} recordings; the small numbers below scores are 95 % intervals"
    return render_score_table(scores, caption=caption, remarks=False)
