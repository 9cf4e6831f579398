"""Packing recordings into shards, whole or not at all."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile
from shard_folders import RATE, SHARD_SIZE, config_of, pack, write_field, write_folder, write_tone

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut, read_left_out
from absslab.core.common.notices import collect_notices
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards import packing
from absslab.core.data.shards.packing import PackConfig, pack_steps
from absslab.core.data.shards.shard_index import ShardIndex, read_index

SPLITS_OF_NAMES = ("train", "train", "test", "test")


@pytest.fixture
def field(tmp_path):
    """Forty short recordings with their splits: 30, 6 and 4."""
    return write_field(tmp_path / "field")


def members(shards) -> dict[str, dict[str, bytes]]:
    """Return the files of all recordings, by key and suffix, in their order."""
    found: dict[str, dict[str, bytes]] = {}
    for shard in read_index(shards / "shards.json").shards:
        with tarfile.open(shards / shard.name) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                found.setdefault(key, {})[suffix] = tar.extractfile(member).read()
    return found


def pack_until(n_packed, folder, output) -> None:
    """Pack some recordings, and stop as Ctrl-C does."""
    steps = pack_steps(config_of(folder), output, PackConfig(shard_size=SHARD_SIZE))
    with collect_notices():
        for step in steps:
            if step.done == n_packed:
                break
        steps.close()


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_shards_hold_each_file_as_it_was_with_its_labels(field, tmp_path):
    index = pack(field, tmp_path / "shards")
    packed = members(tmp_path / "shards")
    assert list(packed) == [f"{number:09d}" for number in range(40)]
    names = set()
    for parts in packed.values():
        said = json.loads(parts["json"])
        names.add(said["name"])
        number = int(said["name"][1:-4])
        assert parts["wav"] == (field / said["name"]).read_bytes()
        assert said["labels"]["dog"] == number % 2
        assert said["labels"]["bell"] == (None if number == 3 else number % 3 // 2)
    assert len(names) == 40
    assert len(index.of_split("train")) > 3


def test_the_list_counts_recordings_classes_and_lengths(field, tmp_path):
    write_tone(field / "r0.wav", 1600)
    total = pack(field, tmp_path / "shards").total("train")
    assert total.n_recordings == 30
    assert total.present == {"dog": 15, "bell": 10}
    assert total.absent == {"dog": 15, "bell": 19}
    assert (total.shortest, total.longest) == (0.1, 0.2)
    assert total.duration == pytest.approx(3.1)


def test_recordings_are_shuffled_once_by_the_seed(field, tmp_path):
    orders = []
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        pack(field, tmp_path / name, seed=seed)
        packed = members(tmp_path / name).values()
        orders.append([json.loads(parts["json"])["name"] for parts in packed])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert orders[0] != orders[2]
    assert orders[0][:30] != sorted(orders[0][:30])
    assert set(orders[0][:30]) == {f"r{number}.wav" for number in range(30)}


def test_an_interrupted_packing_goes_on_to_the_same_bytes(field, tmp_path):
    pack(field, tmp_path / "whole")
    pack_until(17, field, tmp_path / "cut")
    names = set(contents(tmp_path / "cut"))
    assert "shards.json" in names
    assert not any(name.endswith(".part") for name in names)
    with pytest.raises(InputError, match="not finished: run the same absslab pack again"):
        read_index(tmp_path / "cut" / "shards.json")
    pack(field, tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_an_interrupt_before_the_first_shard_leaves_nothing(field, tmp_path):
    pack_until(2, field, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_a_second_call_keeps_what_is_complete(field, tmp_path, monkeypatch):
    first = pack(field, tmp_path / "shards")
    monkeypatch.setattr(packing, "check_recording", None)  # nothing is read again
    assert pack(field, tmp_path / "shards") == first


def test_other_settings_or_labels_are_refused(field, tmp_path):
    pack(field, tmp_path / "shards")
    with pytest.raises(InputError, match=r"was packed with seed 0, not 1"):
        pack(field, tmp_path / "shards", seed=1)
    (field / "weak_labels.csv").write_text(
        (field / "weak_labels.csv").read_text().replace("r0.wav,0", "r0.wav,1")
    )
    with pytest.raises(InputError, match="was packed from other recordings or labels"):
        pack(field, tmp_path / "shards")


def test_a_folder_with_something_else_is_refused(field, tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt.*choose a new or an empty folder"):
        pack(field, tmp_path / "shards")
    assert list(contents(tmp_path / "shards")) == ["notes.txt"]


def test_files_that_can_not_be_used_are_left_out(field, tmp_path):
    (field / "r4.wav").write_bytes(b"no sound")
    (field / "r31.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 40 files can't be used.*--on_error skip"):
        pack(field, tmp_path / "shards", left_out=LeftOut("pack", on_error="stop"))
    left_out = LeftOut("pack")
    index = pack(field, tmp_path / "shards", left_out=left_out)
    assert index.n_recordings == 38
    assert set(index.left_out) == {"r4.wav", "r31.wav"}
    again = LeftOut("pack")
    assert pack(field, tmp_path / "shards", left_out=again) == index
    assert {item.file for item in again.files} == {item.file for item in left_out.files}


def test_long_recordings_are_cut_but_for_the_test(tmp_path):
    rows = ["a.wav,1,0,train", "b.wav,0,1,validation", "c.wav,1,1,test"]
    folder = write_folder(tmp_path / "field", rows, n_samples=2 * RATE + 4)
    pack(folder, tmp_path / "shards", data=config_of(folder, clip_length=1.0))
    packed = list(members(tmp_path / "shards").values())
    said = [json.loads(parts["json"]) for parts in packed]
    assert [item["name"] for item in said] == ["a.wav"] * 3 + ["b.wav"] * 3 + ["c.wav"]
    clips = [soundfile.read(io.BytesIO(parts["flac"]))[0] for parts in packed[:3]]
    assert np.array_equal(np.concatenate(clips), soundfile.read(folder / "a.wav")[0])
    assert said[1]["start"] == said[0]["duration"]


def test_recordings_can_be_converted_to_one_rate(field, tmp_path):
    pack(field, tmp_path / "shards", sampling_rate=4000)
    samples, rate = soundfile.read(io.BytesIO(members(tmp_path / "shards")["000000000"]["flac"]))
    assert (rate, samples.shape) == (4000, (400,))


def test_names_in_any_script_and_with_dots_are_safe(tmp_path):
    names = ["a.b.wav", "犬 der Hünd.wav", "..x'$(touch y).wav", "0.wav"]
    folder = write_folder(
        tmp_path / "field",
        [f"{name},1,0,{split}" for name, split in zip(names, SPLITS_OF_NAMES, strict=True)],
    )
    pack(folder, tmp_path / "shards")
    packed = members(tmp_path / "shards").values()
    assert {json.loads(parts["json"])["name"] for parts in packed} == set(names)
    assert all(set(parts) == {"json", "wav"} for parts in packed)


def test_webdataset_reads_the_shards(field, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    index = pack(field, tmp_path / "shards")
    paths = [str(tmp_path / "shards" / shard.name) for shard in index.of_split("train")]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False, empty_check=False))
    assert [sample["__key__"] for sample in samples] == [f"{n:09d}" for n in range(30)]
    assert set(json.loads(samples[0]["json"])["labels"]) == {"dog", "bell"}


def test_the_command_packs_and_says_what_it_left_out(field, tmp_path, capsys):
    (field / "r4.wav").write_bytes(b"no sound")
    flags = ["--data_set_type", "weakly_labelled_folder", "--on_error", "skip"]
    assert main(["pack", str(field), str(tmp_path / "shards"), *flags]) == 3
    out, err = capsys.readouterr()
    assert "39 recordings in 3 shards: 29 train, 6 validation, 4 test" in out
    assert "1 of 40 files was left out" in err
    assert [row["command"] for row in read_left_out(tmp_path / "shards/left_out.csv")] == ["pack"]


def test_a_folder_of_mixtures_is_packed(mixtures, tmp_path):
    data = DataConfig(data_folder=str(mixtures))
    index = pack(mixtures, tmp_path / "shards", data=data)
    assert {split: total.n_recordings for split, total in index.totals.items()} == {
        "train": 24,
        "validation": 8,
        "test": 8,
    }
    said = json.loads(members(tmp_path / "shards")["000000000"]["json"])
    assert said["name"].startswith("train/")


def test_shards_without_their_list_are_not_written_over(field, tmp_path):
    pack(field, tmp_path / "shards")
    (tmp_path / "shards" / "shards.json").unlink()
    before = contents(tmp_path / "shards")
    with pytest.raises(InputError, match=r"test-000000\.tar is not listed in a shards\.json"):
        pack(field, tmp_path / "shards")
    assert contents(tmp_path / "shards") == before


@pytest.mark.parametrize("is_finished", [True, False])
def test_shards_that_are_not_listed_are_refused(field, tmp_path, is_finished):
    if is_finished:
        pack(field, tmp_path / "shards")
    else:
        pack_until(20, field, tmp_path / "shards")
    (tmp_path / "shards" / "train-000077.tar").write_bytes(b"other")
    with pytest.raises(InputError, match=r"train-000077\.tar is not listed in a shards\.json"):
        pack(field, tmp_path / "shards")


@pytest.mark.parametrize("n_packed", [0, 20])
def test_a_shard_that_was_not_listed_any_more_is_packed_again(
    field, tmp_path, monkeypatch, n_packed
):
    whole = pack(field, tmp_path / "whole")
    pack_until(n_packed, field, tmp_path / "shards")
    with monkeypatch.context() as patch:
        patch.setattr(ShardIndex, "grow", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pack(field, tmp_path / "shards")
    assert pack(field, tmp_path / "shards") == whole
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")
