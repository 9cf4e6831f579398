"""The features and their inverse agree with torch, scipy, librosa and the physics of a sine."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd, mel_filters
from absslab.core.model.mask_expander import MaskExpander

RATE = 16000


def sine(frequency, amplitude=1.0, n=RATE, rate=RATE):
    return (
        amplitude
        * torch.sin(2 * torch.pi * frequency * torch.arange(n, dtype=torch.float64) / rate).float()
    )


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def normalised_features(front_end, waveforms):
    """What the mask network is given: (B, N) → (B, 1, M, T)."""
    return front_end(front_end.stft(waveforms))


def fit(front_end, waveform_batches):
    front_end.fit(front_end.features(front_end.stft(batch)) for batch in waveform_batches)


@settings(deadline=None, max_examples=60)
@given(
    window_size=st.integers(8, 160),
    hop_part=st.floats(0.05, 1.0),
    n_samples=st.integers(1, 700),
    window=st.sampled_from(["hamming", "hann"]),
)
def test_the_inverse_gives_back_a_waveform_of_any_length_at_any_overlap(
    window_size, hop_part, n_samples, window
):
    if window == "hann":  # its ends are zero: neighbours must reach over them
        hop_part = min(hop_part, 0.5)
    stft = STFT(
        window_size=window_size, hop_size=max(1, int(hop_part * window_size)), window=window
    )
    waveform = noise(2, n_samples)
    assert torch.allclose(stft.inverse(stft(waveform), n_samples), waveform, atol=2e-4)


@pytest.mark.parametrize("hop_size", [512, 528, 300, 1024])
@pytest.mark.parametrize("n_samples", [1, 511, 512, 700, 1500, 16000, 16001])
def test_the_inverse_is_exact_at_the_sizes_of_the_method(hop_size, n_samples):
    stft = STFT(window_size=1024, hop_size=hop_size)
    waveform = noise(n_samples)
    assert torch.allclose(stft.inverse(stft(waveform), n_samples), waveform, atol=1e-5)


def test_what_a_mask_leaves_is_not_amplified_at_the_end_of_a_recording():
    stft = STFT(window_size=1024, hop_size=512)
    waveform = noise(1500)
    halved = stft.inverse(stft(waveform) * torch.linspace(0, 1, 513)[:, None], 1500)
    assert halved[-200:].abs().max() < 1.5 * waveform.abs().max()


def test_leading_axes_are_kept():
    stft = STFT(window_size=64, hop_size=32)
    spectrum = stft(noise(2, 3, 320))
    assert spectrum.shape == (2, 3, 33, 11)
    assert stft.inverse(spectrum, 320).shape == (2, 3, 320)


@pytest.mark.parametrize("n_samples", [5120, 5000, 1025])
def test_the_transform_equals_that_of_librosa_torch_and_scipy(n_samples):
    waveform = noise(n_samples)
    ours = STFT(window_size=1024, hop_size=512)(waveform).numpy()
    window = torch.hamming_window(1024)
    scale = 2 / window.sum().item()
    padded = torch.nn.functional.pad(waveform, (0, -n_samples % 512))
    torchs = torch.stft(padded, 1024, 512, window=window, pad_mode="constant", return_complex=True)
    librosas = librosa.stft(padded.numpy(), n_fft=1024, hop_length=512, window="hamming")
    scipys = scipy.signal.stft(
        padded.numpy(),
        window=scipy.signal.get_window("hamming", 1024),
        nperseg=1024,
        noverlap=512,
        padded=False,
    )[2]  # which divides by the sum of the window
    np.testing.assert_allclose(ours, torchs.numpy() * scale, atol=1e-6)
    np.testing.assert_allclose(ours, librosas * scale, atol=1e-6)
    np.testing.assert_allclose(ours, 2 * scipys, atol=1e-6)


@pytest.mark.parametrize("window", ["hamming", "hann"])
@pytest.mark.parametrize("amplitude", [0.01, 0.7])
def test_a_sine_of_amplitude_a_has_the_magnitude_a(window, amplitude):
    stft = STFT(window_size=1024, hop_size=512, window=window)
    magnitude = stft(sine(100 * RATE / 1024, amplitude)).abs()[:, 2:-2]
    assert torch.allclose(
        magnitude.amax(0), torch.full((magnitude.shape[1],), amplitude), rtol=1e-3
    )
    assert (magnitude.argmax(0) == 100).all()


@given(n_samples=st.integers(1, 5000))
@settings(deadline=None, max_examples=30)
def test_the_config_knows_how_many_frames_there_are(n_samples):
    config = FeatureConfig(window_length=0.008, hop_length=0.003)
    stft = STFT(window_size=config.window_size, hop_size=config.hop_size)
    assert stft(torch.zeros(n_samples)).shape == (
        config.n_bands if not config.is_mel else 65,
        config.n_frames(n_samples),
    )
    assert config.n_frames(torch.tensor([n_samples])).tolist() == [config.n_frames(n_samples)]


@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (50.0, 7000.0)])
def test_the_mel_filters_are_those_of_librosa(f_min, f_max):
    config = FeatureConfig(f_min=f_min, f_max=f_max)
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=f_min, fmax=f_max)
    np.testing.assert_array_equal(mel_filters(config, 1024, RATE), expected)


@pytest.mark.parametrize("feature_type", ["mel", "log_mel"])
def test_mel_features_are_means_of_magnitudes_over_librosas_filters(feature_type):
    config = FeatureConfig(feature_type=feature_type)
    waveform = noise(1, 5120)
    front_end = FrontEnd(config)
    filters = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64)
    magnitude = front_end.stft(waveform).abs().numpy()
    expected = filters @ magnitude / filters.sum(1)[:, None]
    if feature_type == "log_mel":
        expected = np.log(expected + config.log_offset)
    np.testing.assert_allclose(
        normalised_features(front_end, waveform)[:, 0].numpy(), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("feature_type", ["spectrogram", "mel", "log_spectrogram", "log_mel"])
def test_features_have_the_height_that_the_config_says(feature_type):
    config = FeatureConfig(feature_type=feature_type, n_mels=20)
    assert normalised_features(FrontEnd(config), noise(2, 3000)).shape == (
        2,
        1,
        config.n_bands,
        config.n_frames(3000),
    )


@pytest.mark.parametrize("feature_type", ["log_spectrogram", "log_mel"])
def test_the_log_offset_is_the_level_that_silence_has(feature_type):
    config = FeatureConfig(feature_type=feature_type, log_offset=1e-3)
    front_end = FrontEnd(config)
    assert torch.allclose(
        normalised_features(front_end, torch.zeros(1, 4000)), torch.tensor(1e-3).log()
    )


def test_a_sine_at_the_level_of_the_offset_is_3_dB_in_8_above_silence():
    """A tone as loud as the offset doubles the logarithm's argument: the offset is a level."""
    config = FeatureConfig(feature_type="log_spectrogram", log_offset=1e-2)
    features = normalised_features(FrontEnd(config), sine(100 * RATE / 1024, 1e-2)[None])[
        0, 0, 100, 2:-2
    ]
    assert torch.allclose(features, torch.tensor(2e-2).log(), atol=1e-3)


@pytest.mark.parametrize("feature_type", ["mel", "spectrogram"])
def test_power_is_the_square_of_the_magnitude_per_band(feature_type):
    config = FeatureConfig(feature_type=feature_type)
    front_end = FrontEnd(config)
    spectrum = front_end.stft(noise(2, 3000))
    expected = spectrum.abs().square()
    if feature_type == "mel":
        filters = torch.from_numpy(mel_filters(config, 1024, RATE))
        expected = filters / filters.sum(1, keepdim=True) @ expected
    assert torch.allclose(front_end.power(spectrum), expected, rtol=1e-4)


@pytest.mark.parametrize("normalisation", ["band", "scalar"])
def test_over_the_fitted_set_features_have_mean_0_and_deviation_1(normalisation):
    front_end = FrontEnd(FeatureConfig(normalisation=normalisation, n_mels=16))
    batches = [noise(3, 4000), 0.1 * noise(2, 4000, seed=1), noise(1, 2500, seed=2)]
    fit(front_end, iter(batches))
    features = torch.cat(
        [
            normalised_features(front_end, batch)[:, 0].transpose(0, 1).flatten(1)
            for batch in batches
        ],
        1,
    )  # (M, ΣBT)
    over = 1 if normalisation == "band" else (0, 1)
    assert torch.allclose(features.mean(over), torch.zeros(()), atol=1e-4)
    assert torch.allclose(features.std(over, unbiased=False), torch.ones(()), atol=1e-4)


@pytest.mark.parametrize("normalisation", ["band", "scalar"])
def test_one_pass_gives_the_statistics_of_two(normalisation):
    front_end = FrontEnd(FeatureConfig(normalisation=normalisation, n_mels=16, feature_type="mel"))
    loud = 1e3 + noise(2, 6000)  # a mean far above the deviation
    fit(front_end, [loud[:1], loud[1:]])
    features = front_end.features(front_end.stft(loud)).double()
    over = (0, 1, 3) if normalisation == "band" else (0, 1, 2, 3)
    mean = features.mean(over)
    deviation = (features - features.mean(over, keepdim=True)).square().mean(over).sqrt()
    assert torch.allclose(front_end.mean.flatten().double(), mean.reshape(-1), rtol=1e-6)
    assert torch.allclose(
        front_end.std.flatten().double(), deviation.reshape(-1).clamp_min(1e-4), rtol=1e-4
    )


@pytest.mark.parametrize(("normalisation", "n"), [("band", 16), ("scalar", 1)])
def test_statistics_travel_in_the_state(normalisation, n):
    config = FeatureConfig(normalisation=normalisation, n_mels=16)
    fitted, fresh = FrontEnd(config), FrontEnd(config)
    fit(fitted, [noise(2, 4000)])
    state = fitted.state_dict()
    assert {name: value.shape for name, value in state.items()} == {
        "mean": (n, 1),
        "std": (n, 1),
    }
    fresh.load_state_dict(state)
    assert torch.equal(
        normalised_features(fresh, noise(1, 4000)), normalised_features(fitted, noise(1, 4000))
    )


def test_a_band_that_never_changes_is_not_divided_by_zero():
    front_end = FrontEnd(FeatureConfig())
    fit(front_end, [torch.zeros(1, 4000)])
    assert torch.isfinite(normalised_features(front_end, noise(1, 4000))).all()


def test_without_scale_transform_features_stay_as_they_are():
    front_end = FrontEnd(FeatureConfig(standardise=False))
    before = normalised_features(front_end, noise(1, 4000))
    fit(front_end, [noise(1, 4000)])
    assert torch.equal(normalised_features(front_end, noise(1, 4000)), before)


def test_nothing_to_fit_is_an_error():
    with pytest.raises(InputError, match="empty"):
        fit(FrontEnd(FeatureConfig()), [])


@pytest.mark.parametrize(
    "settings",
    [
        {"hop_length": 0.1},
        {
            "hop_length": 0.04,
            "window": "hann",
        },  # its ends are zero: what lies between two frames would be lost
        {"f_min": 9000.0},
        {"f_max": 9000.0},
        {"f_min": 500.0, "f_max": 400.0},
        {"window": "kaiser"},
        {"n_mels": 0},
        {"sampling_rate": 10},
        {"log_offset": 0.0},
    ],
)
def test_settings_that_make_no_picture_are_refused_in_one_line(settings):
    with pytest.raises(InputError) as error:
        FeatureConfig(**settings)
    assert next(iter(settings)) in str(error.value)
    assert "\n" not in str(error.value)


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
    config = FeatureConfig(
        sampling_rate=32000, f_min=50.0, f_max=None
    )  # 2,048 samples: 15.6 Hz from bin to bin
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
    masks = (
        torch.from_numpy(centres)[:, None].float().expand(64, 3)[None]
    )  # each band's mask is its centre in Hz
    linear = expander(masks, 3)[0, :, 0]
    frequencies = np.fft.rfftfreq(expander.window_size, 1 / 8000)
    inside = (frequencies > 200) & (frequencies < 3900)
    np.testing.assert_allclose(linear[inside], frequencies[inside], rtol=0.02)


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_over_a_minute_masks_do_not_drift_in_time(rate):
    """Masks holding their frames' times, in seconds, expand to the times of the audio's frames."""
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
