"""Each recording is read once in an epoch, whatever the number of processes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.data.shards.shard_index import Shard
from absslab.core.data.shards.shard_order import EpochOrder, ShuffledRange, share


def order_of(n_recordings, batch_size, n_streams, *, seed=0, n_buffer=8) -> EpochOrder:
    shards = []
    for first in range(0, n_recordings, 7):
        shards.append(Shard(f"{first}.tar", "train", first, min(7, n_recordings - first), 0, ""))
    return EpochOrder.draw(shards, batch_size, seed=seed, n_streams=n_streams, n_buffer=n_buffer)


@given(
    n=st.integers(1, 80),
    batch=st.integers(1, 12),
    streams=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_streams_divide_each_batch_and_all_recordings(n, batch, streams, seed):
    order = order_of(n, batch, streams, seed=seed)
    positions = [list(order.positions(stream)) for stream in range(streams)]
    assert sorted(itertools.chain(*positions)) == list(range(n))
    sizes = list(order.batch_sizes())
    assert sum(sizes) == n
    for stream in range(streams):
        assert len(positions[stream]) == sum(share(size, stream, streams) for size in sizes)
        for n_batches in range(len(sizes) + 1):
            expected = sum(share(size, stream, streams) for size in sizes[:n_batches])
            assert order.n_read(stream, n_batches) == expected


@given(n=st.integers(0, 60), buffer=st.integers(1, 70), seed=st.integers(0, 9))
def test_passing_over_gives_the_rest_of_the_same_order(n, buffer, seed):
    whole = list(ShuffledRange(5, 5 + n, buffer, np.random.default_rng(seed)))
    assert sorted(whole) == list(range(5, 5 + n))
    for n_done in (0, n // 3, n):
        rest = ShuffledRange(5, 5 + n, buffer, np.random.default_rng(seed))
        rest.pass_over(n_done)
        left = {*rest.waiting, *range(rest.first_unread, rest.stop)}
        assert left == set(whole[n_done:])
        assert list(rest) == whole[n_done:]


def test_a_buffer_of_one_keeps_the_order():
    assert list(ShuffledRange(2, 6, 1, np.random.default_rng(0))) == [2, 3, 4, 5]


def test_no_recording_comes_before_it_is_in_the_buffer():
    drawn = list(ShuffledRange(0, 500, 20, np.random.default_rng(1)))
    assert all(number < index + 20 for index, number in enumerate(drawn))
    assert np.mean(np.abs(np.array(drawn) - np.arange(500))) > 5


def test_the_order_of_shards_is_drawn_anew_for_each_seed():
    orders = {tuple(s.name for s in order_of(70, 8, 1, seed=seed).shards) for seed in range(5)}
    assert len(orders) == 5


@pytest.mark.parametrize("n_streams", [1, 2, 3])
def test_the_buffers_of_all_streams_together_have_one_size(n_streams):
    order = order_of(700, 8, n_streams, n_buffer=60)
    waiting = [len(order.positions(stream).waiting) for stream in range(n_streams)]
    assert sum(waiting) == 60
