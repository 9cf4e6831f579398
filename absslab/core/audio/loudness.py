"""Measure the loudness of sounds, and compute gains that make them equally loud.

Axes: C channels, N samples.
"""

from collections.abc import Sequence
from threading import Lock

import numpy as np

from absslab.core.audio.sampling_rates import check_rate
from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError

BLOCK = 0.4  # s, of the standard's gate
HIGHEST_PEAK = -1.0  # dBFS, largest peak of sounds with adjusted levels
_MAX_CHANNELS = 5  # largest number with weights in the standard: left, right, centre, two surrounds
# dBFS: below this level the gate of the standard takes every block for silence
_SILENT_PEAK = -90.0
# pyloudnorm changes and restores the filters of warnings, which all threads share.
_pyloudnorm_lock = Lock()


def loudness(samples: np.ndarray, sampling_rate: int) -> float:
    """Measure the integrated loudness.

    A sound shorter than one gating block of 400 ms is padded with silence to this length. The
    standard has no weights for more than five channels; their mean is measured instead.

    Args:
        samples: (N,) or (C, N), at least one sample.
        sampling_rate: Hz.

    Returns:
        LUFS; −inf for silence, and for sounds below −70 LUFS, which the standard's gate takes for
        silence.

    Raises:
        InputError: there are no samples, the shape is another, or pyloudnorm is not installed.

    Source:
        ITU-R BS.1770-4.
    """
    sampling_rate = check_rate(sampling_rate)
    try:
        import pyloudnorm
    except ImportError:
        raise InputError("loudness needs pyloudnorm: pip install 'absslab[lab]'") from None
    channels = _channels(samples)  # (C, N)
    if len(channels) > _MAX_CHANNELS:
        channels = channels.mean(0, keepdims=True)  # (1, N)
    if peak(channels) < _SILENT_PEAK:
        return -np.inf
    missing = max(0, int(np.ceil(BLOCK * sampling_rate)) - channels.shape[1])
    channels = np.pad(channels, ((0, 0), (0, missing)))  # (C, N')
    with _pyloudnorm_lock, np.errstate(all="ignore"):  # the logarithm of silence is not defined
        # The filters "DeMan" have exactly the coefficients of the standard.
        meter = pyloudnorm.Meter(sampling_rate, filter_class="DeMan", block_size=BLOCK)
        measured = float(meter.integrated_loudness(channels.T))
    return -np.inf if np.isnan(measured) else measured


def peak(samples: np.ndarray) -> float:
    """Return the level of the largest sample.

    Args:
        samples: (N,) or (C, N).

    Returns:
        dBFS; −inf for silence.

    Raises:
        InputError: there are no samples, or the shape is another.
    """
    largest = float(np.abs(_channels(samples)).max())
    return 20 * np.log10(largest) if largest else -np.inf


def _channels(samples: np.ndarray) -> np.ndarray:
    """Return samples (N,) or (C, N) as (C, N) in float64."""
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (N,) or (C, N), at least one sample"
        )
    return np.atleast_2d(samples).astype(np.float64)


def _no_gains(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    return [0.0] * len(peaks)


def _equal_peaks(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    return [HIGHEST_PEAK - peak if np.isfinite(peak) else 0.0 for peak in peaks]


def _equal_loudness(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    """Bring all tracks to the loudness of the first, lowered until no peak is too high."""
    audible = [
        (track_loudness, track_peak)
        for track_loudness, track_peak in zip(loudness, peaks, strict=True)
        if np.isfinite(track_loudness) and np.isfinite(track_peak)
    ]
    if not audible:
        return [0.0] * len(peaks)
    highest = [level + HIGHEST_PEAK - track_peak for level, track_peak in audible]  # LUFS
    target = min(audible[0][0], *highest)  # LUFS
    return [target - level if np.isfinite(level) else 0.0 for level in loudness]


MODES = {"raw": _no_gains, "loudness": _equal_loudness, "peak": _equal_peaks}


def matched_gains(loudness: Sequence[float], peaks: Sequence[float], mode: str) -> list[float]:
    """Compute gains that make tracks comparable.

    Args:
        loudness: loudness of each track, LUFS.
        peaks: peak of each track, dBFS.
        mode: raw: no change; loudness: all as loud as the first, or softer if a peak would exceed
            −1 dBFS; peak: the peak of each becomes −1 dBFS.

    Returns:
        dB; 0 for a silent track.

    Raises:
        InputError: there is no such mode.
    """
    gains: list[float] = look_up("mode of level", mode, MODES)(loudness, peaks)
    return gains
