"""A blind listening test of two runs: one hears X and Y, says which is better, and learns at the end which was which."""

import secrets
import time
from pathlib import Path
from typing import Any

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
from absslab.widgets.listening.listening import Listening
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.panel import Panel

N_TRIALS = 10
_HELP = (
    "You hear the same sound as two models cut it out of a recording, without being told which is which, and in an order "
    f"that changes. {N_TRIALS} rounds; each vote is kept, without your name. Headphones help."
)
_VOTES = {"X": "X is better", "none": "no difference", "Y": "Y is better"}


class BlindComparison:
    """The part of a page that asks for votes.

    Args:
        page: whose part this is.
        pair: the two runs.
        folder: where votes are kept.
    """

    def __init__(self, page: Panel, pair: RunPair, folder: Path):
        self._page, self._pair = page, pair
        self._path = votes_path(folder, pair.names)
        self.listener = secrets.token_hex(4)
        self.trials: list[Trial] = []
        self.number = -1  # of the trial that is heard
        self._heard_at = 0.0
        self._latest = LatestOnly(
            page.loop, self._prepare, deliver=page.guard(self._deliver), failed=self._fail
        )
        self.start_button = button("begin", page.guard(self.start), is_main=True)
        self.about = ipywidgets.HTML(paragraph(_HELP))
        self.listening = Listening()
        self.votes = {
            choice: button(words, page.guard(lambda choice=choice: self.vote(choice)))
            for choice, words in _VOTES.items()
        }
        row = ipywidgets.HBox(list(self.votes.values()), layout={"flex_flow": "row wrap"})
        self._asking = ipywidgets.VBox([self.listening.widget, row], layout={"display": "none"})
        self.result = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.about, self.start_button, self._asking, self.result])

    def start(self, rng: np.random.Generator | None = None) -> None:
        """Begin another test.

        Args:
            rng: draws the trials; without, they are other ones each time.

        Raises:
            InputError: there is nothing to compare.
        """
        self.trials = draw_trials(rng or np.random.default_rng(), self._pair.pairs(), N_TRIALS)
        self.number, self.result.value = -1, ""
        self.start_button.layout.display = "none"
        self._next()

    def vote(self, choice: str) -> None:
        """Say which was better: X, Y or none.

        Raises:
            InputError: no trial is heard now.
            OSError: the vote can't be kept.
        """
        if self._heard_at == 0.0:
            raise InputError("the sounds of this round are not there yet: wait a moment")
        trial, seconds = self.trials[self.number], time.monotonic() - self._heard_at
        vote = new_vote(
            trial, self._pair.names, listener=self.listener, choice=choice, seconds=seconds
        )
        append_vote(self._path, vote)
        self._next()

    def close(self) -> None:
        """Free the sound."""
        self._latest.close()
        self.listening.close()

    def _next(self) -> None:
        self.number, self._heard_at = self.number + 1, 0.0
        for one in self.votes.values():
            one.disabled = True
        if self.number < len(self.trials):
            self._asking.layout.display = ""
            trial = self.trials[self.number]
            self.about.value = paragraph(
                f"Round {self.number + 1} of {len(self.trials)}: {trial.label}", "lead"
            )
            self._latest.request(self.number)
        else:
            self._end()

    def _prepare(self, number: int) -> tuple[Trial, list[Track]]:
        trial = self.trials[number]
        return trial, self._pair.compare(self._pair.by_name[trial.mixture], [trial.label]).tracks

    def _deliver(self, prepared: tuple[Trial, list[Track]]) -> None:
        trial, found = prepared
        sounds = {track.name: track.sound for track in found}
        tracks = [found[0]]
        for name, which in (("X", trial.first), ("Y", 1 - trial.first)):
            tracks.append(
                Track(name, sounds[f"{trial.label}, {LETTERS[which]}"], "source")
            )  # its mask would tell
        tracks += [
            Track("what was mixed", one.sound, "reference")
            for one in found
            if one.kind == "reference"
        ]
        self.listening.clear()
        self.listening.show(tracks, caption="", title=trial.label)
        self._heard_at = time.monotonic()
        for one in self.votes.values():
            one.disabled = False

    def _fail(self, error: Exception) -> None:
        """The sounds of a round can't be had: what was voted stays, and one may begin again."""
        self._page.fail(error)
        self._end()

    def _end(self) -> None:
        self._asking.layout.display = "none"
        self.listening.clear()
        votes = read_votes(self._path)
        names: Any = self._pair.names
        own = tally([vote for vote in votes if vote.listener == self.listener], names)
        self.about.value = paragraph(_HELP)
        together = f"All listeners so far: {describe_votes(tally(votes, names), names)}"
        self.result.value = paragraph(f"You: {describe_votes(own, names)}", "lead") + paragraph(
            together, "lead"
        )
        self.start_button.description, self.start_button.layout.display = "once more", ""


def describe_votes(counted: Tally, names: tuple[str, str]) -> str:
    """Votes in a sentence."""
    a, b = counted.n_preferred
    text = f"{a} for {names[0]}, {b} for {names[1]}, {counted.n_none} for neither"
    if counted.interval is None or counted.n_listeners == 0:
        return f"{text}."
    low, high = (round(100 * end) for end in counted.interval)
    is_sure = counted.p_value is not None and counted.p_value < 0.05
    return (
        f"{text}. Of {a + b} votes for one of them {b} ({round(100 * b / (a + b))} %; 95 % interval {low} to {high} %) are "
        f"for {names[1]}: {'more than chance would do' if is_sure else 'no more than chance may do'}."
    )
