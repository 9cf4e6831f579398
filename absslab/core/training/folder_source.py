"""The recordings of a training in a folder: opened, checked, and read in any order."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.common.left_out import LeftOut
from absslab.core.common.process_group import ALONE, Processes
from absslab.core.common.progress import LongWork, Result, Steps
from absslab.core.data.audio_data_set import AudioDataSet, check_steps, data_set_steps
from absslab.core.data.batches import Batch
from absslab.core.data.identical_files import mark_files
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.true_sources import load_recording
from absslab.core.model.separation_model import SeparationModel
from absslab.core.training.batch_gradient import BatchPart
from absslab.core.training.events import TaskStep
from absslab.core.training.feature_store import (
    FeatureBatch,
    FeatureStore,
    store_path,
    store_steps,
)
from absslab.core.training.settings import Settings
from absslab.core.training.supervision import add_truth, table_folder
from absslab.core.training.training_labels import (
    Labels,
    check_clips_alike,
    check_remaining,
    fingerprint_of,
)
from absslab.core.training.training_source import BatchParts, BuildModel, Preparation


@dataclass(frozen=True)
class TrainingData:
    """The recordings of a training, and how they are read; see `TrainingSource`.

    Args:
        train: recordings to train on.
        validation: recordings to choose the best model by.
        stores: stored features of both data sets, if they are used.
        n_loaders: number of processes that read ahead.
        strong_label_folder: folder with the tables of the validation recordings.
    """

    train: AudioDataSet
    validation: AudioDataSet
    stores: tuple[FeatureStore, FeatureStore] | None = None
    n_loaders: int = 0
    strong_label_folder: Path | None = None
    steps_between_saves: int = 0

    @property
    def n_examined(self) -> int:
        """Number of training recordings that are read before the first epoch."""
        return len(self.train)

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

        Batches are the same for any number of processes.
        """
        groups = self.train.groups(batch_size, rng=rng)[n_done:]
        return self._parts(groups, processes)

    def _parts(self, groups: Sequence[list[int]], processes: Processes) -> BatchParts:
        own = [group[processes.rank :: processes.size] for group in groups]
        batches = self._read(0, [part for part in own if part])
        for group, part in zip(groups, own, strict=True):
            batch: Batch | FeatureBatch | None = None
            if part:
                batch = next(batches)
            yield BatchPart(min(len(group), processes.size), batch)

    def validation_batches(
        self, batch_size: int, processes: Processes = ALONE
    ) -> Iterator[Batch | FeatureBatch]:
        """Yield batches of the validation recordings; see `TrainingSource`."""
        size = batch_size if len(set(self.validation.lengths)) == 1 else 1
        groups = self.validation.groups(size)
        return self._read(1, groups[processes.rank :: processes.size])

    def _read(self, split: int, groups: Sequence[list[int]]) -> Iterator[Batch | FeatureBatch]:
        """Read batches of the training recordings (0) or of the validation recordings (1)."""
        if self.stores:
            return self.stores[split].batches_of(groups)
        data_set = (self.train, self.validation)[split]
        return data_set.batches_of(groups, n_loaders=self.n_loaders)

    def examined_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield batches of all training recordings in their order."""
        return self.train.batches(batch_size, n_loaders=self.n_loaders)

    def validation_sounds(
        self, sampling_rate: int
    ) -> Iterator[tuple[LabelledRecording, np.ndarray]]:
        """Yield each validation recording, uncut, with its waveform (N,)."""
        for recording in self.validation.recordings:
            yield recording, load_recording(recording, sampling_rate)

    def fingerprint(self) -> str:
        """Return a fingerprint of names and labels of the training recordings."""
        return fingerprint_of(self.train.recordings)

    def marks(self) -> Mapping[str, str]:
        """Return marks of the files of all recordings, by path."""
        sets = (self.train, self.validation)
        return mark_files([item.path for data_set in sets for item in data_set.recordings])


@dataclass(frozen=True)
class FolderPreparation:
    """Opens and checks the recordings of a folder.

    Args:
        labels: which recordings there are.
        settings: of the training.
        checkpoint: content of the `last.ckpt` of a run that is resumed.
        left_out: collects recordings that can't be used.
        processes: that train together; all of them do this.
        scheduler: address of a dask scheduler whose workers compute features that are stored;
            empty: this process does.
    """

    labels: Labels
    settings: Settings
    checkpoint: Mapping[str, Any] | None
    left_out: LeftOut
    processes: Processes
    scheduler: str = ""

    def run(self, build: BuildModel) -> Preparation:
        """Open, check and, if features are stored, compute them.

        Args:
            build: builds the model, once the lengths of the training recordings are known.

        Yields:
            how far each task is.

        Returns:
            the model, and the recordings.

        Raises:
            InputError: recordings that can't be used.
        """
        labels, left_out, processes = self.labels, self.left_out, self.processes
        train = yield from report_task(
            "indexing training recordings", self._data_set_steps("train")
        )
        validation = yield from report_task(
            "indexing validation recordings", self._data_set_steps("validation")
        )
        if not train.lengths:
            left_out.stop_if_any()
            check_remaining(labels, train, validation, left_out)
        model = build(train)
        if self.checkpoint is None:
            if processes.is_first:
                train = yield from self._check_steps("training", train, model)
                validation = yield from self._check_steps("validation", validation, model)
            unusable = processes.share(left_out.files)
            if not processes.is_first:
                for item in unusable:
                    left_out.add(item.file, item.error)
                paths = {item.file for item in unusable}
                train, validation = train.without(paths), validation.without(paths)
            left_out.stop_if_any()
            check_remaining(labels, train, validation, left_out)
        stores: tuple[FeatureStore, FeatureStore] | None = None
        if folder := self.settings.data.feature_store:
            # The first process makes the stores; where a machine does not see them, its first one.
            for number in (processes.rank, processes.local_rank):
                if number > 0:
                    processes.wait()
            train_store = yield from report_task(
                "computing training features",
                store_steps(folder, train, model.front_end, self.scheduler),
            )
            validation_store = yield from report_task(
                "computing validation features",
                store_steps(folder, validation, model.front_end, self.scheduler),
            )
            for number in (processes.rank, processes.local_rank):
                if number == 0:
                    processes.wait()
            stores = (train_store, validation_store)
        check_clips_alike(processes, [train, validation])
        n_loaders = self.settings.data.n_loaders
        tables = table_folder(self.settings, validation.recordings)
        return model, TrainingData(train, validation, stores, n_loaders, tables)

    def _check_steps(
        self, kind: str, data_set: AudioDataSet, model: SeparationModel
    ) -> Generator[TaskStep, None, AudioDataSet]:
        """Decode recordings, unless a store holds their features, and leave out the bad ones."""
        folder = self.settings.data.feature_store
        if folder and store_path(folder, data_set, model.front_end).exists():
            return data_set
        steps = check_steps(data_set, self.left_out)
        return (yield from report_task(f"checking {kind} recordings", steps))

    def _data_set_steps(self, split: str) -> Steps[AudioDataSet]:
        """Read the headers of the recordings of a split, and what the supervision needs."""
        data = self.settings.data
        left_out = self.left_out
        data_set = yield from data_set_steps(
            getattr(self.labels, split),
            self.labels.classes,
            self.settings.features.sampling_rate,
            in_memory=data.in_memory and not data.feature_store,
            clip_length=data.clip_length,
            left_out=None if self.checkpoint else left_out,  # a resumed run needs them all
        )
        reader = self.labels.event_readers[split]
        return add_truth(data_set, self.settings, reader, is_whole=not left_out)


def report_task(task: str, steps: Steps[Result]) -> Generator[TaskStep, None, Result]:
    """Yield the progress of long work with the name of the task."""
    work = LongWork(steps)
    for step in work:
        yield TaskStep(task, step.done, step.total)
    return work.result
