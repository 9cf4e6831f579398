"""The mel scale and its filters are those of librosa, whatever the rate and the number of bands."""

import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.audio.mel import band_edges, hz_to_mel, mel_to_hz, triangular_filters


@pytest.mark.parametrize(
    ("frequency", "mel"), [(0, 0), (200 / 3, 1), (500, 7.5), (1000, 15), (6400, 42)]
)
def test_by_hand_frequencies_have_their_places(frequency, mel):
    assert hz_to_mel(frequency) == pytest.approx(mel)
    assert mel_to_hz(np.array([mel]))[0] == pytest.approx(frequency)


@given(
    rate=st.sampled_from([1000, 8000, 11025, 16000, 22050, 44100, 48000, 192000]),
    window_size=st.integers(16, 4096),
    n_bands=st.integers(1, 200),
    edges=st.tuples(st.floats(0, 0.45), st.floats(0.46, 1)),
)
def test_filters_are_those_of_librosa_to_the_last_bit(rate, window_size, n_bands, edges):
    f_min, f_max = (edge * rate / 2 for edge in edges)
    with warnings.catch_warnings(action="ignore"):  # of bands that are narrower than a bin
        expected = librosa.filters.mel(
            sr=rate, n_fft=window_size, n_mels=n_bands, fmin=f_min, fmax=f_max
        )
    ours = band_edges(n_bands, f_min, f_max)
    np.testing.assert_array_equal(
        ours, librosa.mel_frequencies(n_mels=n_bands + 2, fmin=f_min, fmax=f_max)
    )
    np.testing.assert_array_equal(triangular_filters(ours, window_size, rate), expected)


def test_bands_above_half_of_the_sampling_rate_are_empty():
    filters = triangular_filters(band_edges(64, 0.0, 8000.0), 512, 8000)
    assert filters[:40].any(axis=1).all()
    assert not filters[-8:].any()
