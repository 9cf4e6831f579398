"""One recording taken apart by several models: their masks, sounds and scores beside each other.

Axes: K classes, M bands, T frames.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from absslab.core.common.errors import InputError
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separator import Separator
from absslab.plots.laboratory import MaskRow, masks_side_by_side
from absslab.widgets.listening.live_separation import Answer, Excerpt, LiveSeparation
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.chart_area import ChartArea

MOST_ROWS = 3  # classes that are shown of a recording whose sources are not known
LONGEST = 60.0  # s of a recording


class SideBySide(NamedTuple):
    """What came of a recording."""

    tracks: list[
        Track
    ]  # the mixture; of each class its reference, and "<class>, <model>" for each model
    rows: list[
        MaskRow
    ]  # none where the models' masks have other bands or frames: they can't be put side by side
    hop: float  # s
    centres: np.ndarray  # (M,) Hz
    header: list[str]
    table: list[list[str]]  # a row per class


def compare_models(
    separators: Mapping[str, Separator], path: Path, classes: Sequence[str] = ()
) -> SideBySide:
    """Take a recording apart with each model.

    Args:
        separators: by the models' names.
        path: the recording; of the sources beside it the models' scores are told.
        classes: to show; without, those whose sources are there, or else the most probable ones.

    Raises:
        InputError: no model, a recording that can't be read.
    """
    if not separators:
        raise InputError("there is no model to compare: give at least one")
    features = [one.model.front_end.config for one in separators.values()]
    are_alike = all(
        (one.hop_size, *one.centres) == (features[0].hop_size, *features[0].centres)
        for one in features
    )
    live = {
        name: LiveSeparation(one, Excerpt.of(path, length=LONGEST))
        for name, one in separators.items()
    }
    answers = {name: one.answer(SeparationConfig()) for name, one in live.items()}
    first = next(iter(live.values()))
    references = {track.name: track for track in first.references if track.kind == "reference"}
    names = list(classes) or list(references) or _likely(answers)
    rows = [_row(name, references.get(name), first, answers) for name in names] if are_alike else []
    tracks = [next(iter(answers.values())).tracks[0]]
    for name in names:
        tracks += (
            [Track(f"{name} (reference)", references[name].sound, "reference")]
            if name in references
            else []
        )
        for model, answer in answers.items():
            found = [one for one in answer.tracks if one.name == name and one.kind == "source"]
            tracks += [Track(f"{name}, {model}", one.sound, "source", one.mask) for one in found]
    header = [
        "class",
        *(f"{model}\n{what}" for model in answers for what in ("probability", "SI-SDRi / dB")),
    ]
    table = [
        [name, *(cell for answer in answers.values() for cell in _cells(name, answer))]
        for name in names
    ]
    hop = features[0].hop_size / features[0].sampling_rate
    return SideBySide(tracks, rows, hop, features[0].centres, header, table)


def draw_masks(area: ChartArea, shown: SideBySide) -> None:
    """Draw all masks, where they can be put side by side."""
    if not shown.rows:
        area.clear()
        return
    figure = area.begin(0.6 + 1.75 * len(shown.rows))
    masks_side_by_side(figure, shown.rows, hop=shown.hop, centres=shown.centres)
    area.draw()


def _likely(answers: Mapping[str, Answer]) -> list[str]:
    """The classes that the models find most probable."""
    highest: dict[str, float] = {}
    for answer in answers.values():
        for name, probability in answer.probabilities.items():
            highest[name] = max(probability, highest.get(name, 0.0))
    return sorted(highest, key=lambda name: -highest[name])[:MOST_ROWS]


def _row(
    name: str, reference: Track | None, live: LiveSeparation, answers: Mapping[str, Answer]
) -> MaskRow:
    masks, words = {}, {}
    for model, answer in answers.items():
        separation = answer.separation
        known = name in separation.classes
        shape = separation.power.shape
        masks[model] = (
            separation.masks[separation.classes.index(name)] if known else np.zeros(shape)
        )
        probability = f"{answer.probabilities[name]:.2f}" if known else "not learned"
        score = f", {answer.si_sdr[name][1]:+.1f} dB" if name in answer.si_sdr else ""
        words[model] = f"{probability}{score}".replace("-", "−")
    power = next(iter(answers.values())).separation.power
    if reference is None:
        return MaskRow(name, power, masks, words, is_mixture=True)
    return MaskRow(name, _power(reference, live), masks, words)


def _power(track: Track, live: LiveSeparation) -> np.ndarray:
    """(M, T) of a source, at the model's rate."""
    separator, sound = live.separator, track.sound
    samples = sound.read(0, live.waveform.shape[1])
    front_end = separator.model.front_end
    with torch.no_grad():
        waveform = separator.to_model_rate(samples, sound.sampling_rate).to(front_end.device)
        return front_end.power(front_end.stft(waveform[None]))[0].cpu().numpy()  # (M, T)


def _cells(name: str, answer: Answer) -> list[str]:
    probability = f"{answer.probabilities[name]:.3f}" if name in answer.probabilities else "–"
    return [probability, f"{answer.si_sdr[name][1]:.1f}" if name in answer.si_sdr else "–"]
