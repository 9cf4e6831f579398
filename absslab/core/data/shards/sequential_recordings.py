"""The recordings of a split in shards as an evaluation asks for them: one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.opening import open_shards
from absslab.core.data.shards.places import hide_query
from absslab.core.data.shards.shard_reading import ShardSample
from absslab.core.data.shards.shard_split import PlacedSamples, ShardSplit, decode


class SequentialRecordings:
    """Recordings that are read in sequence; an earlier one is read from the beginning again.

    Args:
        split: the shards.
        classes: those of the model, in its order.
        n_recordings: number of recordings; None: all.
    """

    def __init__(self, split: ShardSplit, classes: Sequence[str], n_recordings: int | None = None):
        self.split = split
        self.classes = classes
        self.sampling_rate = split.sampling_rate
        self.lacking = frozenset(classes) - frozenset(split.classes)
        self._n_recordings = n_recordings
        self._samples: PlacedSamples | None = None
        self._current: tuple[int, ShardSample] | None = None
        self._recordings: dict[int, LabelledRecording] = {}  # that have been read

    @classmethod
    def open(
        cls,
        data: DataConfig,
        split: str,
        *,
        sampling_rate: int,
        classes: Sequence[str],
        may_run_command: bool,
    ) -> "SequentialRecordings":
        """Open the shards of a split; no recording is read.

        Args:
            data: where the shards are.
            split: train, validation or test.
            sampling_rate: Hz.
            classes: those of the model; the shards may lack some.
            may_run_command: whether a command to read shards by has been stated by the user.

        Raises:
            InputError: the shards can't be used, or have other classes.
            EmptySplitError: the split has no recordings.
            WorkError: a server or a command fails.
        """
        place, index = open_shards(data, (split,), may_run_command=may_run_command)
        added = sorted(set(index.classes) - set(classes))
        if added or not index.classes:
            raise InputError(
                "the classes of {path} are not those of the model: it adds "
                f"{escape_braces(', '.join(added))}",
                path=hide_query(data.data_folder),
            )
        timeout = data.shard_timeout
        shards = ShardSplit(place, index, split, index.classes, sampling_rate, timeout)
        return cls(shards, classes)

    def __len__(self) -> int:
        n_all = len(self.split)
        return n_all if self._n_recordings is None else min(n_all, self._n_recordings)

    def first(self, n_recordings: int) -> "SequentialRecordings":
        """Return the first recordings alone."""
        return SequentialRecordings(self.split, self.classes, n_recordings)

    @property
    def labels(self) -> np.ndarray:
        """Labels of the recordings, NaN where they are not known or not read yet: (n, K)."""
        table = np.full((len(self), len(self.classes)), np.nan, np.float32)
        for index, recording in self._recordings.items():
            table[index] = [name in recording.labels for name in self.classes]
            table[index, [name in recording.unknown for name in self.classes]] = np.nan
        return table

    def path(self, index: int) -> Path:
        """Return the name of a recording below that of its shard."""
        return Path(self.recording(index).path)

    def recording(self, index: int) -> LabelledRecording:
        """Return the labels of a recording, with its name for a path."""
        if index not in self._recordings:
            sample = self._read(index)
            path = Path(sample.shard) / sample.labels.name
            self._recordings[index] = replace(sample.to_recording(), path=str(path))
        return self._recordings[index]

    def __getitem__(self, index: int) -> Tensor:
        """Read a recording (N,).

        Raises:
            InputError: it can't be decoded, or its shard is damaged.
        """
        return decode(self._read(index), self.sampling_rate)

    def _read(self, index: int) -> ShardSample:
        if self._current is None or index < self._current[0] or self._samples is None:
            self._samples = self.split.read(index, len(self.split))
            self._current = None
        while self._current is None or self._current[0] < index:
            placed = next(self._samples)
            self._current = placed.position, placed.sample
        return self._current[1]
