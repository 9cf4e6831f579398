"""Sound files of unknown people, taken in within limits: nothing that a header promises is believed.

Axes: C channels, n samples.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress, Steps

MOST_CHANNELS = 2  # of more their mean is taken
HIGHEST_RATE = 48000  # Hz; higher ones are lowered to it
_RATES = (1000, 768000)  # Hz that a file may say
_CHANNELS = 64  # that a file may have
_SUBTYPES = {"PCM_U8": "PCM_16", "PCM_S8": "PCM_16", "PCM_16": "PCM_16"}  # others: PCM_24


@dataclass(frozen=True)
class UploadInspection:
    """What a file is before and after it was taken in."""

    about: sound_files.AudioInfo  # of the file itself
    sampling_rate: int  # Hz, as it is kept
    n_channels: int  # as they are kept

    @property
    def words(self) -> str:
        """What a person wants to know of it."""
        about = self.about
        changes = []
        if self.n_channels != about.n_channels:
            changes.append(f"the mean of its {about.n_channels} channels")
        if self.sampling_rate != about.sampling_rate:
            changes.append(
                f"at {self.sampling_rate / 1000:g} instead of {about.sampling_rate / 1000:g} kHz"
            )
        changed = f"; taken {' and '.join(changes)}" if changes else ""
        channels = {1: "mono", 2: "stereo"}.get(self.n_channels, f"{self.n_channels} channels")
        return f"{about.duration:.1f} s, {self.sampling_rate / 1000:g} kHz, {channels}{changed}"


def inspect_upload(path: str | Path, *, name: str, max_duration: float) -> UploadInspection:
    """See by its header whether a file can be taken in.

    Args:
        path: the file.
        name: what it is called in messages.
        max_duration: s.

    Raises:
        InputError: no sound, too long, a rate or a number of channels that no recording has.
    """
    try:
        about = sound_files.info(path)
    except InputError as error:
        raise InputError(_renamed(error, path, name)) from None
    if about.duration > max_duration:
        raise InputError(
            f"{name} lasts {about.duration / 60:.1f} min: expected at most {max_duration / 60:g} min; cut it, or separate "
            "it on the command line"
        )
    if not _RATES[0] <= about.sampling_rate <= _RATES[1] or about.n_channels > _CHANNELS:
        raise InputError(
            f"{name} has {about.n_channels} channels at {about.sampling_rate} Hz: expected at most {_CHANNELS} channels at "
            f"{_RATES[0]} to {_RATES[1]} Hz"
        )
    n_channels = about.n_channels if about.n_channels <= MOST_CHANNELS else 1
    return UploadInspection(about, min(about.sampling_rate, HIGHEST_RATE), n_channels)


def transcode_upload(
    path: str | Path, target: str | Path, *, name: str, max_duration: float
) -> Steps[None]:
    """Decode a file block by block into a plain WAV of at most two channels and 48 kHz.

    Args:
        path: the file.
        target: the WAV, which appears whole or not at all.
        name: what the file is called in messages.
        max_duration: s; decoding ends there, whatever the header said.

    Yields:
        how many of the file's samples are done.

    Raises:
        InputError: besides what `look_at` raises: corrupt, cut short, NaN, nothing but zeros.
        OSError: the disk is full.
    """
    intake = inspect_upload(path, name=name, max_duration=max_duration)
    about, rate = intake.about, intake.sampling_rate
    subtype = _SUBTYPES.get(about.subtype, "PCM_24")
    n_kept = max(1, round(about.n_samples * rate / about.sampling_rate))
    resampler = soxr.ResampleStream(about.sampling_rate, rate, intake.n_channels, dtype="float32")
    writer = sound_files.Writer(target, rate, intake.n_channels, n_kept, subtype)
    done, is_silent = 0, True
    try:
        for block in sound_files.blocks(path):  # (C, n)
            done += block.shape[1]
            if done > about.n_samples:
                raise InputError(f"{name} holds more than its header says: write it again")
            kept = (
                block if len(block) == intake.n_channels else block.mean(0, keepdims=True)
            )  # (C, n)
            is_silent = is_silent and not kept.any()
            _write(
                writer, _resampled(resampler, kept, about, rate, is_last=done == about.n_samples)
            )
            yield Progress(done, about.n_samples)
        if done < about.n_samples:
            raise InputError(
                f"{name} is cut short ({done} of {about.n_samples} samples): send the whole of it"
            )
        if is_silent:
            raise InputError(f"{name} is silent: every sample is 0")
        _write(writer, np.zeros((intake.n_channels, n_kept - writer.written), np.float32))
        writer.close()
    except InputError as error:
        raise InputError(_renamed(error, path, name)) from None
    finally:
        writer.discard()


def _resampled(
    resampler: soxr.ResampleStream,
    block: np.ndarray,
    about: sound_files.AudioInfo,
    rate: int,
    *,
    is_last: bool,
) -> np.ndarray:
    if about.sampling_rate == rate:
        return block
    frames = np.ascontiguousarray(block.T)  # (n, C)
    return (
        resampler.resample_chunk(frames if frames.shape[1] > 1 else frames[:, 0], last=is_last)
        .reshape(-1, len(block))
        .T
    )


def _write(writer: sound_files.Writer, samples: np.ndarray) -> None:
    """As many as are still to come: a resampler may give one more."""
    writer.write(samples[:, : writer.n_samples - writer.written])


def _renamed(error: InputError, path: str | Path, name: str) -> str:
    """The message with the name that a person knows the file by."""
    return str(error).replace(str(path), name)
