"""Compute spectrogram tiles: any part of a sound of any length, in a given number of pixels.

All tiles of a player share one range of levels, so that brighter means louder.
Axes: R rows from low to high frequencies, X columns, W windows per column, F bins of the STFT,
C channels, M bands, T frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import look_up
from absslab.plots.figures import RANGE
from absslab.widgets.player.tracks import Mask, Sound

_WINDOW = 0.064  # s
_WINDOWS_PER_COLUMN = 4  # at most; longer columns are sampled by this many
# A part up to this length is read at once instead of window by window; so are blocks of a sound
# that seeks badly.
_BLOCK = 60.0  # s


def _hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def _mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


# Functions from Hz to height, and back. js/logic.mjs has the same ones.
AXES = {
    "mel": (_hertz_to_mel, _mel_to_hertz),
    "linear": (np.asarray, np.asarray),
}


@dataclass(frozen=True)
class Frequencies:
    """The rows of a tile."""

    axis: str  # mel or linear
    n_rows: int
    highest: float  # Hz

    @property
    def edges(self) -> np.ndarray:
        """Edges of the rows in Hz, (R + 1,)."""
        to_height, to_hertz = look_up("axis", self.axis, AXES)
        top = float(to_height(np.array(self.highest)))
        return to_hertz(np.linspace(0, top, self.n_rows + 1))  # (R + 1,)

    @property
    def centres(self) -> np.ndarray:
        """Centres of the rows in Hz, (R,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def spectrogram_levels(
    sound: Sound, frequencies: Frequencies, *, start: float, end: float, n_columns: int
) -> np.ndarray:
    """Compute the level of each row and column in dB; a sine of full scale has 0 dB.

    Args:
        sound: the sound; the powers of its channels are averaged.
        frequencies: the rows; each shows the mean over its band.
        start: start of the part, s.
        end: end of the part, s.
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
    for i, samples in enumerate(_read_windows(sound, first, size)):  # (C, size)
        spectrum = np.fft.rfft(samples * window, axis=1) * (2 / window.sum())  # (C, F)
        power[i] = (np.abs(spectrum) ** 2).mean(0)
    power = power.reshape(n_columns, n_windows, -1).mean(1)  # (X, F)
    row_power = _average_bands(power, rate, frequencies)  # (X, R)
    return 10 * np.log10(np.maximum(row_power, 1e-12)).T  # (R, X)


def level_pixels(levels: np.ndarray, top: float) -> np.ndarray:
    """Return levels in dB as bytes: 255 is `top`, 0 is `RANGE` dB below it or less."""
    return np.clip((levels - top + RANGE) / RANGE * 255, 0, 255).astype(np.uint8)


def mask_pixels(
    mask: Mask, frequencies: Frequencies, *, start: float, end: float, n_columns: int
) -> np.ndarray:
    """Return a mask as bytes in the rows and columns of a tile; 255 where the mask is 1.

    Args:
        mask: the mask to show.
        frequencies: the rows.
        start: start of the part, s.
        end: end of the part, s.
        n_columns: X.

    Shape:
        (R, X).
    """
    instants = start + (np.arange(n_columns) + 0.5) * (end - start) / n_columns  # s
    frames = np.round(instants / mask.hop).astype(int)
    columns = np.clip(frames, 0, mask.values.shape[1] - 1)  # (X,) frames
    rows = np.abs(mask.centres[None] - frequencies.centres[:, None]).argmin(1)  # (R,) bands
    values = mask.values[rows][:, columns]  # (R, X)
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)


def _read_windows(sound: Sound, first: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield windows of a sound, (C, size), that begin at the samples `first`, in rising order.

    A sound that seeks badly, or a short stretch, is read in blocks from end to end.
    """
    block_size = max(size, round(_BLOCK * sound.sampling_rate))
    is_long = first[-1] - first[0] > _BLOCK * sound.sampling_rate
    if sound.seeks_well and is_long:
        for start in first.tolist():
            yield sound.read(start, size)
        return
    block = np.zeros((sound.n_channels, 0), np.float32)
    block_start = 0
    for start in first.tolist():
        if start + size > block_start + block.shape[1]:
            block = sound.read(start, block_size)  # (C, n)
            block_start = start
        yield block[:, start - block_start : start - block_start + size]


def _average_bands(power: np.ndarray, rate: int, frequencies: Frequencies) -> np.ndarray:
    """Average power (X, F) over the band of each row, however narrow it is.

    Bands above half the sampling rate get 0.

    Shape:
        (X, R).
    """
    n_bins = power.shape[1]
    bin_edges = (np.arange(n_bins + 1) - 0.5) * rate / 2 / (n_bins - 1)
    zeros = np.zeros((len(power), 1), np.float32)
    sums = np.concatenate([zeros, power.cumsum(1, dtype=np.float64)], 1)  # (X, F + 1)
    position = np.interp(frequencies.edges, bin_edges, np.arange(n_bins + 1))  # (R + 1,) in bins
    below = np.minimum(position.astype(int), n_bins - 1)
    at_edges = sums[:, below] + (position - below) * power[:, below]  # (X, R + 1)
    widths = np.maximum(np.diff(position), 1e-9)  # (R,) in bins
    return np.diff(at_edges, axis=1) / widths  # (X, R)
