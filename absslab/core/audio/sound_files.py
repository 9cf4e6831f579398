"""Sound files: what they hold, read as mono float32, written whole; resampling and level.

Axes: C channels, N samples. Audio is float32 in [−1, 1].
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr

from absslab.core.common.errors import InputError
from absslab.core.common.files import temporary_sibling, write_bytes
from absslab.core.common.signals import defer_interrupts

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_STEPS = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}  # per unit of amplitude
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}  # per sample: what is written
_BLOCK = 1 << 18  # samples read at a time where a whole file need not be in memory


@dataclass(frozen=True)
class AudioInfo:
    """What a sound file holds, without its samples."""

    sampling_rate: int  # Hz
    n_samples: int  # per channel
    n_channels: int
    subtype: str  # how the samples are coded, in libsndfile's words

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sampling_rate


def is_audio(path: str | Path) -> bool:
    """Whether the file's name ends as a sound file's does (hidden files are none)."""
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def info(path: str | Path) -> AudioInfo:
    """Read a sound file's header.

    Raises:
        InputError: the file is missing, empty, cut short or no sound file.
    """
    with open_audio(path) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels, file.subtype)


def open_audio(path: str | Path) -> soundfile.SoundFile:
    """Open a sound file to read from.

    Raises:
        InputError: the file is missing, empty, cut short or no sound file.
    """
    if not os.path.isfile(path):
        raise InputError(
            f"{path} does not exist or is no file: expected a sound file ({', '.join(SUFFIXES)})"
        )
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except soundfile.LibsndfileError as error:
        reason = "it has 0 bytes" if os.path.getsize(path) == 0 else error.error_string.rstrip(".")
        raise InputError(
            f"{path} is not a readable sound file ({reason}): replace or remove it"
        ) from None
    if file.frames == 0:
        file.close()
        raise InputError(f"{path} holds 0 samples: replace or remove it")
    if file.frames > 1 << 60:  # a FLAC that was written to a pipe
        file.close()
        raise InputError(
            f"{path} does not say how many samples it holds: write it again, to a file"
        )
    if _is_cut_short(file, path):
        file.close()
        raise InputError(
            f"{path} is cut short (its header promises more samples): replace or remove it"
        )
    return file


def _is_cut_short(file: soundfile.SoundFile, path: str | Path) -> bool:
    """Whether a WAV claims more bytes of samples than the file has, or an Ogg lacks its last page."""
    with open(path, "rb") as raw:
        if file.format == "OGG":
            raw.seek(max(0, os.path.getsize(path) - (1 << 16)))  # a page is shorter
            _, _, page = raw.read().rpartition(b"OggS")
            return not int.from_bytes(page[1:2], "little") & 4  # the flag of the last page
        if file.format not in ("WAV", "WAVEX", "RF64"):
            return False
        order: Literal["big", "little"] = "big" if raw.read(4) == b"RIFX" else "little"
        raw.seek(12)
        long_size = 0
        while len(head := raw.read(8)) == 8:
            size, start = int.from_bytes(head[4:], order), raw.tell()
            if head[:4] == b"ds64":
                long_size = int.from_bytes(raw.read(16)[8:], "little")
            if head[:4] == b"data":
                unknown = (
                    size == 0x7FFFF000 or size >= 0xFFFFFF00
                )  # what sox and ffmpeg say in a pipe, RF64 always
                return start + (long_size if unknown else size) > os.path.getsize(path)
            raw.seek(start + size + size % 2)
    return False


def check(path: str | Path) -> AudioInfo:
    """Decode a file from end to end, block by block, and say what it holds.

    Raises:
        InputError: besides what `info` raises: undecodable in the middle, shorter than its header says, NaN or infinite
            samples, nothing but zeros.
    """
    with open_audio(path) as file:
        n_samples, loud = 0, False
        while len(block := _read(file, _BLOCK, path)):
            loud = loud or bool(block.any())
            n_samples += len(block)
        if n_samples < file.frames:
            raise InputError(
                f"{path} is cut short ({n_samples} of {file.frames} samples): replace or remove it"
            )
        if not loud:
            raise InputError(f"{path} is silent: every sample is 0; replace or remove it")
        return AudioInfo(file.samplerate, n_samples, file.channels, file.subtype)


def _read(file: soundfile.SoundFile, n_samples: int, path: str | Path) -> np.ndarray:
    try:
        block = file.read(n_samples, dtype="float32", always_2d=True)  # (N, C)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path} can't be decoded ({error.error_string.rstrip('.')}): replace it"
        ) from None
    if not np.isfinite(block).all():
        raise InputError(f"{path} holds NaN or infinite samples: replace or remove it")
    return block


def blocks(path: str | Path) -> Iterator[np.ndarray]:
    """A file's samples (C, n), some at a time.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    with open_audio(path) as file:
        while len(block := _read(file, _BLOCK, path)):
            yield np.ascontiguousarray(block.T)


def load_channels(
    path: str | Path, *, start: int = 0, n_samples: int = -1
) -> tuple[np.ndarray, int]:
    """Read samples as they are.

    Args:
        path: the file.
        start: the first sample to read.
        n_samples: how many to read; −1 means all that follow.

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
        start, n_samples: which of the file's samples (at its own rate); all of them by default.

    Returns:
        samples (N,) float32.

    Raises:
        InputError: the file can't be read, or holds NaN.
    """
    samples, rate = load_channels(path, start=start, n_samples=n_samples)
    mono = samples.mean(axis=0)  # (N,)
    return mono if sampling_rate in (None, rate) else resample(mono, rate, sampling_rate)


def load_event(path: str, sampling_rate: int) -> np.ndarray:
    """An isolated recording as mono (N,), read-only, kept in memory: mixtures draw the same ones again and again.

    Raises:
        InputError: the file can't be read, holds NaN or is silent.
    """
    about = os.stat(path) if os.path.exists(path) else None
    return _kept_event(
        path, sampling_rate, (about.st_mtime_ns, about.st_size, about.st_ino) if about else None
    )


@lru_cache(maxsize=512)
def _kept_event(path: str, sampling_rate: int, version: tuple[int, int, int] | None) -> np.ndarray:
    """`version` changes when the file does."""
    samples = load(path, sampling_rate)
    if not samples.any():
        raise InputError(f"{path} is silent: every sample is 0; replace or remove it")
    samples.flags.writeable = False
    return samples


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Change the sampling rate (soxr, high quality).

    Args:
        samples: (…, N).
        from_rate, to_rate: Hz.

    Shape:
        (…, N) → (…, round(N · to_rate / from_rate)), at least 1.
    """
    if from_rate == to_rate:
        return samples
    n_samples = max(1, round(samples.shape[-1] * to_rate / from_rate))
    flat = samples.reshape(-1, samples.shape[-1]).T  # (N, C)
    out = soxr.resample(flat, from_rate, to_rate).T[:, :n_samples]  # (C, N')
    out = np.pad(out, ((0, 0), (0, n_samples - out.shape[1])))
    return out.reshape(*samples.shape[:-1], n_samples).astype(np.float32, copy=False)


def save(
    path: str | Path, samples: np.ndarray, sampling_rate: int, *, subtype: str = "PCM_16"
) -> None:
    """Write a sound file, whole or not at all; the suffix names the format (.wav, .flac).

    Args:
        path: the file.
        samples: (N,) or (C, N); float in [−1, 1], or int16, which is written as it is.
        sampling_rate: Hz.
        subtype: PCM_16, PCM_24 or FLOAT.

    Raises:
        OSError: the file can't be written, the disk is full.
    """
    write_bytes(
        path,
        encode(
            samples, sampling_rate, subtype=subtype, container=Path(path).suffix.lstrip(".").upper()
        ),
    )


def encode(
    samples: np.ndarray, sampling_rate: int, *, subtype: str = "PCM_16", container: str = "WAV"
) -> bytes:
    """The bytes of a sound file: in memory, so that a full disk is an OSError of Python's and not a short file.

    Args:
        samples: (N,) or (C, N); float in [−1, 1], or int16, which is written as it is.
        sampling_rate: Hz.
        subtype: PCM_16, PCM_24 or FLOAT.
        container: WAV or FLAC.
    """
    buffer = io.BytesIO()
    coded = np.atleast_2d(
        samples if samples.dtype == np.int16 else _coded(samples, subtype)
    )  # (C, N)
    with defer_interrupts():  # in the calls back from libsndfile it would be printed and forgotten
        soundfile.write(buffer, coded.T, sampling_rate, subtype=subtype, format=container)
    return buffer.getvalue()


def size(n_samples: int, n_channels: int, subtype: str) -> int:
    """Bytes of an uncompressed file's samples."""
    return n_samples * n_channels * _BYTES[subtype]


def on_grid(samples: np.ndarray, subtype: str) -> np.ndarray:
    """The nearest samples that a file of this subtype holds exactly; float64, since sums of them are exact in it."""
    if subtype not in _STEPS:
        return samples.astype(np.float32).astype(np.float64)
    steps = _STEPS[subtype]
    return np.clip(np.round(samples.astype(np.float64) * steps), -steps, steps - 1) / steps


def _coded(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Samples as libsndfile writes them without scaling of its own (its floats lose one part in 32768)."""
    if subtype not in _STEPS:
        return samples.astype(np.float32)
    whole = on_grid(samples, subtype) * _STEPS[subtype]
    return whole.astype(np.int16) if subtype == "PCM_16" else whole.astype(np.int32) << 8


class Writer:
    """Writes a long WAV block by block, under another name until `close`; RF64 where 4 GiB would not do.

    Args:
        path: the file that `close` makes appear.
        sampling_rate: Hz.
        n_channels, n_samples: what is going to be written.
        subtype: PCM_16, PCM_24 or FLOAT.

    Raises:
        OSError: the file can't be written, the disk is full.
    """

    def __init__(
        self, path: str | Path, sampling_rate: int, n_channels: int, n_samples: int, subtype: str
    ):
        self.path, self.subtype = Path(path), subtype
        self.n_samples, self.written = n_samples, 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._beside = temporary_sibling(self.path)
        container = (
            "WAV" if size(n_samples, n_channels, subtype) < (1 << 32) - (1 << 16) else "RF64"
        )
        try:
            self._file = soundfile.SoundFile(
                os.fspath(self._beside), "w", sampling_rate, n_channels, subtype, format=container
            )
        except soundfile.LibsndfileError as error:
            self._beside.unlink(missing_ok=True)
            raise OSError(f"can't write {path} ({error.error_string.rstrip('.')})") from None

    def write(self, samples: np.ndarray) -> None:
        """Append samples (C, N)."""
        try:
            self._file.write(_coded(samples, self.subtype).T)
        except (
            soundfile.LibsndfileError,
            AssertionError,
        ):  # a short write is an assertion in soundfile
            raise OSError(f"can't write {self.path}: is the disk full?") from None
        self.written += samples.shape[1]

    def close(self) -> None:
        """Finish the file and let it appear under its name."""
        try:
            self._file.close()
            whole = self.written == self.n_samples == info(self._beside).n_samples
        except (soundfile.LibsndfileError, InputError):
            whole = False
        if not whole:
            self.discard()
            raise OSError(f"can't write {self.path}: is the disk full?")
        os.replace(self._beside, self.path)

    def discard(self) -> None:
        """Leave nothing half-written behind; does nothing after `close`."""
        self._file.close()
        self._beside.unlink(missing_ok=True)
