"""Try faults by the thousand, and print how many of each kind came out wrong.

    python tests/faults/campaign.py --n_kills 300 --n_inputs 10000

Each trial has a seed of its own: `--kind KIND --seed SEED` repeats one. Exit status 1: something
was lost, hung, or ended with a traceback.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from inputs import KINDS, MARKER
from isolated import run_isolated
from kills import JOBS, Trial, fill_the_disk, kill_again_and_again
from material import Material, make_material

_SECONDS = 120.0  # after which reading an input counts as hanging


def try_inputs(material: Material, folder: Path, n_inputs: int, seed: int) -> Iterator[Trial]:
    """Give hostile inputs of all kinds to what reads them."""
    if not n_inputs:
        return
    for kind in KINDS:
        n_processes = max(1, round(n_inputs * KINDS[kind].share / KINDS[kind].n_each))
        for number in range(seed, seed + n_processes):
            yield from try_input(material, folder, kind, number)


def try_input(material: Material, folder: Path, kind: str, seed: int) -> Iterator[Trial]:
    """Try the hostile input of a kind and a seed."""
    generator = np.random.default_rng([list(KINDS).index(kind), seed])
    case = folder / f"{kind.replace(' ', '-')}-{seed}"
    case.mkdir()
    outcome = run_isolated(KINDS[kind].prepare(material, case, generator), case, seconds=_SECONDS)
    fault = outcome.fault
    if MARKER in outcome.printed:
        fault = "ran code"
    shutil.rmtree(case)
    for at in range(KINDS[kind].n_each):
        yield Trial(kind, fault if at == 0 else "", f"seed {seed}\n{outcome.printed}")


def try_kills(material: Material, folder: Path, n_kills: int, seed: int) -> Iterator[Trial]:
    """Kill all commands, and fill the disk of all of them."""
    if not n_kills:
        return
    for name, job in JOBS.items():
        for number in range(max(1, round(n_kills * job.share / 4))):
            generator = np.random.default_rng([seed, list(JOBS).index(name), number])
            yield from fill_the_disk(name, material, folder, generator)
        n_left = max(1, round(n_kills * job.share))
        number = 0
        while n_left > 0:
            generator = np.random.default_rng([seed, list(JOBS).index(name), 1000 + number])
            for trial in kill_again_and_again(name, material, folder, generator):
                n_left -= 1
                yield trial
            number += 1


def summarise(trials: Iterator[Trial]) -> int:
    """Print faults as they come, then the counts by kind, and return the number of faults."""
    counts: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for trial in trials:
        counts[trial.kind] += 1
        if trial.fault:
            faults[trial.kind] += 1
            print(f"{trial.kind}: {trial.fault}\n{trial.printed[-3000:]}", flush=True)
    width = max(map(len, counts), default=4)
    print(f"{'kind':{width}}  trials  faults")
    for kind, count in counts.items():
        print(f"{kind:{width}}  {count:6}  {faults[kind]:6}")
    print(f"{'all':{width}}  {counts.total():6}  {faults.total():6}")
    return faults.total()


def main() -> int:
    """Run the campaign that the flags describe."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n_kills", type=int, default=300)
    parser.add_argument("--n_inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="repeat the input of a kind and the seed")
    flags = parser.parse_args()
    for command in ("mix", "train", "evaluate", "separate", "compare", "report"):
        importlib.import_module(f"absslab.cli.{command}")  # once, before processes are forked
    torch.set_num_threads(1)  # for the same reason
    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="absslab-faults-") as name:
        folder = Path(name)
        material = Material(folder / "material")
        made = run_isolated(lambda: make_material(material.folder), folder, seconds=300)
        if made.status:
            print(made.printed)
            return 1
        if flags.kind:
            return min(1, summarise(try_input(material, folder, flags.kind, flags.seed)))

        def trials() -> Iterator[Trial]:
            yield from try_inputs(material, folder, flags.n_inputs, flags.seed)
            yield from try_kills(material, folder, flags.n_kills, flags.seed)

        n_faults = summarise(trials())
    print(f"{time.monotonic() - start:.0f} s")
    return min(1, n_faults)


if __name__ == "__main__":
    sys.exit(main())
