"""Sounds of any length, in memory or on disk, read window by window; and the tracks that a player plays together.

Axes: C channels, N samples, M bands, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import source_files

KINDS = ("mixture", "source", "residual", "reference", "background", "other")
RATES = (8000, 96000)  # Hz that every browser's audio takes
_STEREO = 2  # channels that are heard as they are; of more their mean is


class Sound(Protocol):
    """Samples that can be read from anywhere."""

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        ...

    @property
    def n_samples(self) -> int:
        """Per channel."""
        ...

    @property
    def n_channels(self) -> int:
        """One or two."""
        ...

    @property
    def seeks_well(self) -> bool:
        """Whether reading far into it is as quick as at its beginning."""
        ...

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """Samples (C, n_samples) float32 from `start`; silence where there are none."""
        ...


class Mask(NamedTuple):
    """What a class takes of a mixture, to be laid over its picture."""

    values: np.ndarray  # (M, T) in [0, 1]
    centres: np.ndarray  # (M,) Hz
    hop: float  # s from frame to frame


@dataclass(frozen=True)
class Track:
    """A sound with a name; what it is to the others says its kind."""

    name: str
    sound: Sound
    kind: str = "other"
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"kind of the track {self.name!r} is {self.kind!r}: expected one of {', '.join(KINDS)}"
            )


@dataclass(frozen=True)
class ArraySound:
    """Samples in memory."""

    samples: np.ndarray  # (C, N) float32
    sampling_rate: int

    @property
    def n_samples(self) -> int:
        """Per channel."""
        return self.samples.shape[1]

    @property
    def n_channels(self) -> int:
        """One or two."""
        return self.samples.shape[0]

    @property
    def seeks_well(self) -> bool:
        """It is in memory."""
        return True

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound`."""
        found = self.samples[:, max(0, start) : max(0, start + n_samples)]
        return _padded(found, max(0, -start), n_samples)


@dataclass(frozen=True)
class FileSound:
    """Samples on disk, of a file that stays there."""

    path: Path
    sampling_rate: int
    n_samples: int
    n_channels: int

    @property
    def seeks_well(self) -> bool:
        """Not where frames of any size follow on each other."""
        return self.path.suffix.lower() not in (".mp3", ".ogg")

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound`.

        Raises:
            InputError: the file is gone or can't be decoded there.
        """
        first, end = (
            min(max(0, start), self.n_samples),
            min(max(0, start + n_samples), self.n_samples),
        )
        if end <= first:
            return np.zeros((self.n_channels, n_samples), np.float32)
        found, _ = sound_files.load_channels(self.path, start=first, n_samples=end - first)
        return _padded(_heard(found), max(0, -start), n_samples)


@dataclass(frozen=True)
class Resampled:
    """Another sound at another rate. Whole seconds are whole numbers of samples at both, so windows fit to each other."""

    sound: Sound
    sampling_rate: int

    @property
    def n_samples(self) -> int:
        """Per channel."""
        return max(1, round(self.sound.n_samples * self.sampling_rate / self.sound.sampling_rate))

    @property
    def n_channels(self) -> int:
        """As the other's."""
        return self.sound.n_channels

    @property
    def seeks_well(self) -> bool:
        """As the other."""
        return self.sound.seeks_well

    def read(self, start: int, n_samples: int) -> np.ndarray:
        """See `Sound`."""
        rate, own = self.sampling_rate, self.sound.sampling_rate
        first = (
            start // rate - 1
        )  # s: one more at each end, so that the filter sees its surroundings
        last = -(-(start + n_samples) // rate) + 1
        found = sound_files.resample(
            self.sound.read(first * own, (last - first) * own), own, rate
        )  # (C, n)
        return found[:, start - first * rate :][:, :n_samples]


def array_sound(samples: np.ndarray, sampling_rate: int) -> Sound:
    """The sound of an array.

    Args:
        samples: (N,) or (C, N) floats; of more than two channels the mean is heard.
        sampling_rate: Hz.

    Raises:
        InputError: another shape, no samples, NaN, a rate that is no whole number.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (N,) or (C, N), at least one sample"
        )
    if samples.ndim == 2 and samples.shape[0] > samples.shape[1]:
        raise InputError(
            f"the sound has the shape {samples.shape}: expected (C, N), channels first; transpose it"
        )
    if not np.issubdtype(samples.dtype, np.floating) or not np.isfinite(samples).all():
        hint = (
            "; divide 16-bit samples by 32768" if np.issubdtype(samples.dtype, np.integer) else ""
        )
        raise InputError(
            f"the sound ({samples.dtype}) is not of finite floats: expected samples in [−1, 1]{hint}"
        )
    is_number = isinstance(sampling_rate, Real) and not isinstance(sampling_rate, bool)
    if not is_number or not float(sampling_rate).is_integer() or sampling_rate <= 0:
        raise InputError(f"sampling_rate is {sampling_rate!r}: expected a whole number of Hz")
    return ArraySound(
        _heard(np.atleast_2d(samples).astype(np.float32, copy=False)), int(sampling_rate)
    )


def file_sound(path: str | Path) -> Sound:
    """The sound of a file of any length; only its header is read now.

    Raises:
        InputError: the file is missing or no sound file.
    """
    about = sound_files.info(path)
    n_channels = about.n_channels if about.n_channels <= _STEREO else 1
    return FileSound(Path(path).absolute(), about.sampling_rate, about.n_samples, n_channels)


def mixture_tracks(path: str | Path) -> list[Track]:
    """A mixture, the sources that were saved with it as references, and its background.

    Raises:
        InputError: a file that can't be read.
    """
    sources = source_files(path)
    tracks = [Track("mixture" if sources else Path(path).stem, file_sound(path), "mixture")]
    for name, source in sources.items():
        tracks.append(
            Track(name, file_sound(source), "background" if name == "background" else "reference")
        )
    return tracks


def alike(tracks: Sequence[Track]) -> list[Track]:
    """Tracks of one sampling rate, the first's, as near as browsers take it; shorter ones end in silence.

    Raises:
        InputError: no track.
    """
    if not tracks:
        raise InputError("there is nothing to listen to: expected at least one track")
    rate = int(np.clip(tracks[0].sound.sampling_rate, *RATES))
    return [
        one if one.sound.sampling_rate == rate else replace(one, sound=Resampled(one.sound, rate))
        for one in tracks
    ]


def _heard(samples: np.ndarray) -> np.ndarray:
    """(C, N): mono and stereo as they are, of more channels the mean."""
    return samples if len(samples) <= _STEREO else samples.mean(0, keepdims=True)


def _padded(samples: np.ndarray, before: int, n_samples: int) -> np.ndarray:
    before = min(before, n_samples)
    return np.pad(samples, ((0, 0), (before, n_samples - before - samples.shape[1])))
