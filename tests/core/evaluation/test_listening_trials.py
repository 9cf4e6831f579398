"""Blind tests: trials are balanced, votes are kept, and the tally is a binomial test."""

import json
import multiprocessing

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.evaluation import listening_trials
from absslab.core.evaluation.listening_trials import (
    Trial,
    append_vote,
    draw_trials,
    new_vote,
    read_votes,
    tally,
    votes_path,
)

SYSTEMS = ("first", "second")
PAIRS = [(f"{i}.wav", name) for i in range(10) for name in ("dog", "cat")]


def vote(choice, *, first=0, listener="a", systems=SYSTEMS):
    return new_vote(
        Trial("0.wav", "dog", first), systems, listener=listener, choice=choice, seconds=1.0
    )


def test_no_pair_is_drawn_twice_and_each_system_is_first_in_half_of_them():
    trials = draw_trials(np.random.default_rng(0), PAIRS, 10)
    assert len({(trial.mixture, trial.label) for trial in trials}) == 10
    assert sum(trial.first for trial in trials) == 5
    assert trials != draw_trials(np.random.default_rng(1), PAIRS, 10)
    assert trials == draw_trials(np.random.default_rng(0), PAIRS, 10)
    assert len(draw_trials(np.random.default_rng(0), PAIRS[:3], 10)) == 3
    with pytest.raises(InputError, match="nothing to compare"):
        draw_trials(np.random.default_rng(0), [], 10)


@pytest.mark.parametrize(
    ("first", "choice", "preferred"),
    [(0, "X", "first"), (1, "X", "second"), (0, "Y", "second"), (1, "Y", "first")],
)
def test_a_vote_is_for_the_system_that_was_heard_there(first, choice, preferred):
    assert vote(choice, first=first).preferred == preferred
    assert vote("none", first=first).preferred is None


def test_the_tally_is_that_of_the_binomial_test():
    votes = (
        [vote("Y")] * 9
        + [vote("X")]
        + [vote("none", listener="b")] * 4
        + [vote("X", systems=("x", "y"))]
    )
    result = tally(votes, SYSTEMS)
    assert (result.n_preferred, result.n_none, result.n_listeners) == ((1, 9), 4, 2)
    assert result.share == 0.9
    # Probability of 0, 1, 9 or 10 heads in ten tosses.
    assert result.p_value == pytest.approx(2 * 11 / 1024)
    low, high = result.interval
    assert low == pytest.approx(0.55498, abs=1e-5)  # from the table of Clopper and Pearson
    assert high == pytest.approx(0.99747, abs=1e-5)
    assert tally(votes, SYSTEMS[::-1]).n_preferred == (9, 1)
    assert tally([], SYSTEMS).share is None
    assert tally([vote("none")], SYSTEMS).interval is None


def test_votes_last_and_a_torn_one_costs_no_other(tmp_path):
    path = votes_path(tmp_path / "votes", SYSTEMS)
    assert path == votes_path(tmp_path / "votes", SYSTEMS[::-1])
    assert votes_path(tmp_path, ("a/run", "../run")).parent == tmp_path
    assert read_votes(path) == []
    append_vote(path, vote("X"))
    with path.open("a") as file:
        file.write('{"systems": ["fir')
    append_vote(path, vote("Y"))
    with path.open("a") as file:
        file.write('[1]\n{"systems": 3}\n')
    assert [stored.choice for stored in read_votes(path)] == ["X", "Y"]


def _vote_often(path):
    for _ in range(50):
        append_vote(path, vote("X"))


def test_listeners_may_vote_at_the_same_time(tmp_path):
    path = tmp_path / "votes.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_vote_often, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(read_votes(path)) == len(path.read_text().splitlines()) == 150


def test_nobody_fills_the_disk_with_votes(tmp_path, monkeypatch):
    monkeypatch.setattr(listening_trials, "MAX_VOTES", 2)
    append_vote(tmp_path / "v", vote("X"))
    append_vote(tmp_path / "v", vote("X"))
    with pytest.raises(InputError, match="that is enough"):
        append_vote(tmp_path / "v", vote("X"))
    append_vote(tmp_path / "v", vote("X", listener="b"))


def test_a_choice_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="expected one of X, Y, none"):
        vote("both")


def test_a_vote_on_disk_names_who_was_preferred(tmp_path):
    append_vote(tmp_path / "v", vote("Y", first=1))
    line = json.loads((tmp_path / "v").read_text())
    assert (line["x"], line["choice"], line["preferred"]) == ("second", "Y", "first")


def test_two_systems_of_one_name_can_not_be_told_apart():
    with pytest.raises(InputError, match="both systems are called"):
        tally([], ("a", "a"))
