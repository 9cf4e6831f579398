"""Compare recipes by their scores on test mixtures of isolated recordings, for several seeds.

    python benchmarks/recipes.py --event_folder RECORDINGS --output_folder data/recipes

The seed determines the split of the recordings, the mixtures and the training. Start it again
after an interruption: finished trainings and scores are kept.
"""

import argparse
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from absslab.core.evaluation.score_files import read_scores_alone

EPOCHS = {  # number of epochs; None: that of the recipe
    "thesis": 3,  # takes as long as the recommended recipe on two cores
    "recommended": None,
}


def absslab(*arguments: object) -> None:
    """Run a command of ABSSLab."""
    subprocess.run([sys.executable, "-m", "absslab", *map(str, arguments)], check=True)


def measure(recipe: str, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Train a recipe with a seed, and return its scores.

    The minutes run from the first epoch to the end and include validation.
    """
    folder = Path(arguments.output_folder)
    mixtures = folder / f"mixtures{seed}"
    model = folder / f"{recipe}{seed}.ckpt"
    scores = model.with_suffix(".json")
    if not scores.exists():
        source = ["--event_folder", arguments.event_folder]
        size = ["--n_files", arguments.n_files]
        absslab("mix", *source, "--output_folder", mixtures, *size, "--seed", seed)
        last = model.with_suffix("") / "last.ckpt"
        epochs = ["--n_epochs", EPOCHS[recipe]] if EPOCHS[recipe] else []
        if last.exists():
            absslab("train", "--checkpoint_path", last)
        else:
            absslab(
                "train",
                "--recipe",
                recipe,
                "--data_folder",
                mixtures,
                "--save_path",
                model,
                "--seed",
                seed,
                *epochs,
            )
        absslab("evaluate", "--checkpoint_path", model, "--split", "test", "--output", scores)
    values = read_scores_alone(scores).flat()
    log = (model.with_suffix("") / "log.txt").read_text().splitlines()
    start, end = (datetime.fromisoformat(line[:19]) for line in (log[0], log[-1]))
    return {
        "epochs": sum("epoch " in line and ": loss" in line for line in log),
        "minutes": (end - start).total_seconds() / 60,
        "auc": values["tagging.auc"],
        "mean": values["separation.si_sdr_improvement"],
        "median": values["separation.si_sdr_improvement_median"],
        "ceiling": values["baselines.ideal_ratio_mask_mel.si_sdr_improvement"],
        "leakage": values["separation.leakage"],
        "event": values["detection.event.f1"],
        "mask": values["segmentation.f1"],
    }


def main() -> None:
    """Print a table in Markdown: a row per recipe and seed, and a row of means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", required=True)
    parser.add_argument("--output_folder", default="data/recipes")
    parser.add_argument("--n_files", type=int, default=2000)
    parser.add_argument("--recipes", nargs="+", default=list(EPOCHS), choices=EPOCHS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    start = time.time()
    lines = []
    for recipe in arguments.recipes:
        rows = [measure(recipe, seed, arguments) for seed in arguments.seeds]
        lines += [(recipe, str(seed), row) for seed, row in zip(arguments.seeds, rows, strict=True)]
        if len(rows) > 1:
            lines.append(
                (
                    recipe,
                    "mean",
                    {key: statistics.mean(row[key] for row in rows) for key in rows[0]},
                )
            )
    print(
        "| recipe | seed | epochs | training, min | tagging AUC | event F1 | mask F1 "
        "| SI-SDRi mean (median), dB | ceiling of SI-SDRi, dB | leakage, dB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for recipe, seed, row in lines:
        print(
            f"| {recipe} | {seed} | {row['epochs']:.0f} | {row['minutes']:.1f} | {row['auc']:.3f} "
            f"| {row['event']:.3f} | {row['mask']:.3f} | {row['mean']:.1f} ({row['median']:.1f}) "
            f"| {row['ceiling']:.1f} | {row['leakage']:.0f} |"
        )
    print(f"\n{(time.time() - start) / 60:.0f} minutes in all", file=sys.stderr)


if __name__ == "__main__":
    main()
