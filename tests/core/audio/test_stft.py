"""The STFT agrees with librosa, torch and scipy, and its inverse gives back the waveform."""

import math

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.audio.stft import STFT, bin_power, scale_spectra, total_energy

RATE = 16000


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sine(amplitude):
    """Return a second of a sine in the middle of bin 100 of a window of 1,024 samples."""
    time = torch.arange(RATE, dtype=torch.float64)
    return amplitude * torch.sin(2 * torch.pi * 100 / 1024 * time).float()


@settings(deadline=None, max_examples=60)
@given(
    window_size=st.integers(8, 160),
    hop_part=st.floats(0.05, 1.0),
    n_samples=st.integers(1, 700),
    window=st.sampled_from(["hamming", "hann"]),
)
@pytest.mark.reference_flaw("the hop was passed as the overlap, which is right at 50 % alone")
def test_the_inverse_gives_back_a_waveform_of_any_length_at_any_overlap(
    window_size, hop_part, n_samples, window
):
    if window == "hann":  # its ends are zero, so neighbouring windows must cover them
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


def test_one_transform_serves_recordings_of_many_lengths():
    stft = STFT(window_size=512, hop_size=128)
    for n_samples in (1000, 1001, 3000, 1000, 1):
        waveform = torch.randn(n_samples, generator=torch.Generator().manual_seed(n_samples))
        torch.testing.assert_close(
            stft.inverse(stft(waveform), n_samples), waveform, atol=1e-5, rtol=0
        )


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
    # SciPy divides by the sum of the window.
    scipys = scipy.signal.stft(
        padded.numpy(),
        window=scipy.signal.get_window("hamming", 1024),
        nperseg=1024,
        noverlap=512,
        padded=False,
    )[2]
    np.testing.assert_allclose(ours, torchs.numpy() * scale, atol=1e-6)
    np.testing.assert_allclose(ours, librosas * scale, atol=1e-6)
    np.testing.assert_allclose(ours, 2 * scipys, atol=1e-6)


@pytest.mark.parametrize("window", ["hamming", "hann"])
@pytest.mark.parametrize("amplitude", [0.01, 0.7])
def test_a_sine_of_amplitude_a_has_the_magnitude_a(window, amplitude):
    stft = STFT(window_size=1024, hop_size=512, window=window)
    magnitude = stft(sine(amplitude)).abs()[:, 2:-2]
    assert torch.allclose(
        magnitude.amax(0), torch.full((magnitude.shape[1],), amplitude), rtol=1e-3
    )
    assert (magnitude.argmax(0) == 100).all()


@pytest.mark.parametrize(("window_size", "hop_size"), [(9, 9), (7, 3), (8, 4), (705, 352)])
@pytest.mark.parametrize("n_hops", [0, 1, 3, 10])
def test_odd_windows_have_as_many_frames_as_even_ones(window_size, hop_size, n_hops):
    stft = STFT(window_size=window_size, hop_size=hop_size)
    for n_samples in (n_hops * hop_size, n_hops * hop_size + 1):
        n_frames = math.ceil(n_samples / hop_size) + 1
        if n_samples:
            assert stft(torch.zeros(n_samples)).shape[-1] == n_frames


def test_the_power_of_a_bin_is_its_squared_magnitude():
    spectra = torch.tensor([[3 + 4j, 0j], [1j, -2 + 0j]])
    assert bin_power(spectra).tolist() == [[25, 0], [1, 4]]


def test_spectra_are_scaled_by_real_factors_that_broadcast():
    spectra = torch.tensor([[3 + 4j, 1j], [1j, -2 + 0j]])
    factors = torch.tensor([[2.0], [0.5]])
    assert torch.equal(scale_spectra(spectra, factors), spectra * factors)


@pytest.mark.parametrize(("window_size", "hop_size"), [(64, 32), (64, 64), (64, 23), (63, 20)])
def test_the_inverse_of_any_spectrum_is_that_of_torch(window_size, hop_size):
    stft = STFT(window_size=window_size, hop_size=hop_size)
    n_bins = window_size // 2 + 1
    spectrum = torch.complex(noise(2, n_bins, 12), noise(2, n_bins, 12, seed=1))
    n_samples = 11 * hop_size - 3
    expected = torch.istft(
        spectrum / stft.scale, window_size, hop_size, window=stft.window, length=n_samples
    )
    assert torch.allclose(stft.inverse(spectrum, n_samples), expected, atol=1e-5, rtol=1e-4)


def test_the_energy_of_spectra_is_the_sum_of_the_power_of_their_bins():
    spectra = torch.tensor([[[3 + 4j, 0], [1j, 2]], [[0, 0], [1, 0]]])
    assert torch.allclose(total_energy(spectra), torch.tensor([30.0, 1.0]))
