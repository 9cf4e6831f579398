"""Sounds of any length, in memory or on disk, and the tracks of a player.

Axes: C channels, N samples, M bands, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.audio.sampling_rates import check_rate
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import background_file, source_files

KINDS = ("mixture", "source", "residual", "reference", "background", "other")
RATES = (8000, 96000)  # Hz: lowest and highest sampling rate that every browser plays
_STEREO = 2  # channels; more of them are played as their mean


class Sound(Protocol):
    """Samples that can be read from any position."""

    @property
    def sampling_rate(self) -> int:
        """Sampling rate in Hz."""
        ...

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        ...

    @property
    def n_channels(self) -> int:
        """Number of channels: one or two."""
        ...

    @property
    def seeks_well(self) -> bool:
        """Whether samples at the end are read as quickly as those at the beginning."""
        ...

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """Read samples.

        Args:
            start: the first sample; may be negative.
            n_samples: N.

        Returns:
            float32; silence before the beginning and after the end of the sound.

        Shape:
            (C, N).
        """
        ...


class Mask(NamedTuple):
    """The mask of a class, to be shown over the spectrogram of a mixture."""

    values: np.ndarray  # (M, T) in [0, 1]
    centres: np.ndarray  # (M,) Hz
    hop: float  # s between frames


@dataclass(frozen=True)
class Track:
    """A sound with a name.

    Attributes:
        name: any text.
        sound: its samples.
        kind: one of `KINDS`, its relation to the other tracks.
        mask: mask of a source, to show over the mixture.

    Raises:
        InputError: if the kind is unknown.
    """

    name: str
    sound: Sound
    kind: str = "other"
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"kind of the track {self.name!r} is {self.kind!r}: "
                f"expected one of {', '.join(KINDS)}"
            )


@dataclass(frozen=True)
class ArraySound:
    """Samples in memory."""

    samples: np.ndarray  # (C, N) float32
    sampling_rate: int

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        return self.samples.shape[1]

    @property
    def n_channels(self) -> int:
        """Number of channels: one or two."""
        return self.samples.shape[0]

    @property
    def seeks_well(self) -> bool:
        """Always true: the samples are in memory."""
        return True

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound.read`."""
        samples = self.samples[:, max(0, start) : max(0, start + n_samples)]  # (C, n)
        return _pad(samples, max(0, -start), n_samples)


@dataclass(frozen=True)
class FileSound:
    """Samples in a file, which has to stay there."""

    path: Path
    sampling_rate: int
    n_samples: int
    n_channels: int
    seeks_well: bool  # False for codings whose frames differ in size, or that can't seek

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound.read`.

        Raises:
            InputError: if the file does not exist any more, or can't be decoded there.
        """
        first = min(max(0, start), self.n_samples)
        end = min(max(0, start + n_samples), self.n_samples)
        if end <= first:
            return np.zeros((self.n_channels, n_samples), np.float32)
        samples, _ = sound_files.load_channels(self.path, start=first, n_samples=end - first)
        return _pad(_to_stereo(samples), max(0, -start), n_samples)  # (C, N)


@dataclass(frozen=True)
class Resampled:
    """Another sound at another sampling rate.

    It is resampled in parts of whole seconds. These are whole numbers of samples at both rates, so
    that consecutive parts fit together.
    """

    sound: Sound
    sampling_rate: int

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        return max(1, round(self.sound.n_samples * self.sampling_rate / self.sound.sampling_rate))

    @property
    def n_channels(self) -> int:
        """Number of channels of the other sound."""
        return self.sound.n_channels

    @property
    def seeks_well(self) -> bool:
        """Whether the other sound seeks well."""
        return self.sound.seeks_well

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound.read`."""
        rate = self.sampling_rate
        own_rate = self.sound.sampling_rate
        # In s, with one more second at each end for the filter of the resampling.
        first = start // rate - 1
        last = -(-(start + n_samples) // rate) + 1
        samples = self.sound.read(first * own_rate, (last - first) * own_rate)
        samples = sound_files.resample(samples, own_rate, rate)  # (C, n)
        return samples[:, start - first * rate :][:, :n_samples]  # (C, N)


def is_same_sound(sound: Sound, other: Sound) -> bool:
    """Return whether two sounds are the same object, or the same one resampled alike."""
    if isinstance(sound, Resampled) and isinstance(other, Resampled):
        has_same_rate = sound.sampling_rate == other.sampling_rate
        return has_same_rate and is_same_sound(sound.sound, other.sound)
    return sound is other


def array_sound(samples: np.ndarray, sampling_rate: int) -> Sound:
    """Make a sound of an array.

    Args:
        samples: (N,) or (C, N) floats; more than two channels are played as their mean.
        sampling_rate: Hz.

    Raises:
        InputError: if the array has another shape, no samples or NaN, or the rate is not a whole
            number.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (N,) or (C, N), at least one sample"
        )
    if samples.ndim == 2 and samples.shape[0] > samples.shape[1]:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (C, N), channels first; "
            "transpose it"
        )
    if not np.issubdtype(samples.dtype, np.floating) or not np.isfinite(samples).all():
        is_integer = np.issubdtype(samples.dtype, np.integer)
        hint = "; divide 16-bit samples by 32768" if is_integer else ""
        raise InputError(
            f"the sound ({samples.dtype}) is not of finite floats: "
            f"expected samples in [−1, 1]{hint}"
        )
    sampling_rate = check_rate(sampling_rate)
    channels = np.atleast_2d(samples).astype(np.float32, copy=False)  # (C, N)
    return ArraySound(_to_stereo(channels), sampling_rate)


def file_sound(path: str | Path) -> Sound:
    """Make a sound of a file of any length; only its header is read now.

    Raises:
        InputError: if the file is missing or is not a sound file.
    """
    info = sound_files.info(path)
    n_channels = info.n_channels if info.n_channels <= _STEREO else 1
    return FileSound(
        Path(path).absolute(), info.sampling_rate, info.n_samples, n_channels, info.is_quick
    )


def mixture_tracks(path: str | Path) -> list[Track]:
    """Return the tracks of a mixture: itself, its saved sources as references, its background.

    Raises:
        InputError: if a file can't be read.
    """
    sources = source_files(path)
    background = background_file(path)
    has_parts = bool(sources or background)
    tracks = [Track("mixture" if has_parts else Path(path).stem, file_sound(path), "mixture")]
    for name, source in sources.items():
        tracks.append(Track(name, file_sound(source), "reference"))
    if background:
        tracks.append(Track("background", file_sound(background), "background"))
    return tracks


def to_one_rate(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks at one sampling rate: that of the first, as near as browsers play it.

    Raises:
        InputError: if there is no track.
    """
    if not tracks:
        raise InputError("there is nothing to listen to: expected at least one track")
    rate = int(np.clip(tracks[0].sound.sampling_rate, *RATES))
    resampled = []
    for track in tracks:
        if track.sound.sampling_rate != rate:
            track = replace(track, sound=Resampled(track.sound, rate))
        resampled.append(track)
    return resampled


def _to_stereo(samples: np.ndarray) -> np.ndarray:
    """Return mono and stereo unchanged, and the mean of more channels: (C, N)."""
    return samples if len(samples) <= _STEREO else samples.mean(0, keepdims=True)


def _pad(samples: np.ndarray, before: int, n_samples: int) -> np.ndarray:
    """Add silence: `before` samples before, and as many after as make it (C, n_samples)."""
    before = min(before, n_samples)
    return np.pad(samples, ((0, 0), (before, n_samples - before - samples.shape[1])))
