"""Estimate what a training on AudioSet takes on 1, 8 and 64 GPUs: hours, bytes, and what binds.

    python benchmarks/audioset_plan.py
    python benchmarks/audioset_plan.py --cores_per_gpu 16 --gpu_flops 990e12 --gpu_bandwidth 3.3e12

Nothing of it is measured on GPUs. Counted are the operations of a training step of the recipe with
527 classes, and the bytes that its operations read and write one after the other; measured here is
how long a core decodes a clip, and how large its FLAC is. The rest are figures of the machines,
which flags change. A GPU is assumed to reach the share `--efficiency` of its figures.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from fresh_training import build_fresh_training
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from absslab.core.audio import sound_files
from absslab.core.data.synthetic.mixtures import built_in_mixtures
from absslab.core.training.recipes import RECIPES

# Gemmeke et al., Audio Set: an ontology and human-labeled dataset for audio events, ICASSP 2017
N_CLIPS = 2_084_320
N_CLASSES = 527
SECONDS = 10
BITS = 8
HOUR = 3600
GIGA = 1e9
MEGA = 1e6


class ByteCounter(TorchDispatchMode):
    """Adds up the bytes of the tensors that operations read and write; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        """Run an operation, and count its bytes."""
        result = function(*arguments, **(keywords or {}))
        if not function.is_view:
            results = result if isinstance(result, tuple | list) else [result]
            for tensor in (*arguments, *results):
                if isinstance(tensor, torch.Tensor):
                    self.n_bytes += tensor.numel() * tensor.element_size()
        return result


@dataclass(frozen=True)
class Work:
    """What a clip takes in training.

    Args:
        flops: arithmetic operations.
        n_bytes: bytes that operations read and write.
        n_weights: number of weights of the model.
        decoding: s of one core.
        file_size: bytes of its FLAC.
    """

    flops: float
    n_bytes: float
    n_weights: int
    decoding: float
    file_size: float


def count_work(recipe: str, n_classes: int, batch_size: int) -> Work:
    """Count the work of a clip in a step of a batch, and measure the decoding of clips."""
    model, objective, batch = build_fresh_training(
        recipe, n_classes=n_classes, batch_size=batch_size, seconds=SECONDS
    )
    with FlopCounterMode(display=False) as flops, ByteCounter() as moved:
        objective(model, batch, np.random.default_rng(0)).losses["total"].backward()
    decoding, file_size = measure_decoding(model.front_end.config.sampling_rate)
    return Work(
        flops.get_total_flops() / batch_size,
        moved.n_bytes / batch_size,
        sum(weights.numel() for weights in model.parameters()),
        decoding,
        file_size,
    )


def measure_decoding(rate: int) -> tuple[float, float]:
    """Return how long one core decodes a clip (s), and the bytes of its FLAC."""
    times = []
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        mixtures = built_in_mixtures(Path(folder) / "mixtures", n_files=10)
        for mixture in sorted(mixtures.rglob("*.wav"))[:5]:
            samples, own_rate = soundfile.read(mixture, dtype="int16")
            path = Path(folder) / f"{mixture.stem}.flac"
            soundfile.write(path, np.resize(samples, SECONDS * own_rate), own_rate)
            sizes.append(path.stat().st_size)
            for _ in range(3):
                start = time.process_time()
                sound_files.load(path, rate)
                times.append(time.process_time() - start)
    return statistics.median(times), statistics.mean(sizes)


def plan(work: Work, n_gpus: int, batch_size: int, options: argparse.Namespace) -> list[str]:
    """Return a row of the table: hours of an epoch by each limit, and the largest."""
    n_steps = N_CLIPS / (batch_size * n_gpus)
    exchanged = 4 * work.n_weights * 2 * (n_gpus - 1) / n_gpus  # bytes per GPU and step
    hours = {
        "arithmetic": N_CLIPS * work.flops / (n_gpus * options.efficiency * options.gpu_flops),
        "GPU memory": N_CLIPS
        * work.n_bytes
        * options.bytes_per_number
        / 4
        / (n_gpus * options.efficiency * options.gpu_bandwidth),
        "decoding": N_CLIPS * work.decoding / (n_gpus * options.cores_per_gpu),
        "reading": N_CLIPS * work.file_size / options.reading,
        "gradients": n_steps * exchanged * BITS / options.network,
    }
    hours = {name: seconds / HOUR for name, seconds in hours.items()}
    slowest = max(hours, key=lambda name: hours[name])
    rate = N_CLIPS / (hours[slowest] * HOUR)
    cells = [str(n_gpus), *(f"{value:.3f}" for value in hours.values())]
    cells += [slowest, f"{rate:,.0f}", f"{rate * work.file_size / MEGA:,.0f}"]
    return [*cells, f"{RECIPES[options.recipe]['n_epochs'] * hours[slowest]:.1f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="recommended", choices=RECIPES)
    parser.add_argument("--n_gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--batch_size", type=int, default=16, help="of each GPU")
    parser.add_argument("--gpu_flops", type=float, default=312e12, help="per second, bfloat16")
    parser.add_argument("--gpu_bandwidth", type=float, default=1.5e12, help="bytes per second")
    parser.add_argument("--efficiency", type=float, default=0.4, help="share that is reached")
    parser.add_argument("--bytes_per_number", type=float, default=4)
    parser.add_argument("--cores_per_gpu", type=int, default=8)
    parser.add_argument("--reading", type=float, default=1e9, help="bytes/s of all shards together")
    parser.add_argument("--network", type=float, default=100e9, help="bits per second of a GPU")
    options = parser.parse_args()
    work = count_work(options.recipe, N_CLASSES, options.batch_size)
    print(
        f"A clip of {SECONDS} s with {N_CLASSES} classes: {work.flops / GIGA:.1f} GFLOP, "
        f"{work.n_bytes / GIGA:.2f} GB read and written, {1000 * work.decoding:.1f} ms of a core "
        f"to decode, {work.file_size / 1000:.0f} kB as FLAC; {work.n_weights:,} weights.\n"
    )
    n_epochs = RECIPES[options.recipe]["n_epochs"]
    titles = ["GPUs", "arithmetic, h", "GPU memory, h", "decoding, h", "reading, h", "gradients, h"]
    titles += ["what binds", "clips/s", "MB/s of shards", f"{n_epochs} epochs, h"]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for n_gpus in options.n_gpus:
        print(f"| {' | '.join(plan(work, n_gpus, options.batch_size, options))} |")


if __name__ == "__main__":
    main()
