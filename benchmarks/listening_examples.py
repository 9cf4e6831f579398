"""Separate the best, the median and the worst sources of a test split, and measure what one hears.

    python benchmarks/listening_examples.py --benchmark_folder data/benchmark --seed 0
    python benchmarks/listening_examples.py --checkpoint_path demo/model.ckpt

All sources of all test mixtures are ranked by the improvement of their SI-SDR. Of the two best, the
two in the middle and the two worst, a table with the measures of listening_measures.py is written
and printed, and a picture of each two. Pictures show the recordings that were separated: publish
those of recordings that you may publish.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from listening_measures import Measures, Parts, measure
from matplotlib.figure import Figure

from absslab.core.common.errors import InputError
from absslab.core.common.files import atomic_write, write_text
from absslab.core.common.progress import Progress, Steps, run_with_progress
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import Evaluation, open_evaluation
from absslab.core.metrics.separation import si_sdr
from absslab.core.model.front_end import FrontEnd
from absslab.core.runs.benchmark import Trial
from absslab.core.runs.benchmark_conditions import CONDITIONS
from absslab.core.separation.separator import Separation
from absslab.core.separation.synthesis import build_mask_synthesis
from absslab.core.training.recipes import RECIPES
from absslab.plots.figures import draw_spectrogram

KINDS = ("best", "median", "worst")
N_EACH = 2


@dataclass(frozen=True)
class Ranked:
    """A source of a mixture of the test split."""

    index: int  # of the mixture
    mixture: str  # its name
    name: str  # of the source's class
    before: float  # SI-SDR of the mixture, dB
    after: float  # SI-SDR of the separated source, dB

    @property
    def improvement(self) -> float:
        """Improvement of SI-SDR, dB."""
        return self.after - self.before


@dataclass(frozen=True)
class Example:
    """A source that is separated and measured."""

    kind: str
    ranked: Ranked
    mixture: np.ndarray  # (N,)
    parts: Parts
    mask: np.ndarray  # (M, T)
    measures: Measures


def rank_steps(evaluation: Evaluation) -> Steps[list[Ranked]]:
    """Separate all mixtures, and rank the sources that are in them: the best first."""
    ranking = []
    for index in range(len(evaluation.data_set)):
        truth = evaluation.truth(index)
        if truth.references is None:
            raise InputError("{path} has no true sources beside it", path=truth.path)
        separation = evaluation.separator.separate(truth.mixture, truth.sampling_rate)
        for name, reference in truth.references.items():
            estimate = separation.sources[separation.classes.index(name)]
            before, after = (float(si_sdr(reference, x)) for x in (truth.mixture, estimate))
            ranking.append(Ranked(index, truth.name, name, before, after))
        yield Progress(index + 1, len(evaluation.data_set))
    return sorted(ranking, key=lambda ranked: ranked.improvement, reverse=True)


def choose(ranking: Sequence[Ranked]) -> list[tuple[str, Ranked]]:
    """Choose the best, those in the middle and the worst of a ranking, with their kinds.

    Raises:
        InputError: there are too few.
    """
    n_all = len(KINDS) * N_EACH
    if len(ranking) < n_all:
        raise InputError(f"the split has {len(ranking)} sources: expected {n_all} or more")
    middle = (len(ranking) - N_EACH) // 2
    groups = (ranking[:N_EACH], ranking[middle : middle + N_EACH], ranking[-N_EACH:])
    return [(kind, ranked) for kind, group in zip(KINDS, groups, strict=True) for ranked in group]


def mask_parts(
    evaluation: Evaluation, separation: Separation, k: int, *, parts: np.ndarray
) -> np.ndarray:
    """Apply the mask of class k to parts of a mixture: (P, N) → (P, N).

    Raises:
        InputError: the mixture was separated in several segments, whose masks differ where they
            overlap.
    """
    rate = separation.sampling_rate
    synthesis = build_mask_synthesis(separation.features, rate, evaluation.device)
    mask = torch.from_numpy(separation.masks[k : k + 1]).to(evaluation.device)  # (1, M, T)
    n_samples = parts.shape[1]
    masked = synthesis.sources(synthesis.spectrum(parts), mask, n_samples)[0]  # (P, N)
    source = separation.sources[k]
    if np.abs(masked.sum(0) - source).max() > 1e-4 * max(1.0, np.abs(source).max()):
        raise InputError("the mixtures are too long: expected at most 20 s")
    return masked


def separate(evaluation: Evaluation, kind: str, ranked: Ranked) -> Example:
    """Separate a source again, part by part, and measure it."""
    truth = evaluation.truth(ranked.index)
    assert truth.references is not None
    separation = evaluation.separator.separate(truth.mixture, truth.sampling_rate)
    k = separation.classes.index(ranked.name)
    source = truth.references[ranked.name]
    total = np.sum(list(truth.references.values()), axis=0)
    background = truth.mixture - total
    stacked = np.stack([source, total - source, background])  # (3, N)
    kept = mask_parts(evaluation, separation, k, parts=stacked)
    parts = Parts(source, background, *kept)
    return Example(kind, ranked, truth.mixture, parts, separation.masks[k], measure(parts))


def format_number(value: float) -> str:
    """Return a number as text, or a dash if it is not defined."""
    return "–" if np.isnan(value) else f"{value:z.1f}".replace("-", "−")


def tabulate(examples: Sequence[Example]) -> str:
    """Return a table in Markdown: a row per example."""
    titles = (
        *("example", "mixture", "class", "SI-SDR before → after, dB", "level, dB", "missing, dB"),
        *("other sounds, dB", "background, dB", "in pauses, dB"),
        "musical noise, while it sounds; in pauses",
    )
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for example in examples:
        ranked = example.ranked
        measures = example.measures
        levels = (
            *(measures.level, measures.missing, measures.others),
            *(measures.background, measures.pauses),
        )
        musical = (measures.musical, measures.musical_pauses)
        cells = [
            example.kind,
            ranked.mixture,
            ranked.name,
            f"{format_number(ranked.before)} → {format_number(ranked.after)}",
            *map(format_number, levels),
            "; ".join(map(format_number, musical)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(evaluation: Evaluation, examples: Sequence[Example]) -> Figure:
    """Draw a row per example: the mixture, the mask, the separated and the true source.

    All spectrograms have the same scale: dB relative to the loudest bin of the row's mixture.
    """
    front_end = evaluation.separator.model.front_end
    place = {"hop": evaluation.separator.hop, "centres": front_end.config.centres}
    figure = Figure(figsize=(12, 2.9 * len(examples)), layout="constrained", dpi=100)
    rows = figure.subfigures(len(examples), 1, squeeze=False)[:, 0]
    for part, example in zip(rows, examples, strict=True):
        part.suptitle(describe(example), x=0.005, ha="left", fontsize=11)
        axes = part.subplots(1, 4, sharex=True, sharey=True)
        sounds = (example.mixture, example.parts.separated, example.parts.source)
        powers = [measure_power(front_end, samples) for samples in sounds]  # (M, T) each
        loudest = powers[0].max()
        for one, power in zip((axes[0], axes[2], axes[3]), powers, strict=True):
            image = draw_spectrogram(one, power / loudest, top=0.0, **place)
        mask = draw_spectrogram(axes[1], example.mask, top=1.0, is_mask=True, **place)
        for drawn, one, label in ((mask, axes[1], "share of bin"), (image, axes[3], "level / dB")):
            bar = part.colorbar(drawn, ax=one, aspect=15)
            bar.set_label(label, fontsize=9)
            bar.ax.tick_params(labelsize=8)
        axes[0].set_ylabel("frequency / kHz", fontsize=9)
        titles = ("mixture", "× mask", "= separated source", "true source")
        for one, title in zip(axes, titles, strict=True):
            one.set_title(title, fontsize=10)
            one.set_xlabel("time / s", fontsize=9)
    return figure


def describe(example: Example) -> str:
    """Say in a line what a row of a picture shows."""
    ranked = example.ranked
    measures = example.measures
    return (
        f"{example.kind}: {ranked.name}, SI-SDR {format_number(ranked.before)} → "
        f"{format_number(ranked.after)} dB; level {format_number(measures.level)}, missing "
        f"{format_number(measures.missing)}, other sounds {format_number(measures.others)}, "
        f"background {format_number(measures.background)} dB"
    )


def measure_power(front_end: FrontEnd, samples: np.ndarray) -> np.ndarray:
    """Return the power of a sound (N,) in the bands of the model: (M, T)."""
    batch = torch.from_numpy(samples.astype(np.float32))[None].to(front_end.device)  # (1, N)
    return front_end.power(front_end.stft(batch))[0].cpu().numpy()


def find_model(arguments: argparse.Namespace) -> tuple[Path, str | None]:
    """Return the model that is named, and the folder of its mixtures; None: that of its training.

    Raises:
        InputError: none is named, or two are.
    """
    if (arguments.checkpoint_path is None) == (arguments.benchmark_folder is None):
        raise InputError("expected either --checkpoint_path or --benchmark_folder")
    if arguments.benchmark_folder is None:
        return Path(arguments.checkpoint_path), arguments.data_folder
    folder = Path(arguments.benchmark_folder)
    condition = arguments.condition
    trained = CONDITIONS[condition].model_of or condition
    trial = Trial(trained, arguments.recipe, "weak", arguments.seed)
    mixtures = folder / "mixtures" / f"{condition}-{arguments.seed}"
    return folder / "runs" / f"{trial.name}.ckpt", str(mixtures.resolve())


def run(arguments: argparse.Namespace) -> str:
    """Separate and measure the examples, write the table and the pictures; return the table."""
    model, mixtures = find_model(arguments)
    config = EvaluationConfig(checkpoint_path=str(model), split="test", data_folder=mixtures)
    evaluation = open_evaluation(config)
    ranking = run_with_progress(rank_steps(evaluation), "separated", "mixture")
    examples = [separate(evaluation, kind, ranked) for kind, ranked in choose(ranking)]
    folder = Path(arguments.output_folder)
    table = tabulate(examples)
    write_text(folder / "listening.md", table)
    for kind in KINDS:
        figure = draw(evaluation, [example for example in examples if example.kind == kind])
        with atomic_write(folder / f"listening_{kind}.webp") as unfinished:
            figure.savefig(unfinished, format="webp", pil_kwargs={"quality": 80})
    return table


def main() -> int:
    """Measure the examples, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benchmark_folder", help="output folder of absslab benchmark")
    parser.add_argument("--condition", default="background", choices=CONDITIONS)
    parser.add_argument("--recipe", default="recommended", choices=RECIPES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint_path", help="a model, instead of that of a benchmark")
    parser.add_argument("--data_folder", help="its mixtures, if not those of its training")
    parser.add_argument("--output_folder", default="data/listening")
    try:
        print(run(parser.parse_args()), end="")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
