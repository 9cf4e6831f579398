"""Draw how time and memory grow with batch, classes, length, corpus and processes.

    python benchmarks/growth.py --output growth.png

Each point is measured in a process of its own, with one thread, by the time that its processor
computed, so that other work on the machine changes little; memory is the most that the process
took. Models are those of the recommended recipe, with fresh weights. In trainings a step is the
median of several; separations find as many classes as `--n_found` says. Of several processes that
train one model the times add up, and memory is that of the largest.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE = 16000
N_CLASSES = 11
SECONDS = 10
KIB_PER_MIB = 1024


class Growth(NamedTuple):
    """A column of the figure: what is varied, and what is measured."""

    title: str
    label: str  # of the horizontal axis
    values: Sequence[int]
    measure: Callable[[int, argparse.Namespace], float]  # returns s of sound per s of computing
    whose_memory: int = resource.RUSAGE_SELF


def step_rate(batch_size: int, n_classes: int, seconds: int) -> float:
    """Return how many seconds of sound a second of computing trains on."""
    import torch
    from fresh_training import build_fresh_training

    model, objective, batch = build_fresh_training(
        "recommended", n_classes=n_classes, batch_size=batch_size, seconds=seconds
    )
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    times = []
    for number in range(4):
        start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        objective(model, batch, np.random.default_rng(number)).losses["total"].backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return batch_size * seconds / statistics.median(times[1:])  # the first one prepares libraries


def separation_rate(n_classes: int, seconds: int, n_found: int) -> float:
    """Return how many seconds of sound a second of computing separates, block by block."""
    import torch
    from fresh_training import build_fresh_model

    from absslab.core.separation.separator import Separator

    model = build_fresh_model("recommended", n_classes)[0].eval()
    bias = model.mask_net.to_presence.bias
    with torch.no_grad():
        bias.fill_(-8.0)
        bias[:n_found] = 3.0  # these are found in every segment
    separator = Separator(model)
    rng = np.random.default_rng(0)
    block = (0.1 * rng.standard_normal((1, RATE))).astype(np.float32)

    def separate(n_seconds: int) -> float:
        start = time.process_time()
        blocks = (block for _ in range(n_seconds))
        for _ in separator.stream(blocks, RATE, n_seconds * RATE):
            pass
        return time.process_time() - start

    separate(1)  # prepares libraries
    n_rounds = max(1, 60 // seconds)
    return seconds / statistics.median(separate(seconds) for _ in range(n_rounds))


def mix(folder: Path, n_files: int, length: float) -> None:
    """Write mixtures of the built-in recordings, in a process of its own."""
    script = (
        "import sys; from absslab.core.data.synthetic.mixtures import built_in_mixtures; "
        "from absslab.core.data.mixing import MixingConfig; "
        f"built_in_mixtures(sys.argv[1], n_files={n_files}, mixing=MixingConfig(length={length}))"
    )
    subprocess.run([sys.executable, "-c", script, folder], check=True)


def corpus_rate(n_files: int) -> float:
    """Return how many seconds of sound a second of computing prepares and trains on, from disk."""
    from absslab.core.training.experiment import Experiment
    from absslab.core.training.recipes import RECIPES, apply_recipe
    from absslab.core.training.settings import Settings

    length = 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mix(folder / "mixtures", n_files, length)
        flags = {"data_folder": str(folder / "mixtures"), "save_path": str(folder / "run.ckpt")}
        flags |= {"in_memory": False, "n_epochs": 1, "test_every": 1}
        settings = Settings.from_flags(apply_recipe(RECIPES["recommended"], flags))
        start = time.process_time()
        for _ in Experiment(settings).run():
            pass
        return n_files * length / (time.process_time() - start)


def processes_rate(n_processes: int) -> float:
    """Return how many seconds of sound a second of computing trains on, of all processes."""
    from several_processes import train

    n_files = 120
    n_epochs = (1, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mix(folder / "mixtures", n_files, SECONDS)
        n_trained = len(list((folder / "mixtures" / "train").glob("*.wav")))
        flags = ["--data_folder", str(folder / "mixtures"), "--precision", "float32", "--n_epochs"]
        times = []
        for number in n_epochs:
            before = measure_children()
            train(n_processes, folder / str(number), [*flags, str(number)], OMP_NUM_THREADS="1")
            times.append(measure_children() - before)
    return n_trained * SECONDS * (n_epochs[1] - n_epochs[0]) / (times[1] - times[0])


def measure_children() -> float:
    """Return the time that ended processes of this one have computed, in s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


GROWTHS = {
    "batch": Growth(
        "training",
        "batch size",
        (2, 4, 8, 16, 32),
        lambda value, _: step_rate(value, N_CLASSES, SECONDS),
    ),
    "classes": Growth(
        "training, batch 4",
        "classes",
        (2, 11, 50, 200, 527),
        lambda value, _: step_rate(4, value, SECONDS),
    ),
    "length": Growth(
        "training, 120 s or more at once",
        "length of a clip, s",
        (1, 10, 60, 600),
        lambda value, _: step_rate(max(1, 120 // value), N_CLASSES, value),
    ),
    "corpus": Growth(
        "an epoch with validation",
        "mixtures of 2 s",
        (200, 2000, 20000),
        lambda value, _: corpus_rate(value),
    ),
    "processes": Growth(
        "training in processes",
        "processes",
        (1, 2, 4),
        lambda value, _: processes_rate(value),
        resource.RUSAGE_CHILDREN,
    ),
    "separated_classes": Growth(
        "separation of 60 s",
        "classes",
        (2, 11, 50, 200, 527),
        lambda value, options: separation_rate(value, 60, min(value, options.n_found)),
    ),
    "separated_length": Growth(
        "separation",
        "length of a recording, s",
        (1, 10, 60, 600),
        lambda value, options: separation_rate(N_CLASSES, value, min(N_CLASSES, options.n_found)),
    ),
}


def measure_here(name: str, value: int, options: argparse.Namespace) -> None:
    """Measure a point, and print it as JSON."""
    import torch

    torch.set_num_threads(1)
    rate = GROWTHS[name].measure(value, options)
    memory = resource.getrusage(GROWTHS[name].whose_memory).ru_maxrss / KIB_PER_MIB
    print(json.dumps({"rate": rate, "memory": memory}))


def measure_point(name: str, value: int, n_found: int) -> dict[str, float]:
    """Measure a point in a process of its own."""
    command = [sys.executable, __file__, "--point", name, str(value), "--n_found", str(n_found)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def draw(points: dict[str, dict[int, dict[str, float]]], output: Path) -> None:
    """Draw rates above, memory below, a column for each growth."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, len(points), figsize=(3 * len(points), 5.2), sharex="col", squeeze=False
    )
    for column, (name, values) in enumerate(points.items()):
        growth = GROWTHS[name]
        for row, key in enumerate(("rate", "memory")):
            axis = axes[row, column]
            axis.plot(list(values), [point[key] for point in values.values()], marker="o")
            axis.set_xscale("log")
            axis.set_xticks(list(values), [str(value) for value in values])
            axis.minorticks_off()
            axis.set_ylim(0, 1.1 * max(point[key] for point in values.values()))
            axis.grid(alpha=0.3)
        axes[0, column].set_title(growth.title, fontsize="medium")
        axes[1, column].set_xlabel(growth.label)
    axes[0, 0].set_ylabel("s of sound per s of computing")
    axes[1, 0].set_ylabel("most memory, MiB")
    figure.tight_layout()
    figure.savefig(output, dpi=110)


def main() -> None:
    """Measure all points, print a table, and draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("growth.png"))
    parser.add_argument("--growths", nargs="+", choices=GROWTHS, default=list(GROWTHS))
    parser.add_argument("--n_found", type=int, default=5)
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        measure_here(options.point[0], int(options.point[1]), options)
        return
    print("| what | value | s of sound per s of computing | MiB |\n|---|---|---|---|")
    points: dict[str, dict[int, dict[str, float]]] = {}
    for name in options.growths:
        growth = GROWTHS[name]
        points[name] = {}
        for value in growth.values:
            point = measure_point(name, value, options.n_found)
            points[name][value] = point
            what = f"{growth.title}, {growth.label}"
            print(f"| {what} | {value} | {point['rate']:.1f} | {point['memory']:.0f} |", flush=True)
    draw(points, options.output)


if __name__ == "__main__":
    main()
