"""Measure what labels as people have them cost: unknown, missing, unequal, wrong and few ones.

    python benchmarks/label_conditions.py --event_folder RECORDINGS --output_folder data/labels

Each condition changes the weak labels of the training and validation mixtures, or takes some of
these mixtures; the test mixtures and their labels stay. One class, which the seed chooses, is the
rare or new one; its scores have columns of their own in every row. A new class is learned from few
mixtures that hold it beside others that do not: by fine-tuning a model that was trained without
this class, or from scratch. Start the script again after an interruption: finished trainings and
scores are kept.
"""

import argparse
import csv
import os
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from absslab.core.common.files import write_text
from absslab.core.evaluation.score_files import read_scores_alone

COLUMNS = {  # of the table: title → dotted name of the score, and its format
    "tagging AUC": ("tagging.auc", ".3f"),
    "event F1": ("detection.event.f1", ".3f"),
    "SI-SDRi, dB": ("separation.si_sdr_improvement", ".1f"),
    "AUC of the class": ("per_class.{name}.auc", ".3f"),
    "SI-SDRi of the class, dB": ("per_class.{name}.si_sdr_improvement", ".1f"),
}


@dataclass
class Labels:
    """The weak labels of the mixtures of a split: those that a training gets."""

    files: list[str]
    classes: list[str]
    cells: np.ndarray  # (n, K): "0", "1" or ""

    def has(self, name: str) -> np.ndarray:
        """Tell which mixtures hold a class: (n,) bool."""
        return self.cells[:, self.classes.index(name)] == "1"

    def take(self, rows: np.ndarray) -> "Labels":
        """Return those of some mixtures, in their order."""
        rows = np.sort(np.asarray(rows))
        return Labels([self.files[row] for row in rows], self.classes, self.cells[rows])


class Change(Protocol):
    """Changes the labels of a split; one class is the rare or new one."""

    def __call__(self, labels: Labels, name: str, rng: np.random.Generator) -> Labels:
        """Return the changed labels."""


def keep_all(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Change nothing."""
    return labels


def hide_cells(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Make half of all labels unknown."""
    is_hidden = rng.random(labels.cells.shape) < 0.5
    return Labels(labels.files, labels.classes, np.where(is_hidden, "", labels.cells))


def hide_recordings(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Make all labels of half of the mixtures unknown."""
    is_hidden = rng.permutation(len(labels.files)) < len(labels.files) // 2
    return Labels(labels.files, labels.classes, np.where(is_hidden[:, None], "", labels.cells))


def make_rare(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Keep one of ten mixtures that hold the class, at least one."""
    holding = np.flatnonzero(labels.has(name))
    kept = rng.permutation(holding)[: max(1, len(holding) // 10)]
    return labels.take(np.concatenate([np.flatnonzero(~labels.has(name)), kept]))


def make_wrong(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Make one of twenty labels wrong: 0 becomes 1, and 1 becomes 0."""
    is_wrong = rng.random(labels.cells.shape) < 0.05
    opposite = np.where(labels.cells == "1", "0", "1")
    return Labels(labels.files, labels.classes, np.where(is_wrong, opposite, labels.cells))


def leave_out_class(labels: Labels, name: str, rng: np.random.Generator) -> Labels:
    """Leave out the mixtures that hold the class, and the class."""
    rest = labels.take(np.flatnonzero(~labels.has(name)))
    k = rest.classes.index(name)
    classes = [other for other in rest.classes if other != name]
    return Labels(rest.files, classes, np.delete(rest.cells, k, axis=1))


def take_few(
    labels: Labels, name: str, rng: np.random.Generator, *, n_new: int, n_others: int
) -> Labels:
    """Take a few mixtures that hold the class, and some of those that do not."""
    holding = rng.permutation(np.flatnonzero(labels.has(name)))[:n_new]
    others = rng.permutation(np.flatnonzero(~labels.has(name)))[:n_others]
    return labels.take(np.concatenate([holding, others]))


@dataclass(frozen=True)
class Condition:
    """Labels that a training gets.

    Args:
        change: changes the labels of the training and validation mixtures.
        few: numbers of mixtures with and without a new class; validation has a fifth of them.
        begins_with: the condition of the model whose weights the training begins with.
    """

    change: Change = keep_all
    few: tuple[int, int] = field(default=(0, 0))
    begins_with: str = ""


def list_conditions(n_others: int) -> dict[str, Condition]:
    """Return all conditions by name.

    Args:
        n_others: number of training mixtures without a new class.
    """
    conditions = {
        "all labels": Condition(),
        "half of the labels unknown": Condition(hide_cells),
        "half of the mixtures unlabelled": Condition(hide_recordings),
        "one class in a tenth of its mixtures": Condition(make_rare),
        "5 % of the labels wrong": Condition(make_wrong),
        "without one class": Condition(leave_out_class),
    }
    for n_new in (10, 20, 50):
        few = (n_new, n_others)
        conditions[f"new class, {n_new} mixtures, fine-tuned"] = Condition(
            few=few, begins_with="without one class"
        )
        conditions[f"new class, {n_new} mixtures, from scratch"] = Condition(few=few)
    return conditions


def absslab(*arguments: object) -> None:
    """Run a command of ABSSLab."""
    subprocess.run([sys.executable, "-m", "absslab", *map(str, arguments)], check=True)


def read_labels(table: Path) -> Labels:
    """Read the labels of the mixtures of a split."""
    with open(table, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    cells = np.array([row[1:] for row in rows])
    return Labels([row[0] for row in rows], header[1:], cells)


def write_folder(mixtures: Path, folder: Path, condition: Condition, name: str, seed: int) -> None:
    """Write a folder of the same mixtures with other labels: links to sounds, and own tables.

    The test split is a link to that of the mixtures.

    Args:
        mixtures: the folder of mixtures.
        folder: the folder to write.
        condition: which labels it gets.
        name: the rare or new class.
        seed: of what is drawn.
    """
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for number, split in enumerate(("train", "validation")):
        source = (mixtures / split).resolve()
        target = unfinished / split
        target.mkdir(parents=True)
        labels = read_labels(source / "weak_labels.csv")
        change = condition.change
        if any(condition.few):
            n_new, n_others = condition.few if split == "train" else (n // 5 for n in condition.few)
            change = partial(take_few, n_new=max(1, n_new), n_others=max(1, n_others))
        changed = change(labels, name, np.random.default_rng([seed, number]))
        for file in changed.files:
            for linked in (file, Path(file).stem):
                if (source / linked).exists():
                    os.symlink(source / linked, target / linked)
        rows = [
            ",".join([file, *cells])
            for file, cells in zip(changed.files, changed.cells, strict=True)
        ]
        lines = [",".join(["filename", *changed.classes]), *rows]
        write_text(target / "weak_labels.csv", "\n".join(lines) + "\n")
    if condition.change is not leave_out_class:  # which has other classes, and is never tested
        os.symlink((mixtures / "test").resolve(), unfinished / "test")
    unfinished.rename(folder)


def train(condition: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Train a model in a condition, unless it is trained, and return its file."""
    folder = Path(arguments.output_folder)
    mixtures = folder / f"mixtures{seed}"
    chosen = list_conditions(arguments.n_others)[condition]
    stem = f"{condition.replace(' ', '_').replace(',', '').replace('%', 'percent')}-{seed}"
    model = folder / f"{stem}.ckpt"
    data = folder / stem
    labels = folder / f"labels-{stem}"
    if not labels.exists():
        write_folder(mixtures, labels, chosen, choose_class(mixtures, seed), seed)
    last = data / "last.ckpt"
    if last.exists():
        absslab("train", "--checkpoint_path", last)
        return model
    initial: list[object] = []
    if chosen.begins_with:
        initial = ["--initial_weights", train(chosen.begins_with, seed, arguments)]
    flags = shlex.split(arguments.train_flags)
    if any(chosen.few):
        flags += shlex.split(arguments.few_flags)
    places = ["--data_folder", labels, "--save_path", model]
    absslab("train", "--recipe", arguments.recipe, *places, "--seed", seed, *initial, *flags)
    return model


def choose_class(mixtures: Path, seed: int) -> str:
    """Choose the class that is rare or new: another one for each seed."""
    classes = sorted(read_labels(mixtures / "train" / "weak_labels.csv").classes)
    return classes[(7 * seed + 3) % len(classes)]


def measure(condition: str, seed: int, arguments: argparse.Namespace) -> dict[str, float | None]:
    """Train in a condition, and return the scores of the table's columns by their titles."""
    folder = Path(arguments.output_folder)
    mixtures = folder / f"mixtures{seed}"
    source = ["--event_folder", arguments.event_folder, "--output_folder", mixtures]
    size = ["--n_files", arguments.n_files, "--seed", seed]
    if not (mixtures / "test" / "weak_labels.csv").exists():
        absslab("mix", *source, *size, *shlex.split(arguments.mix_flags))
    model = train(condition, seed, arguments)
    scores = model.with_suffix(".json")
    if not scores.exists():
        absslab("evaluate", "--checkpoint_path", model, "--split", "test", "--output", scores)
    values = read_scores_alone(scores).flat()
    name = choose_class(mixtures, seed)
    return {title: values.get(path.format(name=name)) for title, (path, _) in COLUMNS.items()}


def tabulate(rows: dict[str, Sequence[dict[str, float | None]]]) -> str:
    """Return a table in Markdown: a row per condition, with means and deviations over seeds."""
    lines = [f"| labels | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for condition, measured in rows.items():
        cells = [condition]
        for title, (_, number) in COLUMNS.items():
            values = [row[title] for row in measured]
            known = [value for value in values if value is not None]
            text = f"{statistics.mean(known):{number}}" if known else "–"
            if len(known) > 1:
                text += f" ± {statistics.stdev(known):{number}}"
            cells.append(text)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all conditions, write the table after each, and print it at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", required=True)
    parser.add_argument("--output_folder", default="data/label_conditions")
    parser.add_argument("--n_files", type=int, default=1200)
    parser.add_argument("--n_others", type=int, default=200, help="mixtures without a new class")
    parser.add_argument("--recipe", default="recommended")
    parser.add_argument("--mix_flags", default="", help="more flags of absslab mix, in one word")
    parser.add_argument("--train_flags", default="", help="more flags of absslab train")
    parser.add_argument("--few_flags", default="", help="still more flags, for new classes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    tested = [name for name in list_conditions(0) if name != "without one class"]
    parser.add_argument("--conditions", nargs="+", default=tested, choices=tested, metavar="NAME")
    arguments = parser.parse_args()
    rows: dict[str, Sequence[dict[str, float | None]]] = {}
    for condition in arguments.conditions:
        rows[condition] = [measure(condition, seed, arguments) for seed in arguments.seeds]
        write_text(Path(arguments.output_folder) / "table.md", tabulate(rows))
    print(tabulate(rows), end="")


if __name__ == "__main__":
    main()
