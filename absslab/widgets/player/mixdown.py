"""What is heard of several tracks, and how loud they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from absslab.core.audio.loudness import loudness, peak
from absslab.core.common.errors import InputError
from absslab.widgets.player.tracks import Sound, Track

_BLOCK = 20.0  # s that are read at once
_PARTS = ("source", "residual")
_MADE = ("mixture", *_PARTS)
_N_BLOCKS = 30  # blocks that the loudness of a longer sound is measured on


@dataclass(frozen=True)
class MixState:
    """Which tracks are heard, and how loud."""

    gains: tuple[float, ...]  # dB of each track; −inf: not heard
    mix: dict[str, Any]  # what a person has chosen, as the page keeps it: solo, mute, gains, level

    @classmethod
    def only(cls, tracks: Sequence[Track], which: Sequence[int]) -> "MixState":
        """Only these, as they are."""
        gains = tuple(0.0 if k in which else float("-inf") for k in range(len(tracks)))
        return cls(
            gains, {"solo": list(which), "mute": [], "gains": [0.0] * len(tracks), "level": "raw"}
        )

    @classmethod
    def from_page(cls, tracks: Sequence[Track], content: Mapping[str, Any]) -> "MixState":
        """What the page says: gains in dB, null for what is not heard, and the mix, which is kept for it."""
        gains = [float("-inf") if gain is None else float(gain) for gain in content["gains"]]
        if len(gains) != len(tracks) or np.isnan(gains).any():
            raise ValueError("gains do not fit the tracks")
        return cls(tuple(gains), dict(content["mix"]))


@dataclass(frozen=True)
class Remix:
    """The sum of tracks with linear gains, as a sound: nothing is computed before it is read."""

    tracks: tuple[Track, ...]  # of one sampling rate
    gains: tuple[float, ...]

    @property
    def sampling_rate(self) -> int:
        """Of all tracks, Hz."""
        return self.tracks[0].sound.sampling_rate

    @property
    def n_samples(self) -> int:
        """Of the longest track."""
        return max(one.sound.n_samples for one in self.tracks)

    @property
    def n_channels(self) -> int:
        """Of the widest track, heard or not: it stays the same while gains change."""
        return max(one.sound.n_channels for one in self.tracks)

    @property
    def seeks_well(self) -> bool:
        """If all do."""
        return all(one.sound.seeks_well for one in self.tracks)

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound`."""
        total = remix(self.tracks, self.gains, start, n_samples)
        return np.broadcast_to(total, (self.n_channels, n_samples))


class Level(NamedTuple):
    """How loud a sound is."""

    loudness: float  # LUFS
    peak: float  # dBFS


def remix(
    tracks: Sequence[Track], gains: Sequence[float], start: int, n_samples: int
) -> np.ndarray:
    """The sum of tracks with linear gains: (C, n_samples), in as many channels as the widest of them has."""
    n_channels = max(
        (one.sound.n_channels for one, gain in zip(tracks, gains, strict=True) if gain), default=1
    )
    total = np.zeros((n_channels, n_samples), np.float32)
    size = round(_BLOCK * tracks[0].sound.sampling_rate)
    for at in range(0, n_samples, size):
        n = min(size, n_samples - at)
        heard = (
            gain * one.sound.read(start + at, n)
            for one, gain in zip(tracks, gains, strict=True)
            if gain
        )
        total[:, at : at + n] = sum(heard, np.zeros((n_channels, n)))  # in double precision
    return total


def remix_gains(tracks: Sequence[Track], heard: MixState) -> dict[str, float]:
    """Gains in dB with which `absslab separate` makes what is heard: of each class and of the residual.

    Raises:
        InputError: something is heard that separating does not make, or nothing is.
    """
    linear = [10 ** (gain / 20) for gain in heard.gains]
    foreign = [
        track.name
        for track, gain in zip(tracks, linear, strict=True)
        if gain and track.kind not in _MADE
    ]
    if foreign:
        raise InputError(
            f"{', '.join(foreign)} can be heard, which no model makes: mute it to save the settings of a remix"
        )
    whole = sum(
        gain for track, gain in zip(tracks, linear, strict=True) if track.kind == "mixture"
    )  # Σ sources + residual
    gains = {
        track.name: whole + gain
        for track, gain in zip(tracks, linear, strict=True)
        if track.kind in _PARTS
    }
    if not any(gains.values()):
        raise InputError("nothing is heard that could be saved: choose a track")
    return {
        name: float(20 * np.log10(gain)) if gain else float("-inf") for name, gain in gains.items()
    }


def level_of(sound: Sound) -> Level:
    """Peak of all of a sound, and loudness: of a long one of blocks that are spread evenly over it."""
    size = round(_BLOCK * sound.sampling_rate)
    starts = range(0, sound.n_samples, size)
    measured = set(
        np.linspace(0, len(starts) - 1, min(_N_BLOCKS, len(starts))).round().astype(int).tolist()
    )
    highest, kept = float("-inf"), []
    for i, start in enumerate(starts):
        block = sound.read(start, min(size, sound.n_samples - start))
        highest = max(highest, peak(block))
        if i in measured:
            kept.append(block)
    return Level(loudness(np.concatenate(kept, 1), sound.sampling_rate), highest)
