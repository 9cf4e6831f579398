"""Recordings of one split as a torch data set.

Axes: B batch, K classes, N samples.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from absslab.core.audio import sound_files
from absslab.core.audio.compact_samples import compress, decompress
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.data.batches import Batch, Events, References, load_batches
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
)
from absslab.core.data.layouts import DataConfig, find_layout, find_table_folder
from absslab.core.data.splits import ALL, SPLITS
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import (
    KeptSource,
    check_recording,
    check_source_files,
    load_recording,
    read_sources,
)

_SORTED_BATCHES = 50  # number of batches whose recordings are sorted by length together


class EmptySplitError(InputError):
    """The folder can be used, but has no recordings in the wanted split."""


class Clip(NamedTuple):
    """A recording, or a part of one."""

    recording: int  # index of the recording
    start: int  # samples at the file's own rate
    n_samples: int  # at the file's own rate


@dataclass
class AudioDataSet(Dataset[Tensor]):
    """Recordings of one split, or clips of them, as mono waveforms (N,) at one rate.

    `open_split` and `build_data_set` return one.

    Args:
        recordings: the recordings.
        classes: the classes, in the order of the labels' columns.
        sampling_rate: Hz; recordings of other rates are resampled.
        clips: the items of the data set.
        lengths: number of samples of each clip, at `sampling_rate`.
        in_memory: whether decoded clips are kept in memory.
        lacking: the classes that the labels do not name.
        event_reader: what reads the strong labels, if they lie in no events.tsv.
        has_sources: whether batches have the true sources of the clips.
        events: strong labels by the path of the recording, if batches have them.
    """

    recordings: Sequence[LabelledRecording]
    classes: Sequence[str]
    sampling_rate: int
    clips: Sequence[Clip]
    lengths: Sequence[int]
    in_memory: bool = True
    lacking: frozenset[str] = frozenset()
    event_reader: EventReader | None = None
    has_sources: bool = False
    events: Mapping[str, Sequence[SoundEvent]] | None = None
    _decoded: dict[int, np.ndarray] = field(init=False, default_factory=dict)
    _sources: dict[int, dict[int, KeptSource]] = field(init=False, default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def labels(self) -> np.ndarray:
        """Labels of the clips, 0, 1, or NaN where it is not known: (number of clips, K)."""
        return self._recording_labels()[[clip.recording for clip in self.clips]]

    @property
    def durations(self) -> dict[str, float]:
        """Lengths of the recordings (s), by path."""
        seconds = dict.fromkeys((item.path for item in self.recordings), 0.0)
        for clip, length in zip(self.clips, self.lengths, strict=True):
            seconds[self.recordings[clip.recording].path] += length / self.sampling_rate
        return seconds

    def label_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how many clips are known to have, and how many to lack, each class: (K,) each."""
        labels = self.labels
        return (labels == 1).sum(0), (labels == 0).sum(0)

    def max_per_recording(
        self, labels: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Combine values of clips to values of whole recordings: the maximum over the clips.

        Args:
            labels: labels of the clips, (number of clips, K).
            values: values of the clips, likewise.

        Returns:
            the labels of the recordings, and the maximum over the clips of each recording, both
            (number of recordings, K).
        """
        owners = [clip.recording for clip in self.clips]
        highest = np.zeros((len(self.recordings), len(self.classes)), labels.dtype)
        np.maximum.at(highest, owners, values)
        recording_labels = np.zeros_like(highest)
        recording_labels[owners] = labels  # all clips have the labels of their recording
        return recording_labels, highest

    def _recording_labels(self) -> np.ndarray:
        table = np.zeros((len(self.recordings), len(self.classes)), np.float32)
        for row, recording in zip(table, self.recordings, strict=True):
            row[:] = [name in recording.labels for name in self.classes]
            row[[name in recording.unknown for name in self.classes]] = np.nan
        return table

    def recording(self, index: int) -> LabelledRecording:
        """Return the recording that an item of the data set comes from."""
        return self.recordings[self.clips[index].recording]

    def path(self, index: int) -> Path:
        """Return the path of the recording that an item of the data set comes from."""
        return Path(self.recording(index).path)

    def __getitem__(self, index: int) -> Tensor:
        """Read a clip (N,).

        Raises:
            InputError: the recording can't be decoded, holds NaN, or is silent but has labels.
        """
        if index in self._decoded:
            return decompress(self._decoded[index])
        clip = self.clips[index]
        recording = self.recording(index)
        waveform = load_recording(
            recording, self.sampling_rate, start=clip.start, n_samples=clip.n_samples
        )
        if recording.labels and not waveform.any() and self._is_whole(index):
            raise InputError(
                f"{{path}} is silent but labelled "
                f"{escape_braces(', '.join(sorted(recording.labels)))}: "
                "replace it or remove it from the labels",
                path=recording.path,
            )
        if self.in_memory:
            self._decoded[index] = compress(waveform)
        return torch.from_numpy(waveform)

    def sources(self, index: int) -> dict[int, Tensor] | None:
        """Read the true sources that sound in a clip, by the indices of their classes.

        Returns:
            waveforms up to the last sound of each; None if sources are not used.

        Raises:
            InputError: a source can't be read.
        """
        if not self.has_sources:
            return None
        kept = self._sources.get(index)
        if kept is None:
            clip = self.clips[index]
            recording = self.recording(index)
            kept = read_sources(
                recording, self.classes, self.sampling_rate, clip.start, clip.n_samples
            )
            if self.in_memory:
                self._sources[index] = kept
        return {k: source.waveform() for k, source in kept.items()}

    def _is_whole(self, index: int) -> bool:
        """Tell whether a clip is a whole recording: no neighbouring clip is of the same one."""
        neighbours = self.clips[max(0, index - 1) : index + 2]
        recording = self.clips[index].recording
        return sum(clip.recording == recording for clip in neighbours) == 1

    def select(self, indices: Sequence[int]) -> "AudioDataSet":
        """Return a data set of some of the items, in their order.

        Args:
            indices: ascending; all clips of a recording, or none.
        """
        chosen = [self.clips[index] for index in indices]
        numbers: dict[int, int] = {}
        for clip in chosen:
            numbers.setdefault(clip.recording, len(numbers))
        return replace(
            self,
            recordings=[self.recordings[number] for number in numbers],
            clips=[clip._replace(recording=numbers[clip.recording]) for clip in chosen],
            lengths=[self.lengths[index] for index in indices],
        )

    def change_paths(self, change: Callable[[str], str]) -> "AudioDataSet":
        """Return the same recordings by other paths."""
        recordings = [
            replace(recording, path=change(recording.path)) for recording in self.recordings
        ]
        return replace(self, recordings=recordings)

    def without(self, paths: Collection[str]) -> "AudioDataSet":
        """Return a data set without some of the recordings.

        Args:
            paths: of the recordings to leave out.
        """
        kept = [item for item in self.recordings if item.path not in paths]
        numbers = {item.path: number for number, item in enumerate(kept)}
        clips: list[Clip] = []
        lengths: list[int] = []
        for clip, length in zip(self.clips, self.lengths, strict=True):
            path = self.recordings[clip.recording].path
            if path in numbers:
                clips.append(clip._replace(recording=numbers[path]))
                lengths.append(length)
        return replace(self, recordings=kept, clips=clips, lengths=lengths)

    def first(self, n_recordings: int) -> "AudioDataSet":
        """Return a data set of the first recordings alone."""
        return self.without([item.path for item in self.recordings[n_recordings:]])

    def batches(
        self, batch_size: int, *, rng: np.random.Generator | None = None, n_loaders: int = 0
    ) -> Iterator[Batch]:
        """Iterate over the clips in batches.

        Args:
            batch_size: number of clips in a batch.
            rng: source of randomness for shuffling the clips; None keeps their order.
            n_loaders: number of processes that read ahead, unless the clips are in memory.
        """
        return self.batches_of(self.groups(batch_size, rng=rng), n_loaders=n_loaders)

    def batches_of(self, groups: Sequence[list[int]], *, n_loaders: int = 0) -> Iterator[Batch]:
        """Read batches whose clips are known.

        Args:
            groups: indices of the clips of each batch; see `groups`.
            n_loaders: number of processes that read ahead, unless the clips are in memory.
        """
        labels = torch.from_numpy(self.labels)
        for loaded in load_batches(self, groups, 0 if self.in_memory else n_loaders):
            references = None
            if loaded.references is not None:
                references = References(*map(torch.from_numpy, loaded.references))
            indices = torch.from_numpy(loaded.indices)
            yield Batch(
                torch.from_numpy(loaded.waveforms),
                None if loaded.n_samples is None else torch.from_numpy(loaded.n_samples),
                labels[indices],
                indices,
                references,
                self._events_of(loaded.indices.tolist()),
            )

    def _events_of(self, indices: Sequence[int]) -> Events | None:
        """Return the events of clips, in samples from the beginning of each clip."""
        if self.events is None:
            return None
        rows: list[tuple[int, int, float, float, bool]] = []
        for number, index in enumerate(indices):
            clip = self.clips[index]
            length = self.lengths[index]
            recording = self.recording(index)
            start = clip.start * length / clip.n_samples  # at the data set's rate
            own = self.events[recording.path]
            for event in own:
                onset = max(0.0, event.onset * self.sampling_rate - start)
                offset = min(float(length), event.offset * self.sampling_rate - start)
                if onset < offset:
                    k = self.classes.index(event.event_label)
                    rows.append((number, k, onset, offset, True))
            possible = recording.labels | recording.unknown
            for name in possible.difference(event.event_label for event in own):
                rows.append((number, self.classes.index(name), 0.0, float(length), False))
        columns = zip(*rows, strict=True) if rows else [()] * 5
        kinds = (torch.int64, torch.int64, torch.float32, torch.float32, torch.bool)
        return Events(
            *(torch.tensor(c, dtype=kind) for c, kind in zip(columns, kinds, strict=True))
        )

    def groups(self, batch_size: int, *, rng: np.random.Generator | None = None) -> list[list[int]]:
        """Return the clips of each batch; if lengths differ, similar lengths are together."""
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        if len(set(self.lengths)) > 1:
            n_sorted = _SORTED_BATCHES * batch_size
            parts = []
            for start in range(0, len(order), n_sorted):
                part = order[start : start + n_sorted]
                parts.append(sorted(part, key=self.lengths.__getitem__))
            order = np.concatenate(parts)
        starts = range(0, len(order), batch_size)
        groups = [order[start : start + batch_size].tolist() for start in starts]
        if rng is not None:
            rng.shuffle(groups)
        return groups


def check_steps(data_set: AudioDataSet, left_out: LeftOut) -> Steps[AudioDataSet]:
    """Decode all recordings of a data set, and leave out those that can't be used.

    Args:
        data_set: the data set.
        left_out: collects these recordings.

    Yields:
        how many recordings are done.

    Returns:
        the data set without them.
    """
    bad: set[str] = set()
    for n_done, recording in enumerate(data_set.recordings):
        yield Progress(n_done, len(data_set.recordings))
        bad.add(recording.path)
        with left_out.file(recording.path):
            header = check_recording(recording)
            if data_set.has_sources:
                check_source_files(recording, data_set.classes, header)
            bad.remove(recording.path)
    yield Progress(len(data_set.recordings), len(data_set.recordings))
    return data_set.without(bad) if bad else data_set


def data_set_steps(
    recordings: Sequence[LabelledRecording],
    classes: Sequence[str],
    sampling_rate: int,
    *,
    in_memory: bool = True,
    clip_length: float | None = None,
    left_out: LeftOut | None = None,
) -> Steps[AudioDataSet]:
    """Read the headers of recordings, and make a data set of the recordings.

    Args:
        recordings: the recordings.
        classes: the classes, in the order of the labels' columns.
        sampling_rate: Hz.
        in_memory: whether to keep decoded clips in memory.
        clip_length: cut longer recordings into equal clips of at most this length (s); each clip
            gets the labels of its recording. None: do not cut.
        left_out: collects recordings whose headers can't be read, which the data set then lacks;
            by default they are one error.

    Yields:
        how many headers have been read.

    Returns:
        the data set.

    Raises:
        InputError: a recording is missing or cut short.
    """
    collected = LeftOut("train") if left_out is None else left_out
    readable: list[LabelledRecording] = []
    clips: list[Clip] = []
    lengths: list[int] = []
    for n_done, recording in enumerate(recordings):
        yield Progress(n_done, len(recordings))
        with collected.file(recording.path):
            info = sound_files.info(recording.path)
            n_clips = max(1, int(np.ceil(info.duration / clip_length))) if clip_length else 1
            edges = np.linspace(0, info.n_samples, n_clips + 1).round().astype(int).tolist()
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                clips.append(Clip(len(readable), start, stop - start))
                lengths.append(max(1, round((stop - start) * sampling_rate / info.sampling_rate)))
            readable.append(recording)
    yield Progress(len(recordings), len(recordings))
    if left_out is None and collected:
        raise collected.to_error()
    return AudioDataSet(readable, classes, sampling_rate, clips, lengths, in_memory)


def build_data_set(
    recordings: Sequence[LabelledRecording],
    classes: Sequence[str],
    sampling_rate: int,
    *,
    in_memory: bool = True,
    clip_length: float | None = None,
) -> AudioDataSet:
    """Make a data set of recordings; see `data_set_steps`."""
    return run_to_end(
        data_set_steps(
            recordings, classes, sampling_rate, in_memory=in_memory, clip_length=clip_length
        )
    )


def read_split(
    config: DataConfig,
    split: str,
    *,
    classes: Sequence[str] | None = None,
    may_lack_classes: bool = False,
    left_out: LeftOut | None = None,
) -> LabelledFolder:
    """Read the recordings of a split and their labels from tables, without opening a sound file.

    Args:
        config: the folder, and how to read it.
        split: train, validation, test or all.
        classes: classes of the model, in its order; by default those of the folder.
        may_lack_classes: whether the folder may lack some of these classes.
        left_out: collects recordings that the labels name, but the folder lacks; by default they
            are one error.

    Returns:
        the recordings of the split, and the classes in the order of the model.

    Raises:
        EmptySplitError: the split has no recordings.
        InputError: the folder or split does not exist, the folder has another layout, or its
            classes are not those of the model.
    """
    if not config.data_folder:
        raise InputError("data_folder is missing: pass --data_folder")
    folder = Path(config.data_folder)
    if not folder.is_dir():
        raise InputError(
            "{path} is not a directory: expected one with recordings and their weak labels",
            path=folder,
        )
    if split not in (*SPLITS, ALL):
        raise InputError(f"there is no split {split!r}: expected one of {', '.join(SPLITS)}")
    labelled = find_layout(config.data_set_type)(config, folder)
    if left_out is None:
        labelled.require_all()
    else:
        left_out.n_files = len(labelled.recordings) + len(labelled.missing)
        for path, error in labelled.missing.items():
            left_out.add(path, error)
        for item in labelled.unavailable:
            left_out.add_expected(item.file, item.error)
    for note in labelled.notes:
        give_notice(InputWarning(note))
    if classes is not None:
        own_classes = set(labelled.classes)
        if may_lack_classes and own_classes < set(classes):
            own_classes = set(classes)
        _check_classes(own_classes, classes, folder)
    recordings = [item for item in labelled.recordings if split in (item.split, ALL)]
    if not recordings:
        n_missing = len(labelled.missing)
        missing = ""
        if n_missing:
            n_named = n_missing + len(labelled.recordings)
            first = next(iter(labelled.missing))
            name = escape_braces(os.path.relpath(first, find_table_folder(config, first)))
            missing = (
                f" ({n_missing} of {n_named} that its labels name are missing, such as {name})"
            )
        raise EmptySplitError(
            f"{{path}} has no recordings in its {split} split{missing}: add recordings",
            path=folder,
        )
    model_classes = list(classes or labelled.classes)
    lacking = frozenset(model_classes) - frozenset(labelled.classes)
    return replace(labelled, recordings=recordings, classes=model_classes, lacking=lacking)


def split_steps(
    config: DataConfig,
    split: str,
    *,
    sampling_rate: int,
    classes: Sequence[str] | None = None,
    may_lack_classes: bool = False,
    cut: bool = False,
    left_out: LeftOut | None = None,
) -> Steps[AudioDataSet]:
    """Read the headers of the recordings of a split, and make a data set of the recordings.

    Args:
        config: the folder, and how to read it.
        split: train, validation or test.
        sampling_rate: Hz.
        classes: classes of the model, in its order; by default those of the folder.
        may_lack_classes: whether the folder may lack some of these classes.
        cut: whether to cut long recordings into clips of at most `config.clip_length`.
        left_out: see `data_set_steps`.

    Yields:
        how many headers have been read.

    Returns:
        the data set.

    Raises:
        InputError: see `read_split`; also if a recording is missing or cut short.
    """
    labelled = read_split(
        config, split, classes=classes, may_lack_classes=may_lack_classes, left_out=left_out
    )
    data_set = yield from data_set_steps(
        labelled.recordings,
        labelled.classes,
        sampling_rate,
        in_memory=config.in_memory,
        clip_length=config.clip_length if cut else None,
        left_out=left_out,
    )
    return replace(data_set, lacking=labelled.lacking, event_reader=labelled.event_reader(split))


def open_split(
    config: DataConfig,
    split: str,
    *,
    sampling_rate: int,
    classes: Sequence[str] | None = None,
    cut: bool = False,
) -> AudioDataSet:
    """Make a data set of the recordings of a split; see `split_steps`."""
    return run_to_end(
        split_steps(config, split, sampling_rate=sampling_rate, classes=classes, cut=cut)
    )


def _check_classes(
    folder_classes: Collection[str], model_classes: Sequence[str], folder: Path
) -> None:
    """Check that a folder has the classes of the model, in any order."""
    missing = sorted(set(model_classes) - set(folder_classes))
    extra = sorted(set(folder_classes) - set(model_classes))
    differences = []
    if missing:
        differences.append(f"lacks {', '.join(missing)}")
    if extra:
        differences.append(f"adds {', '.join(extra)}")
    if differences:
        raise InputError(
            f"the classes of {{path}} are not those of the model: "
            f"it {escape_braces(' and '.join(differences))}",
            path=folder,
        )
