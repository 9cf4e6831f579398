"""The recordings of a split in shards, as batches that are read in sequence.

Memory holds the sounds, not decoded, of the recordings that wait in the buffer, and those of a few
batches; it does not grow with the corpus. Axes: B batch, K classes, N samples.
"""

import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, Reason, WorkError
from absslab.core.data.batches import Batch, Item, load_items
from absslab.core.data.shards.places import Place
from absslab.core.data.shards.read_ahead import read_ahead
from absslab.core.data.shards.shard_index import Shard, ShardIndex, SplitTotals
from absslab.core.data.shards.shard_order import EpochOrder, ShuffledRange, locate, shard_of, share
from absslab.core.data.shards.shard_reading import ShardSample, read_shard

_N_AHEAD = 16  # recordings that are read ahead


@dataclass(frozen=True)
class PlacedSample:
    """A recording, and its position in the order in which it was read."""

    position: int
    sample: ShardSample


@dataclass(frozen=True)
class Wanted:
    """The positions that are to be read.

    Args:
        waiting: those of them that precede `first_unread`.
        first_unread: from here on, all are wanted.
        stop: the end of the positions.
    """

    waiting: frozenset[int]
    first_unread: int
    stop: int

    @property
    def last(self) -> int:
        """The last of them."""
        return self.stop - 1 if self.first_unread < self.stop else max(self.waiting)

    def includes(self, position: int) -> bool:
        """Return whether a position is wanted."""
        return position in self.waiting or self.first_unread <= position < self.stop


PlacedSamples = Generator[PlacedSample, None, None]


@dataclass(frozen=True)
class ShardSplit:
    """The recordings of a split.

    Args:
        place: where the shards are.
        index: shards.json.
        split: train, validation or test.
        classes: those of the model, in its order.
        sampling_rate: Hz; recordings of other rates are resampled.
        timeout: s without a byte after which reading is tried again.
    """

    place: Place
    index: ShardIndex
    split: str
    classes: Sequence[str]
    sampling_rate: int
    timeout: float

    def __len__(self) -> int:
        return self.total.n_recordings

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, in the order in which they were packed."""
        return self.index.of_split(self.split)

    @property
    def total(self) -> SplitTotals:
        """What is known of all recordings together."""
        return self.index.total(self.split)

    @property
    def lengths(self) -> Sequence[int]:
        """Number of samples of the shortest and of the longest recording."""
        seconds = (self.total.shortest, self.total.longest)
        return [max(1, round(duration * self.sampling_rate)) for duration in seconds]

    def label_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of recordings known to have, and known to lack, each class: (K,)."""
        present, absent = (
            np.array([counts[name] for name in self.classes], np.int64)
            for counts in (self.total.present, self.total.absent)
        )
        return present, absent

    def max_per_recording(
        self, labels: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and values as they are: what was cut was packed as recordings."""
        return labels, values

    def labels_of(self, sample: ShardSample) -> np.ndarray:
        """Return labels 0, 1, or NaN where it is not known: (K,)."""
        labels = [sample.labels.labels[name] for name in self.classes]
        return np.array([np.nan if label is None else label for label in labels], np.float32)

    def read(self, start: int = 0, stop: int | None = None) -> PlacedSamples:
        """Read a range of the recordings in the order in which they were packed."""
        last = len(self) if stop is None else stop
        order = EpochOrder(self.shards, len(self), 1, 1, 0, 1)
        keeping_order = ShuffledRange(start, last, 1, np.random.default_rng(0))
        return self._read_positions(order.shards, keeping_order)

    def batches(
        self, batch_size: int, *, start: int = 0, stop: int | None = None, n_loaders: int = 0
    ) -> Iterator[Batch]:
        """Read a range of the recordings in batches, in the order in which they were packed.

        Args:
            batch_size: number of recordings of a batch.
            start: the first recording.
            stop: the end of the range; None: that of the split.
            n_loaders: number of processes that decode ahead.
        """
        samples = self.read(start, stop)
        with closing(samples):
            groups = iter(lambda: list(islice(samples, batch_size)), [])
            yield from self._decode(groups, n_loaders)

    def epoch(
        self,
        order: EpochOrder,
        *,
        stream: int | None,
        rank: int = 0,
        n_processes: int = 1,
        n_done: int = 0,
        n_loaders: int = 0,
    ) -> Generator[Batch | None, None, None]:
        """Yield what a process has of each batch of an epoch; None where it has nothing.

        Args:
            order: of the epoch.
            stream: the stream that the process reads. None: it reads all, and takes every
                `n_processes`th recording of a batch, from number `rank` on.
            rank: of the process.
            n_processes: number of processes.
            n_done: number of batches that the training has had.
            n_loaders: number of processes that decode ahead.
        """
        streams = range(order.n_streams) if stream is None else [stream]
        readers = [self._read_stream(order, number, n_done) for number in streams]
        has_part: deque[bool] = deque()

        def groups() -> Iterator[list[PlacedSample]]:
            for size in islice(order.batch_sizes(), n_done, None):
                group: list[PlacedSample] = []
                for number, reader in zip(streams, readers, strict=True):
                    group += islice(reader, share(size, number, order.n_streams))
                own = group[rank::n_processes] if stream is None else group
                has_part.append(bool(own))
                if own:
                    yield own

        batches = self._decode(groups(), n_loaders)
        try:
            for _ in islice(order.batch_sizes(), n_done, None):
                batch = next(batches, None)
                while has_part and not has_part.popleft():
                    yield None
                if batch is not None:
                    yield batch
        finally:
            batches.close()
            for reader in readers:
                reader.close()

    def _read_stream(self, order: EpochOrder, stream: int, n_done: int) -> PlacedSamples:
        """Read the recordings of a stream in their shuffled order."""
        positions = order.positions(stream)
        positions.pass_over(order.n_read(stream, n_done))
        return self._read_positions(order.shards, positions)

    def _read_positions(self, shards: Sequence[Shard], positions: ShuffledRange) -> PlacedSamples:
        """Read recordings in the order of their positions, which are read in sequence."""
        # What is still to be drawn, before the first is drawn.
        wanted = Wanted(frozenset(positions.waiting), positions.first_unread, positions.stop)
        source = read_ahead(self._read_sequence(shards, wanted), _N_AHEAD)
        held: dict[int, PlacedSample] = {}
        with closing(source):
            for position in positions:
                while position not in held:
                    placed = next(source)
                    held[placed.position] = placed
                yield held.pop(position)

    def _read_sequence(self, shards: Sequence[Shard], wanted: Wanted) -> PlacedSamples:
        """Read the recordings that are wanted, in the order of the shards."""
        if not wanted.waiting:
            return
        starts = locate(shards)
        for index in range(shard_of(starts, min(wanted.waiting)), len(shards)):
            shard, start = shards[index], starts[index]
            if start > wanted.last:
                return
            if not any(map(wanted.includes, range(start, start + shard.n_recordings))):
                continue

            def is_wanted(recording: int, difference: int = start - shard.first) -> bool:
                return wanted.includes(recording + difference)

            for sample in read_shard(
                self.place, shard, self.classes, self.timeout, is_wanted=is_wanted
            ):
                position = start + sample.number - shard.first
                yield PlacedSample(position, sample)
                if position == wanted.last:
                    return

    def _decode(
        self, groups: Iterator[list[PlacedSample]], n_loaders: int
    ) -> Generator[Batch, None, None]:
        """Decode the recordings of each batch."""
        labels: deque[np.ndarray] = deque()

        def with_labels() -> Iterator[list[PlacedSample]]:
            for group in groups:
                labels.append(np.stack([self.labels_of(item.sample) for item in group]))  # (B, K)
                yield group

        items = load_items(_Decoder(self.sampling_rate), with_labels(), n_loaders)
        with closing(items):
            for loaded in items:
                yield Batch(
                    torch.from_numpy(loaded.waveforms),
                    None if loaded.n_samples is None else torch.from_numpy(loaded.n_samples),
                    torch.from_numpy(labels.popleft()),
                    torch.from_numpy(loaded.indices),
                )


class _Decoder(Dataset[Item | Exception]):
    """Decodes recordings; one that can't be decoded is replaced by its error."""

    def __init__(self, sampling_rate: int):
        self.sampling_rate = sampling_rate

    def __getitem__(self, placed: PlacedSample) -> Item | Exception:
        try:
            return Item(placed.position, decode(placed.sample, self.sampling_rate), None)
        except (InputError, WorkError, OSError, MemoryError) as error:
            return error


def decode(sample: ShardSample, sampling_rate: int) -> Tensor:
    """Decode a recording as mono (N,).

    Decoders open files, so that its bytes are in one for as long.

    Args:
        sample: the recording.
        sampling_rate: Hz; a recording of another rate is resampled.

    Raises:
        InputError: it can't be decoded.
        WorkError: the file can't be written.
    """
    shown = sample.describe()
    try:
        with tempfile.NamedTemporaryFile(prefix="absslab-", suffix=sample.suffix) as file:
            file.write(sample.sound)
            file.flush()
            try:
                return torch.from_numpy(sound_files.load(file.name, sampling_rate))
            except InputError as error:
                paths = {
                    name: shown if path == file.name else path for name, path in error.paths.items()
                }
                raise InputError(error.template, **paths, **error.reasons) from None
    except OSError as error:
        raise WorkError(
            "{recording} can't be written to a temporary file ({reason}): free some space, or name "
            "another folder by the environment variable TMPDIR",
            recording=shown,
            reason=Reason.of(error),
        ) from None
