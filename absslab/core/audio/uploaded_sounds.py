"""Check and convert sound files that strangers upload, within limits that headers can't change.

Axes: C channels, n samples of a block.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import Progress, Steps

MOST_CHANNELS = 2  # files with more channels are reduced to their mean
HIGHEST_RATE = 48000  # Hz; higher rates are reduced to it
_RATES = (1000, 768000)  # Hz, lowest and highest rate of a file
_MAX_CHANNELS = 64  # largest number of channels of a file
Message = TypeVar("Message", InputError, InputWarning)


@dataclass(frozen=True)
class UploadInspection:
    """The properties of a file, and of its copy after it is accepted."""

    info: sound_files.AudioInfo  # of the file itself
    sampling_rate: int  # Hz, of the copy
    n_channels: int  # of the copy
    remarks: tuple[str, ...] = ()  # what is missing in the file, a sentence each

    @property
    def description(self) -> str:
        """Length, rate and channels of the copy, and its differences from the file."""
        changes = []
        if self.n_channels != self.info.n_channels:
            changes.append(f"the mean of its {self.info.n_channels} channels")
        if self.sampling_rate != self.info.sampling_rate:
            changes.append(
                f"at {self.sampling_rate / 1000:g} instead of "
                f"{self.info.sampling_rate / 1000:g} kHz"
            )
        changed = f"; taken {' and '.join(changes)}" if changes else ""
        channels = {1: "mono", 2: "stereo"}.get(self.n_channels, f"{self.n_channels} channels")
        rate = f"{self.sampling_rate / 1000:g} kHz"
        remarks = "".join(f"; {remark}" for remark in self.remarks)
        return f"{self.info.duration:.1f} s, {rate}, {channels}{changed}{remarks}"


def inspect_upload(path: str | Path, *, name: str, max_duration: float) -> UploadInspection:
    """Check by its header whether a file can be accepted.

    Args:
        path: the file.
        name: name of the file in messages.
        max_duration: s.

    Raises:
        InputError: not a sound file, too long, a rate or a number of channels that no recording
            has.
    """
    try:
        with collect_notices() as notices:
            info = sound_files.info(path, longest=max_duration)
    except InputError as error:
        raise _with_name(error, name) from None
    if info.duration > max_duration:
        raise InputError(
            f"{name} lasts {info.duration / 60:.1f} min: "
            f"expected at most {max_duration / 60:g} min; cut it, or separate it on the command "
            "line"
        )
    lowest, highest = _RATES
    if not lowest <= info.sampling_rate <= highest or info.n_channels > _MAX_CHANNELS:
        raise InputError(
            f"{name} has {info.n_channels} channels at {info.sampling_rate} Hz: "
            f"expected at most {_MAX_CHANNELS} channels at {lowest} to {highest} Hz"
        )
    n_channels = info.n_channels if info.n_channels <= MOST_CHANNELS else 1
    remarks = tuple(str(_with_name(notice, name)) for notice in notices)
    return UploadInspection(info, min(info.sampling_rate, HIGHEST_RATE), n_channels, remarks)


def transcode_upload(
    path: str | Path, target: str | Path, *, name: str, max_duration: float
) -> Steps[UploadInspection]:
    """Decode a file block by block into a plain WAV of at most two channels and 48 kHz.

    Samples beyond full scale are kept: the WAV then holds floats.

    Args:
        path: the file.
        target: the WAV, which appears complete or not at all.
        name: name of the file in messages.
        max_duration: s; decoding stops there, even if the header says otherwise.

    Yields:
        how many samples of the file are done.

    Returns:
        the properties of the file and the WAV.

    Raises:
        InputError: what `inspect_upload` raises; also a file that is corrupt or holds NaN.
        OSError: the disk is full.
    """
    inspection = inspect_upload(path, name=name, max_duration=max_duration)
    info = inspection.info
    rate = inspection.sampling_rate
    n_channels = inspection.n_channels
    n_samples = max(1, round(info.n_samples * rate / info.sampling_rate))
    is_unchanged = rate == info.sampling_rate and n_channels == info.n_channels
    subtype = sound_files.derived_subtype(info.subtype) if is_unchanged else "FLOAT"
    resampler = None
    if rate != info.sampling_rate:
        resampler = soxr.ResampleStream(info.sampling_rate, rate, n_channels, dtype="float32")
    writer = sound_files.WavWriter.open(target, rate, n_channels, n_samples, subtype)
    n_read = 0
    is_silent = True
    try:
        for block in sound_files.read_blocks(path, quietly=True):  # (C, n)
            n_read += block.shape[1]
            if len(block) != n_channels:
                block = block.mean(0, keepdims=True)  # (1, n)
            is_silent = is_silent and not block.any()
            if resampler is not None:
                block = _resample(resampler, block, is_last=n_read == info.n_samples)  # (C, n')
            _write(writer, block)
            yield Progress(n_read, info.n_samples)
        if is_silent:
            remark = f"{name} is silent: every sample is 0"
            inspection = replace(inspection, remarks=(*inspection.remarks, remark))
        if n_read < info.n_samples:
            remark = f"{name} is cut short: {n_read} of {info.n_samples} samples are there"
            inspection = replace(inspection, remarks=(*inspection.remarks, remark))
            writer.n_samples = writer.n_written
        _write(writer, np.zeros((n_channels, writer.n_samples - writer.n_written), np.float32))
        writer.close()
        return inspection
    except InputError as error:
        raise _with_name(error, name) from None
    finally:
        writer.discard()


def _resample(resampler: soxr.ResampleStream, block: np.ndarray, *, is_last: bool) -> np.ndarray:
    """Resample the next block (C, n); return what is complete of it (C, n')."""
    frames = np.ascontiguousarray(block.T)  # (n, C)
    if frames.shape[1] == 1:
        frames = frames[:, 0]  # (n,)
    resampled: np.ndarray = resampler.resample_chunk(frames, last=is_last)
    return resampled.reshape(-1, len(block)).T  # (C, n')


def _write(writer: sound_files.WavWriter, samples: np.ndarray) -> None:
    """Write the samples that are still missing; a resampler may return one too many."""
    writer.write(samples[:, : writer.n_samples - writer.n_written])


def _with_name(error: Message, name: str) -> Message:
    """Return the error with the name of the file for the user, instead of its path."""
    if not error.paths:
        return error
    return type(error)(error.template, **dict.fromkeys(error.paths, name), **error.reasons)
