"""Masks over the model's bands are expanded to the bins and frames of the audio's STFT."""

import dataclasses

import librosa
import numpy as np
import pytest
import torch

from absslab.core.audio.stft import STFT
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import mel_filters
from absslab.core.model.mask_expander import MaskExpander

from .signals import RATE, noise


def covered_bins(config, window_size, rate):
    return mel_filters(config, window_size, rate).sum(0) > 0


@pytest.mark.parametrize("f_min", [0.0, 50.0])
def test_a_mask_of_ones_is_one_where_a_filter_is_and_zero_elsewhere(f_min):
    config = FeatureConfig(f_min=f_min)
    linear = MaskExpander(config, RATE)(torch.ones(2, 64, 5), 5)
    covered = torch.from_numpy(covered_bins(config, 1024, RATE))
    assert linear.shape == (2, 513, 5)
    assert torch.allclose(linear[:, covered], torch.ones(()), atol=1e-4)
    assert not linear[:, ~covered].any()


def test_DC_and_Nyquist_go_to_the_residual():
    linear = MaskExpander(FeatureConfig(), RATE)(torch.ones(1, 64, 3), 3)[0, :, 0]
    assert torch.nonzero(linear == 0).flatten().tolist() == [0, 512]


def test_from_50_Hz_on_the_first_four_bins_go_to_the_residual():
    # 2,048 samples: 15.6 Hz from bin to bin
    config = FeatureConfig(sampling_rate=32000, f_min=50.0, f_max=None)
    linear = MaskExpander(config, 32000)(torch.ones(1, 64, 3), 3)[0, :, 0]
    assert torch.nonzero(linear == 0).flatten().tolist() == [0, 1, 2, 3, 1024]


def test_a_linear_bin_is_the_mean_of_the_masks_that_cover_it():
    config = FeatureConfig()
    masks = torch.rand(1, 64, 3, generator=torch.Generator().manual_seed(0))
    filters = torch.from_numpy(mel_filters(config, 1024, RATE))  # (M, F)
    linear = MaskExpander(config, RATE)(masks, 3)
    for bin in (1, 37, 200, 511):
        expected = (filters[:, bin, None] * masks[0]).sum(0) / filters[:, bin].sum()
        assert torch.allclose(linear[0, bin], expected, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_at_any_rate_the_expanded_mask_fits_the_audios_own_transform(rate):
    expander = MaskExpander(FeatureConfig(), rate)
    stft = STFT(window_size=expander.window_size, hop_size=expander.hop_size)
    spectrum = stft(noise(1, rate))
    linear = expander(torch.ones(1, 64, FeatureConfig().n_frames(RATE)), spectrum.shape[-1])
    assert linear.shape == spectrum.shape
    inside = linear[0, 1:-1]  # without DC and Nyquist
    assert torch.allclose(inside, torch.ones(()), atol=1e-3)
    assert abs(expander.window_size / rate - 0.064) < 2e-4


def test_above_the_models_highest_band_its_mask_holds():
    expander = MaskExpander(FeatureConfig(), 44100)
    masks = torch.zeros(1, 64, 4)
    masks[:, -1] = 0.7
    linear = expander(masks, 4)[0]
    frequencies = np.fft.rfftfreq(expander.window_size, 1 / 44100)
    assert torch.allclose(linear[frequencies >= 8000], torch.tensor(0.7), atol=1e-3)
    assert not linear[frequencies < 7000].any()


def test_at_a_lower_rate_bands_mean_the_same_frequencies():
    config = FeatureConfig()
    expander = MaskExpander(config, 8000)
    centres = librosa.mel_frequencies(66, fmin=0, fmax=8000)[1:-1]
    # The mask of each band is its centre frequency in Hz.
    masks = torch.from_numpy(centres)[:, None].float().expand(64, 3)[None]
    linear = expander(masks, 3)[0, :, 0]
    frequencies = np.fft.rfftfreq(expander.window_size, 1 / 8000)
    inside = (frequencies > 200) & (frequencies < 3900)
    np.testing.assert_allclose(linear[inside], frequencies[inside], rtol=0.02)


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_over_a_minute_masks_do_not_drift_in_time(rate):
    """Masks that hold the times of their frames expand to the times of the audio's frames."""
    config = FeatureConfig()
    own_hop = config.hop_size / RATE
    masks = (torch.arange(config.n_frames(60 * RATE)) * own_hop).float().expand(1, 64, -1)
    expander = MaskExpander(config, rate)
    n_frames = -(-60 * rate // expander.hop_size) + 1
    linear = expander(masks, n_frames)[0, 100]
    times = torch.arange(n_frames) * expander.hop_size / rate
    assert (linear - times)[times < 60].abs().max() < 0.001


def test_masks_over_the_bins_themselves_stay_what_they_are_at_the_models_own_rate():
    config = FeatureConfig(feature_type="log_spectrogram", sampling_rate=8000)
    masks = torch.rand(1, config.n_bands, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(MaskExpander(config, 8000)(masks, 4), masks, atol=1e-6)
    doubled = MaskExpander(dataclasses.replace(config, sampling_rate=4000), 8000)
    assert doubled(torch.ones(1, 129, 4), 4).eq(1).all()
