"""Batches of recordings, read ahead of time in other processes if there are any.

Axes: B batch, K classes, N samples, R sources of all recordings of a batch, E events of them.
"""

import signal
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.notices import leave_notices_to_parent
from absslab.core.common.parallel import can_share_work, hide_main_module


class References(NamedTuple):
    """True sources of the recordings of a batch; what is in none of them is background.

    Only sources that sound are here, so that silence takes neither memory nor time.
    """

    waveforms: Tensor  # (R, N)
    recordings: Tensor  # (R,): which recording of the batch each is part of
    classes: Tensor  # (R,): index of its class


class Events(NamedTuple):
    """When classes sound in the recordings of a batch; its labels say which classes do."""

    recordings: Tensor  # (E,): which recording of the batch each is part of
    classes: Tensor  # (E,): index of its class
    onsets: Tensor  # (E,): samples
    offsets: Tensor  # (E,): samples
    are_exact: Tensor  # (E,) bool: False: it is only known that the class sounds somewhere in it


class Batch(NamedTuple):
    """Recordings that are padded to the length of the longest one."""

    waveforms: Tensor  # (B, N)
    n_samples: Tensor | None  # (B,): lengths without padding; None: all have equal length
    labels: Tensor  # (B, K): 0, 1, or NaN where it is not known
    indices: Tensor  # (B,): indices into the data set
    references: References | None = None  # if they are read
    events: Events | None = None  # if they are read


class Clips(Protocol):
    """What batches are made of: recordings or parts of them, as waveforms (N,)."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: int) -> Tensor:
        """Read one: (N,)."""

    def sources(self, index: int) -> dict[int, Tensor] | None:
        """Read the sources (N,) of one by the indices of their classes; None: they are not used."""


class Loaded(NamedTuple):
    """The clips of a batch as they come from a process that reads them."""

    indices: np.ndarray  # (B,)
    waveforms: np.ndarray  # (B, N)
    n_samples: np.ndarray | None  # (B,)
    references: tuple[np.ndarray, np.ndarray, np.ndarray] | None  # see `References`


@dataclass(frozen=True)
class Item:
    """A clip that has been read."""

    index: int
    waveform: Tensor  # (N,)
    sources: dict[int, Tensor] | None


def load_batches(clips: Clips, groups: Sequence[list[int]], n_loaders: int) -> Iterator[Loaded]:
    """Read the clips of each batch.

    Args:
        clips: the clips.
        groups: indices of the clips of each batch.
        n_loaders: number of processes that read ahead.

    Raises:
        InputError: a clip can't be read.
        WorkError: one of the processes was killed.
    """
    return load_items(_ReadableItems(clips), groups, n_loaders)


def load_items(
    items: Dataset[Item | Exception], groups: Iterable[list[Any]], n_loaders: int
) -> Generator[Loaded, None, None]:
    """Read the items of each batch.

    Args:
        items: returns an item, or why it can't be read.
        groups: what the items of each batch are asked for by. It is drawn ahead.
        n_loaders: number of processes that read ahead.

    Raises:
        InputError: an item can't be read.
        WorkError: one of the processes was killed.
    """
    if n_loaders and not can_share_work():
        n_loaders = 0
    loader: DataLoader[Loaded | Exception] = DataLoader(
        items,  # type: ignore[arg-type]
        batch_sampler=groups,
        num_workers=n_loaders,
        collate_fn=_pad,
        worker_init_fn=_begin_loader,
    )
    with hide_main_module():
        batches = iter(loader)
    with explain_killed_loaders(n_loaders):
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch


def _begin_loader(number: int) -> None:
    """Prepare a process that reads ahead.

    Ctrl-C is for the process that it reads for, which then ends it. By itself it would wait at its
    end until somebody takes what it has read.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_notices_to_parent(number)


@contextmanager
def explain_killed_loaders(n_loaders: int) -> Iterator[None]:
    """Say in words that a process which reads batches ahead was killed.

    PyTorch raises its error wherever the program is when it notices this, also between two batches.

    Args:
        n_loaders: number of these processes.

    Raises:
        WorkError: one was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise WorkError(
            f"one of {n_loaders} processes that read recordings was ended from outside, perhaps "
            "because the memory was full: use fewer (n_loaders), or a smaller batch_size; a "
            "training goes on from its last.ckpt"
        ) from None


class _ReadableItems(Dataset[Item | Exception]):
    """Clips with their indices; one that can't be read is replaced by its error.

    An error raised in a loader's process would arrive as a traceback of many lines.
    """

    def __init__(self, clips: Clips):
        self.clips = clips

    def __getitem__(self, index: int) -> Item | Exception:
        try:
            return Item(index, self.clips[index], self.clips.sources(index))
        except (InputError, OSError, MemoryError) as error:
            return error


def _pad(items: list[Item | Exception]) -> Loaded | Exception:
    """Pad waveforms to the longest, and join the sources of all recordings.

    They are arrays, which come from a loader's process through a pipe. Tensors would come through
    shared memory, of which a container has little: a loader that finds none dies.
    """
    read: list[Item] = []
    for item in items:
        if isinstance(item, Exception):
            return item
        read.append(item)
    waveforms = [item.waveform for item in read]
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)  # (B, N)
    lengths = np.array([len(waveform) for waveform in waveforms])  # (B,)
    are_equal = bool((lengths == lengths[0]).all())
    return Loaded(
        np.array([item.index for item in read]),
        padded.numpy(),
        None if are_equal else lengths,
        _join_sources(read, padded.shape[1]),
    )


def _join_sources(
    items: Sequence[Item], n_samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Join the sources of recordings to waveforms (R, N), recordings (R,) and classes (R,)."""
    if items[0].sources is None:
        return None
    owners = [
        (number, k, source)
        for number, item in enumerate(items)
        for k, source in (item.sources or {}).items()
    ]
    waveforms = np.zeros((len(owners), n_samples), np.float32)
    for row, (_, _, source) in zip(waveforms, owners, strict=True):
        row[: len(source)] = source[:n_samples]
    recordings = np.array([number for number, _, _ in owners], np.int64)
    return waveforms, recordings, np.array([k for _, k, _ in owners], np.int64)
