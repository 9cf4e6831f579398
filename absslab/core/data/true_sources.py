"""The true sources of recordings, which are files beside them or channels of them.

Axes: N samples.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio import sound_files
from absslab.core.audio.compact_samples import compress, decompress
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.notices import give_notice
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.mixture_folder import background_file, source_files


class SourceFile(NamedTuple):
    """Where a true source is: in a file of its own, or in a channel of the recording."""

    path: Path
    channel: int | None = None

    def load(self, sampling_rate: int, *, start: int = 0, n_samples: int = -1) -> np.ndarray:
        """Read the source as it sounds in the recording; see `load_recording`.

        Args:
            sampling_rate: Hz; a source of another rate is resampled.
            start: the first sample to read, at the file's own rate.
            n_samples: number of samples to read, at the file's own rate; −1 means all.

        Shape:
            (N,).

        Raises:
            InputError: the file can't be read, or lacks the channel.
        """
        if self.channel is None:
            return sound_files.load(self.path, sampling_rate, start=start, n_samples=n_samples)
        samples, rate = sound_files.load_channels(self.path, start=start, n_samples=n_samples)
        check_channel(self.path, self.channel, len(samples))
        return sound_files.resample(samples[self.channel], rate, sampling_rate)

    def check(self) -> sound_files.AudioInfo:
        """Decode the file from end to end, and return its header.

        Raises:
            InputError: the file can't be decoded, or lacks the channel.
        """
        header = sound_files.check(self.path, may_be_silent=True)
        if self.channel is not None:
            check_channel(self.path, self.channel, header.n_channels)
        return header


def check_channel(path: Path, channel: int, n_channels: int) -> None:
    """Check that a file has the channel of a true source.

    Raises:
        InputError: it has fewer channels.
    """
    if channel >= n_channels:
        raise InputError(
            f"{{path}} has {n_channels} {'channel' if n_channels == 1 else 'channels'}: "
            f"expected a true source in channel {channel + 1}",
            path=path,
        )


def load_recording(
    recording: LabelledRecording, sampling_rate: int, *, start: int = 0, n_samples: int = -1
) -> np.ndarray:
    """Read a recording as mono: the mean of its channels, or the sum of those that are sources.

    Args:
        recording: the recording.
        sampling_rate: Hz; a recording of another rate is resampled.
        start: the first sample to read, at the file's own rate.
        n_samples: number of samples to read, at the file's own rate; −1 means all.

    Shape:
        (N,).

    Raises:
        InputError: the file can't be read, or lacks a channel.
    """
    if recording.channels is None:
        return sound_files.load(recording.path, sampling_rate, start=start, n_samples=n_samples)
    path = Path(recording.path)
    # Each is resampled before, so that the sources sum to the recording exactly.
    return load_source(
        [SourceFile(path, channel) for channel in recording.channels.values()],
        sampling_rate,
        start=start,
        n_samples=n_samples,
    )


def check_recording(recording: LabelledRecording) -> sound_files.AudioInfo:
    """Decode a recording from end to end, and return its header.

    Raises:
        InputError: the file can't be decoded, lacks a channel, or is silent but has labels.
    """
    header = sound_files.check(recording.path, may_be_silent=not recording.labels)
    for channel in (recording.channels or {}).values():
        check_channel(Path(recording.path), channel, header.n_channels)
    return header


def find_sources(
    recording: LabelledRecording, classes: Sequence[str]
) -> dict[int, list[SourceFile]] | None:
    """Find the true sources of a recording by the indices of their classes.

    Returns:
        for each class that may sound the sources that it is the sum of; None if there are none.

    Raises:
        InputError: a source is of no class.
    """
    found = _find_by_name(recording, classes)
    if found is None:
        return None
    members = recording.members or {}
    by_class: dict[int, list[SourceFile]] = {}
    for k, name in enumerate(classes):
        files = [found[member] for member in members.get(name, [name]) if member in found]
        if files:
            by_class[k] = files
    return by_class


def _find_by_name(
    recording: LabelledRecording, classes: Sequence[str]
) -> dict[str, SourceFile] | None:
    """Find the true sources of a recording by the names that its folder has for them."""
    if recording.channels is not None:
        path = Path(recording.path)
        return {name: SourceFile(path, channel) for name, channel in recording.channels.items()}
    files = source_files(recording.path)
    members = recording.members
    names = set(classes) if members is None else set().union(*members.values())
    # A folder may have the name, but hold no sources.
    if background_file(recording.path) is None and not names & set(files):
        return None
    for name, path in files.items():
        if members is None and name not in names:  # else it is a class that was left out
            raise InputError(
                f"{{path}} is the source of an unknown class: "
                f"expected {escape_braces(', '.join(classes))}",
                path=path,
            )
    return {name: SourceFile(path) for name, path in files.items()}


def load_source(
    files: Sequence[SourceFile], sampling_rate: int, *, start: int = 0, n_samples: int = -1
) -> np.ndarray:
    """Read the sum of the sources of a class; see `SourceFile.load`.

    Raises:
        InputError: a source can't be read, or they have different lengths.
    """
    total = files[0].load(sampling_rate, start=start, n_samples=n_samples)
    for file in files[1:]:
        samples = file.load(sampling_rate, start=start, n_samples=n_samples)
        if len(samples) != len(total):
            raise InputError(
                f"{{path}} has {len(samples)} samples, {{other}} has {len(total)}: "
                "sources of one recording have the same length",
                path=file.path,
                other=files[0].path,
            )
        total = total + samples
    return total


def check_sources(
    recordings: Sequence[LabelledRecording], classes: Sequence[str], folder: str
) -> None:
    """Check that the sources of all recordings were saved; tell which labels have no source.

    Args:
        recordings: the recordings.
        classes: all classes.
        folder: of the recordings.

    Raises:
        InputError: sources of a recording were not saved, or one is of no class.
    """
    without: list[str] = []
    lacking: dict[str, frozenset[str]] = {}
    for recording in recordings:
        files = find_sources(recording, classes)
        if files is None:
            without.append(recording.path)
            continue
        names = recording.labels.difference(classes[k] for k in files)
        if names:
            lacking[recording.path] = names
    if without:
        raise InputError(
            f"supervision sources needs the true sources of all recordings, but {len(without)} of "
            f"{len(recordings)} in {{folder}} have none, such as {{example}}: mix them with "
            "--sources active, or train with --supervision weak",
            folder=folder,
            example=without[0],
        )
    if lacking:
        example = next(iter(lacking))
        name = escape_braces(min(lacking[example]))
        give_notice(
            InputWarning(
                f"{len(lacking)} of {len(recordings)} recordings are labelled with classes of "
                f"which they have no source, such as {{example}} with {name}: it is tagged, but "
                "its sound counts as background",
                example=example,
            )
        )


def check_source_files(
    recording: LabelledRecording, classes: Sequence[str], header: sound_files.AudioInfo
) -> None:
    """Decode all sources of a recording.

    Args:
        recording: the recording.
        classes: all classes.
        header: of the recording.

    Raises:
        InputError: a source can't be decoded, or has another rate or length than the recording.
    """
    by_class = find_sources(recording, classes) or {}
    for file in (file for files in by_class.values() for file in files):
        found = file.check()
        for name, unit in (("sampling_rate", "Hz"), ("n_samples", "samples")):
            value = getattr(found, name)
            expected = getattr(header, name)
            if value != expected:
                raise InputError(
                    f"{{path}} has {value} {unit}, {{recording}} has {expected}: "
                    "a source has the rate and the length of its recording",
                    path=file.path,
                    recording=recording.path,
                )


class KeptSource(NamedTuple):
    """A source without the silence around it, as it is kept in memory."""

    start: int
    samples: np.ndarray  # compressed

    def waveform(self) -> Tensor:
        """Return the source from the beginning of the clip to its last sound."""
        return torch.nn.functional.pad(decompress(self.samples), (self.start, 0))


def read_sources(
    recording: LabelledRecording,
    classes: Sequence[str],
    sampling_rate: int,
    start: int,
    n_samples: int,
) -> dict[int, KeptSource]:
    """Read the sources that sound in a clip.

    Args:
        recording: the recording.
        classes: all classes.
        sampling_rate: Hz; sources of other rates are resampled.
        start: of the clip, in samples at the recording's own rate.
        n_samples: of the clip, at the recording's own rate.

    Returns:
        sources by the indices of their classes.

    Raises:
        InputError: a source can't be read.
    """
    kept: dict[int, KeptSource] = {}
    for k, files in (find_sources(recording, classes) or {}).items():
        source = load_source(files, sampling_rate, start=start, n_samples=n_samples)
        sounding = np.flatnonzero(source)
        if len(sounding):
            first = int(sounding[0])
            kept[k] = KeptSource(first, compress(source[first : sounding[-1] + 1].copy()))
    return kept
