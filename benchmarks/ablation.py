"""Measure what each part of the recommended recipe is worth: train and score without it.

    python benchmarks/ablation.py --data_folder data/benchmark/mixtures/background-0 \\
        --output_folder data/ablation

The first row is the recipe itself. All variants are trained on the same mixtures with the same
seed, and scored on the same split. Start the script again after an interruption: what is trained
and scored is kept, and a training goes on. A variant that is the same as the recipe here, such as
that without least steps where --n_epochs limits all of them, is left out.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.files import write_text
from absslab.core.common.progress import Steps, run_with_progress
from absslab.core.data.splits import SPLITS
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.runs.benchmark import (
    Trial,
    make_row,
    scoring_steps,
    training_steps,
)
from absslab.core.runs.benchmark_results import BenchmarkRow
from absslab.core.runs.result_tables import COLUMNS, get_value
from absslab.core.runs.run_scores import are_current
from absslab.core.separation.masks import SeparationConfig
from absslab.core.training.experiment import train_or_resume
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings

RECIPE = "recommended"
SHOWN = (  # columns of the table, besides the difference to the recipe
    "separation.si_sdr_improvement",
    "separation.si_sdr_improvement_median",
    "separation.plain_sdr_improvement",
    "tagging.auc",
    "detection.event.f1",
    "minutes",
)
COMPARED = "separation.si_sdr_improvement"


@dataclass(frozen=True)
class Variant:
    """A recipe without one of its parts.

    Args:
        training: settings of the training that differ from the recipe's; none: its model is that of
            the recipe.
        separation: how masks are refined before they are applied.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    separation: SeparationConfig = SeparationConfig()


VARIANTS = {
    RECIPE: Variant(),
    "without presence of classes in frames": Variant({"model_type": "U_Net"}),
    "without pairs": Variant({"pair_probability": 0.0}),
    # Only the tags would say what masks are, so absent classes are pushed to 0 as in the thesis.
    "without shares, absent classes pushed to 0": Variant({"share_weight": 0.0, "l1_weight": 0.3}),
    "without steady classes": Variant({"steady_classes": False}),
    "without shifts in time": Variant({"roll": False}),
    "without gains": Variant({"gain_range": (0.0, 0.0)}),
    "without equalisers": Variant({"equaliser": 0.0}),
    "without averaged weights": Variant({"average_decay": 0.0}),
    "one mean and deviation for all bands": Variant({"normalisation": "scalar"}),
    "constant learning rate": Variant({"scheduler_type": "none"}),
    "without least steps": Variant({"least_steps": 0}),
    "masks without tags": Variant(separation=SeparationConfig(smoothing=0.0, tag_exponent=0.0)),
    "masks smoothed, tags in full": Variant(
        separation=SeparationConfig(smoothing=0.5, tag_exponent=1.0)
    ),
}


@dataclass(frozen=True)
class Ablation:
    """What is trained and scored, and where.

    Args:
        mixtures: folder of mixtures, as `absslab mix` writes it.
        folder: of all output.
        seed: of the trainings.
        split: that is scored.
        n_epochs: of all trainings; None: that of the recipe.
    """

    mixtures: Path
    folder: Path
    seed: int = 0
    split: str = "validation"
    n_epochs: int | None = None

    def flags(self, variant: Variant) -> dict[str, Any]:
        """Return the settings of a training by a variant, apart from its place."""
        given: dict[str, Any] = {"data_folder": str(self.mixtures.resolve()), "seed": self.seed}
        if self.n_epochs is not None:
            given["n_epochs"] = self.n_epochs
        return apply_recipe(RECIPES[RECIPE], given) | dict(variant.training)

    def is_recipe(self, name: str) -> bool:
        """Tell whether a variant is the recipe itself, under another name."""
        variant = VARIANTS[name]
        whole = VARIANTS[RECIPE]
        if name == RECIPE or variant.separation != whole.separation:
            return False
        return Settings.from_flags(self.flags(variant)) == Settings.from_flags(self.flags(whole))

    def model(self, name: str) -> Path:
        """Return the file of a variant's model: that of the recipe, if only masks are changed."""
        trained = name if VARIANTS[name].training else RECIPE
        return self.folder / "runs" / f"{_file_name(trained)}.ckpt"

    def run(self, name: str) -> Steps[BenchmarkRow]:
        """Train and score a variant, as far as this has not been done."""
        variant = VARIANTS[name]
        model = self.model(name)
        training = train_or_resume(self.flags(variant) | {"save_path": str(model)})
        yield from training_steps(training, f"{name}: training")
        scores = self.folder / "scores" / f"{_file_name(name)}-{self.split}.json"
        if not _is_scored(scores, model, variant.separation):
            config = EvaluationConfig(
                checkpoint_path=str(model),
                split=self.split,
                data_folder=str(self.mixtures.resolve()),
            )
            yield from scoring_steps(config, scores, variant.separation)
        trial = Trial(self.mixtures.name, name, "weak", self.seed)
        return make_row(trial, scores, model.with_suffix(""))


def _file_name(variant: str) -> str:
    return variant.replace(",", "").replace(" ", "_")


def _is_scored(scores: Path, model: Path, separation: SeparationConfig) -> bool:
    """Tell whether there are scores of a model as it is now, with its masks refined like this."""
    if not are_current(scores, model):
        return False
    return read_scores_alone(scores).settings.get("separation") == separation.to_json()


@dataclass
class Results:
    """What came of the variants, by their names."""

    rows: dict[str, BenchmarkRow] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)  # that are the recipe itself
    failures: dict[str, str] = field(default_factory=dict)  # and why


def tabulate(results: Results) -> str:
    """Return a table in Markdown, and below it why variants have no row."""
    rows = results.rows
    columns = [COLUMNS[name] for name in SHOWN]
    titles = ["recipe", *(column.title for column in columns), "difference of SI-SDRi, dB"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    whole = get_value(rows[RECIPE], COMPARED) if RECIPE in rows else None
    for name, row in rows.items():
        values = [get_value(row, column) for column in SHOWN]
        formats = [f"z{column.format}" for column in columns]  # z: not −0.0
        compared = get_value(row, COMPARED)
        differs = name != RECIPE and whole is not None and compared is not None
        values.append(compared - whole if differs else None)
        formats.append("+z.1f")
        cells = [
            "–" if value is None else f"{value:{number}}".replace("-", "−")
            for value, number in zip(values, formats, strict=True)
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    notes = [f"- {name}: the same as the recipe here" for name in results.same]
    notes += [f"- {name}: {reason}" for name, reason in results.failures.items()]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def run_variants(ablation: Ablation, names: Sequence[str]) -> Results:
    """Train and score variants, and write the table after each; one that fails ends no others."""
    results = Results()
    for name in names:
        try:
            if ablation.is_recipe(name):
                results.same.append(name)
            else:
                results.rows[name] = run_with_progress(ablation.run(name), "scored", "step")
        except (InputError, WorkError) as error:
            results.failures[name] = " ".join(str(error).split())
        write_text(ablation.folder / f"ablation-{ablation.split}.md", tabulate(results))
    return results


def main() -> None:
    """Run the variants, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_folder", required=True, help="folder of mixtures")
    parser.add_argument("--output_folder", default="data/ablation")
    parser.add_argument("--seed", type=int, default=0, help="seed of the trainings")
    parser.add_argument("--split", default="validation", choices=SPLITS[1:])
    parser.add_argument("--n_epochs", type=int, help="of all trainings, instead of the recipe's")
    every = list(VARIANTS)
    parser.add_argument("--variants", nargs="+", default=every, choices=every, metavar="NAME")
    arguments = parser.parse_args()
    ablation = Ablation(
        Path(arguments.data_folder),
        Path(arguments.output_folder),
        arguments.seed,
        arguments.split,
        arguments.n_epochs,
    )
    results = run_variants(ablation, arguments.variants)
    print(tabulate(results), end="")
    raise SystemExit(bool(results.failures))


if __name__ == "__main__":
    main()
