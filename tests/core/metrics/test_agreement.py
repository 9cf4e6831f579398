"""Scores agree with other implementations, on generated cases and on real recordings."""

import os
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given, settings

from absslab.core.audio import sound_files
from absslab.core.metrics import psds
from absslab.core.metrics.bss_eval import bss_eval

RATE = 16000
CHECKED = {  # comparison → package that it needs, largest allowed difference, number of cases
    "scikit-learn: tagging": ("sklearn", 1e-12, 50),
    "scikit-learn: areas from counts": ("sklearn", 1e-12, 50),
    "sed_eval": ("sed_eval", 1e-12, 50),
    "sed_scores_eval": ("sed_scores_eval", 1e-9, 25),
    "mir_eval": ("mir_eval", 0.01, 15),
    "mir_eval, two channels": ("mir_eval", 0.01, 8),
}


def test_all_comparisons_are_checked():
    assert CHECKED.keys() == oracles.COMPARISONS.keys()


@pytest.mark.parametrize("name", CHECKED)
def test_our_scores_are_those_of_the_trusted_implementation(name):
    module, tolerance, n_cases = CHECKED[name]
    if module == "sed_scores_eval":
        if not psds.is_available():
            pytest.skip("sed_scores_eval is missing: pip install absslab[psds]")
    else:
        with oracles.quiet():
            pytest.importorskip(module)
    cases, differences = oracles.COMPARISONS[name]
    n_scores = 0

    @settings(deadline=None, max_examples=n_cases)
    @given(cases)
    def compare(case):
        nonlocal n_scores
        for score, difference in differences(case).items():
            assert difference <= tolerance, score
            n_scores += 1

    compare()
    assert n_scores > n_cases


@pytest.mark.skipif(
    "ABSSLAB_EVENTS" not in os.environ, reason="ABSSLAB_EVENTS names no folder of real recordings"
)
@pytest.mark.parametrize("on_grid", [False, True], ids=["floats", "as 16-bit files hold them"])
def test_on_real_recordings_both_backends_agree(on_grid):
    """Estimates of four sounds leak, are filtered or noisy; one is almost perfect."""
    pytest.importorskip("mir_eval")
    first = {
        path.stem.rstrip("0123456789"): path
        for path in sorted(Path(os.environ["ABSSLAB_EVENTS"]).glob("*.wav"))[::-1]
    }
    references = np.zeros((4, 4 * RATE))
    for place, path, onset in zip(
        references, sorted(first.values())[:4], (0.0, 0.6, 1.3, 2.5), strict=True
    ):
        sound = sound_files.load(path, RATE)[: RATE + RATE // 3]
        place[round(onset * RATE) :][: len(sound)] = 0.3 * sound / np.abs(sound).max()
    if on_grid:
        references = sound_files.quantise(references, "PCM_16")
    rng = np.random.default_rng(0)
    mixing = np.eye(4) + 0.2 * rng.random((4, 4)) * np.array([[1.0], [1.0], [1.0], [1e-3]])
    estimates = mixing @ references
    estimates[1] = np.convolve(estimates[1], [0.6, 0.3, -0.1])[: 4 * RATE]
    estimates += np.array([[1e-2], [1e-3], [0.0], [1e-5]]) * rng.standard_normal(references.shape)
    ours, theirs = (
        bss_eval(references, estimates, backend=backend) for backend in ("torch", "mir_eval")
    )
    for mine, other in zip(ours, theirs, strict=True):
        for name in mine._fields:
            limited = [
                np.clip(getattr(scores, name), -oracles.LIMIT, oracles.LIMIT)
                for scores in (mine, other)
            ]
            np.testing.assert_allclose(*limited, rtol=0, atol=0.01, err_msg=name)
