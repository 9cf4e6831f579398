"""The tracks of a player, the chunks in which they are sent, and measurements of the tracks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from absslab.core.audio.loudness import matched_gains
from absslab.widgets.player.mixdown import measure_level
from absslab.widgets.player.spectrogram_tiles import Frequencies, spectrogram_levels
from absslab.widgets.player.tracks import Track, is_same_sound

BUDGET = 30_000_000  # bytes of samples that a page keeps at once


@dataclass
class Playlist:
    """The tracks that are played now.

    Attributes:
        tracks: tracks with the same sampling rate.
        version: tells messages about these tracks from messages about the tracks before.
        track_versions: the same for each track: the version of the first playlist that played this
            sound. A page that has the sound of this version does not ask for it again.
    """

    tracks: list[Track]
    version: int
    _brightest: float | None = field(default=None, init=False)
    _matched_gains: dict[str, list[float]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.track_versions = [self.version] * len(self.tracks)
        self.sampling_rate = self.tracks[0].sound.sampling_rate
        self.n_samples = max(track.sound.n_samples for track in self.tracks)
        self.chunk_length, self.n_chunks_kept = _choose_chunks(self.tracks, self.n_samples)

    @property
    def identities(self) -> list[tuple[str, str]]:
        """Name and kind of each track; a playlist with the same identities keeps the mix."""
        return [(track.name, track.kind) for track in self.tracks]

    def check_track(self, number: object) -> int:
        """Return the number of a track, as a page sends it.

        Raises:
            ValueError: if there is no such track.
        """
        return _check_number(number, len(self.tracks))

    def check_chunk(self, number: object) -> int:
        """Return the number of a chunk, as a page sends it.

        Raises:
            ValueError: if there is no such chunk.
        """
        return _check_number(number, -(-self.n_samples // self.chunk_length))

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.n_samples / self.sampling_rate

    @property
    def brightest(self) -> float:
        """Level in dB of the brightest colour: the highest of any track in a coarse spectrogram.

        It is measured when it is first needed.
        """
        if self._brightest is None:
            frequencies = Frequencies("mel", 40, self.sampling_rate / 2)
            highest = []
            for track in self.tracks:
                levels = spectrogram_levels(
                    track.sound, frequencies, start=0, end=self.duration, n_columns=200
                )  # (R, X)
                highest.append(levels.max())
            self._brightest = float(max(highest))
        return self._brightest

    def keep_colours_of(self, other: "Playlist") -> None:
        """Use the brightest colour of another playlist, if it has been measured."""
        self._brightest = other._brightest

    def keep_versions_of(self, other: "Playlist") -> None:
        """Give tracks that are the same as in another playlist the versions that they have there.

        All have new ones if the lengths or the chunks differ.
        """
        if self._chunking != other._chunking:
            return
        for number, (track, before) in enumerate(zip(self.tracks, other.tracks, strict=True)):
            if is_same_sound(track.sound, before.sound) and track.mask is before.mask:
                self.track_versions[number] = other.track_versions[number]

    @property
    def _chunking(self) -> tuple[int, int, int]:
        return self.sampling_rate, self.n_samples, self.chunk_length

    @property
    def matched_gains(self) -> dict[str, list[float]]:
        """Gains in dB that make all tracks equally loud, or give them equal peaks.

        The modes are `loudness` and `peak`. The gains are measured when they are first needed.
        """
        if self._matched_gains is None:
            measured = [measure_level(track.sound) for track in self.tracks]
            loudness = [level.loudness for level in measured]
            peaks = [level.peak for level in measured]
            modes = ("loudness", "peak")
            self._matched_gains = {mode: matched_gains(loudness, peaks, mode) for mode in modes}
        return self._matched_gains


def _check_number(number: object, n: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < n:
        raise ValueError(f"{number!r} is not from 0 to {n - 1}")
    return number


def _choose_chunks(tracks: Sequence[Track], n_samples: int) -> tuple[int, int]:
    """Return the number of samples of a chunk, and of chunks of each track that a page keeps.

    Tracks that fit into the budget as a whole are one chunk each.
    """
    rate = tracks[0].sound.sampling_rate
    bytes_per_second = 2 * rate * sum(track.sound.n_channels for track in tracks)
    if bytes_per_second * n_samples / rate <= BUDGET:
        return n_samples, 1
    seconds = int(np.clip(BUDGET / 8 / bytes_per_second, 1, 20))
    return seconds * rate, max(4, int(BUDGET / bytes_per_second / seconds))
