"""Try faults by the thousand, and print how many of each kind came out wrong.

    python tests/faults/campaign.py --n_kills 300 --n_inputs 10000

Each input has a seed of its own: `--kind KIND --seed SEED` repeats one. Kills come at random
moments of a clock, so that they can only be tried again. Exit status 1: something was lost, hung,
or ended with a traceback. `make faults` finds the modules of tests/helpers.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from inputs import KINDS, MARKER
from isolated import run_isolated
from kills import JOBS, Trial, fill_the_disk, kill_again_and_again
from material import Material, make_material
from mutations import is_damaging, keep_whole

_SEEDS_OF_A_PROCESS = 1_000_000
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

    def work() -> int | None:  # libraries that write the input are used in the process alone, too
        return KINDS[kind].prepare(material, case, generator)()

    outcome = run_isolated(work, case, seconds=_SECONDS)
    fault = outcome.fault
    if not is_damaging() and outcome.status:
        fault = f"status {outcome.status}"
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
                yield replace(trial, printed=f"--seed {seed}, job {number}\n{trial.printed}")
            number += 1


class Counts:
    """How many trials of each kind there were, and how many of them were faults."""

    def __init__(self) -> None:
        self.trials: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def add(self, trial: Trial) -> None:
        """Count a trial, and print it if it is a fault."""
        self.trials[trial.kind] += 1
        self.faults[trial.kind] += bool(trial.fault)
        if trial.fault:
            print(f"{trial.kind}: {trial.fault}\n{trial.printed[-3000:]}", flush=True)

    def print_table(self) -> None:
        """Print the counts by kind."""
        width = max(map(len, self.trials), default=4)
        print(f"{'kind':{width}}  trials  faults")
        for kind, count in self.trials.items():
            print(f"{kind:{width}}  {count:6}  {self.faults[kind]:6}")
        print(f"{'all':{width}}  {self.trials.total():6}  {self.faults.total():6}")


def run_one_process(flags: argparse.Namespace, folder: Path) -> Counts:
    """Run a campaign in this process."""
    for command in ("mix", "pack", "train", "evaluate", "separate", "compare", "report", "labels"):
        importlib.import_module(f"absslab.cli.{command}")  # once, before processes are forked
    torch.set_num_threads(1)  # for the same reason
    material = Material(folder / "material")
    made = run_isolated(lambda: make_material(material.folder), folder, seconds=300)
    assert made.status == 0, made.printed
    counts = Counts()
    if flags.kind:
        trials = try_input(material, folder, flags.kind, flags.seed)
    else:
        trials = chain(
            try_inputs(material, folder, flags.n_inputs, flags.seed),
            try_kills(material, folder, flags.n_kills, flags.seed),
        )
    for trial in trials:
        counts.add(trial)
    return counts


def run_processes(flags: argparse.Namespace, folder: Path) -> Counts:
    """Run parts of a campaign, with other seeds, in several processes at once."""
    processes = []
    for number in range(flags.n_processes):
        command = [sys.executable, __file__, "--n_processes", "1"]
        command += ["--n_kills", str(-(-flags.n_kills // flags.n_processes))]
        command += ["--n_inputs", str(-(-flags.n_inputs // flags.n_processes))]
        command += ["--seed", str(flags.seed + _SEEDS_OF_A_PROCESS * number)]
        command += ["--undamaged"] if flags.undamaged else []
        command += ["--counts", str(folder / f"{number}.json")]
        processes.append(subprocess.Popen(command))
    statuses = [process.wait() for process in processes]
    assert not any(statuses), f"exit status of the parts: {statuses}"
    counts = Counts()
    for number in range(flags.n_processes):
        part = json.loads((folder / f"{number}.json").read_text())
        counts.trials.update(part["trials"])
        counts.faults.update(part["faults"])
    return counts


def main() -> int:
    """Run the campaign that the flags describe."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n_kills", type=int, default=300)
    parser.add_argument("--n_inputs", type=int, default=10_000)
    parser.add_argument("--n_processes", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="repeat the input of a kind and the seed")
    parser.add_argument(
        "--undamaged", action="store_true", help="damage nothing: all inputs must be used"
    )
    parser.add_argument("--counts", type=Path, help="write the counts there, and always return 0")
    flags = parser.parse_args()
    if flags.undamaged:
        keep_whole()
    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="absslab-faults-") as name:
        is_alone = flags.kind or flags.n_processes == 1
        counts = (run_one_process if is_alone else run_processes)(flags, Path(name))
    if flags.counts:
        document = {"trials": counts.trials, "faults": counts.faults}
        flags.counts.write_text(json.dumps(document))
        return 0
    counts.print_table()
    print(f"{time.monotonic() - start:.0f} s")
    return int(counts.faults.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
