"""Spectrograms to look at while one listens: of any stretch of a sound of any length, in as many pixels as are asked for.

All pictures share one range of levels, so that what is brighter is louder. Axes: R rows from low to high frequencies, X
columns, C channels, M bands, T frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import look_up
from absslab.plots.figures import RANGE
from absslab.widgets.player.tracks import Mask, Sound

_WINDOW = 0.064  # s
_WINDOWS_PER_COLUMN = 4  # at most: of a column that lasts longer than that, it is a sample
_DENSE = 60.0  # s: up to this a stretch is read at once rather than window by window, and a block where seeking is dear


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


AXES = {
    "mel": (_mel, _hertz),
    "linear": (np.asarray, np.asarray),
}  # Hz → height, and back; logic.mjs draws the same


@dataclass(frozen=True)
class Frequencies:
    """The rows of a picture."""

    axis: str  # mel or linear
    n_rows: int
    highest: float  # Hz

    @property
    def edges(self) -> np.ndarray:
        """(R + 1,) Hz."""
        to, back = look_up("axis", self.axis, AXES)
        return back(np.linspace(0, float(to(np.array(self.highest))), self.n_rows + 1))

    @property
    def centres(self) -> np.ndarray:
        """(R,) Hz."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def levels(
    sound: Sound, frequencies: Frequencies, *, start: float, end: float, n_columns: int
) -> np.ndarray:
    """Level per row and column in dB: the mean over the row's band, of magnitudes in which a sine of full scale has 1.

    Args:
        sound: to be looked at; of its channels the mean of their powers is shown.
        frequencies: the rows.
        start, end: s.
        n_columns: X.

    Shape:
        (R, X).
    """
    rate = sound.sampling_rate
    size = max(16, round(_WINDOW * rate) // 2 * 2)
    step = (end - start) / n_columns  # s
    n_windows = int(np.clip(np.ceil(step / (_WINDOW / 2)), 1, _WINDOWS_PER_COLUMN))
    centres = start + (np.arange(n_columns * n_windows) + 0.5) * step / n_windows  # (X · W,) s
    first = np.round(centres * rate).astype(int) - size // 2
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    power = np.empty((len(first), size // 2 + 1), np.float32)  # (X · W, F)
    for i, samples in enumerate(_windows(sound, first, size)):
        spectrum = np.fft.rfft(samples * window, axis=1) * (2 / window.sum())  # (C, F)
        power[i] = (np.abs(spectrum) ** 2).mean(0)
    power = power.reshape(n_columns, n_windows, -1).mean(1)  # (X, F)
    return 10 * np.log10(np.maximum(_rows(power, rate, frequencies), 1e-12)).T


def picture(level: np.ndarray, top: float) -> np.ndarray:
    """Levels in dB to bytes: 255 is `top`, 0 is `RANGE` below it and less."""
    return np.clip((level - top + RANGE) / RANGE * 255, 0, 255).astype(np.uint8)


def mask_picture(
    mask: Mask, frequencies: Frequencies, *, start: float, end: float, n_columns: int
) -> np.ndarray:
    """A mask in the rows and columns of a picture, 255 where it takes all: (R, X)."""
    instants = start + (np.arange(n_columns) + 0.5) * (end - start) / n_columns  # s
    columns = np.clip(np.round(instants / mask.hop).astype(int), 0, mask.values.shape[1] - 1)
    rows = np.abs(mask.centres[None] - frequencies.centres[:, None]).argmin(1)
    return np.round(255 * np.clip(mask.values[rows][:, columns], 0, 1)).astype(np.uint8)


def _windows(sound: Sound, first: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Stretches (C, size) that begin at `first`, which rises; a sound that seeks badly is read from end to end."""
    seeks = sound.seeks_well and first[-1] - first[0] > _DENSE * sound.sampling_rate
    block, begin = np.zeros((sound.n_channels, 0), np.float32), 0
    for at in first.tolist():
        if seeks:
            yield sound.read(at, size)
            continue
        if at + size > begin + block.shape[1]:
            block, begin = sound.read(at, max(size, round(_DENSE * sound.sampling_rate))), at
        yield block[:, at - begin : at - begin + size]


def _rows(power: np.ndarray, rate: int, frequencies: Frequencies) -> np.ndarray:
    """(X, F) → (X, R): the mean over each row's band, however narrow; above half the sampling rate there is nothing."""
    n_bins = power.shape[1]
    bin_edges = (np.arange(n_bins + 1) - 0.5) * rate / 2 / (n_bins - 1)
    sums = np.concatenate(
        [np.zeros((len(power), 1), np.float32), power.cumsum(1, dtype=np.float64)], 1
    )  # (X, F + 1)
    position = np.interp(frequencies.edges, bin_edges, np.arange(n_bins + 1))  # (R + 1,) in bins
    below = np.minimum(position.astype(int), n_bins - 1)
    at_edges = sums[:, below] + (position - below) * power[:, below]  # (X, R + 1)
    widths = np.maximum(np.diff(position), 1e-9)
    return np.diff(at_edges, axis=1) / widths
