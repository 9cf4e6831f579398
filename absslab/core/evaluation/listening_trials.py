"""A blind listening test of two systems: draw its trials, store the votes and count them.

Each vote is a line of a JSON Lines file. Lines are only appended; an incomplete line is skipped
when votes are read.
"""

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.common.files import file_lock

CHOICES = ("X", "Y", "none")  # which is better
MAX_VOTES = 2000  # per listener


@dataclass(frozen=True)
class Trial:
    """A class of a mixture, to be compared as separated by each of two systems."""

    mixture: str
    label: str  # the class
    first: int  # 0 or 1: index of the system that is called X and heard first


@dataclass(frozen=True)
class Vote:
    """What a listener chose in a trial."""

    systems: tuple[str, str]
    listener: str
    mixture: str
    label: str
    x: str  # the system that was heard as X
    choice: str  # the better one: X, Y or none
    seconds: float  # from the loading of the sounds to the vote
    time: float  # s since 1970

    @property
    def preferred(self) -> str | None:
        """The system that the listener found better; None for neither."""
        y = next(name for name in self.systems if name != self.x)
        return {"X": self.x, "Y": y}.get(self.choice)


@dataclass(frozen=True)
class Tally:
    """Votes on two systems, counted."""

    n_preferred: tuple[int, int]
    n_none: int
    n_listeners: int
    share: float | None  # votes for the second system, divided by votes for either
    interval: tuple[float, float] | None  # 95 % interval of the share (Clopper and Pearson)
    p_value: float | None  # two-sided: probability of at least this difference by chance


def draw_trials(
    rng: np.random.Generator, pairs: Sequence[tuple[str, str]], n_trials: int
) -> list[Trial]:
    """Draw trials in random order; each system is first in half of them.

    Args:
        rng: source of randomness.
        pairs: pairs of a mixture and a class present in it; none is drawn twice.
        n_trials: number of trials; fewer if there are fewer pairs.

    Raises:
        InputError: there are no pairs.
    """
    if not pairs:
        raise InputError(
            "there is nothing to compare: expected mixtures with a class that both systems know"
        )
    n = min(n_trials, len(pairs))
    chosen = rng.permutation(len(pairs))[:n]
    firsts = rng.permutation(np.arange(n) % 2)
    return [
        Trial(pairs[index][0], pairs[index][1], int(first))
        for index, first in zip(chosen, firsts, strict=True)
    ]


def append_vote(path: str | Path, vote: Vote) -> None:
    """Append a vote to a file; any number of listeners may vote at the same time.

    Raises:
        InputError: the listener has reached the limit of votes.
        OSError: the file can't be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_name(f".{path.name}.lock")):
        if sum(earlier.listener == vote.listener for earlier in read_votes(path)) >= MAX_VOTES:
            raise InputError(
                f"there are {MAX_VOTES} votes of this listener already: that is enough"
            )
        with open(path, "ab+") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                file.write(b"\n")  # do not continue a line that was cut off by a kill
            line = asdict(vote) | {"preferred": vote.preferred}
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def read_votes(path: str | Path) -> list[Vote]:
    """Read the votes of a file, without damaged lines; a missing file has no votes."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    votes = []
    for line in filter(None, lines):
        try:
            content = json.loads(line)
            first, second = content["systems"]
            del content["preferred"]  # it follows from the other fields
            vote = Vote(**(content | {"systems": (first, second)}))
            if first != second and vote.x in (first, second) and vote.choice in CHOICES:
                votes.append(vote)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return votes


def tally(votes: Iterable[Vote], systems: tuple[str, str]) -> Tally:
    """Count the votes on two systems; the order in which a vote names them does not matter.

    Args:
        votes: any votes; those on other systems are ignored.
        systems: names of the two systems.

    Raises:
        InputError: both have the same name.

    Source: binomial test and its exact interval; votes for neither are left out of both.
    """
    if systems[0] == systems[1]:
        raise InputError(f"both systems are called {systems[0]!r}: expected two names")
    counts = [0, 0]
    n_none = 0
    listeners = set()
    for vote in votes:
        if sorted(vote.systems) != sorted(systems):
            continue
        listeners.add(vote.listener)
        preferred = vote.preferred
        if preferred is None:
            n_none += 1
        else:
            counts[systems.index(preferred)] += 1
    n = sum(counts)
    if not n:
        return Tally((0, 0), n_none, len(listeners), None, None, None)
    from scipy.stats import binomtest

    result = binomtest(counts[1], n)
    low, high = result.proportion_ci(0.95, "exact")
    return Tally(
        (counts[0], counts[1]),
        n_none,
        len(listeners),
        counts[1] / n,
        (float(low), float(high)),
        float(result.pvalue),
    )


def votes_path(folder: str | Path, systems: tuple[str, str]) -> Path:
    """Return the path of the votes on two systems: the same for either order of their names."""
    return Path(folder) / f"{'-'.join(name.replace('/', '_') for name in sorted(systems))}.jsonl"


def new_vote(
    trial: Trial, systems: tuple[str, str], *, listener: str, choice: str, seconds: float
) -> Vote:
    """Make a vote with the current time.

    Raises:
        InputError: the choice is unknown.
    """
    if choice not in CHOICES:
        raise InputError(f"the choice is {choice!r}: expected one of {', '.join(CHOICES)}")
    return Vote(
        systems,
        listener,
        trial.mixture,
        trial.label,
        systems[trial.first],
        choice,
        round(seconds, 2),
        round(time.time(), 2),
    )
