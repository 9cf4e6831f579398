"""Mixtures to see and to hear: which, what the model makes of them, as much of it as a page may hold.

Axes: K classes, M bands, T frames, N samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import torch

from absslab.core.audio import sound_files
from absslab.core.evaluation.model_evaluation import Evaluation
from absslab.core.evaluation.scorer import Truth
from absslab.core.runs.run_scores import RankedMixture, RunScores
from absslab.core.separation.separator import Separation
from absslab.plots.figures import Separated, in_ink, mask_figure
from absslab.report.templates import (
    Fragment,
    fits_16_bits,
    group,
    heading,
    number,
    picture,
    sound,
    words,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SAMPLES = {
    True: 320_000,
    False: 128_000,
}  # of a recording that are shown: where 16 bits hold them, and where not
_MOST_ROWS = 6  # classes of a mixture


def chosen(ranking: Sequence[RankedMixture], n_each: int) -> dict[str, list[RankedMixture]]:
    """The worst, the median and the best of a ranking that begins with the worst; none is in two of them."""
    middle = max(0, (len(ranking) - n_each) // 2)
    parts = {
        "worst": list(ranking[:n_each]),
        "best": list(ranking[::-1][:n_each]),
        "median": list(ranking[middle : middle + n_each]),
    }
    taken: set[str] = set()
    for name, part in parts.items():
        parts[name] = [one for one in part if one.mixture not in taken]
        taken |= {one.mixture for one in part}
    return {name: parts[name] for name in ("worst", "median", "best")}


def in_turn(parts: Mapping[str, Sequence[RankedMixture]]) -> Iterator[tuple[str, RankedMixture]]:
    """The first of each part, then the second of each, …: if there is not room for all, there is for some of each."""
    for row in zip_longest(*parts.values()):
        yield from ((name, one) for name, one in zip(parts, row, strict=True) if one is not None)


@dataclass(frozen=True)
class Example:
    """A mixture taken apart, or its beginning where it is long."""

    truth: Truth
    separation: Separation
    tags: Mapping[str, float]  # class → probability
    tagged: frozenset[str]  # classes whose probability is beyond their threshold
    improvements: Mapping[str, float]  # class → dB
    full_length: float  # s of the recording

    @property
    def present(self) -> frozenset[str]:
        """The classes that are there: by their sources where those are known, otherwise by the labels."""
        known = self.truth.labels if self.truth.references is None else self.truth.references
        return frozenset(known or ())

    @property
    def rows(self) -> list[str]:
        """The classes to show: those that are there, then those that are tagged though they are not."""
        classes = self.separation.classes
        there = [name for name in classes if name in self.present]
        return [*there, *(name for name in classes if name in self.tagged - self.present)][
            :_MOST_ROWS
        ]

    def source(self, name: str) -> np.ndarray:
        """(N,): what was cut out, in 16 bits where the mixture has 16, as `absslab separate` writes it."""
        samples = self.separation.sources[self.separation.classes.index(name)]
        whole = fits_16_bits(self.truth.mixture) and np.abs(samples).max(initial=0) < 1 - 2**-15
        return sound_files.quantise(samples, "PCM_16").astype(np.float32) if whole else samples


def take_apart(evaluation: Evaluation, scores: RunScores, mixture: str) -> Example | None:
    """A mixture as the model separates it; None where the data have no such mixture any more."""
    names = {evaluation.name(index): index for index in range(len(evaluation.data_set))}
    if mixture not in names:
        return None
    truth = evaluation.truth(names[mixture])
    length, n = len(truth.mixture) / truth.sampling_rate, MOST_SAMPLES[fits_16_bits(truth.mixture)]
    references = (
        None
        if truth.references is None
        else {name: one[:n] for name, one in truth.references.items()}
    )
    truth = Truth(
        truth.name,
        truth.path,
        truth.mixture[:n],
        truth.sampling_rate,
        truth.labels,
        None,
        references,
    )
    return Example(
        truth,
        evaluation.separator.separate(truth.mixture, truth.sampling_rate),
        scores.column(mixture, "probability"),
        frozenset(name for name, value in scores.column(mixture, "decision").items() if value),
        scores.column(mixture, "si_sdr_improvement"),
        length,
    )


def example_figure(evaluation: Evaluation, example: Example) -> "Figure":
    """The mixture, and for each class in it what was mixed, the mask and what it cut out."""
    separation, references = example.separation, example.truth.references or {}
    power = _power(evaluation, example.truth.mixture)
    rows = [
        Separated(
            name,
            _power(evaluation, references[name]) if name in references else None,
            separation.masks[separation.classes.index(name)],
            _power(evaluation, separation.sources[separation.classes.index(name)]),
            example.improvements.get(name),
        )
        for name in example.rows
    ]
    return mask_figure(
        power, rows, hop=evaluation.separator.hop, centres=separation.features.centres
    )


def example_fragment(evaluation: Evaluation, example: Example, title: str) -> Fragment:
    """An example as a part of a page."""
    truth, rate = example.truth, example.truth.sampling_rate
    players = [sound(truth.mixture, rate, "the mixture")]
    for name in example.rows:
        pair = [sound(example.source(name), rate, f"{name}, separated")]
        if truth.references and name in truth.references:
            pair.insert(0, sound(truth.references[name], rate, f"{name}, as it was mixed"))
        players.append(words(_about_class(example, name), "class") + group(pair, "pair"))
    drawn = picture(in_ink(example_figure(evaluation, example)), _alt(example), name="wide")
    return heading(title) + words(_about(example)) + drawn + group(players, "sounds")


def _power(evaluation: Evaluation, waveform: np.ndarray) -> np.ndarray:
    front_end = evaluation.separator.model.front_end
    on_device = torch.from_numpy(np.ascontiguousarray(waveform))[None].to(
        front_end.device
    )  # (1, N)
    return front_end.power(front_end.stft(on_device))[0].cpu().numpy()  # (M, T)


def _about(example: Example) -> str:
    parts = [f"It holds {_listed(example.present)}."]
    if missed := example.present - example.tagged:
        parts.append(f"Not found: {_listed(missed)}.")
    if invented := example.tagged - example.present:
        parts.append(f"Tagged, but not in it: {_listed(invented)}.")
    shown = len(example.truth.mixture) / example.truth.sampling_rate
    if shown < example.full_length:
        parts.append(
            f"Shown are the first {shown:.3g} of {example.full_length:.3g} s, separated by themselves."
        )
    if left := len(example.present | example.tagged) - len(example.rows):
        parts.append(f"{left} more of its classes are not shown.")
    if example.truth.references is None:
        parts.append("How its sources sound alone is not known.")
    return " ".join(parts)


def _about_class(example: Example, name: str) -> str:
    parts = [f"probability {example.tags[name]:.2f}"] if name in example.tags else []
    if name in example.improvements:
        parts.append(f"SI-SDR improved by {number(example.improvements[name], '.1f')} dB")
    if name not in example.present:
        parts.append("not in the mixture")
    return f"{name}: {', '.join(parts)}" if parts else name


def _alt(example: Example) -> str:
    shown = ["what was mixed"] * bool(example.truth.references) + [
        "the mask",
        "what the mask cut out",
    ]
    return (
        f"Spectrogram of {example.truth.name}, and for {_listed(example.rows)}: {', '.join(shown)}"
    )


def _listed(names: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "no class"
