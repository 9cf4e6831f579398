"""Ideal masks: closed forms, tones and noises, and which mask is the best."""

import numpy as np
import pytest
import torch

from absslab.core.evaluation.ideal_masks import IdealMasks, binary_mask, ratio_mask
from absslab.core.evaluation.score_table import BASELINES, MIXTURE, PHASE_SENSITIVE
from absslab.core.metrics.separation import si_sdr
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd

RATE = 16000
N = 24000
BINARY = "ideal_binary_mask"
RATIO = "ideal_ratio_mask"
LINEAR = (BINARY, RATIO)
MEL = (f"{BINARY}_mel", f"{RATIO}_mel")
MASKS = (PHASE_SENSITIVE, *LINEAR, *MEL)


def ideal_masks(criterion=0.0, **features):
    return IdealMasks(FrontEnd(FeatureConfig(**features)), criterion=criterion)


def tones(*frequencies):
    return np.stack(
        [0.3 * np.sin(2 * np.pi * f * np.arange(N) / RATE) for f in frequencies]
    ).astype(np.float32)


def noises(n_signals=2, seed=0, n=N):
    return (0.1 * np.random.default_rng(seed).standard_normal((n_signals, n))).astype(np.float32)


def bursts(seed=0):
    """Noises that rarely sound at the same time, so that masks can separate them."""
    rng = np.random.default_rng(seed)
    return noises(3, seed=seed) * (rng.random((3, 12)) < 0.5).repeat(N // 12, 1)


def quality(estimates, references):
    """Return the mean SI-SDR over sources, by name of the mask."""
    return {
        name: si_sdr(references, np.array(estimate)).mean() for name, estimate in estimates.items()
    }


def test_a_binary_mask_is_where_the_source_is_louder():
    source = torch.tensor([0.0, 1.0, 2.0, 1.0])
    rest = torch.tensor([1.0, 2.0, 1.0, 0.0])
    assert binary_mask(source, rest).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("criterion", "expected"), [(-5.0, 1), (-0.01, 1), (0.0, 0), (0.01, 0), (5.0, 0)]
)
def test_at_equal_power_the_criterion_decides(criterion, expected):
    for power in (1e-6, 1.0, 1e6):
        assert (
            binary_mask(torch.tensor(power), torch.tensor(power), criterion=criterion) == expected
        )


@pytest.mark.parametrize("criterion", [-20.0, -5.0, 0.0, 6.0])
def test_the_criterion_shifts_the_border_by_decibels(criterion):
    levels = torch.tensor([-30.0, -20.5, -19.5, -5.5, -4.5, -0.5, 0.5, 5.5, 6.5, 30.0])
    mask = binary_mask(10 ** (levels / 10), torch.ones(10), criterion=criterion)
    assert mask.tolist() == (levels > criterion).float().tolist()


def test_a_ratio_mask_is_the_share_of_the_power():
    source = torch.tensor([1.0, 3.0, 0.0, 2.0, 1e-6])
    rest = torch.tensor([3.0, 1.0, 5.0, 0.0, 1e-6])
    torch.testing.assert_close(ratio_mask(source, rest), torch.tensor([0.25, 0.75, 0.0, 1.0, 0.5]))


def test_where_there_is_nothing_masks_are_0():
    silence = torch.zeros(3)
    assert ratio_mask(silence, silence).tolist() == [0, 0, 0]
    assert binary_mask(silence, silence).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masks_are_numbers_of_the_kind_of_the_powers_binary_ones_0_or_1(dtype):
    source, rest = torch.rand(2, 50, 20, generator=torch.Generator().manual_seed(0), dtype=dtype)
    binary = binary_mask(source, rest)
    ratio = ratio_mask(source, rest)
    assert set(binary.unique().tolist()) == {0, 1}
    assert binary.dtype == ratio.dtype == dtype
    assert ((ratio >= 0) & (ratio <= 1)).all()
    assert torch.equal(binary == 1, ratio > 0.5)
    torch.testing.assert_close(ratio + ratio_mask(rest, source), torch.ones(50, 20, dtype=dtype))


@pytest.mark.parametrize("n", [N, 16001, 700])
def test_there_is_an_estimate_of_each_source_by_each_mask_as_long_as_the_mixture(n):
    references = noises(3, n=n)
    estimates = ideal_masks().estimates(references.sum(0), references)
    assert set(estimates) == {*BASELINES, PHASE_SENSITIVE} == {MIXTURE, *MASKS}
    for estimate in estimates.values():
        assert estimate.shape == (3, n)
        assert estimate.dtype == np.float32
        assert np.isfinite(estimate).all()


def test_the_floor_is_the_mixture_itself():
    references = noises(3)
    mixture = references.sum(0)
    np.testing.assert_array_equal(
        ideal_masks().estimates(mixture, references)[MIXTURE], np.stack([mixture] * 3)
    )


@pytest.mark.parametrize(("names", "at_least"), [(LINEAR, 40), (MEL, 20), ((PHASE_SENSITIVE,), 40)])
def test_tones_in_different_bands_are_separated_nearly_perfectly(names, at_least):
    references = tones(500, 3000)
    estimates = ideal_masks().estimates(references.sum(0), references)
    for name in names:
        assert si_sdr(references, estimates[name]).min() > at_least
    np.testing.assert_allclose(si_sdr(references, np.array(estimates[MIXTURE])), 0, atol=0.1)


def test_sounds_one_after_the_other_are_separated_nearly_perfectly_by_all():
    references = noises()
    references[0, N // 2 - 2000 :] = 0
    references[1, : N // 2 + 2000] = 0
    estimates = ideal_masks().estimates(references.sum(0), references)
    for name in MASKS:
        assert si_sdr(references, estimates[name]).min() > 25


def test_tones_in_one_band_are_separated_by_linear_masks_only():
    """The mel band at 7 kHz is some hundred Hz wide, bins are 16 Hz apart."""
    references = tones(7000, 7100)
    estimates = ideal_masks().estimates(references.sum(0), references)
    assert min(si_sdr(references, estimates[name]).min() for name in LINEAR) > 20
    assert max(si_sdr(references, estimates[name]).max() for name in MEL) < 10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("signals", [noises, bursts])
def test_no_mask_is_better_than_the_phase_sensitive_one(signals, seed):
    references = signals(seed=seed)
    background = noises(1, seed=seed + 100)[0] / 4
    reached = quality(
        ideal_masks().estimates(references.sum(0) + background, references), references
    )
    assert all(reached[PHASE_SENSITIVE] >= reached[name] for name in (MIXTURE, *LINEAR, *MEL))


def test_of_noises_that_come_and_go_each_mask_is_better_than_none():
    references = bursts()
    reached = quality(ideal_masks().estimates(references.sum(0), references), references)
    assert min(reached[name] for name in MASKS) > reached[MIXTURE] + 1


@pytest.mark.parametrize("seed", range(3))
def test_masks_of_mel_bands_are_not_better_than_those_of_bins(seed):
    references = noises(3, seed=seed)
    reached = quality(ideal_masks().estimates(references.sum(0), references), references)
    for linear, mel in zip(LINEAR, MEL, strict=True):
        assert reached[mel] <= reached[linear]


@pytest.mark.parametrize("n_mels", [8, 32, 128])
def test_more_bands_make_better_masks_up_to_those_of_bins(n_mels):
    references = bursts()
    fewer, more = (
        quality(ideal_masks(n_mels=n).estimates(references.sum(0), references), references)
        for n in (n_mels, 2 * n_mels)
    )
    assert fewer[MEL[1]] < more[MEL[1]] < more[RATIO]
    assert fewer[RATIO] == more[RATIO]


def test_where_the_model_sees_bins_its_masks_are_those_of_bins():
    references = bursts()
    estimates = ideal_masks(feature_type="log_spectrogram").estimates(references.sum(0), references)
    for linear, mel in zip(LINEAR, MEL, strict=True):
        np.testing.assert_allclose(estimates[mel], estimates[linear], atol=1e-5)


def test_a_source_alone_is_kept_as_it_is():
    """Its ratio masks are 1, except at 0 Hz and at half the rate, which no mel band covers."""
    source = noises(1)
    masks = ideal_masks()
    estimates = masks.estimates(source[0], source)
    for name in (PHASE_SENSITIVE, *LINEAR):
        np.testing.assert_allclose(estimates[name], source, atol=1e-5)
    for name in MEL:
        assert si_sdr(source, estimates[name]).min() > 20
    power, rest = masks.powers(source[0], source)
    assert (ratio_mask(power, rest) == 1).all()


def test_a_source_that_is_not_there_gets_nothing():
    references = noises()
    references[1] = 0
    estimates = ideal_masks().estimates(references.sum(0) + noises(1, seed=7)[0], references)
    for name in MASKS:
        assert np.abs(estimates[name][1]).max() < 1e-6
        assert estimates[name][0].any()


def test_silence_is_silent_and_no_number_is_missing():
    references = np.zeros((2, N), np.float32)
    for estimate in ideal_masks().estimates(references[0], references).values():
        assert not estimate.any()


@pytest.mark.parametrize("n_sources", [2, 4])
def test_phase_sensitive_estimates_add_up_to_the_mixture_where_nothing_else_sounds(n_sources):
    references = noises(n_sources)
    estimates = ideal_masks().estimates(references.sum(0), references)
    np.testing.assert_allclose(estimates[PHASE_SENSITIVE].sum(0), references.sum(0), atol=1e-5)


def test_of_two_sources_alone_ratio_and_binary_masks_share_out_the_mixture():
    references = noises()
    mixture = references.sum(0)
    estimates = ideal_masks().estimates(mixture, references)
    for name in LINEAR:
        np.testing.assert_allclose(estimates[name].sum(0), mixture, atol=1e-5)
    for name in MEL:
        assert si_sdr(mixture, estimates[name].sum(0)) > 20


def test_a_background_takes_its_part():
    source, background = noises()
    estimates = ideal_masks().estimates(source + background, source[None])
    energy_ratios = {
        name: np.square(estimate).sum() / np.square(source + background).sum()
        for name, estimate in estimates.items()
    }
    assert energy_ratios[MIXTURE] == 1
    assert all(0.1 < energy_ratios[name] < 0.9 for name in MASKS)  # it is as loud


@pytest.mark.parametrize("names", [(BINARY,), (MEL[0],)])
def test_a_higher_criterion_keeps_less_and_changes_binary_masks_only(names):
    references = noises()
    lower, middle, higher = (
        ideal_masks(criterion).estimates(references.sum(0), references)
        for criterion in (-10.0, 0.0, 10.0)
    )
    for name in names:
        energies = [np.square(estimates[name]).sum() for estimates in (lower, middle, higher)]
        assert energies == sorted(energies, reverse=True)
        assert energies[0] > 1.5 * energies[2]
    for name in (MIXTURE, RATIO, MEL[1], PHASE_SENSITIVE):
        np.testing.assert_array_equal(lower[name], higher[name])


def test_with_a_criterion_out_of_reach_nothing_is_kept_or_all():
    references = noises()
    nothing, everything = (
        ideal_masks(criterion).estimates(references.sum(0), references) for criterion in (200, -200)
    )
    assert not nothing[BINARY].any()
    np.testing.assert_allclose(everything[BINARY], np.stack([references.sum(0)] * 2), atol=1e-5)


def test_powers_are_those_of_the_sources_and_of_what_else_the_mixture_holds():
    references = noises(3)
    masks = ideal_masks(n_mels=32)
    power, rest = masks.powers(references.sum(0), references)
    front_end = masks.front_end
    assert power.shape == rest.shape == (3, 32, front_end.config.n_frames(N))
    others = torch.from_numpy(np.stack([np.delete(references, j, axis=0).sum(0) for j in range(3)]))
    torch.testing.assert_close(power, front_end.power(front_end.stft(torch.from_numpy(references))))
    torch.testing.assert_close(rest, front_end.power(front_end.stft(others)), rtol=1e-3, atol=1e-9)


def test_the_level_does_not_matter():
    references = bursts().astype(np.float64)
    plain, soft = (
        ideal_masks().estimates(scale * references.sum(0), scale * references)
        for scale in (1.0, 1e-3)
    )
    for name in MASKS:
        np.testing.assert_allclose(1e3 * soft[name], plain[name], atol=1e-4)


def test_nothing_is_modified_and_nothing_is_drawn_by_chance():
    references = noises()
    mixture = references.sum(0)
    copies = references.copy(), mixture.copy()
    references.flags.writeable = mixture.flags.writeable = False
    masks = ideal_masks()
    first, second = (masks.estimates(mixture, references) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(references, copies[0])
    np.testing.assert_array_equal(mixture, copies[1])
