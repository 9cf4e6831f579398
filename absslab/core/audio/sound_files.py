"""Read headers and samples of sound files, resample, and write sound files.

Axes: C channels, N samples. Audio is float32 in [−1, 1].
"""

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import soundfile
import soxr

from absslab.core.audio.formats import readable_kinds
from absslab.core.common.errors import InputError
from absslab.core.common.files import temporary_sibling, write_bytes
from absslab.core.common.signals import defer_interrupts

_STEPS = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}  # per unit of amplitude
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}  # per sample
_BLOCK = 1 << 18  # samples to read at a time, if the file need not be in memory
_MAX_SAMPLES = 1 << 60  # a FLAC file that was written to a pipe has a larger number in its header
_MAX_WAV_SIZE = (1 << 32) - (1 << 16)  # bytes; a longer file is written as RF64
# Sizes that sox and ffmpeg write to a pipe, and that RF64 always has.
_PIPE_SIZE = 0x7FFFF000
_UNKNOWN_SIZE = 0xFFFFFF00  # from here on


@dataclass(frozen=True)
class AudioInfo:
    """The header of a sound file."""

    sampling_rate: int  # Hz
    n_samples: int  # per channel
    n_channels: int
    subtype: str  # coding of the samples, as libsndfile calls it

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sampling_rate


def info(path: str | Path) -> AudioInfo:
    """Read a sound file's header.

    Raises:
        InputError: the file is missing, empty, cut short or not a sound file.
    """
    with open_audio(path) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels, file.subtype)


def open_audio(path: str | Path) -> soundfile.SoundFile:
    """Open a sound file to read from.

    Raises:
        InputError: the file is missing, empty, cut short or not a sound file.
    """
    if not os.path.isfile(path):
        raise InputError(
            f"{{path}} does not exist or is not a file: expected a sound file ({readable_kinds()})",
            path=path,
        )
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except soundfile.LibsndfileError as error:
        reason = "it has 0 bytes" if os.path.getsize(path) == 0 else error.error_string.rstrip(".")
        raise InputError(
            f"{{path}} is not a readable sound file ({reason}): replace or remove it", path=path
        ) from None
    problem = _find_problem(file, path)
    if problem:
        file.close()
        raise InputError(f"{{path}} {problem}", path=path)
    return file


def _find_problem(file: soundfile.SoundFile, path: str | Path) -> str:
    """Return what is wrong with an open file, and what to do; empty if it is complete."""
    if file.frames == 0:
        return "holds 0 samples: replace or remove it"
    if file.frames > _MAX_SAMPLES:
        return "has no number of samples in its header: write it again, to a file"
    if _is_cut_short(file, path):
        return "is cut short (its header promises more samples): replace or remove it"
    return ""


def _is_cut_short(file: soundfile.SoundFile, path: str | Path) -> bool:
    """Tell whether a WAV has fewer bytes than its header says, or an Ogg lacks its last page."""
    with open(path, "rb") as raw:
        if file.format == "OGG":
            return _is_ogg_cut_short(raw)
        if file.format in ("WAV", "WAVEX", "RF64"):
            return _is_wav_cut_short(raw)
    return False


def _is_ogg_cut_short(raw: BinaryIO) -> bool:
    file_size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, file_size - (1 << 16)))  # a page is shorter
    _, _, page = raw.read().rpartition(b"OggS")
    return not int.from_bytes(page[1:2], "little") & 4  # the flag of the last page


def _is_wav_cut_short(raw: BinaryIO) -> bool:
    file_size = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    order: Literal["big", "little"] = "big" if raw.read(4) == b"RIFX" else "little"
    raw.seek(12)
    long_size = 0  # of the samples, in an RF64
    while len(head := raw.read(8)) == 8:
        size = int.from_bytes(head[4:], order)
        start = raw.tell()
        if head[:4] == b"ds64":
            long_size = int.from_bytes(raw.read(16)[8:], "little")
        if head[:4] == b"data":
            is_unknown = size == _PIPE_SIZE or size >= _UNKNOWN_SIZE
            return start + (long_size if is_unknown else size) > file_size
        raw.seek(start + size + size % 2)
    return False


def check(path: str | Path, *, may_be_silent: bool = False) -> AudioInfo:
    """Decode a file from end to end, block by block, and return its header.

    Args:
        path: the file.
        may_be_silent: whether a file can be used whose channels have a mean of zeros alone.

    Raises:
        InputError: see `info`; also if the file can't be decoded to its end, is shorter than its
            header says, holds NaN or infinite samples, or is silent.
    """
    with open_audio(path) as file:
        n_samples = 0
        is_silent = True
        while len(block := _read(file, _BLOCK, path)):
            # Channels that cancel each other are silent too, once they are mixed to mono.
            is_silent = is_silent and not block.mean(axis=1).any()
            n_samples += len(block)
        if n_samples < file.frames:
            raise InputError(
                f"{{path}} is cut short ({n_samples} of {file.frames} samples): "
                "replace or remove it",
                path=path,
            )
        if is_silent and not may_be_silent:
            raise _silence_error(path)
        return AudioInfo(file.samplerate, n_samples, file.channels, file.subtype)


def _silence_error(path: str | Path) -> InputError:
    return InputError("{path} is silent: every sample is 0; replace or remove it", path=path)


def _read(file: soundfile.SoundFile, n_samples: int, path: str | Path) -> np.ndarray:
    try:
        block = file.read(n_samples, dtype="float32", always_2d=True)  # (N, C)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise InputError(f"{{path}} can't be decoded ({reason}): replace it", path=path) from None
    if not np.isfinite(block).all():
        raise InputError("{path} holds NaN or infinite samples: replace or remove it", path=path)
    return block


def read_blocks(path: str | Path) -> Iterator[np.ndarray]:
    """Read the samples of a file in blocks (C, n).

    Yields:
        the next samples, float32.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    with open_audio(path) as file:
        while len(block := _read(file, _BLOCK, path)):
            yield np.ascontiguousarray(block.T)


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
    with open_audio(path) as file:
        if start:
            file.seek(start)
        return np.ascontiguousarray(_read(file, n_samples, path).T), file.samplerate  # (C, N)


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
    version = None
    if os.path.exists(path):
        status = os.stat(path)
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
    return _load_cached_event(path, sampling_rate, version)


@lru_cache(maxsize=512)
def _load_cached_event(
    path: str, sampling_rate: int, version: tuple[int, int, int] | None
) -> np.ndarray:
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
    buffer = io.BytesIO()
    if samples.dtype != np.int16:
        samples = _to_subtype(samples, subtype)
    coded = np.atleast_2d(samples)  # (C, N)
    # An interrupt in a callback of libsndfile would only be printed, and lost.
    with defer_interrupts():
        soundfile.write(buffer, coded.T, sampling_rate, subtype=subtype, format=container)
    return buffer.getvalue()


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
    steps = _STEPS[subtype]
    return np.clip(np.round(samples.astype(np.float64) * steps), -steps, steps - 1) / steps


def _to_subtype(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Return samples in the type that libsndfile writes without scaling.

    Its own scaling of floats has an error of 1/32768.
    """
    if subtype not in _STEPS:
        return samples.astype(np.float32)
    steps = quantise(samples, subtype) * _STEPS[subtype]
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
                os.fspath(unfinished),
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
            n_saved = info(self._unfinished).n_samples
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
