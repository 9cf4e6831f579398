"""Recordings of one split as a torch data set.

Axes: B batch, K classes, N samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.layouts import DataConfig, LabelledRecording, find_data_set
from absslab.core.data.splits import SPLITS


class EmptySplitError(InputError):
    """A folder that can be used, but has no recordings in a split."""


class Batch(NamedTuple):
    """Recordings padded to the longest."""

    waveforms: Tensor  # (B, N)
    n_samples: Tensor | None  # (B,): length without padding; None: none is padded
    labels: Tensor  # (B, K)
    indices: Tensor  # (B,): which recordings


@dataclass
class AudioDataSet(Dataset[Tensor]):
    """Recordings of one split as mono waveforms (N,) at one rate.

    Args:
        items: the recordings.
        classes: the order of the label's columns.
        sampling_rate: Hz; recordings of other rates are resampled.
        in_memory: keep what was decoded.
        clip_length: cut longer recordings into equal pieces of up to this many seconds, which inherit the labels.

    Raises:
        InputError: a recording is missing or cut short; when it is read, also: it can't be decoded, holds NaN, or is
            silent although it has a label.
    """

    items: Sequence[LabelledRecording]
    classes: Sequence[str]
    sampling_rate: int
    in_memory: bool = True
    clip_length: float | None = None
    pieces: list[tuple[int, int, int]] = field(
        init=False
    )  # (item, start, length), at the file's own rate
    lengths: list[int] = field(init=False)  # of the pieces, at sampling_rate
    _kept: dict[int, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pieces, self.lengths = [], []
        for index, item in enumerate(self.items):
            about = sound_files.info(item.path)
            n_pieces = (
                max(1, int(np.ceil(about.duration / self.clip_length))) if self.clip_length else 1
            )
            edges = np.linspace(0, about.n_samples, n_pieces + 1).round().astype(int)
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                self.pieces.append((index, int(start), int(stop - start)))
                self.lengths.append(
                    max(1, round(int(stop - start) * self.sampling_rate / about.sampling_rate))
                )

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def labels(self) -> np.ndarray:
        """(number of pieces, K), 0 or 1."""
        table = [[name in item.labels for name in self.classes] for item in self.items]
        return np.array(table, dtype=np.float32).reshape(-1, len(self.classes))[
            [index for index, _, _ in self.pieces]
        ]

    def max_per_recording(self, of_pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the whole recordings (n, K), and of values of their pieces (number of pieces, K) the highest (n, K)."""
        labels = np.array(
            [[name in item.labels for name in self.classes] for item in self.items],
            dtype=np.float32,
        )
        highest = np.zeros_like(labels)
        np.maximum.at(highest, [index for index, _, _ in self.pieces], of_pieces)
        return labels, highest

    def path(self, index: int) -> Path:
        """The file that an item comes from."""
        return Path(self.items[self.pieces[index][0]].path)

    def __getitem__(self, index: int) -> Tensor:
        if index in self._kept:
            return _as_float(self._kept[index])
        item, start, length = self.pieces[index]
        whole = self.items[item].path
        waveform = sound_files.load(whole, self.sampling_rate, start=start, n_samples=length)
        is_whole = sum(of == item for of, _, _ in self.pieces[max(0, index - 1) : index + 2]) == 1
        if self.items[item].labels and is_whole and not waveform.any():
            labels = ", ".join(sorted(self.items[item].labels))
            raise InputError(
                f"{whole} is silent but labelled {labels}: replace it or remove it from the labels"
            )
        if self.in_memory:
            self._kept[index] = _compact(waveform)
        return torch.from_numpy(waveform)

    def batches(
        self, batch_size: int, *, rng: np.random.Generator | None = None, n_loaders: int = 0
    ) -> Iterator[Batch]:
        """Batches in order, or shuffled where a generator is given; `n_loaders` processes read ahead, unless in memory."""
        labels = torch.from_numpy(self.labels)
        loader: DataLoader[Any] = DataLoader(
            _Indexed(self),
            batch_sampler=self.groups(batch_size, rng=rng),
            num_workers=0 if self.in_memory else n_loaders,
            collate_fn=_padded,
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            waveforms, n_samples, indices = batch
            yield Batch(waveforms, n_samples, labels[indices], indices)

    def groups(self, batch_size: int, *, rng: np.random.Generator | None = None) -> list[list[int]]:
        """Which recordings meet in a batch: in order, or shuffled; where lengths differ, those of similar length."""
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        if len(set(self.lengths)) > 1:
            pool = 50 * batch_size
            order = np.concatenate(
                [
                    sorted(order[at : at + pool], key=self.lengths.__getitem__)
                    for at in range(0, len(order), pool)
                ]
            )
        groups = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]
        if rng is not None:
            rng.shuffle(groups)
        return groups


class _Indexed(Dataset[tuple[int, Tensor | InputError]]):
    """A data set whose items tell their index, or what is wrong with them: raised in a loader, it would be no one line."""

    def __init__(self, data_set: AudioDataSet):
        self.data_set = data_set

    def __getitem__(self, index: int) -> tuple[int, Tensor | InputError]:
        try:
            return index, self.data_set[index]
        except InputError as error:
            return index, error


def _padded(
    items: list[tuple[int, Tensor | InputError]],
) -> tuple[Tensor, Tensor | None, Tensor] | InputError:
    waveforms: list[Tensor] = []
    for _, waveform in items:
        if isinstance(waveform, InputError):
            return waveform
        waveforms.append(waveform)
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)  # (B, N)
    return (
        padded,
        None if bool((lengths == lengths[0]).all()) else lengths,
        torch.tensor([index for index, _ in items]),
    )


def _compact(waveform: np.ndarray) -> np.ndarray:
    """16-bit integers where they hold the waveform exactly."""
    scaled = waveform * 32768
    fits = np.abs(scaled).max(initial=0) < 32768 and np.array_equal(scaled, np.round(scaled))
    return scaled.astype(np.int16) if fits else waveform


def _as_float(kept: np.ndarray) -> Tensor:
    waveform = torch.from_numpy(kept)
    return waveform / 32768 if waveform.dtype == torch.int16 else waveform


def open_split(
    config: DataConfig,
    split: str,
    *,
    sampling_rate: int,
    classes: Sequence[str] | None = None,
    whole: bool = True,
) -> AudioDataSet:
    """The recordings of one split.

    Args:
        config: which folder, and how it is read.
        split: train, validation or test.
        sampling_rate: Hz.
        classes: those of a model: the folder must have the same ones; the model's order is used.
        whole: do not cut long recordings, as scores ask for.

    Raises:
        InputError: no such folder or split, labels that can't be used, classes other than the model's.
    """
    if not config.data_folder:
        raise InputError("data_folder is missing: say it with --data_folder")
    folder = Path(config.data_folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder: expected one with recordings and their weak labels"
        )
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}: expected one of {', '.join(SPLITS)}")
    items, own_classes = find_data_set(config.data_set_type)(config, folder)
    if classes is not None and set(classes) != set(own_classes):
        missing, foreign = set(classes) - set(own_classes), set(own_classes) - set(classes)
        differ = [f"lacks {', '.join(sorted(missing))}"] * bool(missing) + [
            f"adds {', '.join(sorted(foreign))}"
        ] * bool(foreign)
        raise InputError(f"the classes of {folder} are not the model's: it {' and '.join(differ)}")
    chosen = [item for item in items if item.split == split]
    if not chosen:
        raise EmptySplitError(
            f"{folder} has no recordings in its {split} split: it needs more of them"
        )
    clip_length = None if whole else config.clip_length
    return AudioDataSet(
        chosen, classes or own_classes, sampling_rate, config.in_memory, clip_length
    )
