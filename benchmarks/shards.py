"""Compare trainings on shards with trainings in memory: rates, and the memory that they take.

    python benchmarks/shards.py --n_mixtures 300 --n_rounds 3

Mixtures of the built-in recordings are packed. Both kinds of training run alternately, each in a
process of its own, with the same model. The first epoch, in which recordings are decoded for the
first time, and the second are printed: in memory only the second is without decoding. Beside the
rates stands the time of the processor for a recording, which other work on the machine hardly
changes; with loaders, theirs is not in it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from absslab.core.common.progress import run_to_end
from absslab.core.data.layouts import SHARDS, DataConfig
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.shards.packing import PackConfig, pack_steps
from absslab.core.data.synthetic import write_recordings

KINDS = ("memory", "shards")
CODE = """
import json, resource, sys, time
from absslab.core.training.experiment import Experiment
from absslab.core.training.events import EpochResult, StepDone
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings
flags = json.loads(sys.argv[1])
settings = Settings.from_flags(apply_recipe(RECIPES[flags.pop("recipe")], flags))
rates, times = [], []
for event in Experiment(settings).run():
    if isinstance(event, StepDone):
        if event.step == 1:
            start = time.process_time()
        elif event.step == event.n_steps - 1:  # the last batch may be smaller
            n_recordings = (event.step - 1) * settings.training.batch_size
            times.append((time.process_time() - start) / n_recordings)
    if isinstance(event, EpochResult):
        rates.append(event.recordings_per_second)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([rates, times, peak]))
"""


def make_data(folder: Path, n_mixtures: int, length: float) -> dict[str, Path]:
    """Mix and pack recordings, and return where both are."""
    write_recordings(folder / "recordings")
    mixing = MixingConfig(length=length)
    config = MixtureFolderConfig(
        event_folder=str(folder / "recordings"),
        output_folder=str(folder / "mixtures"),
        n_files=n_mixtures,
        split_percentages=(80.0, 10.0, 10.0),
        sources="none",
    )
    run_to_end(write_mixtures(config, mixing))
    data = DataConfig(data_folder=str(folder / "mixtures"))
    run_to_end(pack_steps(data, folder / "shards", PackConfig(shard_size=10.0)))
    return {"memory": folder / "mixtures", "shards": folder / "shards"}


def train(kind: str, data: Path, save_path: Path, arguments: argparse.Namespace):
    """Train for two epochs.

    Returns:
        of each epoch recordings per second, and processor time for a recording (s); the peak of
        memory, MiB.
    """
    flags = {
        "recipe": arguments.recipe,
        "data_folder": str(data),
        "save_path": str(save_path),
        "n_epochs": 2,
        "least_steps": 0,
        "test_every": 2,
        "choose_thresholds": "none",
        "device": arguments.device,
    }
    if kind == "shards":
        flags |= {
            "data_set_type": SHARDS,
            "n_loaders": arguments.n_loaders,
            "shuffle_buffer": arguments.shuffle_buffer,
        }
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(flags)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n_mixtures", type=int, default=300)
    parser.add_argument("--length", type=float, default=10.0, help="of a mixture, s")
    parser.add_argument("--n_rounds", type=int, default=3)
    parser.add_argument("--recipe", default="recommended")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--n_loaders", type=int, default=0)
    parser.add_argument("--shuffle_buffer", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_data(folder, arguments.n_mixtures, arguments.length)
        rates: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
        times: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
        memory: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(arguments.n_rounds):
            for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                run = folder / "runs" / f"{kind}{number}.ckpt"
                own_rates, own_times, peak = train(kind, data[kind], run, arguments)
                rates[kind].append(own_rates)
                times[kind].append(own_times)
                memory[kind].append(peak)
                print(
                    f"{kind:7} round {number + 1}: {own_rates} recordings/s, {own_times} s of the "
                    f"processor for one, {peak:.0f} MiB",
                    flush=True,
                )
        for epoch in (0, 1):
            rate = {k: statistics.median(r[epoch] for r in rates[k]) for k in KINDS}
            cost = {k: statistics.median(r[epoch] for r in times[k]) for k in KINDS}
            print(
                f"epoch {epoch + 1}: {rate['memory']:.1f} recordings/s in memory, "
                f"{rate['shards']:.1f} on shards, ratio {rate['shards'] / rate['memory']:.3f}; "
                f"by the time of the processor {cost['memory'] / cost['shards']:.3f}"
            )
        peaks = {kind: max(memory[kind]) for kind in KINDS}
        print(f"memory: {peaks['memory']:.0f} MiB in memory, {peaks['shards']:.0f} MiB on shards")


if __name__ == "__main__":
    main()
