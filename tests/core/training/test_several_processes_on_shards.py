"""Two processes that train on shards, and stop and go on within an epoch."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from shard_folders import pack

from absslab.core.common.config import to_flags
from absslab.core.data.layouts import DataConfig
from absslab.core.training.run_directory import RunReader, request_stop


@pytest.fixture
def flags(small_model, mixtures, tmp_path) -> dict:
    """A training of two epochs of twelve steps, in which nothing is drawn at random."""
    shards = tmp_path / "shards"
    pack(mixtures, shards, data=DataConfig(data_folder=str(mixtures)), shard_size=0.3)
    return small_model | {
        "data_set_type": "weakly_labelled_shards",
        "data_folder": str(shards),
        "n_epochs": 2,
        "batch_size": 2,
        "test_every": 1,
        "shuffle_buffer": 5,
        "device": "cpu,cpu",
    }


def begin(flags) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "absslab", "train", *to_flags(flags)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process) -> None:
    _, printed = process.communicate(timeout=200)
    assert (process.returncode, printed) == (0, "")


def losses_of(folder: Path) -> dict[str, float]:
    """Return the losses of the first epoch."""
    reader = RunReader(folder)
    reader.poll()
    return reader.metrics[1]["losses"]


@pytest.mark.slow
def test_two_processes_stop_within_an_epoch_and_one_or_two_go_on(flags, tmp_path):
    finish(begin(flags | {"save_path": str(tmp_path / "whole.ckpt")}))
    reader = RunReader(tmp_path / "cut")
    process = begin(flags | {"save_path": str(tmp_path / "cut.ckpt")})
    end = time.monotonic() + 100
    while reader.state() != "running" and time.monotonic() < end:
        time.sleep(0.02)
    request_stop(reader.folder)
    finish(process)
    last = tmp_path / "cut" / "last.ckpt"
    progress = torch.load(last, weights_only=True)["resume"]["progress"]
    assert (progress["n_begun_with"], 0 < progress["n_steps"] <= 12) == (2, True)
    shutil.copytree(tmp_path / "cut", tmp_path / "alone")
    finish(begin({"checkpoint_path": str(last)}))
    alone = tmp_path / "alone" / "last.ckpt"
    finish(begin({"checkpoint_path": str(alone), "device": "cpu"}))
    whole, two = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["weights"]
        for name in ("whole", "cut")
    )
    assert all(torch.equal(two[name], expected) for name, expected in whole.items())
    # A process that goes on alone has the batches of both, and rounds otherwise; its next epoch has
    # other batches. Adam amplifies
    # the rounding, so that losses are compared.
    assert losses_of(tmp_path / "alone") == pytest.approx(losses_of(tmp_path / "whole"), rel=5e-3)
