"""What a model says of its own outputs, and how far it agrees with the true sources."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_text import score_text
from absslab.core.evaluation.scores import Scores
from absslab.core.evaluation.self_check import check_recording, summarise_self_check
from absslab.core.separation.separator import Separator

CLASSES = ("dog", "rain", "bell")
N = 1000


class ParrotSeparator:
    """A separator that gives what it was told, one answer after the other."""

    has_all_sources = True

    def __init__(self, *answers):
        self.answers = list(answers)
        self.heard = []

    def separate(self, waveform, _):
        self.heard.append(waveform)
        sources, probabilities = self.answers.pop(0)
        return SimpleNamespace(
            classes=CLASSES,
            sources=np.asarray(sources),
            probabilities=np.array(probabilities),
            residual=waveform - np.sum(sources, 0),
        )


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal(N)


def test_a_source_is_judged_by_what_is_separated_from_it_again():
    dog, rain, none = noise(1), noise(2), np.zeros(N)
    separator = ParrotSeparator(
        ((dog, rain, none), (0.9, 0.7, 0.2)),
        ((none, none, none), (0.3, 0.1, 0.6)),  # the residual
        ((0.5 * dog, none, none), (0.8, 0.2, 0.4)),  # the dog
        ((none, 0.9 * rain, none), (0.1, 0.95, 0.3)),  # the rain
    )
    mixture = dog + rain + noise(3)
    columns = check_recording(separator, mixture, 16000)
    # The errors have a quarter and a hundredth of the energy.
    expected = [20 * np.log10(2), 20.0]
    np.testing.assert_allclose(columns["self_sdr"], [*expected, np.nan], rtol=1e-6)
    np.testing.assert_allclose(columns["self_probability"], [0.8, 0.95, np.nan])
    np.testing.assert_allclose(columns["self_other"], [0.4, 0.3, np.nan])
    np.testing.assert_allclose(columns["self_residual"], [0.3, 0.1, np.nan])
    np.testing.assert_allclose(columns["self_sdr_mixture"], np.mean(expected), rtol=1e-6)
    heard = [mixture, noise(3), dog, rain]
    for waveform, of_call in zip(heard, separator.heard, strict=True):
        np.testing.assert_allclose(of_call, waveform, atol=1e-9)


def test_nothing_is_judged_where_nothing_is_tagged():
    none = np.zeros(N)
    separator = ParrotSeparator(((none, none, none), (0.1, 0.2, 0.4)))
    columns = check_recording(separator, noise(), 16000, thresholds=np.array([0.5, 0.3, 0.5]))
    assert all(np.isnan(values).all() for values in columns.values())
    assert len(separator.heard) == 1


def test_a_silent_source_has_0_dB():
    none = np.zeros(N)
    answer = ((none, none, none), (0.9, 0.0, 0.0))
    columns = check_recording(ParrotSeparator(answer, answer, answer), noise(), 16000)
    assert columns["self_sdr"][0] == 0


def test_a_model_hears_silence_and_refuses_nan(checkpoint):
    separator = Separator.from_checkpoint(str(checkpoint))
    columns = check_recording(separator, np.zeros(16000, np.float32), 16000, thresholds=0.0)
    assert (columns["self_sdr"] == 0).all()
    with pytest.raises(InputError, match="not of finite floats"):
        check_recording(separator, np.full(16000, np.nan, np.float32), 16000)


def test_a_separator_of_the_sources_that_it_finds_is_refused(checkpoint):
    separator = Separator.from_checkpoint(str(checkpoint), sources="found")
    with pytest.raises(ValueError, match="sources='all'"):
        check_recording(separator, noise(), 16000)


def table(judgement, improvement):
    n = len(judgement)
    return pd.DataFrame(
        {
            "mixture": [f"{index // 2}.wav" for index in range(n)],
            "class": ["dog", "rain"] * (n // 2),
            "self_sdr": judgement,
            "self_probability": 0.5,
            "self_other": 0.25,
            "self_residual": 0.125,
            "si_sdr_improvement": improvement,
        }
    )


def test_the_agreement_with_true_sources_is_that_of_ranks_and_of_values():
    judgement = [1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 6.0, 7.0, 8.0, 9.0]
    improvement = [1.0, 4.0, 9.0, 16.0, 25.0, 3.0, 36.0, np.nan, 64.0, 81.0]
    scores = summarise_self_check(table(judgement, improvement))
    assert (scores.n_sources, scores.sources.n, scores.recordings.n) == (9, 8, 5)
    assert scores.sdr == pytest.approx(5)
    assert (scores.probability, scores.other, scores.residual) == (0.5, 0.25, 0.125)
    assert scores.sources.spearman == pytest.approx(1)
    kept = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0])
    assert scores.sources.pearson == pytest.approx(np.corrcoef(kept, kept**2)[0, 1])
    text = score_text(Scores(CLASSES, self_check=scores))
    assert "over 8 sources" in text
    assert "over 5 recordings" in text


def test_without_true_sources_there_is_a_judgement_and_no_agreement():
    scores = summarise_self_check(table([1.0, 2.0, 3.0, 4.0], [np.nan] * 4))
    assert scores.sdr == pytest.approx(2.5)
    assert scores.sources is scores.recordings is None
    without = table([1.0, 2.0], [1.0, 2.0]).drop(columns="si_sdr_improvement")
    assert summarise_self_check(without).sources is None
    assert summarise_self_check(without.drop(columns="self_sdr")) is None


def test_no_tagged_class_at_all_is_said():
    scores = summarise_self_check(table([np.nan] * 4, [1.0] * 4))
    assert scores.sdr is None
    assert "no class is tagged" in score_text(Scores(CLASSES, self_check=scores))
