"""Make small folders of recordings and pack them into shards, for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.packing import PackConfig, pack_steps
from absslab.core.data.shards.shard_index import ShardIndex

RATE = 8000
HEADER = "filename,dog,bell,split"
SHARD_SIZE = 0.02  # MB: a few of the recordings


def write_tone(path: Path, n_samples: int, number: int = 0) -> None:
    """Write a tone that is another one for each number."""
    frequency = 300 + 7 * number
    samples = 0.5 * np.sin(2 * np.pi * frequency * np.arange(n_samples) / RATE)
    soundfile.write(path, samples, RATE, subtype="PCM_16")


def write_folder(folder: Path, rows: Sequence[str], *, n_samples: int = 800) -> Path:
    """Write a table of weak labels, and a tone for each of its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weak_labels.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for number, row in enumerate(rows):
        write_tone(folder / row.partition(",")[0], n_samples, number)
    return folder


def write_field(folder: Path, *, n_train: int = 30, n_samples: int = 800) -> Path:
    """Write recordings to train on, six to validate on and four to test on."""
    rows = []
    for number in range(n_train + 10):
        after = number - n_train
        split = "train" if after < 0 else "validation" if after < 6 else "test"
        bell = "?" if number == 3 else number % 3 // 2
        rows.append(f"r{number}.wav,{number % 2},{bell},{split}")
    return write_folder(folder, rows, n_samples=n_samples)


def config_of(folder: Path, **settings: Any) -> DataConfig:
    return DataConfig(data_set_type="weakly_labelled_folder", data_folder=str(folder), **settings)


def pack(
    folder: Path,
    output: Path,
    *,
    shard_size: float = SHARD_SIZE,
    left_out: LeftOut | None = None,
    data: DataConfig | None = None,
    **settings: Any,
) -> ShardIndex:
    """Pack a folder into small shards."""
    config = PackConfig(shard_size=shard_size, **settings)
    with collect_notices():
        return run_to_end(pack_steps(data or config_of(folder), output, config, left_out))
