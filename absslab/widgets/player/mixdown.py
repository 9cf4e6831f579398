"""Mix tracks: the choices of a listener, the sum of the tracks, and its level.

Axes: C channels, N samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from absslab.core.audio.loudness import loudness, peak
from absslab.core.common.errors import InputError
from absslab.widgets.player.tracks import Sound, Track

_BLOCK = 20.0  # s that are read at once
_PARTS = ("source", "residual")
_SEPARATED = ("mixture", *_PARTS)  # kinds of tracks that `absslab separate` can make
_N_LOUDNESS_BLOCKS = 30  # blocks on which the loudness of a long sound is measured


@dataclass(frozen=True)
class MixState:
    """The tracks that are heard, and their gains.

    Attributes:
        gains: dB of each track; −inf for a track that is not heard.
        mix: the choices of the listener as the page keeps them: solo, mute, gains, level.
    """

    gains: tuple[float, ...]
    mix: dict[str, Any]

    @classmethod
    def only(cls, tracks: Sequence[Track], numbers: Sequence[int]) -> "MixState":
        """Return the state in which only the tracks of these numbers are heard, at 0 dB."""
        gains = tuple(0.0 if k in numbers else float("-inf") for k in range(len(tracks)))
        own_gains = [0.0] * len(tracks)
        return cls(gains, {"solo": list(numbers), "mute": [], "gains": own_gains, "level": "raw"})

    @classmethod
    def from_page(cls, tracks: Sequence[Track], content: Mapping[str, Any]) -> "MixState":
        """Return the state that a page has sent.

        Args:
            tracks: tracks that the page plays.
            content: `gains` in dB, None for a track that is not heard; and `mix`.

        Raises:
            ValueError: if the gains do not fit the tracks.
        """
        gains = [float("-inf") if gain is None else float(gain) for gain in content["gains"]]
        if len(gains) != len(tracks) or np.isnan(gains).any():
            raise ValueError("gains do not fit the tracks")
        return cls(tuple(gains), dict(content["mix"]))


@dataclass(frozen=True)
class MixedSound:
    """The sum of tracks with linear gains, as a sound; it is computed when it is read.

    Attributes:
        tracks: tracks with the same sampling rate.
        gains: linear gains, one per track.
    """

    tracks: tuple[Track, ...]
    gains: tuple[float, ...]

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of all tracks in Hz."""
        return self.tracks[0].sound.sampling_rate

    @property
    def n_samples(self) -> int:
        """Number of samples per channel of the longest track."""
        return max(track.sound.n_samples for track in self.tracks)

    @property
    def n_channels(self) -> int:
        """Largest number of channels of a track, heard or not: it stays when the gains change."""
        return max(track.sound.n_channels for track in self.tracks)

    @property
    def seeks_well(self) -> bool:
        """Whether all tracks seek well."""
        return all(track.sound.seeks_well for track in self.tracks)

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound.read`."""
        total = mix_tracks(self.tracks, self.gains, start, n_samples)
        return np.broadcast_to(total, (self.n_channels, n_samples))


class Level(NamedTuple):
    """Loudness and peak of a sound."""

    loudness: float  # LUFS
    peak: float  # dBFS


def mix_tracks(
    tracks: Sequence[Track], gains: Sequence[float], start: int, n_samples: int
) -> np.ndarray:
    """Return the sum of tracks, each with a linear gain.

    Args:
        tracks: tracks with the same sampling rate.
        gains: linear, one per track; a track with gain 0 is not read.
        start: the first sample.
        n_samples: N.

    Shape:
        (C, N); C is the largest number of channels of a track with a gain.
    """
    audible = [(track.sound, gain) for track, gain in zip(tracks, gains, strict=True) if gain]
    n_channels = max((sound.n_channels for sound, _ in audible), default=1)
    total = np.zeros((n_channels, n_samples), np.float32)
    block_size = round(_BLOCK * tracks[0].sound.sampling_rate)
    for first in range(0, n_samples, block_size):
        size = min(block_size, n_samples - first)
        block = np.zeros((n_channels, size))  # in double precision
        for sound, gain in audible:
            block += gain * sound.read(start + first, size)
        total[:, first : first + size] = block
    return total


def remix_gains(tracks: Sequence[Track], state: MixState) -> dict[str, float]:
    """Return the gains in dB with which `absslab separate` produces the sound that is heard.

    Returns:
        The gain of each class and of the residual.

    Raises:
        InputError: if a track is heard that `absslab separate` can't make, or no track is heard.
    """
    linear = [10 ** (gain / 20) for gain in state.gains]
    heard = [(track, gain) for track, gain in zip(tracks, linear, strict=True) if gain]
    foreign = [track.name for track, _ in heard if track.kind not in _SEPARATED]
    if foreign:
        raise InputError(
            f"{', '.join(foreign)} can be heard, which no model makes: "
            "mute it to save the settings of a remix"
        )
    # The mixture is the sum of all sources and the residual.
    mixture_gain = sum(gain for track, gain in heard if track.kind == "mixture")
    gains = {
        track.name: mixture_gain + gain
        for track, gain in zip(tracks, linear, strict=True)
        if track.kind in _PARTS
    }
    if not any(gains.values()):
        raise InputError("nothing is heard that could be saved: choose a track")
    return {name: _to_decibels(gain) for name, gain in gains.items()}


def measure_level(sound: Sound) -> Level:
    """Measure the peak of a sound, and its loudness.

    The loudness of a long sound is measured on blocks that are spread evenly over it.
    """
    block_size = round(_BLOCK * sound.sampling_rate)
    starts = range(0, sound.n_samples, block_size)
    n_blocks = min(_N_LOUDNESS_BLOCKS, len(starts))
    measured = set(np.linspace(0, len(starts) - 1, n_blocks).round().astype(int).tolist())
    highest = float("-inf")
    blocks = []
    for i, start in enumerate(starts):
        block = sound.read(start, min(block_size, sound.n_samples - start))  # (C, n)
        highest = max(highest, peak(block))
        if i in measured:
            blocks.append(block)
    return Level(loudness(np.concatenate(blocks, 1), sound.sampling_rate), highest)


def _to_decibels(gain: float) -> float:
    return float(20 * np.log10(gain)) if gain else float("-inf")
