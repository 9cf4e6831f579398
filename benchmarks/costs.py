"""List the largest costs of a training, an evaluation and the demo, before and now.

    python benchmarks/costs.py --before CHECKOUT --output_folder data/costs

A training is divided into PyTorch's operations by its profiler, an evaluation and the demo into
functions by Python's, which lengthens many short calls. Each command runs in a process of its own
with the code of a checkout, first the earlier one; times are those of the operation or function
itself, without what it calls. A function of a module is named with its file. `--before` names a
checkout of an earlier commit; without it there is one column.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parents[1]
N_COSTS = 10
NAMES = ("train", "evaluate", "demo")
N_MIXTURES = 240
PROFILE = """
import json, sys
kind, output, *arguments = sys.argv[1:]
costs = {}
if kind == "operations":
    import torch
    from absslab.cli.main import main
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        status = main(arguments)
    for row in profile.key_averages():
        costs[row.key] = row.self_cpu_time_total / 1e6
else:
    import cProfile, pstats
    from pathlib import Path
    from absslab.cli.main import main
    profile = cProfile.Profile()
    status = profile.runcall(main, arguments)
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():
        key = name if file == "~" else Path(file).name + ": " + name
        costs[key] = costs.get(key, 0.0) + own
assert status in (0, None), status
json.dump(costs, open(output, "w"))
"""


class Work(NamedTuple):
    """A command to profile."""

    name: str
    title: str
    kind: str  # "operations" or "functions"
    arguments: list[str]


def list_works(mixtures: Path, folder: Path) -> list[Work]:
    """Return the commands; an evaluation needs the training before it."""
    checkpoint = folder / "model.ckpt"
    recipe = ["--recipe=recommended", "--n_steps=60", "--precision=float32"]
    return [
        Work(
            "train",
            "a training of 60 steps",
            "operations",
            ["train", *recipe, f"--data_folder={mixtures}", f"--save_path={checkpoint}"],
        ),
        Work(
            "evaluate",
            "an evaluation of 48 mixtures",
            "functions",
            [
                *("evaluate", f"--checkpoint_path={checkpoint}", "--split=test"),
                f"--output={folder / 'scores.json'}",
            ],
        ),
        Work("demo", "the demo", "functions", ["demo", f"--output_folder={folder / 'demo'}"]),
    ]


def profile(work: Work, checkout: Path, folder: Path) -> dict[str, float]:
    """Run a command of a checkout, and return the seconds of each of its parts."""
    output = folder / "costs.json"
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROFILE, work.kind, str(output), *work.arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    costs: dict[str, float] = json.loads(output.read_text())
    return costs


def main() -> None:
    """Print a table for each command, in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path)
    parser.add_argument("--output_folder", type=Path, default=Path("data/costs"))
    needs = "evaluate needs train before it"
    parser.add_argument("--commands", nargs="+", choices=NAMES, default=NAMES, help=needs)
    arguments = parser.parse_args()
    checkouts = {"now": HERE}
    if arguments.before:
        checkouts = {"before": arguments.before.resolve(), **checkouts}
    mixtures = arguments.output_folder.resolve() / "mixtures"
    mixing = "from absslab.core.data.synthetic.mixtures import built_in_mixtures as mix; import sys"
    run = f"{mixing}; mix(sys.argv[1], n_files={N_MIXTURES})"
    subprocess.run([sys.executable, "-c", run, str(mixtures)], check=True)
    costs: dict[str, list[dict[str, float]]] = {}
    for name, checkout in checkouts.items():
        folder = arguments.output_folder.resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        for work in list_works(mixtures, folder):
            if work.name not in arguments.commands:
                continue
            costs.setdefault(work.title, []).append(profile(work, checkout, folder))
    for title, columns in costs.items():
        largest = sorted(
            {key for column in columns for key in column},
            key=lambda key: -max(column.get(key, 0.0) for column in columns),
        )
        print(f"\n| {title} | {' | '.join(f'{name}, s' for name in checkouts)} |")
        print(f"|---|{'---|' * len(columns)}")
        for key in largest[:N_COSTS]:
            cells = " | ".join(f"{column.get(key, 0.0):.2f}" for column in columns)
            print(f"| {key} | {cells} |")
        totals = " | ".join(f"{sum(column.values()):.1f}" for column in columns)
        print(f"| all | {totals} |", flush=True)


if __name__ == "__main__":
    main()
