"""What one hears in a separated source is measured, and six examples are chosen and shown."""

import argparse
import sys
from pathlib import Path

import listening_examples
import numpy as np
import pytest
from listening_examples import Ranked, choose, find_model, mask_parts, tabulate
from listening_measures import Parts, frame_power, log_kurtosis_ratio, measure, musical_noise

from absslab.core.common.errors import InputError
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation

N = 5 * 16000
HALF = N // 2


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal(N)


def make_parts(**changes):
    """A source in the first half of a noise, separated without any fault."""
    source = noise(1) * (np.arange(N) < HALF)
    nothing = np.zeros(N)
    parts = {
        "source": source,
        "background": noise(2),
        "kept_source": source,
        "kept_others": nothing,
        "kept_background": nothing,
    }
    return Parts(**(parts | changes))


def test_a_perfect_source_has_its_level_and_nothing_else():
    measures = measure(make_parts())
    assert measures.level == pytest.approx(0, abs=1e-9)
    assert measures.missing == measures.others == measures.background == -120
    assert measures.pauses < -40
    assert np.isnan(measures.musical)
    assert np.isnan(measures.musical_pauses)


def test_levels_are_relative_to_the_true_source():
    source = make_parts().source
    others = noise(3) * (np.abs(np.arange(N) - 1.5 * HALF) < HALF / 4)  # in the second half
    others *= 0.1 * np.linalg.norm(source) / np.linalg.norm(others)
    measures = measure(make_parts(kept_source=0.5 * source, kept_others=others))
    assert measures.missing == pytest.approx(-6.02, abs=0.01)
    assert measures.others == pytest.approx(-20, abs=0.01)
    assert measures.pauses == pytest.approx(-20, abs=0.5)
    assert measures.level == pytest.approx(10 * np.log10(0.25 + 0.01), abs=0.01)


def test_noise_that_is_scaled_is_no_musical_noise():
    measures = measure(make_parts(kept_background=0.1 * noise(2)))
    assert measures.musical == pytest.approx(0, abs=1e-9)
    assert measures.musical_pauses == pytest.approx(0, abs=1e-9)
    assert measures.background == pytest.approx(-17, abs=0.5)


def test_noise_that_is_kept_at_random_is_musical_noise():
    powers = np.random.default_rng(0).exponential(size=(200, 4000))  # of Gaussian noise
    share = 0.25
    kept = powers * (np.random.default_rng(1).random(powers.shape) < share)
    assert log_kurtosis_ratio(powers, 0.01 * powers) == pytest.approx(0, abs=1e-9)
    assert log_kurtosis_ratio(powers, kept) == pytest.approx(np.log(1 / share), abs=0.05)
    colour = np.geomspace(1, 1e6, 200)[:, None]
    assert log_kurtosis_ratio(colour * powers, kept) == pytest.approx(np.log(1 / share), abs=0.05)


def test_what_is_inaudible_or_too_short_is_not_judged():
    powers = frame_power(noise())
    assert np.isnan(musical_noise(powers, 1e-7 * powers, powers.sum()))
    assert np.isnan(musical_noise(powers[:, :5], powers[:, :5], powers.sum()))
    assert musical_noise(powers, powers, powers.sum()) == 0


def test_the_best_those_in_the_middle_and_the_worst_are_chosen():
    ranking = [Ranked(index, f"{index}.wav", "knock", 0.0, -float(index)) for index in range(11)]
    chosen = [(kind, ranked.index) for kind, ranked in choose(ranking)]
    assert chosen == [
        *(("best", 0), ("best", 1), ("median", 4), ("median", 5)),
        *(("worst", 9), ("worst", 10)),
    ]
    with pytest.raises(InputError, match="has 5 sources: expected 6 or more"):
        choose(ranking[:5])


def test_parts_under_a_mask_sum_to_the_separated_source(checkpoint):
    evaluation = open_evaluation(EvaluationConfig(checkpoint_path=str(checkpoint), split="test"))
    truth = evaluation.truth(0)
    separation = evaluation.separator.separate(truth.mixture, truth.sampling_rate)
    source = next(iter(truth.references.values()))
    parts = np.stack([source, truth.mixture - source])
    masked = mask_parts(evaluation, separation, 1, parts=parts)
    np.testing.assert_allclose(masked.sum(0), separation.sources[1], atol=1e-5)
    with pytest.raises(InputError, match="too long"):
        mask_parts(evaluation, separation, 1, parts=0.5 * parts)


def test_six_examples_get_a_row_and_two_a_picture(checkpoint, tmp_path, monkeypatch, capsys):
    arguments = ["--checkpoint_path", str(checkpoint), "--output_folder", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["listening_examples.py", *arguments])
    assert listening_examples.main() == 0
    table = (tmp_path / "out/listening.md").read_text()
    assert capsys.readouterr().out == table
    kinds = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    assert kinds == ["| best", "| best", "| median", "| median", "| worst", "| worst"]
    for kind in listening_examples.KINDS:
        picture = (tmp_path / f"out/listening_{kind}.webp").read_bytes()
        assert picture[:4] == b"RIFF"
        assert picture[8:12] == b"WEBP"


@pytest.mark.parametrize("given", [[], ["--checkpoint_path", "a", "--benchmark_folder", "b"]])
def test_a_model_is_named_once(given, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["listening_examples.py", *given])
    assert listening_examples.main() == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "expected either --checkpoint_path or --benchmark_folder\n")


def test_the_model_and_mixtures_of_a_benchmark_are_found(tmp_path):
    names = {"checkpoint_path": None, "data_folder": None, "benchmark_folder": str(tmp_path)}
    more = {"condition": "phone", "recipe": "recommended", "seed": 2}
    model, mixtures = find_model(argparse.Namespace(**names, **more))
    assert model == tmp_path / "runs/background-recommended-weak-2.ckpt"
    assert Path(mixtures) == tmp_path / "mixtures/phone-2"


def test_what_is_not_defined_is_a_dash():
    assert listening_examples.format_number(np.nan) == "–"
    assert listening_examples.format_number(-1.25) == "−1.2"
    assert listening_examples.format_number(-0.04) == "0.0"
    assert tabulate([]).count("\n") == 2
