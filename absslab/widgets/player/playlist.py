"""What a player plays, in which portions, and what is measured of it once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.audio.loudness import matched_gains
from absslab.widgets.player.mixdown import level_of
from absslab.widgets.player.spectrogram_tiles import Frequencies, levels
from absslab.widgets.player.tracks import Track

BUDGET = 30_000_000  # bytes of samples that a page holds at once


@dataclass
class Playlist:
    """What is played now; answers that were begun for what was played before are told by their version."""

    tracks: list[Track]
    version: int
    top: float | None = None  # dB of the brightest colour of all pictures
    levels: dict[str, list[float]] | None = (
        None  # gains in dB that make all tracks equally loud, or their peaks equal
    )

    def __post_init__(self) -> None:
        self.sampling_rate = self.tracks[0].sound.sampling_rate
        self.n_samples = max(track.sound.n_samples for track in self.tracks)
        self.chunk, self.n_kept = _chunking(self.tracks, self.n_samples)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Name and kind of each track: where they are the same, what is heard stays."""
        return [(track.name, track.kind) for track in self.tracks]

    def number(self, track: object) -> int:
        """A track's number, as a page says it.

        Raises:
            ValueError: there is no such track.
        """
        return _number(track, len(self.tracks))

    def chunk_number(self, chunk: object) -> int:
        """A chunk's number, as a page says it.

        Raises:
            ValueError: there is no such chunk.
        """
        return _number(chunk, -(-self.n_samples // self.chunk))

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sampling_rate

    @property
    def brightest(self) -> float:
        """dB of the brightest colour: the loudest that any track has, in the coarsest of pictures."""
        if self.top is None:
            frequencies = Frequencies("mel", 40, self.sampling_rate / 2)
            found = (
                levels(one.sound, frequencies, start=0, end=self.duration, n_columns=200)
                for one in self.tracks
            )
            self.top = float(max(level.max() for level in found))
        return self.top

    @property
    def level_gains(self) -> dict[str, list[float]]:
        """Gains in dB by mode, measured when they are first asked for."""
        if self.levels is None:
            measured = [level_of(one.sound) for one in self.tracks]
            loudness, peaks = [one.loudness for one in measured], [one.peak for one in measured]
            self.levels = {
                mode: matched_gains(loudness, peaks, mode) for mode in ("loudness", "peak")
            }
        return self.levels


def _number(said: object, n: int) -> int:
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said < n:
        raise ValueError(f"{said!r} is not from 0 to {n - 1}")
    return said


def _chunking(tracks: Sequence[Track], n_samples: int) -> tuple[int, int]:
    """(samples of a chunk, how many the page keeps); a sound that fits is one chunk."""
    rate = tracks[0].sound.sampling_rate
    per_second = 2 * rate * sum(track.sound.n_channels for track in tracks)  # bytes
    if per_second * n_samples / rate <= BUDGET:
        return n_samples, 1
    seconds = int(np.clip(BUDGET / 8 / per_second, 1, 20))
    return seconds * rate, max(4, int(BUDGET / per_second / seconds))
