"""A blind listening test of two runs.

A listener hears X and Y and votes for the better one. Only at the end the page tells which model
was X and which was Y.
"""

import secrets
import time
from pathlib import Path

import ipywidgets
import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.evaluation.listening_trials import (
    Tally,
    Trial,
    append_vote,
    draw_trials,
    new_vote,
    read_votes,
    tally,
    votes_path,
)
from absslab.plots.html_text import paragraph
from absslab.widgets.dashboards.pages.run_pair import LETTERS, RunPair
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.panel import Panel
from absslab.widgets.ui.part import Part

N_TRIALS = 10
_HELP = (
    "You hear the same sound, separated from a recording by two models. You are not told which "
    f"model is which, and their order changes. There are {N_TRIALS} rounds; each vote is stored "
    "without your name. Headphones help."
)
_VOTES = {"X": "X is better", "none": "no difference", "Y": "Y is better"}


class BlindComparison(Part):
    """The part of a page that asks for votes.

    Args:
        page: the page of this part, which shows errors.
        pair: the two runs.
        folder: folder for the votes.
    """

    def __init__(self, page: Panel, pair: RunPair, folder: Path):
        super().__init__(page.loop, page.fail)
        self._pair = pair
        self._path = votes_path(folder, pair.names)
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._prepare,
                deliver=self.guard(self._deliver),
                failed=self._end_with_error,
                noticed=self.show_notice,
            )
        )
        self._heard_since = 0.0  # s; 0 while there is nothing to hear
        self.listener = secrets.token_hex(4)
        self.trials: list[Trial] = []
        self.number = -1  # of the current trial
        self.about = ipywidgets.HTML(paragraph(_HELP))
        self.start_button = button("begin", self.guard(self.start), is_main=True)
        self.recording_view = self.own(RecordingView())
        self.votes = {choice: self._make_vote_button(choice) for choice in _VOTES}
        row = ipywidgets.HBox(list(self.votes.values()), layout={"flex_flow": "row wrap"})
        self._trial_area = ipywidgets.VBox(
            [self.recording_view.widget, row], layout={"display": "none"}
        )
        self.result = ipywidgets.HTML()
        self.widget = ipywidgets.VBox(
            [self.about, self.start_button, self._trial_area, self.result]
        )

    def start(self, rng: np.random.Generator | None = None) -> None:
        """Begin a test.

        Args:
            rng: draws the trials; without one, they differ each time.

        Raises:
            InputError: there is nothing to compare.
        """
        candidates = self._pair.trial_candidates()
        self.trials = draw_trials(rng or np.random.default_rng(), candidates, N_TRIALS)
        self.number = -1
        self.result.value = ""
        self.start_button.layout.display = "none"
        self._next()

    def vote(self, choice: str) -> None:
        """Store a vote, and go on to the next round.

        Args:
            choice: X, Y or none.

        Raises:
            InputError: the sounds of this round are not loaded yet.
            OSError: the vote cannot be stored.
        """
        if self._heard_since == 0.0:
            raise InputError("the sounds of this round are not loaded yet: wait a moment")
        vote = new_vote(
            self.trials[self.number],
            self._pair.names,
            listener=self.listener,
            choice=choice,
            seconds=time.monotonic() - self._heard_since,
        )
        append_vote(self._path, vote)
        self._next()

    def _make_vote_button(self, choice: str) -> ipywidgets.Button:
        return button(_VOTES[choice], self.guard(lambda: self.vote(choice)))

    def _enable_votes(self, is_enabled: bool) -> None:
        for vote_button in self.votes.values():
            vote_button.disabled = not is_enabled

    def _next(self) -> None:
        self.number += 1
        self._heard_since = 0.0
        self._enable_votes(False)
        if self.number == len(self.trials):
            self._end()
            return
        trial = self.trials[self.number]
        text = f"Round {self.number + 1} of {len(self.trials)}: {trial.label}"
        self.about.value = paragraph(text, "lead")
        self._trial_area.layout.display = ""
        self._latest.request(self.number)

    def _prepare(self, number: int) -> tuple[Trial, list[Track]]:
        trial = self.trials[number]
        path = self._pair.paths[trial.mixture]
        return trial, self._pair.compare(path, [trial.label]).tracks

    def _deliver(self, prepared: tuple[Trial, list[Track]]) -> None:
        trial, tracks = prepared
        self.recording_view.clear()
        self.recording_view.show(_blind_tracks(trial, tracks), caption="", title=trial.label)
        self._heard_since = time.monotonic()
        self._enable_votes(True)

    def _end_with_error(self, error: Exception) -> None:
        """End the test because the sounds of a round cannot be loaded; the votes stay stored."""
        self.fail(error)
        self._end()

    def _end(self) -> None:
        self._trial_area.layout.display = "none"
        self.recording_view.clear()
        names = self._pair.names
        votes = read_votes(self._path)
        own_votes = [vote for vote in votes if vote.listener == self.listener]
        own_text = f"You: {describe_votes(tally(own_votes, names), names)}"
        all_text = f"All listeners so far: {describe_votes(tally(votes, names), names)}"
        self.result.value = paragraph(own_text, "lead") + paragraph(all_text, "lead")
        self.about.value = paragraph(_HELP)
        self.start_button.description = "once more"
        self.start_button.layout.display = ""


def _blind_tracks(trial: Trial, tracks: list[Track]) -> list[Track]:
    """Name the sources of a trial X and Y, without their masks, which could reveal the models."""
    sounds = {track.name: track.sound for track in tracks}
    mixture = tracks[0]
    letters = {"X": LETTERS[trial.first], "Y": LETTERS[1 - trial.first]}
    sources = [
        Track(name, sounds[f"{trial.label}, {letter}"], "source")
        for name, letter in letters.items()
    ]
    references = [
        Track("reference", track.sound, "reference")
        for track in tracks
        if track.kind == "reference"
    ]
    return [mixture, *sources, *references]


def describe_votes(votes: Tally, names: tuple[str, str]) -> str:
    """Describe in a sentence which run was preferred, and how certain this is.

    Args:
        votes: the counted votes.
        names: names of the runs.
    """
    n_first, n_second = votes.n_preferred
    text = f"{n_first} for {names[0]}, {n_second} for {names[1]}, {votes.n_none} for neither"
    if votes.interval is None or votes.n_listeners == 0:
        return f"{text}."
    n_decided = n_first + n_second
    share = round(100 * n_second / n_decided)
    low, high = (round(100 * end) for end in votes.interval)
    is_significant = votes.p_value is not None and votes.p_value < 0.05
    verdict = "a significant difference" if is_significant else "not a significant difference"
    return (
        f"{text}. Of {n_decided} votes for one of them {n_second} ({share} %; 95 % interval "
        f"{low} to {high} %) are for {names[1]}: {verdict}."
    )
