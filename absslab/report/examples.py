"""Choose mixtures for a report, separate them, and render them as parts of a page.

Axes: K classes, M bands, T frames, N samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import torch

from absslab.core.audio import sound_files
from absslab.core.evaluation.model_evaluation import Evaluation
from absslab.core.evaluation.scorer import Truth
from absslab.core.runs.run_scores import RankedMixture, RunScores
from absslab.core.separation.separator import Separation
from absslab.plots.figures import Separated, draw_masks, use_page_colours
from absslab.report.page_parts import (
    Fragment,
    box,
    fits_16_bits,
    format_number,
    heading,
    picture,
    prose,
    sound,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SAMPLES_16_BITS = 320_000  # limit for a recording that 16 bits represent exactly
MAX_SAMPLES_FLOAT = 128_000  # limit for others, which need more space in the page
_MAX_CLASSES = 6  # of a mixture


def choose_examples(
    ranking: Sequence[RankedMixture], n_each: int
) -> dict[str, list[RankedMixture]]:
    """Choose the worst, the median and the best mixtures of a ranking, each mixture only once.

    Args:
        ranking: the worst first.
        n_each: number of each kind.
    """
    middle = max(0, (len(ranking) - n_each) // 2)
    candidates = {
        "worst": ranking[:n_each],
        "best": ranking[::-1][:n_each],
        "median": ranking[middle : middle + n_each],
    }
    used_names: set[str] = set()
    unique = {}
    for kind, mixtures in candidates.items():
        unique[kind] = [ranked for ranked in mixtures if ranked.mixture not in used_names]
        used_names |= {ranked.mixture for ranked in mixtures}
    return {kind: unique[kind] for kind in ("worst", "median", "best")}


def interleave(
    chosen: Mapping[str, Sequence[RankedMixture]],
) -> Iterator[tuple[str, RankedMixture]]:
    """Yield the first of each kind, then the second of each, and so on."""
    for row in zip_longest(*chosen.values()):
        for kind, ranked in zip(chosen, row, strict=True):
            if ranked is not None:
                yield kind, ranked


@dataclass(frozen=True)
class Example:
    """A separated mixture, or its beginning if it is long.

    Args:
        truth: the mixture and what is known of it.
        separation: the result of the model.
        probabilities: probability of each class, if it is known.
        tagged: classes whose probability is above their threshold.
        improvements: SI-SDR improvement in dB, by class.
        full_length: length of the recording, s.
    """

    truth: Truth
    separation: Separation
    probabilities: Mapping[str, float]
    tagged: frozenset[str]
    improvements: Mapping[str, float]
    full_length: float

    @property
    def present(self) -> frozenset[str]:
        """The classes in the mixture: by its sources if they are known, otherwise by its labels."""
        known = self.truth.labels if self.truth.references is None else self.truth.references
        return frozenset(known or ())

    @property
    def classes(self) -> list[str]:
        """The classes to show: those in the mixture, then those that are tagged by mistake."""
        names = self.separation.classes
        present = [name for name in names if name in self.present]
        mistaken = [name for name in names if name in self.tagged - self.present]
        return [*present, *mistaken][:_MAX_CLASSES]

    def source(self, name: str) -> np.ndarray:
        """Return the separated source of a class, (N,).

        It has 16 bits if the mixture has 16, as `absslab separate` writes it.
        """
        samples = self.separation.sources[self.separation.classes.index(name)]  # (N,)
        is_clipped = np.abs(samples).max(initial=0) >= 1 - 2**-15
        if is_clipped or not fits_16_bits(self.truth.mixture):
            return samples
        return sound_files.quantise(samples, "PCM_16").astype(np.float32)


def separate_example(evaluation: Evaluation, scores: RunScores, mixture: str) -> Example | None:
    """Separate a mixture, or its beginning; None if the data have no such mixture any more."""
    names = {evaluation.name(index): index for index in range(len(evaluation.data_set))}
    if mixture not in names:
        return None
    truth = evaluation.truth(names[mixture])
    full_length = len(truth.mixture) / truth.sampling_rate
    n_samples = MAX_SAMPLES_16_BITS if fits_16_bits(truth.mixture) else MAX_SAMPLES_FLOAT
    references = truth.references
    if references is not None:
        references = {name: samples[:n_samples] for name, samples in references.items()}
    truth = replace(truth, mixture=truth.mixture[:n_samples], references=references, events=None)
    decisions = scores.column(mixture, "decision")
    return Example(
        truth=truth,
        separation=evaluation.separator.separate(truth.mixture, truth.sampling_rate),
        probabilities=scores.column(mixture, "probability"),
        tagged=frozenset(name for name, decision in decisions.items() if decision),
        improvements=scores.column(mixture, "si_sdr_improvement"),
        full_length=full_length,
    )


def draw_example(evaluation: Evaluation, example: Example) -> "Figure":
    """Draw the mixture, and of each class the reference, the mask and the separated source."""
    separation = example.separation
    references = example.truth.references or {}
    rows = []
    for name in example.classes:
        index = separation.classes.index(name)
        reference = _power(evaluation, references[name]) if name in references else None
        separated = _power(evaluation, separation.sources[index])
        improvement = example.improvements.get(name)
        rows.append(Separated(name, reference, separation.masks[index], separated, improvement))
    return draw_masks(
        _power(evaluation, example.truth.mixture),
        rows,
        hop=evaluation.separator.hop,
        centres=separation.features.centres,
    )


def render_example(evaluation: Evaluation, example: Example, title: str) -> Fragment:
    """Render an example as a part of a page: text, a picture and players."""
    truth = example.truth
    rate = truth.sampling_rate
    players = [sound(truth.mixture, rate, "the mixture")]
    for name in example.classes:
        pair = [sound(example.source(name), rate, f"{name}, separated")]
        if truth.references and name in truth.references:
            pair.insert(0, sound(truth.references[name], rate, f"{name}, reference"))
        players.append(prose(_describe_class(example, name), "class"))
        players.append(box(pair, "pair"))
    figure = use_page_colours(draw_example(evaluation, example))
    return (
        heading(title)
        + prose(_describe_mixture(example))
        + picture(figure, _describe_figure(example), name="wide")
        + box(players, "sounds")
    )


def _power(evaluation: Evaluation, waveform: np.ndarray) -> np.ndarray:
    """Return the power spectrogram of a waveform (N,), (M, T)."""
    front_end = evaluation.separator.model.front_end
    batch = torch.from_numpy(np.ascontiguousarray(waveform))[None]  # (1, N)
    batch = batch.to(front_end.device)
    return front_end.power(front_end.stft(batch))[0].cpu().numpy()  # (M, T)


def _describe_mixture(example: Example) -> str:
    sentences = [f"It contains {_join(example.present)}."]
    if missed := example.present - example.tagged:
        sentences.append(f"Not found: {_join(missed)}.")
    if mistaken := example.tagged - example.present:
        sentences.append(f"Tagged, but not present: {_join(mistaken)}.")
    length = len(example.truth.mixture) / example.truth.sampling_rate
    if length < example.full_length:
        sentences.append(
            f"Only the first {length:.3g} of {example.full_length:.3g} s are separated and shown."
        )
    if n_hidden := len(example.present | example.tagged) - len(example.classes):
        sentences.append(f"{n_hidden} more classes are not shown.")
    if example.truth.references is None:
        sentences.append("Its true sources are not known.")
    return " ".join(sentences)


def _describe_class(example: Example, name: str) -> str:
    facts = []
    if name in example.probabilities:
        facts.append(f"probability {example.probabilities[name]:.2f}")
    if name in example.improvements:
        improvement = format_number(example.improvements[name], ".1f")
        facts.append(f"SI-SDR improved by {improvement} dB")
    if name not in example.present:
        facts.append("not in the mixture")
    return f"{name}: {', '.join(facts)}" if facts else name


def _describe_figure(example: Example) -> str:
    columns = ["mask", "separated source"]
    if example.truth.references:
        columns.insert(0, "reference")
    classes = _join(example.classes)
    return f"Spectrogram of {example.truth.name}, and for {classes}: {', '.join(columns)}"


def _join(names: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "no class"
