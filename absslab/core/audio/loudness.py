"""How loud a sound is, and what makes sounds equally loud.

Axes: C channels, N samples.
"""

from collections.abc import Sequence
from threading import Lock

import numpy as np

from absslab.core.common.config import look_up
from absslab.core.common.errors import InputError

BLOCK = 0.4  # s, of the standard's gate
HIGHEST_PEAK = -1.0  # dBFS that levelled sounds may reach
_MOST_CHANNELS = 5  # that the standard knows: left, right, centre, two surrounds
_SILENT = -90.0  # dBFS: with no sample beyond, the standard's gate takes every block for silence
_one_at_a_time = (
    Lock()
)  # pyloudnorm changes the filters of warnings, which all threads share, and puts them back


def loudness(samples: np.ndarray, sampling_rate: int) -> float:
    """Integrated loudness.

    A sound shorter than one gating block of 400 ms is measured as that block, filled up with silence: the value says how
    loud its energy is in 400 ms. Of more than five channels, which the standard has no weights for, the mean is measured.

    Args:
        samples: (N,) or (C, N), at least one sample.
        sampling_rate: Hz.

    Returns:
        LUFS; −inf for silence, and what the standard's gate takes for it (below −70 LUFS).

    Raises:
        InputError: no samples, another shape, or pyloudnorm is not installed.

    Source: ITU-R BS.1770-4.
    """
    try:
        import pyloudnorm
    except ImportError:
        raise InputError("loudness needs pyloudnorm: pip install 'absslab[lab]'") from None
    channels = _channels(samples)  # (C, N)
    if len(channels) > _MOST_CHANNELS:
        channels = channels.mean(0, keepdims=True)  # (1, N)
    if peak(channels) < _SILENT:
        return -np.inf
    missing = max(0, int(np.ceil(BLOCK * sampling_rate)) - channels.shape[1])
    channels = np.pad(channels, ((0, 0), (0, missing)))
    with _one_at_a_time, np.errstate(all="ignore"):  # the logarithm of pauses is none
        meter = pyloudnorm.Meter(
            sampling_rate, filter_class="DeMan", block_size=BLOCK
        )  # the standard's very coefficients
        measured = float(meter.integrated_loudness(channels.T))
    return -np.inf if np.isnan(measured) else measured


def peak(samples: np.ndarray) -> float:
    """The largest sample (N,) or (C, N) in dBFS; −inf for silence.

    Raises:
        InputError: no samples, another shape.
    """
    largest = float(np.abs(_channels(samples)).max())
    return 20 * np.log10(largest) if largest else -np.inf


def _channels(samples: np.ndarray) -> np.ndarray:
    """(C, N) in float64."""
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (N,) or (C, N), at least one sample"
        )
    return np.atleast_2d(samples).astype(np.float64)


def _raw(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    return [0.0] * len(peaks)


def _equal_peaks(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    return [HIGHEST_PEAK - one if np.isfinite(one) else 0.0 for one in peaks]


def _equal_loudness(loudness: Sequence[float], peaks: Sequence[float]) -> list[float]:
    """The loudness of the first that has one, lowered until no peak is too high."""
    heard = [
        (loud, high)
        for loud, high in zip(loudness, peaks, strict=True)
        if np.isfinite(loud) and np.isfinite(high)
    ]
    if not heard:
        return [0.0] * len(peaks)
    target = min(heard[0][0], *(loud + HIGHEST_PEAK - high for loud, high in heard))  # LUFS
    return [target - one if np.isfinite(one) else 0.0 for one in loudness]


MODES = {"raw": _raw, "loudness": _equal_loudness, "peak": _equal_peaks}


def matched_gains(loudness: Sequence[float], peaks: Sequence[float], mode: str) -> list[float]:
    """Gains in dB that make tracks comparable; a silent one has 0.

    Args:
        loudness: of the tracks, LUFS.
        peaks: of the tracks, dBFS.
        mode: raw: as they are; loudness: all as loud as the first, or less where a peak would go beyond −1 dBFS; peak: each
            up to −1 dBFS.

    Raises:
        InputError: there is no such mode.
    """
    gains: list[float] = look_up("mode of level", mode, MODES)(loudness, peaks)
    return gains
