"""The order in which the recordings of a split are read in an epoch, and who reads which.

The shards of an epoch are in an order that is drawn anew. Position p is that of a recording in this
order. Positions are divided into streams, one for each process: stream s is a range of positions,
with as many as it has in the batches of the epoch. So each recording is read once, all processes
make the same steps, and each reads its own shards, but for the first and the last of its range.
Within a stream, a buffer shuffles recordings.

All of this is computed from numbers alone: where a training goes on within an epoch, the recordings
that it has had are passed over without being read.
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.data.shards.shard_index import Shard


def share(n_recordings: int, stream: int, n_streams: int) -> int:
    """Return how many recordings of a batch a stream has.

    >>> [share(8, stream, 3) for stream in range(3)]
    [3, 3, 2]
    """
    return len(range(stream, n_recordings, n_streams))


@dataclass(frozen=True)
class EpochOrder:
    """The order of an epoch.

    Args:
        shards: in their order.
        n_recordings: number of recordings in all of them.
        batch_size: number of recordings of a batch, those of all streams together.
        n_streams: number of streams.
        seed: of the shuffling within the streams.
        n_buffer: number of recordings of all buffers together.
    """

    shards: Sequence[Shard]
    n_recordings: int
    batch_size: int
    n_streams: int
    seed: int
    n_buffer: int

    @classmethod
    def draw(
        cls,
        shards: Sequence[Shard],
        batch_size: int,
        *,
        seed: int,
        n_streams: int = 1,
        n_buffer: int = 1,
    ) -> "EpochOrder":
        """Draw the order of the shards; see `EpochOrder`."""
        permutation = np.random.default_rng(seed).permutation(len(shards))
        ordered = [shards[number] for number in permutation]
        n_recordings = sum(shard.n_recordings for shard in shards)
        return cls(ordered, n_recordings, batch_size, n_streams, seed, n_buffer)

    def batch_sizes(self) -> Iterator[int]:
        """Yield the number of recordings of each batch; the last one may be smaller."""
        for start in range(0, self.n_recordings, self.batch_size):
            yield min(self.batch_size, self.n_recordings - start)

    def positions(self, stream: int) -> "ShuffledRange":
        """Return the positions of a stream, shuffled."""
        counts = [0] * self.n_streams
        n_full, n_rest = divmod(self.n_recordings, self.batch_size)
        for number in range(self.n_streams):
            counts[number] = n_full * share(self.batch_size, number, self.n_streams)
            counts[number] += share(n_rest, number, self.n_streams)
        start = sum(counts[:stream])
        return ShuffledRange(
            start,
            start + counts[stream],
            max(1, self.n_buffer // self.n_streams),
            np.random.default_rng([self.seed, stream]),
        )

    def n_read(self, stream: int, n_batches: int) -> int:
        """Return how many recordings of a stream the first batches of the epoch have."""
        n_full = min(n_batches, self.n_recordings // self.batch_size)
        n_rest = self.n_recordings % self.batch_size if n_full < n_batches else 0
        return n_full * share(self.batch_size, stream, self.n_streams) + share(
            n_rest, stream, self.n_streams
        )


class ShuffledRange:
    """The numbers of a range in random order, of which none is drawn long before its place.

    Iterate over it. Whatever is drawn next is one of `waiting`, or from `first_unread` on.

    Args:
        start: the first number.
        stop: the end of the numbers.
        n_buffer: how many of them wait to be drawn; 1: they keep their order.
        rng: source of randomness.
    """

    def __init__(self, start: int, stop: int, n_buffer: int, rng: np.random.Generator):
        self.stop = stop
        self.first_unread = min(start + n_buffer, stop)
        self.waiting = list(range(start, self.first_unread))
        self._rng = rng

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self.waiting:
            raise StopIteration
        index = int(self._rng.integers(len(self.waiting)))
        number = self.waiting[index]
        if self.first_unread < self.stop:
            self.waiting[index] = self.first_unread
            self.first_unread += 1
        else:
            last = self.waiting.pop()
            if index < len(self.waiting):
                self.waiting[index] = last
        return number

    def pass_over(self, n_numbers: int) -> None:
        """Draw so many numbers that are not needed."""
        for _ in range(n_numbers):
            next(self)


def locate(shards: Sequence[Shard]) -> list[int]:
    """Return the first position of each shard in an order of shards."""
    starts = np.cumsum([0, *(shard.n_recordings for shard in shards)])
    return [int(start) for start in starts[:-1]]


def shard_of(starts: Sequence[int], position: int) -> int:
    """Return the place of the shard that holds a position.

    >>> shard_of([0, 10, 20], 10)
    1
    """
    return bisect.bisect_right(starts, position) - 1
