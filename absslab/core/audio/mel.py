"""The mel scale, and triangular filters on it.

Axes: F STFT bins, M bands. Source: Slaney, Auditory Toolbox, 1998; the numbers are librosa's.
"""

import numpy as np

_HZ_PER_MEL = 200.0 / 3  # below the break
_BREAK_FREQUENCY = 1000.0  # Hz: linear below, logarithmic above
_BREAK_MEL = _BREAK_FREQUENCY / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0  # of a mel above the break


def hz_to_mel(frequency: float) -> float:
    """Return the place of a frequency in Hz on the mel scale.

    >>> round(hz_to_mel(1000.0), 6)
    15.0
    """
    if frequency < _BREAK_FREQUENCY:
        return frequency / _HZ_PER_MEL
    return float(_BREAK_MEL + np.log(frequency / _BREAK_FREQUENCY) / _LOG_STEP)


def mel_to_hz(mels: np.ndarray) -> np.ndarray:
    """Return the frequencies in Hz of places on the mel scale."""
    logarithmic = _BREAK_FREQUENCY * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels >= _BREAK_MEL, logarithmic, _HZ_PER_MEL * mels)


def band_edges(n_bands: int, f_min: float, f_max: float) -> np.ndarray:
    """Return the edges in Hz of bands of equal width on the mel scale.

    Band m rises from edge m to edge m + 1, its centre, and falls to edge m + 2.

    Args:
        n_bands: number of bands M.
        f_min: lower edge of the first band, Hz.
        f_max: upper edge of the last band, Hz.

    Shape:
        (M + 2,)
    """
    return mel_to_hz(np.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_bands + 2))


def triangular_filters(edges: np.ndarray, window_size: int, sampling_rate: int) -> np.ndarray:
    """Return bands over the bins of an STFT; those above half of the sampling rate are empty.

    Args:
        edges: of the bands, Hz; see `band_edges`.
        window_size: of the STFT, samples.
        sampling_rate: Hz.

    Shape:
        (M + 2,) → (M, F): triangles of area 1 per Hz, float32.
    """
    frequencies = np.fft.rfftfreq(window_size, 1.0 / sampling_rate)  # (F,)
    distances = edges[:, None] - frequencies  # (M + 2, F)
    widths = np.diff(edges)[:, None]  # (M + 1, 1)
    rising = -distances[:-2] / widths[:-1]  # (M, F)
    falling = distances[2:] / widths[1:]  # (M, F)
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)  # (M, F)
    filters *= 2.0 / (edges[2:] - edges[:-2])[:, None]
    return filters
