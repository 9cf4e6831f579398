"""Data sets of recordings: no sample is lost, and batches hold every recording once."""

import multiprocessing.context
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import soundfile
import torch

from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.data.audio_data_set import build_data_set, open_split
from absslab.core.data.labelled_recordings import LabelledRecording

from .labelled_folders import RATE, TEN, config_of, data_set_of, refusal_of, tone, weak, write

# --- samples --------------------------------------------------------------------------------------


def test_other_rates_channels_and_formats_become_mono_at_one_rate(tmp_path):
    write(
        tmp_path / "a.wav",
        np.stack([tone(44100, 44100), 0.2 * tone(44100, 44100)], 1),
        44100,
        "PCM_24",
    )
    write(tmp_path / "b.flac", tone(16000, 16000), 16000)
    items = [
        LabelledRecording(str(tmp_path / name), frozenset({"dog"}), name)
        for name in ("a.wav", "b.flac")
    ]
    data_set = build_data_set(items, ["dog"], RATE)
    assert data_set.lengths == [RATE, RATE]
    for index, gain in enumerate((0.6, 1.0)):
        samples = data_set[index]
        assert samples.dtype == torch.float32
        np.testing.assert_allclose(samples[500:-500], gain * tone(RATE)[500:-500], atol=2e-3)


@pytest.mark.parametrize("rate", [RATE, 11025, 44100])
@pytest.mark.parametrize("n_samples", [1, 4001, 30011])
def test_the_lengths_are_those_of_the_waveforms(tmp_path, rate, n_samples):
    write(tmp_path / "a.wav", tone(n_samples, rate) + 0.1, rate)
    data_set = build_data_set(
        [LabelledRecording(str(tmp_path / "a.wav"), frozenset(), "a")],
        ["dog"],
        RATE,
        clip_length=1.0,
    )
    assert [len(data_set[index]) for index in range(len(data_set))] == data_set.lengths


@pytest.mark.parametrize("n_samples", [8000, 8001, 20011, 24000])
def test_cutting_a_long_recording_loses_no_sample(tmp_path, n_samples):
    recording = np.random.default_rng(0).integers(-3000, 3000, n_samples) / 32768
    data_set = data_set_of(tmp_path, [recording], clip_length=1.0)
    assert len(data_set) == -(-n_samples // 8000)
    assert max(data_set.lengths) <= 8000
    assert max(data_set.lengths) - min(data_set.lengths) <= 1
    np.testing.assert_array_equal(
        torch.cat([data_set[index] for index in range(len(data_set))]), recording.astype(np.float32)
    )
    assert data_set.labels.tolist() == [[1, 0]] * len(data_set)
    assert {data_set.path(index).name for index in range(len(data_set))} == {"0.wav"}


def test_training_cuts_long_recordings_and_scoring_does_not(tmp_path):
    folder = weak(tmp_path, TEN)
    config = config_of(folder, clip_length=0.05)  # the tones last 0.1 s
    assert len(open_split(config, "train", sampling_rate=RATE, cut=True)) == 12
    assert len(open_split(config, "train", sampling_rate=RATE)) == 6


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_in_memory_and_from_disk_give_the_same_samples(tmp_path, subtype):
    write(tmp_path / "a.wav", tone(5000), subtype=subtype)
    items = [LabelledRecording(str(tmp_path / "a.wav"), frozenset({"dog"}), "a")]
    in_memory_set, on_disk_set = (
        build_data_set(items, ["dog"], RATE, in_memory=in_memory) for in_memory in (True, False)
    )
    first = in_memory_set[0]
    again = in_memory_set[0]
    assert torch.equal(first, again)
    assert torch.equal(first, on_disk_set[0])
    (tmp_path / "a.wav").unlink()
    assert torch.equal(in_memory_set[0], first)


def test_full_scale_survives_in_memory(tmp_path):
    data_set = data_set_of(tmp_path, [np.array([-1.0, 1.0, 0.0, 32767 / 32768])])
    assert torch.equal(data_set[0], data_set[0])
    assert data_set[0].tolist() == [-1.0, 32767 / 32768, 0.0, 32767 / 32768]


def test_a_silent_recording_that_is_labelled_is_refused(tmp_path):
    data_set = data_set_of(tmp_path, [np.zeros(800)])
    with pytest.raises(InputError, match=r"0\.wav is silent but labelled dog"):
        data_set[0]


def test_a_silent_recording_is_found_beside_one_that_is_cut(tmp_path):
    data_set = data_set_of(tmp_path, [tone(20000), np.zeros(800)], clip_length=1.0)
    with pytest.raises(InputError, match=r"1\.wav is silent but labelled dog"):
        data_set[len(data_set) - 1]


def test_silence_without_a_label_and_a_silent_part_of_a_long_recording_are_fine(tmp_path):
    assert not data_set_of(tmp_path / "1", [np.zeros(800)], labels=())[0].any()
    half = np.concatenate([np.zeros(8000), tone(8000)])
    assert not data_set_of(tmp_path / "2", [half], clip_length=1.0)[0].any()


@pytest.mark.parametrize("content", [b"", b"no sound at all, just a text that was named so"])
def test_what_is_no_sound_is_refused_when_the_folder_is_opened(tmp_path, content):
    folder = weak(tmp_path, TEN)
    paths_of_splits = {
        split: [
            item.path
            for item in open_split(config_of(folder), split, sampling_rate=RATE).recordings
        ]
        for split in ("train", "validation", "test")
    }
    (folder / "3.wav").write_bytes(content)
    split_of_3 = next(
        split for split, rows in paths_of_splits.items() if str(folder / "3.wav") in rows
    )
    with pytest.raises(InputError, match=r"3\.wav"):
        open_split(config_of(folder), split_of_3, sampling_rate=RATE)


def test_a_recording_with_NaN_is_refused(tmp_path):
    folder = weak(tmp_path, ["a.wav,1,0,train"], header="filename,dog,bell,split")
    write(folder / "a.wav", np.where(np.arange(800) == 5, np.nan, tone(800)), subtype="FLOAT")
    assert "NaN" in refusal_of(config_of(folder))


# --- batches --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def equal(tmp_path_factory):
    return data_set_of(
        tmp_path_factory.mktemp("equal"), [tone(100, frequency=100 + i) for i in range(7)]
    )


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    lengths = np.random.default_rng(0).permutation(np.arange(100, 1300, 100))
    return data_set_of(tmp_path_factory.mktemp("unequal"), [tone(int(n)) for n in lengths])


def indices(batches):
    return [batch.indices.tolist() for batch in batches]


def test_without_a_generator_batches_come_in_order(equal):
    batches = list(equal.batches(3))
    assert indices(batches) == [[0, 1, 2], [3, 4, 5], [6]]
    assert all(batch.n_samples is None for batch in batches)
    for batch in batches:
        for waveform, index, label in zip(
            batch.waveforms, batch.indices.tolist(), batch.labels, strict=True
        ):
            assert torch.equal(waveform, equal[index])
            assert label.tolist() == equal.labels[index].tolist()


def test_an_epoch_has_every_recording_once_in_an_order_that_the_generator_decides(equal, unequal):
    for data_set in (equal, unequal):
        first, again, other = (
            indices(data_set.batches(3, rng=np.random.default_rng(seed))) for seed in (1, 1, 2)
        )
        assert sorted(index for group in first for index in group) == list(range(len(data_set)))
        assert first == again
        assert first != other


def test_recordings_of_different_lengths_are_padded_with_silence(unequal):
    for batch in unequal.batches(4, rng=np.random.default_rng(0)):
        assert batch.n_samples.tolist() == [unequal.lengths[index] for index in batch.indices]
        assert batch.waveforms.shape[1] == batch.n_samples.max()
        for waveform, n, index in zip(
            batch.waveforms, batch.n_samples, batch.indices.tolist(), strict=True
        ):
            assert torch.equal(waveform[:n], unequal[index])
            assert not waveform[n:].any()


def test_recordings_of_similar_length_meet(unequal):
    for batch in unequal.batches(4, rng=np.random.default_rng(0)):
        assert batch.n_samples.max() - batch.n_samples.min() <= 300


def test_batches_read_ahead_in_another_process_are_the_same(unequal):
    from_disk = replace(unequal, in_memory=False)
    in_this_process, in_another_process = (
        list(from_disk.batches(5, rng=np.random.default_rng(0), n_loaders=n_loaders))
        for n_loaders in (0, 1)
    )
    for batch, other in zip(in_this_process, in_another_process, strict=True):
        assert all(a is b or torch.equal(a, b) for a, b in zip(batch, other, strict=True))


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGBUS])
def test_a_loader_that_is_killed_is_told_in_one_line(tmp_path, signal_number):
    data_set = data_set_of(tmp_path, [tone(800)] * 60, in_memory=False)
    before = set(psutil.Process().children())
    batches = data_set.batches(1, n_loaders=1)
    next(batches)
    children = set(psutil.Process().children()) - before
    (loader,) = [child for child in children if "tracker" not in " ".join(child.cmdline())]
    loader.send_signal(signal_number)
    with pytest.raises(WorkError, match=r"of 1 processes that read recordings was ended") as error:
        list(batches)
    assert "\n" not in str(error.value)


def test_without_place_for_semaphores_this_process_reads(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    data_set = data_set_of(tmp_path, [tone(800)] * 3, in_memory=False)
    monkeypatch.setattr(multiprocessing.context.BaseContext, "Lock", refuse)
    monkeypatch.setenv("JOBLIB_MULTIPROCESSING", "0")
    with collect_notices() as notices:
        assert indices(data_set.batches(2, n_loaders=2)) == [[0, 1], [2]]
    assert "is /dev/shm full?" in str(notices[0])


SMALL_SHARED_MEMORY = """
mount -t tmpfs -o size=64k tmpfs /dev/shm || exit 77
cd $1
exec $2 -c '
from absslab.core.data.audio_data_set import build_data_set
from absslab.core.data.labelled_recordings import LabelledRecording
recordings = [LabelledRecording("long.wav", frozenset({"a"}), "train")] * 8
data_set = build_data_set(recordings, ["a"], 16000, in_memory=False)
print(sum(batch.waveforms.numel() for batch in data_set.batches(4, n_loaders=2)))'
"""


def test_loaders_need_no_shared_memory(tmp_path):
    """In a container it has 64 MB; loaders died of it, and the training waited for them."""
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    soundfile.write(tmp_path / "long.wav", tone(16000 * 20, 16000), 16000)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SMALL_SHARED_MEMORY, "", tmp_path, sys.executable],
        capture_output=True,
        text=True,
        timeout=100,
    )
    if done.returncode in (1, 77) and "python" not in done.stderr.lower():
        pytest.skip(f"mounting is not allowed: {done.stderr}")
    assert done.stdout == f"{8 * 16000 * 20}\n", done.stderr


def test_an_error_in_another_process_is_the_same_error(tmp_path):
    data_set = data_set_of(tmp_path, [np.zeros(800)], in_memory=False)
    with pytest.raises(InputError, match=r"^\S*0\.wav is silent but labelled dog: .*$") as error:
        list(data_set.batches(1, n_loaders=1))
    assert "\n" not in str(error.value)
