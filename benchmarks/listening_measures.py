"""Measure what one hears in a separated source: its level, what is missing, leaks, musical noise.

A mask is applied to the spectrum of the mixture, which is linear. So the separated source is the
sum of what the same mask makes of each part of the mixture alone: of the true source, of the other
sources, and of the background (the "shadow filtering" of noise reduction). All levels are energies
relative to that of the true source, in dB. Axes: F STFT bins, T frames, N samples.
"""

from dataclasses import dataclass

import numpy as np

FRAME = 1024  # samples at 16 kHz, 64 ms
HOP = 512
SILENT = 40.0  # dB below its loudest frame: there, a source is silent
INAUDIBLE = 60.0  # dB below the true source: what is left is not judged
_FEWEST_FRAMES = 8
_TINY = 1e-12


@dataclass(frozen=True)
class Parts:
    """A true source, what is in the mixture besides it, and what its mask makes of each: (N,)."""

    source: np.ndarray
    background: np.ndarray
    kept_source: np.ndarray
    kept_others: np.ndarray  # of all other sources
    kept_background: np.ndarray

    @property
    def separated(self) -> np.ndarray:
        """The separated source."""
        return self.kept_source + self.kept_others + self.kept_background


@dataclass(frozen=True)
class Measures:
    """What one would hear in a separated source; levels in dB relative to the true source.

    Args:
        level: of the separated source: 0 is right.
        missing: of what the mask takes from the true source.
        others: of the other sources that are heard.
        background: of the background that is heard.
        pauses: of all that is heard while the true source is silent; NaN: it never is.
        musical: log kurtosis ratio of the background that is left while the source sounds, 0: it
            is as it was; NaN: it is inaudible, or there are too few frames.
        musical_pauses: the same while the source is silent.
    """

    level: float
    missing: float
    others: float
    background: float
    pauses: float
    musical: float
    musical_pauses: float


def measure(parts: Parts) -> Measures:
    """Measure a separated source."""
    reference = _energy(parts.source)
    level = frame_power(parts.source).sum(0)  # (T,)
    silent = level <= level.max() * 10 ** (-SILENT / 10)  # (T,)
    left = frame_power(parts.separated)  # (F, T)
    scale = frame_power(parts.source).sum()
    pauses = _decibels(left[:, silent].sum() / scale) if silent.any() else np.nan
    before = frame_power(parts.background)
    after = frame_power(parts.kept_background)
    return Measures(
        level=_decibels(_energy(parts.separated) / reference),
        missing=_decibels(_energy(parts.source - parts.kept_source) / reference),
        others=_decibels(_energy(parts.kept_others) / reference),
        background=_decibels(_energy(parts.kept_background) / reference),
        pauses=pauses,
        musical=musical_noise(before[:, ~silent], after[:, ~silent], scale),
        musical_pauses=musical_noise(before[:, silent], after[:, silent], scale),
    )


def musical_noise(before: np.ndarray, after: np.ndarray, scale: float) -> float:
    """Compute the log kurtosis ratio of what is left of a background, NaN where it is inaudible.

    Args:
        before: powers of the background.
        after: powers of what is left of it.
        scale: energy that levels are relative to, in the same unit.

    Shape:
        (F, T), (F, T) → ().
    """
    n_frames = before.shape[1]
    if n_frames < _FEWEST_FRAMES or after.sum() <= scale * 10 ** (-INAUDIBLE / 10):
        return np.nan
    return log_kurtosis_ratio(before, after)


def log_kurtosis_ratio(before: np.ndarray, after: np.ndarray) -> float:
    """Compute how much more isolated the peaks of noise are after processing than before.

    Musical noise is what is left of noise in single bins at single times. The kurtosis of the
    powers p of a bin over time is E[p⁴] / E[p²]², which is 6 for Gaussian noise. The natural
    logarithm of the ratio of that after processing to that before is averaged over the bins; here
    each bin counts by the energy that is left in it. The result is 0 if each bin is only scaled by
    a constant. If a bin is kept at random in a share q of the frames, and silent in the others, it
    is ln(1 / q).

    Shape:
        powers (F, T), (F, T) → ().

    Source:
        Uemura et al., Automatic optimization scheme of spectral subtraction based on musical noise
        assessment via higher-order statistics, IWAENC 2008.
    """
    energies = after.sum(1)  # (F,)
    heard = energies > 0
    ratio = _kurtosis(after[heard]) / _kurtosis(before[heard])
    return float(np.average(np.log(ratio), weights=energies[heard]))


def _kurtosis(powers: np.ndarray) -> np.ndarray:
    """Return the kurtosis of each bin, by moments around 0: (F, T) → (F,)."""
    scaled = powers / np.maximum(powers.max(1, keepdims=True), 1e-300)  # no overflow, no underflow
    return (scaled**4).mean(1) / np.maximum((scaled**2).mean(1), 1e-300) ** 2


def frame_power(samples: np.ndarray) -> np.ndarray:
    """Return the power of each bin in each frame, of Hann windows: (N,) → (F, T)."""
    padded = np.pad(samples.astype(np.float64), FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]  # (T, FRAME)
    return np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1).T) ** 2


def _energy(samples: np.ndarray) -> float:
    return float(np.square(samples, dtype=np.float64).sum())


def _decibels(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, _TINY)))
