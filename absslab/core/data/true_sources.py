"""The true sources of recordings, which `absslab mix` saves beside its mixtures.

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
from absslab.core.data.mixture_folder import source_files


def find_sources(recording: str | Path, classes: Sequence[str]) -> dict[int, Path] | None:
    """Find the saved sources of a recording by the indices of their classes.

    Returns:
        the files; None if no sources were saved.

    Raises:
        InputError: a source is of no class.
    """
    files = source_files(recording)
    if not {*classes, "background"} & set(files):  # the folder has the name, but holds no sources
        return None
    files.pop("background", None)
    for name, path in files.items():
        if name not in classes:
            raise InputError(
                f"{{path}} is the source of an unknown class: "
                f"expected {escape_braces(', '.join(classes))}",
                path=path,
            )
    return {list(classes).index(name): path for name, path in files.items()}


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
        files = find_sources(recording.path, classes)
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
    recording: str | Path, classes: Sequence[str], header: sound_files.AudioInfo
) -> None:
    """Decode all sources of a recording.

    Args:
        recording: path of the recording.
        classes: all classes.
        header: of the recording.

    Raises:
        InputError: a source can't be decoded, or has another rate or length than the recording.
    """
    for path in (find_sources(recording, classes) or {}).values():
        found = sound_files.check(path, may_be_silent=True)
        for name, unit in (("sampling_rate", "Hz"), ("n_samples", "samples")):
            value = getattr(found, name)
            expected = getattr(header, name)
            if value != expected:
                raise InputError(
                    f"{{path}} has {value} {unit}, {{recording}} has {expected}: "
                    "a source has the rate and the length of its recording",
                    path=path,
                    recording=recording,
                )


class KeptSource(NamedTuple):
    """A source without the silence around it, as it is kept in memory."""

    start: int
    samples: np.ndarray  # compressed

    def waveform(self) -> Tensor:
        """Return the source from the beginning of the clip to its last sound."""
        return torch.nn.functional.pad(decompress(self.samples), (self.start, 0))


def read_sources(
    recording: str, classes: Sequence[str], sampling_rate: int, start: int, n_samples: int
) -> dict[int, KeptSource]:
    """Read the sources that sound in a clip.

    Args:
        recording: path of the recording.
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
    for k, path in (find_sources(recording, classes) or {}).items():
        source = sound_files.load(path, sampling_rate, start=start, n_samples=n_samples)
        sounding = np.flatnonzero(source)
        if len(sounding):
            first = int(sounding[0])
            kept[k] = KeptSource(first, compress(source[first : sounding[-1] + 1].copy()))
    return kept
