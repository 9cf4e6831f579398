"""What sounds in a rectangle of time and frequency, and nothing else.

Axes: C channels, F STFT bins, T frames, N samples.
"""

import numpy as np
import torch

from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError

WINDOW = 0.064  # s
FADE = 0.01  # s, at both ends


def cut_region(
    waveform: np.ndarray, sampling_rate: int, *, start: float, end: float, low: float, high: float
) -> np.ndarray:
    """Cut a rectangle of time and frequency out of a recording; around it there is silence.

    Bins outside are set to 0, at least one stays; both ends are faded over 10 ms, unless they are those of the recording.

    Args:
        waveform: (N,) or (C, N).
        sampling_rate: Hz.
        start, end: s; what lies beyond the recording is left out.
        low, high: Hz; what lies beyond half the sampling rate is left out.

    Shape:
        as the waveform.

    Raises:
        InputError: a rectangle that is empty or lies beside the recording, no samples, another shape.
    """
    if waveform.ndim not in (1, 2) or not waveform.size:
        raise InputError(
            f"the waveform has the shape {waveform.shape}: expected (N,) or (C, N), at least one sample"
        )
    n_samples = waveform.shape[-1]
    start, end = _clipped("start", start, "end", end, n_samples / sampling_rate, "s")
    low, high = _clipped("low", low, "high", high, sampling_rate / 2, "Hz")
    window_size = 2 * round(WINDOW * sampling_rate / 2)
    first = min(round(start * sampling_rate), n_samples - 1)
    last = min(max(round(end * sampling_rate), first + 1), n_samples)
    from_, to = (
        max(0, first - window_size),
        min(n_samples, last + window_size),
    )  # more than that is not looked at
    stft = STFT(window_size=window_size, hop_size=window_size // 4, window="hann")
    spectrum = stft(
        torch.from_numpy(np.ascontiguousarray(waveform[..., from_:to], dtype=np.float32))
    )  # (…, F, T)
    frequencies = np.fft.rfftfreq(window_size, 1 / sampling_rate)  # (F,)
    inside = (low <= frequencies) & (frequencies <= high)
    inside[np.abs(frequencies - (low + high) / 2).argmin()] = True  # a rectangle lower than a bin
    band = stft.inverse(
        spectrum * torch.from_numpy(inside)[:, None], to - from_
    ).numpy()  # (…, to − from)
    out = np.zeros(waveform.shape, np.float32)
    faded = band[..., first - from_ : last - from_] * _fades(
        last - first, sampling_rate, first > 0, last < n_samples
    )
    out[..., first:last] = faded
    return out


def _clipped(
    name_of_lower: str, lower: float, name_of_upper: str, upper: float, limit: float, unit: str
) -> tuple[float, float]:
    """What of a range lies between 0 and a limit."""
    if not lower < upper:  # nor NaN
        raise InputError(
            f"{name_of_lower} {lower:g} and {name_of_upper} {upper:g} {unit}: expected the lower value first"
        )
    if upper <= 0 or lower >= limit:
        raise InputError(
            f"{name_of_lower} {lower:g} and {name_of_upper} {upper:g} {unit} lie beside the recording: expected a part of "
            f"0 to {limit:g} {unit}"
        )
    return max(0.0, lower), min(limit, upper)


def _fades(n_samples: int, sampling_rate: int, fade_in: bool, fade_out: bool) -> np.ndarray:
    """A raised cosine at the ends of (n,), where it is asked for."""
    n = min(round(FADE * sampling_rate), n_samples // 2)
    rising = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(1, n))).astype(np.float32)
    fades = np.ones(n_samples, np.float32)
    fades[:n] *= rising if fade_in else 1
    fades[n_samples - n :] *= rising[::-1] if fade_out else 1
    return fades
