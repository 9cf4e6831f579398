"""What a training needs of its recordings, wherever they are: in a folder, or in shards."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from absslab.core.common.process_group import ALONE, Processes
from absslab.core.data.batches import Batch
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.model.separation_model import SeparationModel
from absslab.core.training.batch_gradient import BatchPart
from absslab.core.training.events import TaskStep
from absslab.core.training.feature_store import FeatureBatch, FeatureStore

BatchParts = Generator[BatchPart, None, None]


class RecordingSet(Protocol):
    """The recordings of a split, or clips of them, as far as their number and lengths matter."""

    def __len__(self) -> int:
        """Return how many there are."""

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that occur among them, samples: those of all, or the shortest and the longest."""


class ScoredSet(RecordingSet, Protocol):
    """The recordings of a split that a model is scored on."""

    def label_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how many are known to have, and how many to lack, each class: (K,) each."""

    def max_per_recording(
        self, labels: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Combine labels and values of clips (n, K) to those of whole recordings."""


class TrainingSource(Protocol):
    """The recordings of a training, ready to be read."""

    @property
    def train(self) -> RecordingSet:
        """Recordings to train on."""

    @property
    def validation(self) -> ScoredSet:
        """Recordings to choose the best model by."""

    @property
    def stores(self) -> tuple[FeatureStore, FeatureStore] | None:
        """Stored features of both, if they are used."""

    @property
    def n_examined(self) -> int:
        """Number of training recordings that are read before the first epoch."""

    @property
    def strong_label_folder(self) -> Path | None:
        """Folder of the validation recordings' strong labels; None: they can't have any."""

    @property
    def steps_between_saves(self) -> int:
        """After how many steps a long epoch is saved; 0: only when it is over."""

    def train_parts(
        self,
        batch_size: int,
        rng: np.random.Generator,
        processes: Processes,
        *,
        n_done: int = 0,
        n_begun_with: int | None = None,
    ) -> BatchParts:
        """Return what a process has of each of the shuffled batches of the training recordings.

        Args:
            batch_size: number of recordings of a batch, those of all processes together.
            rng: source of randomness for shuffling, the same in all processes. All that is drawn
                from it is drawn at once.
            processes: between which each batch is divided.
            n_done: number of batches that the training has had.
            n_begun_with: number of processes that the epoch began with; None: these.
        """

    def validation_batches(
        self, batch_size: int, processes: Processes = ALONE
    ) -> Iterator[Batch | FeatureBatch]:
        """Yield batches of the validation recordings: one at a time where lengths differ.

        Args:
            batch_size: number of recordings of a batch.
            processes: between which the batches are divided.
        """

    def examined_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield batches of the training recordings that are read before the first epoch."""

    def validation_sounds(
        self, sampling_rate: int
    ) -> Iterator[tuple[LabelledRecording, np.ndarray]]:
        """Yield each validation recording with its waveform (N,)."""

    def fingerprint(self) -> str:
        """Return a fingerprint that differs if the training recordings or their labels do."""

    def marks(self) -> Mapping[str, str]:
        """Return what recordings are known by where the model is scored on others."""


BuildModel = Callable[[RecordingSet], SeparationModel]
Preparation = Generator[TaskStep, None, tuple[SeparationModel, TrainingSource]]


class TrainingRecordings(Protocol):
    """Which recordings a training has, before one is opened."""

    @property
    def classes(self) -> Sequence[str]:
        """All classes."""

    @property
    def n_recordings(self) -> int:
        """Number of recordings to train and to validate on."""

    def fingerprint(self) -> str:
        """Return a fingerprint that differs if any recording or label does."""
