"""Separate a recording with several models, and compare their masks, sounds and scores.

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
from absslab.plots.laboratory import MaskRow, draw_model_masks
from absslab.widgets.listening.live_separation import Excerpt, LiveResult, LiveSeparation
from absslab.widgets.player.tracks import Track
from absslab.widgets.ui.chart_area import ChartArea

MAX_GUESSED_CLASSES = 3  # that are shown of a recording whose sources are not known
MAX_LENGTH = 60.0  # s of a recording that are separated


class SideBySide(NamedTuple):
    """The results of several models for one recording.

    Attributes:
        tracks: the mixture; of each class its reference, and "<class>, <model>" for each model.
        rows: the masks of each class. There are none if the masks of the models differ in bands or
            frames, and can't be put side by side.
        hop: time from one frame of the masks to the next, s.
        centres: centre frequencies of the bands (M,), Hz.
        header: header of the table.
        table: a row for each class.
    """

    tracks: list[Track]
    rows: list[MaskRow]
    hop: float
    centres: np.ndarray
    header: list[str]
    table: list[list[str]]


def compare_models(
    separators: Mapping[str, Separator],
    path: Path,
    classes: Sequence[str] = (),
    *,
    channels: Mapping[str, int] | None = None,
) -> SideBySide:
    """Separate a recording with each model.

    Args:
        separators: separator of each model, by its name.
        path: the recording; the models get scores for sources that are saved beside it.
        classes: classes to show; by default those with saved sources, otherwise the most probable.
        channels: see `Excerpt.of`.

    Raises:
        InputError: if there is no model, or the recording can't be read.
    """
    if not separators:
        raise InputError("there is no model to compare: give at least one")
    features = [separator.model.front_end.config for separator in separators.values()]
    excerpt = Excerpt.of(path, length=MAX_LENGTH, channels=channels)
    live = {name: LiveSeparation.open(model, excerpt) for name, model in separators.items()}
    results = {name: separation.separate(SeparationConfig()) for name, separation in live.items()}
    first = next(iter(live.values()))
    references = {track.name: track for track in first.references if track.kind == "reference"}
    names = list(classes) or list(references) or _most_probable(results)
    rows = []
    grids = {(config.hop_size, *config.centres) for config in features}
    if len(grids) == 1:
        rows = [_mask_row(name, references.get(name), first, results) for name in names]
    tracks = [next(iter(results.values())).tracks[0]]
    for name in names:
        tracks += _class_tracks(name, references.get(name), results)
    hop = features[0].hop_size / features[0].sampling_rate
    header, table = _table(names, results)
    return SideBySide(tracks, rows, hop, features[0].centres, header, table)


def draw_comparison(area: ChartArea, comparison: SideBySide) -> None:
    """Draw all masks, if they can be put side by side."""
    if not comparison.rows:
        area.clear()
        return
    figure = area.begin(0.6 + 1.75 * len(comparison.rows))
    draw_model_masks(figure, comparison.rows, hop=comparison.hop, centres=comparison.centres)
    area.draw()


def _most_probable(results: Mapping[str, LiveResult]) -> list[str]:
    """Return the classes that the models find most probable."""
    highest: dict[str, float] = {}
    for result in results.values():
        for name, probability in result.probabilities.items():
            highest[name] = max(probability, highest.get(name, 0.0))
    return sorted(highest, key=lambda name: -highest[name])[:MAX_GUESSED_CLASSES]


def _class_tracks(
    name: str, reference: Track | None, results: Mapping[str, LiveResult]
) -> list[Track]:
    """Return the tracks of a class: its reference, and its source from each model."""
    tracks = []
    if reference is not None:
        tracks.append(Track(f"{name} (reference)", reference.sound, "reference"))
    for model, result in results.items():
        for track in result.tracks:
            if track.name == name and track.kind == "source":
                tracks.append(Track(f"{name}, {model}", track.sound, "source", track.mask))
    return tracks


def _mask_row(
    name: str, reference: Track | None, live: LiveSeparation, results: Mapping[str, LiveResult]
) -> MaskRow:
    """Return the masks of a class by all models, with its probabilities and scores as texts."""
    masks = {}
    texts = {}
    for model, result in results.items():
        separation = result.separation
        if name in separation.classes:
            masks[model] = separation.masks[separation.classes.index(name)]  # (M, T)
            text = f"{result.probabilities[name]:.2f}"
        else:
            masks[model] = np.zeros(separation.power.shape)  # (M, T)
            text = "not found" if name in result.known_classes else "not learned"
        if name in result.si_sdr:
            text += f", {result.si_sdr[name][1]:+.1f} dB"
        texts[model] = text.replace("-", "−")
    if reference is None:
        power = next(iter(results.values())).separation.power
        return MaskRow(name, power, masks, texts, is_mixture=True)
    return MaskRow(name, _band_power(reference, live), masks, texts)


def _band_power(track: Track, live: LiveSeparation) -> np.ndarray:
    """Return the power of a source in the bands of a model, (M, T)."""
    separator = live.separator
    front_end = separator.model.front_end
    samples = track.sound.read(0, live.waveform.shape[1])  # (C, N)
    with torch.no_grad():
        waveform = separator.to_model_rate(samples, track.sound.sampling_rate)
        spectrum = front_end.stft(waveform.to(front_end.device)[None])
        return front_end.power(spectrum)[0].cpu().numpy()  # (M, T)


def _table(
    names: Sequence[str], results: Mapping[str, LiveResult]
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table of probabilities and scores."""
    header = ["class"]
    for model in results:
        header += [f"{model}\nprobability", f"{model}\nSI-SDRi / dB"]
    rows = []
    for name in names:
        row = [name]
        for result in results.values():
            probability = result.probabilities.get(name)
            row.append("–" if probability is None else f"{probability:.3f}")
            row.append(f"{result.si_sdr[name][1]:.1f}" if name in result.si_sdr else "–")
        rows.append(row)
    return header, rows
