"""The recordings of a training in shards, which are read in sequence."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.common.process_group import ALONE, Processes
from absslab.core.data.batches import Batch
from absslab.core.data.labelled_recordings import (
    LabelledRecording,
    warn_about_classes_without_recordings,
)
from absslab.core.data.shards.opening import open_shards
from absslab.core.data.shards.places import Place, hide_query
from absslab.core.data.shards.shard_index import ShardIndex
from absslab.core.data.shards.shard_order import EpochOrder
from absslab.core.data.shards.shard_split import ShardSplit, decode
from absslab.core.training.batch_gradient import BatchPart
from absslab.core.training.settings import Settings
from absslab.core.training.training_source import BatchParts, BuildModel, Preparation

_N_EXAMINED = 10_000  # training recordings that are read before the first epoch
STEPS_BETWEEN_SAVES = 1000


@dataclass(frozen=True)
class ShardSource:
    """The recordings of a training; see `TrainingSource`.

    Args:
        train: recordings to train on.
        validation: recordings to choose the best model by.
        n_buffer: number of recordings that wait in the buffer of shuffling.
        n_loaders: number of processes that decode ahead.
        steps_between_saves: see `TrainingSource`.
    """

    train: ShardSplit
    validation: ShardSplit
    n_buffer: int
    n_loaders: int
    steps_between_saves: int
    stores: None = None
    strong_label_folder: Path | None = None

    @property
    def n_examined(self) -> int:
        """Number of training recordings that are read before the first epoch."""
        return min(len(self.train), _N_EXAMINED)

    def train_parts(
        self,
        batch_size: int,
        rng: np.random.Generator,
        processes: Processes,
        *,
        n_done: int = 0,
        n_begun_with: int | None = None,
    ) -> BatchParts:
        """Return what a process has of each batch; see `TrainingSource`.

        Each process reads its own part of the shards. If the epoch began with another number of
        processes, all read everything, so that the batches stay those of that beginning.
        """
        n_streams = n_begun_with or processes.size
        order = EpochOrder.draw(
            self.train.shards,
            batch_size,
            seed=int(rng.integers(1 << 62)),
            n_streams=n_streams,
            n_buffer=self.n_buffer,
        )
        batches = self.train.epoch(
            order,
            stream=processes.rank if n_streams == processes.size else None,
            rank=processes.rank,
            n_processes=processes.size,
            n_done=n_done,
            n_loaders=self.n_loaders,
        )
        sizes = list(order.batch_sizes())[n_done:]
        return _join_parts(sizes, batches, processes)

    def validation_batches(self, batch_size: int, processes: Processes = ALONE) -> Iterator[Batch]:
        """Yield batches of the validation recordings; each process reads a range of them."""
        n_recordings = len(self.validation)
        size = batch_size if len(set(self.validation.lengths)) == 1 else 1
        return self.validation.batches(
            size,
            start=n_recordings * processes.rank // processes.size,
            stop=n_recordings * (processes.rank + 1) // processes.size,
            n_loaders=self.n_loaders,
        )

    def examined_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield batches of the first training recordings, which were shuffled when packed."""
        return self.train.batches(batch_size, stop=self.n_examined, n_loaders=self.n_loaders)

    def validation_sounds(
        self, sampling_rate: int
    ) -> Iterator[tuple[LabelledRecording, np.ndarray]]:
        """Yield each validation recording with its waveform (N,)."""
        for placed in self.validation.read():
            waveform = decode(placed.sample, sampling_rate).numpy()
            yield placed.sample.to_recording(), waveform

    def fingerprint(self) -> str:
        """Return a fingerprint of the shards and their labels."""
        return self.train.index.fingerprint()

    def marks(self) -> Mapping[str, str]:
        """Return nothing: marks are those of files."""
        return {}


@dataclass(frozen=True)
class ShardedRecordings:
    """The shards of a training, of which none has been opened.

    Args:
        settings: of the training.
        place: where they are.
        index: shards.json.
        classes: those of the model, in its order.
    """

    settings: Settings
    place: Place
    index: ShardIndex
    classes: Sequence[str]

    @classmethod
    def open(
        cls, settings: Settings, checkpoint: Mapping[str, Any] | None, *, may_run_command: bool
    ) -> "ShardedRecordings":
        """Read shards.json, and check the settings, the shards and their labels.

        Args:
            settings: of the training.
            checkpoint: content of the `last.ckpt` of a run that is resumed.
            may_run_command: whether a command to read shards by has been stated by the user.

        Raises:
            InputError: they can't be used.
            WorkError: a server or a command fails.
        """
        _check_settings(settings)
        place, index = open_shards(
            settings.data, ("train", "validation"), may_run_command=may_run_command
        )
        classes = index.classes
        if checkpoint is not None:
            classes = checkpoint["classes"]
            if checkpoint["resume"]["data"] != index.fingerprint():
                raise InputError(
                    "{data_folder} has other shards than the run began with: start a new run",
                    data_folder=hide_query(settings.data.data_folder),
                )
        n_thresholds = len(settings.training.thresholds)
        if n_thresholds not in (1, len(classes)):
            raise InputError(
                f"thresholds has {n_thresholds} values: expected 1, or {len(classes)}, one per "
                "class"
            )
        recordings = cls(settings, place, index, classes)
        if checkpoint is None:
            train, validation = index.total("train"), index.total("validation")
            warn_about_classes_without_recordings(index.classes, train, validation)
        return recordings

    @property
    def event_readers(self) -> Mapping[str, None]:
        """Return what reads strong labels: nothing, shards have none."""
        return {"train": None, "validation": None}

    @property
    def n_recordings(self) -> int:
        """Number of recordings to train and to validate on."""
        return sum(self.index.total(split).n_recordings for split in ("train", "validation"))

    def fingerprint(self) -> str:
        """Return a fingerprint of the shards and their labels."""
        return self.index.fingerprint()

    def run(self, build: BuildModel) -> Preparation:
        """Open the shards; see `FolderPreparation.run`."""
        data = self.settings.data
        train, validation = (
            ShardSplit(
                self.place,
                self.index,
                split,
                self.classes,
                self.settings.features.sampling_rate,
                data.shard_timeout,
            )
            for split in ("train", "validation")
        )
        yield from ()
        source = ShardSource(
            train, validation, data.shuffle_buffer, data.n_loaders, STEPS_BETWEEN_SAVES
        )
        return build(train), source


def _join_parts(
    sizes: Sequence[int], batches: Generator[Batch | None, None, None], processes: Processes
) -> BatchParts:
    """Yield parts of batches of the given sizes."""
    with closing(batches):
        for size, batch in zip(sizes, batches, strict=True):
            yield BatchPart(min(size, processes.size), batch)


def _check_settings(settings: Settings) -> None:
    """Check that a training does nothing that shards do not allow.

    Raises:
        InputError: it does.
    """
    if settings.training.supervision != "weak":
        raise InputError(
            f"supervision is {settings.training.supervision}, but shards have weak labels alone: "
            "expected weak, or a folder of recordings"
        )
    if settings.data.feature_store:
        raise InputError(
            "feature_store keeps features of all recordings, but shards are read in sequence: "
            "leave it out"
        )
