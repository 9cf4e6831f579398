"""Read headers and samples of sound files, resample, and write sound files.

Axes: C channels, N samples. Audio is float32 in [−1, 1].
"""

import errno
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from absslab.core.audio.decoders import path_for_library
from absslab.core.audio.open_sound import OpenSound
from absslab.core.audio.sampling_rates import check_rate
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.files import FileVersion, file_version, temporary_sibling, write_bytes
from absslab.core.common.notices import give_notice
from absslab.core.common.signals import defer_interrupts

_STEPS = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}  # per unit of amplitude
_DERIVED_SUBTYPES = {  # others: FLOAT, whose samples may exceed full scale
    "PCM_U8": "PCM_16",
    "PCM_S8": "PCM_16",
    "PCM_16": "PCM_16",
    "PCM_24": "PCM_24",
}
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}  # per sample
_BLOCK = 1 << 18  # samples to read at a time, if the file need not be in memory
_MAX_WAV_SIZE = (1 << 32) - (1 << 16)  # bytes; a longer file is written as RF64
_MAX_OPEN_FILES = 4  # files that stay open


@dataclass(frozen=True)
class AudioInfo:
    """The header of a sound file."""

    sampling_rate: int  # Hz
    n_samples: int  # per channel
    n_channels: int
    subtype: str  # coding of the samples, as libsndfile calls it
    is_quick: bool = True  # samples at the end are read as quickly as those at the beginning

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sampling_rate


def info(path: str | Path, *, longest: float | None = None) -> AudioInfo:
    """Read a sound file's header; where it does not say how long the sound is, decode it once.

    Args:
        path: the file.
        longest: s; where a file has to be decoded, this ends after a longer sound.

    Raises:
        InputError: the file is missing, empty or not a sound file.
    """
    with OpenSound.open(path) as sound:
        n_samples = sound.count_samples(longest)
        _give_notices(sound)
        return _info(sound, n_samples)


def _info(sound: OpenSound, n_samples: int) -> AudioInfo:
    return AudioInfo(
        sound.sampling_rate, n_samples, sound.n_channels, sound.subtype, sound.is_quick
    )


def _give_notices(sound: OpenSound) -> None:
    """Tell what is missing in a file."""
    for notice in sound.notices:
        give_notice(notice)


def check(path: str | Path, *, may_be_silent: bool = False) -> AudioInfo:
    """Decode a file from end to end, block by block, and return its header.

    Args:
        path: the file.
        may_be_silent: whether a file can be used whose channels have a mean of zeros alone.

    Raises:
        InputError: see `info`; also if the file can't be decoded to its end, holds NaN, infinite
            or far too large samples, or is silent.
    """
    with OpenSound.open(path) as sound:
        n_samples = 0
        is_silent = True
        while len(block := sound.read(_BLOCK)):
            # Channels that cancel each other are silent too, once they are mixed to mono.
            is_silent = is_silent and not block.mean(axis=1).any()
            n_samples += len(block)
        if not n_samples:
            raise sound.emptiness_error()
        _give_notices(sound)
        _give_notice_if_short(sound, n_samples)
        if is_silent and not may_be_silent:
            raise _silence_error(path)
        return _info(sound, n_samples)


def _give_notice_if_short(sound: OpenSound, n_samples: int) -> None:
    """Tell if fewer samples were decoded than there should be."""
    if n_samples < sound.n_samples:
        give_notice(
            InputWarning(
                f"{{path}} is cut short: {n_samples} of {sound.n_samples} samples are there",
                path=sound.path,
            )
        )


def _silence_error(path: str | Path) -> InputError:
    return InputError("{path} is silent: every sample is 0; replace or remove it", path=path)


def read_blocks(path: str | Path, *, quietly: bool = False) -> Iterator[np.ndarray]:
    """Read the samples of a file in blocks (C, n).

    Args:
        path: the file.
        quietly: whether to leave what is missing in the file to `info` to tell.

    Yields:
        the next samples, float32.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    with OpenSound.open(path) as sound:
        while len(block := sound.read(_BLOCK)):
            yield np.ascontiguousarray(block.T)
        if not quietly:
            _give_notices(sound)


def load_channels(
    path: str | Path, *, start: int = 0, n_samples: int = -1
) -> tuple[np.ndarray, int]:
    """Read samples of all channels at the file's own rate.

    Args:
        path: the file.
        start: the first sample to read.
        n_samples: number of samples to read; −1 means all that follow.

    Returns:
        samples (C, N) float32, and the sampling rate in Hz.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    with _open_files.open_at(path, start) as sound:
        block = sound.read(n_samples)  # (N, C)
        _give_notices(sound)
        last = sound.n_samples if n_samples < 0 else min(start + n_samples, sound.n_samples)
        if sound.position < last:
            _give_notice_if_short(sound, sound.position)
        return np.ascontiguousarray(block.T), sound.sampling_rate  # (C, N)


class _OpenFiles:
    """Files that can't seek stay open where they were read last: the next part may follow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[str, FileVersion, int, OpenSound]] = []  # with the process

    @contextmanager
    def open_at(self, path: str | Path, start: int) -> Iterator[OpenSound]:
        """Give a file that is open at a sample."""
        sound = self._take_nearest(os.fspath(path), start) or OpenSound.open(path)
        is_kept = False
        try:
            if start:
                sound.seek(start)
            yield sound
            is_kept = not sound.can_seek and 0 < sound.position < sound.n_samples
        finally:
            if not is_kept:
                sound.close()
        if is_kept:
            self._keep_open(sound)

    def _take_nearest(self, path: str, start: int) -> OpenSound | None:
        """Return the file that was read last at the nearest sample before `start`."""
        with self._lock:
            # Processes that were forked share the position in the file.
            for entry in [entry for entry in self._idle if entry[2] != os.getpid()]:
                self._idle.remove(entry)
            if not self._idle:
                return None
            version = file_version(path)
            usable = [
                entry
                for entry in self._idle
                if entry[:2] == (path, version) and 0 < entry[3].position <= start
            ]
            if not usable:
                return None
            nearest = max(usable, key=lambda entry: entry[3].position)
            self._idle.remove(nearest)
            return nearest[3]

    def _keep_open(self, sound: OpenSound) -> None:
        version = file_version(sound.path)
        if version is None:
            sound.close()
            return
        with self._lock:
            self._idle.append((sound.path, version, os.getpid(), sound))
            oldest = self._idle.pop(0) if len(self._idle) > _MAX_OPEN_FILES else None
        if oldest is not None:
            oldest[3].close()


_open_files = _OpenFiles()


def load(
    path: str | Path, sampling_rate: int | None = None, *, start: int = 0, n_samples: int = -1
) -> np.ndarray:
    """Read a file as mono: the mean of its channels.

    Args:
        path: the file.
        sampling_rate: resample to this rate in Hz; None keeps the file's.
        start: the first sample to read, at the file's own rate.
        n_samples: number of samples to read, at the file's own rate; −1 means all that follow.

    Returns:
        samples (N,) float32.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    samples, rate = load_channels(path, start=start, n_samples=n_samples)
    if not samples.shape[1]:
        return np.zeros(0, np.float32)
    mono = samples.mean(axis=0)  # (N,)
    if sampling_rate is None:
        return mono
    return resample(mono, rate, sampling_rate)  # (N',)


def load_event(path: str, sampling_rate: int) -> np.ndarray:
    """Read an isolated recording as mono, and keep it in memory.

    Many mixtures contain the same recordings.

    Args:
        path: the file.
        sampling_rate: resample to this rate in Hz.

    Returns:
        samples (N,) float32, read-only.

    Raises:
        InputError: the file can't be read, holds NaN or is silent.
    """
    return _load_cached_event(path, sampling_rate, file_version(path))


@lru_cache(maxsize=512)
def _load_cached_event(path: str, sampling_rate: int, version: FileVersion | None) -> np.ndarray:
    """Load an event; `version` changes when the file does."""
    samples = load(path, sampling_rate)
    if not samples.any():
        raise _silence_error(path)
    samples.flags.writeable = False
    return samples


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Change the sampling rate (soxr, high quality).

    Args:
        samples: (…, N).
        from_rate: sampling rate of the samples, Hz.
        to_rate: sampling rate of the result, Hz.

    Shape:
        (…, N) → (…, round(N · to_rate / from_rate)), at least 1.
    """
    from_rate = check_rate(from_rate)
    to_rate = check_rate(to_rate)
    if from_rate == to_rate:
        return samples
    n_samples = max(1, round(samples.shape[-1] * to_rate / from_rate))
    flat = samples.reshape(-1, samples.shape[-1]).T  # (N, C)
    out = soxr.resample(flat, from_rate, to_rate).T[:, :n_samples]  # (C, up to N')
    out = np.pad(out, ((0, 0), (0, n_samples - out.shape[1])))  # (C, N')
    return out.reshape(*samples.shape[:-1], n_samples).astype(np.float32, copy=False)


def save(
    path: str | Path, samples: np.ndarray, sampling_rate: int, *, subtype: str = "PCM_16"
) -> None:
    """Write a sound file, completely or not at all; the suffix names the format (.wav, .flac).

    Args:
        path: the file.
        samples: (N,) or (C, N); float in [−1, 1], or int16, which is written unchanged.
        sampling_rate: Hz.
        subtype: PCM_16, PCM_24 or FLOAT.

    Raises:
        OSError: the file can't be written, or the disk is full.
    """
    container = Path(path).suffix.lstrip(".").upper()
    write_bytes(path, encode(samples, sampling_rate, subtype=subtype, container=container))


def encode(
    samples: np.ndarray, sampling_rate: int, *, subtype: str = "PCM_16", container: str = "WAV"
) -> bytes:
    """Return the bytes of a sound file.

    The file is made in memory, so that a full disk is an OSError and does not leave a short file.

    Args:
        samples: (N,) or (C, N); float in [−1, 1], or int16, which is written unchanged.
        sampling_rate: Hz.
        subtype: PCM_16, PCM_24 or FLOAT.
        container: WAV or FLAC.
    """
    sampling_rate = check_rate(sampling_rate)
    buffer = io.BytesIO()
    if samples.dtype != np.int16:
        samples = _to_subtype(samples, subtype)
    coded = np.atleast_2d(samples)  # (C, N)
    # An interrupt in a callback of libsndfile would only be printed, and lost.
    with defer_interrupts():
        soundfile.write(buffer, coded.T, sampling_rate, subtype=subtype, format=container)
    return buffer.getvalue()


def derived_subtype(subtype: str) -> str:
    """Return the coding of samples that are computed from those of a file.

    >>> derived_subtype("PCM_U8"), derived_subtype("VORBIS")
    ('PCM_16', 'FLOAT')
    """
    return _DERIVED_SUBTYPES.get(subtype, "FLOAT")


def size_in_bytes(n_samples: int, n_channels: int, subtype: str) -> int:
    """Return the size of an uncompressed file's samples."""
    return n_samples * n_channels * _BYTES[subtype]


def quantise(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Round samples to values that a file of a subtype can hold exactly.

    Args:
        samples: samples of any shape, in [−1, 1].
        subtype: PCM_16, PCM_24 or FLOAT.

    Returns:
        samples of the same shape in float64, in which their sums are exact.
    """
    if subtype not in _STEPS:
        return samples.astype(np.float32).astype(np.float64)
    rounded = _to_steps(samples, subtype)
    rounded /= _STEPS[subtype]
    return rounded


def _to_steps(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Round samples to the whole numbers, in float64, that a file of a subtype holds."""
    steps = _STEPS[subtype]
    rounded = np.multiply(samples, steps, dtype=np.float64)
    np.round(rounded, out=rounded)
    return np.clip(rounded, -steps, steps - 1, out=rounded)


def _to_subtype(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Return samples in the type that libsndfile writes without scaling.

    Its own scaling of floats has an error of 1/32768.
    """
    if subtype not in _STEPS:
        return samples.astype(np.float32)
    steps = _to_steps(samples, subtype)
    if subtype == "PCM_16":
        return steps.astype(np.int16)
    return steps.astype(np.int32) << 8


class WavWriter:
    """Writes a long WAV block by block, under another name until `close`; `open` begins one.

    Args:
        path: the file; it appears at `close`.
        unfinished: its name until then.
        file: of that name, open for writing.
        subtype: PCM_16, PCM_24 or FLOAT.
        n_samples: that are going to be written, per channel.
    """

    def __init__(
        self,
        path: Path,
        unfinished: Path,
        file: soundfile.SoundFile,
        subtype: str,
        n_samples: int,
    ):
        self.path = path
        self.subtype = subtype
        self.n_samples = n_samples
        self.n_written = 0
        self._unfinished = unfinished
        self._file = file

    @classmethod
    def open(
        cls, path: str | Path, sampling_rate: int, n_channels: int, n_samples: int, subtype: str
    ) -> "WavWriter":
        """Open a new file; one of more than 4 GiB is written as RF64.

        Args:
            path: the file; it appears at `close`.
            sampling_rate: Hz.
            n_channels: that are going to be written.
            n_samples: that are going to be written, per channel.
            subtype: PCM_16, PCM_24 or FLOAT.

        Raises:
            OSError: the file can't be written, the disk is full.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = temporary_sibling(path)
        is_long = size_in_bytes(n_samples, n_channels, subtype) >= _MAX_WAV_SIZE
        try:
            file = soundfile.SoundFile(
                path_for_library(unfinished),
                "w",
                sampling_rate,
                n_channels,
                subtype,
                format="RF64" if is_long else "WAV",
            )
        except soundfile.LibsndfileError as error:
            unfinished.unlink(missing_ok=True)
            raise _write_error(path, error.error_string.rstrip(".")) from None
        return cls(path, unfinished, file, subtype, n_samples)

    def write(self, samples: np.ndarray) -> None:
        """Append samples (C, N)."""
        try:
            self._file.write(_to_subtype(samples, self.subtype).T)
        except (soundfile.LibsndfileError, AssertionError):
            # A short write is an assertion in soundfile.
            raise _write_error(self.path, "is the disk full?") from None
        self.n_written += samples.shape[1]

    def close(self) -> None:
        """Finish the file, and give it its final name."""
        try:
            self._file.close()
            with OpenSound.open(self._unfinished) as saved:
                n_saved = saved.n_samples
            is_complete = self.n_written == self.n_samples == n_saved
        except (soundfile.LibsndfileError, InputError):
            is_complete = False
        if not is_complete:
            self.discard()
            raise _write_error(self.path, "is the disk full?")
        os.replace(self._unfinished, self.path)

    def discard(self) -> None:
        """Remove an incomplete file; do nothing after `close`."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)


def _write_error(path: Path, reason: str) -> OSError:
    return OSError(errno.EIO, f"can't be written ({reason})", str(path))
