"""SI-SDR, SDR and leakage equal closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.metrics.separation import leakage, plain_sdr, si_sdr

N = 4000


def orthogonal(n_signals=2, seed=0):
    """Make signals with zero mean and energy 1 that are orthogonal to each other."""
    signals = np.random.default_rng(seed).standard_normal((N, n_signals))
    return np.linalg.qr(signals - signals.mean(0))[0].T


@pytest.mark.parametrize("snr", [-30.0, 0.0, 12.5, 60.0])
def test_noise_of_a_known_ratio_gives_this_ratio(snr):
    source, noise = orthogonal()
    assert si_sdr(source, source + noise * 10 ** (-snr / 20)) == pytest.approx(snr, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(scale=st.floats(1e-9, 1e6), sign=st.sampled_from([1, -1]), level=st.floats(1e-6, 1e3))
def test_scale_and_sign_of_the_estimate_and_level_of_the_reference_do_not_matter(
    scale, sign, level
):
    source, noise = orthogonal()
    estimate = source + 0.3 * noise
    expected = -20 * np.log10(0.3)
    assert si_sdr(level * source, sign * scale * level * estimate) == pytest.approx(
        expected, abs=1e-6
    )


def test_an_offset_does_not_matter():
    source, noise = orthogonal()
    estimate = source + 0.1 * noise
    assert si_sdr(source + 3, estimate - 1) == pytest.approx(20, abs=1e-6)


def test_a_perfect_estimate_ends_at_120_dB_and_a_silent_or_foreign_one_at_minus_120():
    source, other = orthogonal()
    assert si_sdr(source, source) == pytest.approx(120)
    assert si_sdr(source, 1e-9 * source) == pytest.approx(120)
    assert si_sdr(source, np.zeros(N)) == pytest.approx(-120)
    assert si_sdr(source, other) == pytest.approx(-120, abs=1e-3)


def test_leading_axes_are_scored_one_by_one():
    sources = orthogonal(6)
    references = sources[:3]
    estimates = sources[:3] + np.array([[1], [0.1], [0.01]]) * sources[3:]
    np.testing.assert_allclose(si_sdr(references, estimates), [0, 20, 40], atol=1e-6)
    np.testing.assert_allclose(
        si_sdr(references[:, None].repeat(2, 1), estimates[:, None].repeat(2, 1)),
        [[0, 0], [20, 20], [40, 40]],
        atol=1e-6,
    )


@pytest.mark.parametrize("score", [si_sdr, plain_sdr])
def test_several_systems_are_scored_against_the_same_references(score):
    references = np.random.default_rng(0).standard_normal((3, 1000))
    systems = references + 0.1 * np.random.default_rng(1).standard_normal((4, 3, 1000))
    expected = [score(references, system) for system in systems]
    np.testing.assert_allclose(score(references, systems), expected, atol=1e-9)


def test_single_precision_is_enough():
    source, noise = orthogonal().astype(np.float32)
    assert si_sdr(source, source + np.float32(0.01) * noise) == pytest.approx(40, abs=0.01)


@pytest.mark.parametrize("level", [0.0, 0.1, -1.0])
@pytest.mark.reference_flaw("silent references got an offset of 1e-15 and an SDR of −220 dB")
def test_a_silent_reference_is_an_error_and_not_minus_220_dB(level):
    """A constant signal counts as silence, since it makes no sound."""
    with pytest.raises(InputError, match="silent"):
        si_sdr(np.full(N, level), orthogonal()[0])
    with pytest.raises(InputError, match="silent"):
        si_sdr(np.stack([orthogonal()[0], np.full(N, level)]), orthogonal())


@pytest.mark.parametrize("db", [-60.0, -3.0, 0.0, 6.0])
def test_leakage_is_the_energy_of_the_estimate_over_that_of_the_mixture(db):
    mixture, estimate = orthogonal()
    assert leakage(estimate * 10 ** (db / 20), mixture) == pytest.approx(db, abs=1e-6)


def test_leakage_of_nothing_ends_at_minus_120_dB():
    mixture = orthogonal()[0]
    assert leakage(np.zeros(N), mixture) == pytest.approx(-120)
    np.testing.assert_allclose(
        leakage(np.stack([mixture, 0.1 * mixture]), mixture), [0, -20], atol=1e-6
    )


def test_there_is_no_leakage_relative_to_a_silent_mixture():
    estimates = np.stack([np.zeros(N), orthogonal()[0]])
    assert np.isnan(leakage(estimates, np.zeros(N))).all()


def test_nothing_is_modified():
    source, noise = orthogonal()
    copies = source.copy(), noise.copy()
    si_sdr(source, noise)
    leakage(noise, source)
    np.testing.assert_array_equal(np.stack([source, noise]), np.stack(copies))


@pytest.mark.parametrize(
    ("gain", "expected"), [(0.5, 6.0206), (2.0, 0.0), (0.9, 20.0), (-1.0, -6.0206), (11.0, -20.0)]
)
def test_plain_sdr_of_a_source_at_another_level_is_that_of_the_difference(gain, expected):
    source = orthogonal()[0]
    assert plain_sdr(source, gain * source) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("snr", [-30.0, 0.0, 12.5, 60.0])
def test_plain_sdr_is_the_ratio_to_added_noise_and_keeps_offsets(snr):
    source, noise = orthogonal()
    noisy = source + noise * 10 ** (-snr / 20)
    assert plain_sdr(source, noisy) == pytest.approx(snr, abs=1e-6)
    # An offset of 1 / √N has the energy of the source.
    assert plain_sdr(source, source + N**-0.5) == pytest.approx(0, abs=1e-6)


def test_plain_sdr_is_0_dB_for_silence_and_limited_to_120_dB():
    source = orthogonal()[0]
    assert plain_sdr(source, np.zeros(N)) == pytest.approx(0)
    assert plain_sdr(source, source) == pytest.approx(120)
    assert plain_sdr(source, 1e9 * source) == pytest.approx(-120)


def test_plain_sdr_has_no_value_for_a_silent_reference():
    sources = orthogonal()
    with pytest.raises(InputError, match="a reference is silent"):
        plain_sdr(np.zeros(N), sources[0])
    with pytest.raises(InputError, match="a reference is silent"):
        plain_sdr(np.stack([sources[0], np.zeros(N)]), sources)


@pytest.mark.parametrize("score", [si_sdr, plain_sdr, leakage])
def test_lengths_that_differ_and_NaN_are_refused(score):
    source, noise = orthogonal()
    with pytest.raises(InputError, match=r"\(4000,\).*\(3999,\)"):
        score(source, noise[:-1])
    with pytest.raises(InputError, match="NaN"):
        score(source, np.where(np.arange(N) == 7, np.nan, noise))
