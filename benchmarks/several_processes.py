"""Compare the rates of trainings in one process and in several on the same machine.

python benchmarks/several_processes.py --data_folder data/mixtures

Runs alternate; each has all cores, divided between its processes. The rate of a run is the median
of its epochs without the first, in which recordings are decoded.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absslab.core.common.parallel import count_cores
from absslab.core.training.run_directory import RunReader


def main() -> None:
    """Print recordings per second for each number of processes, and their ratio to the first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_folder", required=True)
    parser.add_argument("--n_processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--n_runs", type=int, default=3)
    parser.add_argument("--n_epochs", type=int, default=4)
    arguments, flags = parser.parse_known_args()
    if arguments.n_epochs < 2:
        parser.error("--n_epochs has to be 2 or more: the first epoch does not count")
    flags += ["--data_folder", arguments.data_folder, "--n_epochs", str(arguments.n_epochs)]
    rates: dict[int, list[float]] = {number: [] for number in arguments.n_processes}
    for _ in range(arguments.n_runs):
        for number in arguments.n_processes:
            rates[number].append(measure_rate(number, flags))
    medians = {number: statistics.median(values) for number, values in rates.items()}
    first = medians[arguments.n_processes[0]]
    n_cores = count_cores()
    print(f"{n_cores} cores; medians of {arguments.n_runs} alternating runs")
    ratio = f"ratio to {arguments.n_processes[0]}"
    print(f"| processes | threads of each | recordings/s | {ratio} | of each run |")
    print("|---|---|---|---|---|")
    for number, median in medians.items():
        each = ", ".join(f"{rate:.1f}" for rate in rates[number])
        threads = max(1, n_cores // number)
        print(f"| {number} | {threads} | {median:.1f} | {median / first:.2f} | {each} |")


def measure_rate(n_processes: int, flags: Sequence[str], **variables: str) -> float:
    """Train in a number of processes, and return the recordings per second of all together.

    Args:
        n_processes: number of processes.
        flags: of `absslab train`.
        variables: of the environment.
    """
    threads = max(1, count_cores() // n_processes)
    with tempfile.TemporaryDirectory() as folder:
        train(n_processes, Path(folder), flags, OMP_NUM_THREADS=str(threads), **variables)
        reader = RunReader.open(Path(folder) / "run")
        reader.poll()
        rates = [epoch["recordings_per_second"] for n, epoch in reader.metrics.items() if n > 1]
    return statistics.median(rates)


def train(n_processes: int, folder: Path, flags: Sequence[str], **variables: str) -> None:
    """Train in a number of processes, without validation; the run is `run` in the folder."""
    command = [sys.executable]
    if n_processes > 1:
        command += ["-m", "torch.distributed.run", f"--nproc_per_node={n_processes}"]
        command.append("--standalone")
    command += ["-m", "absslab", "train", "--recipe", "recommended"]
    command += ["--save_path", str(folder / "run.ckpt"), "--test_every", "1000"]
    command += ["--choose_thresholds", "none", *flags]
    environment = os.environ | variables
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


if __name__ == "__main__":
    main()
