"""Cut a rectangle of time and frequency out of a recording.

Axes: C channels, F STFT bins, T frames, N samples.
"""

import numpy as np
import torch

from absslab.core.audio.sampling_rates import check_rate
from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError

WINDOW = 0.064  # s
FADE = 0.01  # s, at both ends


def cut_region(
    waveform: np.ndarray, sampling_rate: int, *, start: float, end: float, low: float, high: float
) -> np.ndarray:
    """Keep only a rectangle of time and frequency of a recording; the rest becomes silent.

    Bins outside are set to 0; at least one bin is kept. Both ends are faded over 10 ms, unless they
    are those of the recording.

    Args:
        waveform: (N,) or (C, N).
        sampling_rate: Hz.
        start: s; the part before the recording is left out.
        end: s; the part after the recording is left out.
        low: Hz; the part below 0 is left out.
        high: Hz; the part above half the sampling rate is left out.

    Shape:
        (…, N) → (…, N).

    Raises:
        InputError: a rectangle that is empty or outside the recording, no samples, another shape.
    """
    if waveform.ndim not in (1, 2) or not waveform.size:
        raise InputError(
            f"the waveform has the shape {waveform.shape}: expected (N,) or (C, N), "
            "at least one sample"
        )
    sampling_rate = check_rate(sampling_rate)
    n_samples = waveform.shape[-1]
    start, end = _clip_range("start", start, "end", end, n_samples / sampling_rate, "s")
    low, high = _clip_range("low", low, "high", high, sampling_rate / 2, "Hz")
    window_size = 2 * round(WINDOW * sampling_rate / 2)
    first = min(round(start * sampling_rate), n_samples - 1)
    last = min(max(round(end * sampling_rate), first + 1), n_samples)
    # Samples further away than a window have no influence.
    begin = max(0, first - window_size)
    stop = min(n_samples, last + window_size)
    stft = STFT(window_size=window_size, hop_size=window_size // 4, window="hann")
    excerpt = np.ascontiguousarray(waveform[..., begin:stop], dtype=np.float32)
    spectrum = stft(torch.from_numpy(excerpt))  # (…, F, T)
    frequencies = np.fft.rfftfreq(window_size, 1 / sampling_rate)  # (F,)
    inside = (low <= frequencies) & (frequencies <= high)
    # A rectangle may be narrower than a bin.
    inside[np.abs(frequencies - (low + high) / 2).argmin()] = True
    mask = torch.from_numpy(inside)[:, None]  # (F, 1)
    band = stft.inverse(spectrum * mask, stop - begin).numpy()  # (…, stop − begin)
    fades = _fades(last - first, sampling_rate, first > 0, last < n_samples)  # (last − first,)
    region = np.zeros(waveform.shape, np.float32)
    region[..., first:last] = band[..., first - begin : last - begin] * fades
    return region


def _clip_range(
    name_of_lower: str, lower: float, name_of_upper: str, upper: float, limit: float, unit: str
) -> tuple[float, float]:
    """Return the part of a range that lies between 0 and a limit."""
    if not lower < upper:  # nor NaN
        raise InputError(
            f"{name_of_lower} {lower:g} and {name_of_upper} {upper:g} {unit}: "
            "expected the lower value first"
        )
    if upper <= 0 or lower >= limit:
        raise InputError(
            f"{name_of_lower} {lower:g} and {name_of_upper} {upper:g} {unit} lie outside the "
            f"recording: expected a part of 0 to {limit:g} {unit}"
        )
    return max(0.0, lower), min(limit, upper)


def _fades(n_samples: int, sampling_rate: int, fade_in: bool, fade_out: bool) -> np.ndarray:
    """Return gains (N,) with a raised cosine at the ends to fade."""
    n = min(round(FADE * sampling_rate), n_samples // 2)
    rising = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(1, n))).astype(np.float32)
    fades = np.ones(n_samples, np.float32)
    fades[:n] *= rising if fade_in else 1
    fades[n_samples - n :] *= rising[::-1] if fade_out else 1
    return fades
