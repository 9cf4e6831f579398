"""Class-aware scores equal numbers that were computed by hand."""

from itertools import permutations

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.metrics.class_aware import (
    class_and_source_aware_improvement,
    class_aware_improvement,
)
from absslab.core.metrics.separation import plain_sdr

N = 2000
NAMES = ("bell", "dog", "rain")
# Three sources of energy 1: the SDR of their sum is −10·log10(2) dB. Estimates have errors of
# energy 0.1, an SDR of 10 dB.
IMPROVEMENT = 13.0103
SCORES = (class_aware_improvement, class_and_source_aware_improvement)


def orthogonal(n_signals, seed=0):
    """Make signals of energy 1 that are orthogonal to each other."""
    signals = np.random.default_rng(seed).standard_normal((N, n_signals))
    return np.linalg.qr(signals)[0].T


SIGNALS = orthogonal(4)
SOURCES = dict(zip(NAMES, SIGNALS, strict=False))
MIXTURE = SIGNALS[:3].sum(0)
ESTIMATES = {name: source + SIGNALS[3] * 0.1**0.5 for name, source in SOURCES.items()}


def without(estimates, name):
    return {other: samples for other, samples in estimates.items() if other != name}


@pytest.mark.parametrize("score", SCORES)
def test_right_tags_leave_the_mean_improvement(score):
    assert score(SOURCES, ESTIMATES, MIXTURE) == pytest.approx(IMPROVEMENT, abs=1e-4)


@pytest.mark.parametrize("score", SCORES)
def test_a_miss_counts_as_0_dB(score):
    missed = without(ESTIMATES, "dog")
    assert score(SOURCES, missed, MIXTURE) == pytest.approx(2 * IMPROVEMENT / 3, abs=1e-4)


@pytest.mark.parametrize("score", SCORES)
def test_a_false_alarm_counts_as_0_dB(score):
    more = {**ESTIMATES, "clock": 0.1 * SIGNALS[3]}
    assert score(SOURCES, more, MIXTURE) == pytest.approx(3 * IMPROVEMENT / 4, abs=1e-4)


@pytest.mark.parametrize("score", SCORES)
def test_a_wrong_class_is_a_miss_and_a_false_alarm(score):
    wrong = {**without(ESTIMATES, "dog"), "clock": ESTIMATES["dog"]}
    assert score(SOURCES, wrong, MIXTURE) == pytest.approx(2 * IMPROVEMENT / 4, abs=1e-4)


def test_swapped_classes_are_bad_sounds_for_one_and_errors_for_the_other():
    swapped = {**ESTIMATES, "bell": ESTIMATES["dog"], "dog": ESTIMATES["bell"]}
    # The error of a swapped estimate has the energy 1 + 1 + 0.1: −3.2222 dB, 0.2119 dB lower than
    # the mixture.
    expected = (IMPROVEMENT - 2 * 0.2119) / 3
    assert class_aware_improvement(SOURCES, swapped, MIXTURE) == pytest.approx(expected, abs=1e-4)
    # One hit, two misses, two false alarms.
    assert class_and_source_aware_improvement(SOURCES, swapped, MIXTURE) == pytest.approx(
        IMPROVEMENT / 5, abs=1e-4
    )


@pytest.mark.parametrize("score", SCORES)
def test_nothing_present_and_nothing_tagged_has_no_score(score):
    assert np.isnan(score({}, {}, MIXTURE))
    assert score({}, ESTIMATES, MIXTURE) == 0
    assert score(SOURCES, {}, MIXTURE) == 0


def test_estimates_are_assigned_as_the_best_permutation_does():
    rng = np.random.default_rng(5)
    for _ in range(20):
        mixed = rng.standard_normal((3, 3)) @ SIGNALS[:3]
        estimates = dict(zip(rng.permutation(NAMES).tolist(), mixed, strict=True))
        best = max(
            permutations(estimates),
            key=lambda order: sum(
                plain_sdr(SOURCES[name], estimates[other])
                for name, other in zip(NAMES, order, strict=True)
            ),
        )
        hits = [name for name, other in zip(NAMES, best, strict=True) if name == other]
        total = sum(
            plain_sdr(SOURCES[name], estimates[name]) - plain_sdr(SOURCES[name], MIXTURE)
            for name in hits
        )
        assert class_and_source_aware_improvement(SOURCES, estimates, MIXTURE) == pytest.approx(
            total / (6 - len(hits))
        )


@pytest.mark.parametrize("score", SCORES)
def test_a_silent_reference_and_other_lengths_are_refused(score):
    with pytest.raises(InputError, match="a reference is silent"):
        score({"dog": np.zeros(N)}, {"dog": ESTIMATES["dog"]}, MIXTURE)
    with pytest.raises(InputError, match=r"\(2000,\).*1999"):
        score({"dog": SOURCES["dog"]}, {"dog": ESTIMATES["dog"][1:]}, MIXTURE)
    with pytest.raises(InputError, match="NaN"):
        score({"dog": SOURCES["dog"]}, {"dog": np.full(N, np.nan)}, MIXTURE)
