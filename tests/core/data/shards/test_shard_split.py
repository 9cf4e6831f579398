"""Batches of recordings that are read from shards in sequence."""

import itertools
import weakref

import numpy as np
import pytest
import torch
from shard_folders import RATE, config_of, pack, write_field, write_tone

from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.shards.places import FolderPlace
from absslab.core.data.shards.shard_index import read_index
from absslab.core.data.shards.shard_order import EpochOrder
from absslab.core.data.shards.shard_reading import ShardSample, read_shard
from absslab.core.data.shards.shard_split import ShardSplit


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    pack(write_field(folder / "field"), folder / "shards")
    return folder / "shards"


def split_of(shards, split="train") -> ShardSplit:
    index = read_index(shards / "shards.json")
    return ShardSplit(FolderPlace(shards), index, split, index.classes, RATE, 1.0)


def order_of(split, *, n_streams=1, n_buffer=9, batch_size=8, seed=3) -> EpochOrder:
    return EpochOrder.draw(
        split.shards, batch_size, seed=seed, n_streams=n_streams, n_buffer=n_buffer
    )


def indices(batches) -> list[list[int]]:
    return [[] if batch is None else batch.indices.tolist() for batch in batches]


def join(batches) -> list[int]:
    return list(itertools.chain(*batches))


def test_batches_in_order_are_those_of_the_files(packed):
    split = split_of(packed, "validation")
    with pytest.warns(UserWarning, match="unknown"):
        files = open_split(config_of(packed.parent / "field"), "validation", sampling_rate=RATE)
    names = [placed.sample.labels.name for placed in split.read()]
    batches = list(split.batches(4))
    assert indices(batches) == [[0, 1, 2, 3], [4, 5]]
    waveforms = torch.cat([batch.waveforms for batch in batches])
    labels = torch.cat([batch.labels for batch in batches])
    order = [files.classes.index(name) for name in split.classes]
    for number, name in enumerate(names):
        own = [files.path(index).name for index in range(len(files))].index(name)
        assert torch.equal(waveforms[number], files[own])
        assert np.array_equal(labels[number], files.labels[own][order], equal_nan=True)


def test_a_range_is_read_alone(packed):
    split = split_of(packed)
    whole = torch.cat([batch.waveforms for batch in split.batches(7)])
    part = list(split.batches(4, start=11, stop=18))
    assert indices(part) == [[11, 12, 13, 14], [15, 16, 17]]
    assert torch.equal(torch.cat([batch.waveforms for batch in part]), whole[11:18])


def test_unknown_labels_are_not_numbers(packed):
    labels = torch.cat([batch.labels for batch in split_of(packed).batches(30)])
    assert int(labels.isnan().sum()) == 1
    present, absent = split_of(packed).label_counts()
    assert np.array_equal((labels.numpy() == 1).sum(0), present)
    assert np.array_equal((labels.numpy() == 0).sum(0), absent)


def test_an_epoch_has_each_recording_once(packed):
    split = split_of(packed)
    drawn = indices(split.epoch(order_of(split), stream=0))
    assert [len(batch) for batch in drawn] == [8, 8, 8, 6]
    numbers = [number for batch in drawn for number in batch]
    assert sorted(numbers) == list(range(30))
    assert numbers != sorted(numbers)


@pytest.mark.parametrize("n_processes", [2, 3, 7])
def test_processes_divide_each_batch(packed, n_processes):
    split = split_of(packed)
    order = order_of(split, n_streams=n_processes)
    parts = [indices(split.epoch(order, stream=rank)) for rank in range(n_processes)]
    assert {len(part) for part in parts} == {4}
    together = [join(batch) for batch in zip(*parts, strict=True)]
    assert [len(batch) for batch in together] == [8, 8, 8, 6]
    assert sorted(join(together)) == list(range(30))
    assert [bool(part[3]) for part in parts] == [rank < 6 for rank in range(n_processes)]


def test_another_number_of_processes_has_the_same_batches(packed):
    split = split_of(packed)
    order = order_of(split, n_streams=3)
    begun = [indices(split.epoch(order, stream=rank)) for rank in range(3)]
    together = [sorted(join(batch)) for batch in zip(*begun, strict=True)]
    for n_processes in (1, 2, 4):
        parts = []
        for rank in range(n_processes):
            parts.append(
                indices(split.epoch(order, stream=None, rank=rank, n_processes=n_processes))
            )
        assert [sorted(join(batch)) for batch in zip(*parts, strict=True)] == together


@pytest.mark.parametrize("n_loaders", [0, 2])
@pytest.mark.parametrize("n_done", [0, 1, 3, 4])
def test_an_epoch_goes_on_with_the_same_batches(packed, n_done, n_loaders):
    split = split_of(packed)
    whole = list(split.epoch(order_of(split), stream=0))
    rest = list(split.epoch(order_of(split), stream=0, n_done=n_done, n_loaders=n_loaders))
    assert indices(rest) == indices(whole)[n_done:]
    for one, other in zip(rest, whole[n_done:], strict=True):
        assert torch.equal(one.waveforms, other.waveforms)
        assert np.array_equal(one.labels, other.labels, equal_nan=True)


def test_going_on_reads_no_shard_that_is_done(packed, monkeypatch):
    split = split_of(packed)
    opened = []
    plain = FolderPlace.open

    def remember(self, name, *arguments):
        opened.append(name)
        return plain(self, name, *arguments)

    monkeypatch.setattr(FolderPlace, "open", remember)
    order = order_of(split, n_buffer=2)
    list(split.epoch(order, stream=0, n_done=3))
    assert opened == [shard.name for shard in order.shards][-len(opened) :]
    assert len(opened) < len(order.shards)


def test_recordings_of_several_lengths_are_padded(tmp_path):
    field = write_field(tmp_path / "field")
    write_tone(field / "r0.wav", 1600)
    pack(field, tmp_path / "shards")
    split = split_of(tmp_path / "shards")
    assert split.lengths == [800, 1600]
    (batch,) = split.batches(30)
    assert batch.waveforms.shape == (30, 1600)
    assert sorted(batch.n_samples.tolist()) == [800] * 29 + [1600]


@pytest.mark.parametrize("n_train", [40, 300])
def test_memory_holds_the_buffer_whatever_the_size_of_the_corpus(tmp_path, n_train, monkeypatch):
    pack(write_field(tmp_path / "field", n_train=n_train), tmp_path / "shards")
    split = split_of(tmp_path / "shards")
    alive: set[int] = set()
    most = []

    def count(*arguments, **options):
        for sample in read_shard(*arguments, **options):
            alive.add(sample.number)
            weakref.finalize(sample, alive.discard, sample.number)
            most.append(len(alive))
            yield sample

    monkeypatch.setattr("absslab.core.data.shards.shard_split.read_shard", count)
    n_buffer, batch_size, n_ahead = 10, 5, 16
    order = order_of(split, n_buffer=n_buffer, batch_size=batch_size)
    assert len(list(split.epoch(order, stream=0))) == n_train // batch_size
    assert len(most) == n_train
    assert max(most) <= n_buffer + batch_size + n_ahead + 4


def test_a_sound_that_can_not_be_decoded_is_named(packed, tmp_path, monkeypatch):
    split = split_of(packed)
    placed = next(split.read())
    damaged = ShardSample(0, "a.tar", "a.tar", placed.sample.labels, ".wav", b"no sound")
    monkeypatch.setattr(
        "absslab.core.data.shards.shard_split.read_shard", lambda *_, **__: iter([damaged])
    )
    with pytest.raises(InputError, match=r"a\.tar: 000000000 \(r\d+\.wav\)") as refused:
        next(split.batches(1, stop=1))
    assert "absslab-" not in str(refused.value)


def test_a_fault_of_a_shard_comes_from_the_reading_thread(packed, tmp_path):
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "train-000002.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    split = split_of(tmp_path)
    with pytest.raises(InputError, match=r"train-000002\.tar is cut"):
        list(split.epoch(order_of(split), stream=0))
