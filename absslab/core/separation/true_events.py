"""Find from the true sources when each class really sounds.

Strong labels of mixtures are the extents of the recordings that were mixed: a clip of barks is one
event, with all its pauses, and so is one that ends in silence. An event that is found as it sounds
then counts as wrong. Here each labelled event becomes the parts of its extent in which its
source sounds, relative to the loudest frame of this extent.

Axes: T frames, N samples.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.separation.detection import find_active_runs

_FRAME_LENGTH = 0.02  # s; frames do not overlap
_SILENT = -200.0  # dB


class SoundingEvents(NamedTuple):
    """Events as their sources sound."""

    events: list[SoundEvent]
    n_silent: int  # number of labelled events without any, since their source is silent there


def find_sounding_events(
    extents: Sequence[SoundEvent],
    sources: Mapping[str, np.ndarray],
    sampling_rate: int,
    *,
    onset_level: float = 25.0,
    offset_level: float = 40.0,
    close_gaps: float = 0.3,
    shortest_event: float = 0.1,
) -> SoundingEvents:
    """Replace labelled events by the parts in which their sources sound.

    Events of classes without a source stay as they are. The longest part of an event is kept,
    however short it is.

    Args:
        extents: the events as they are labelled.
        sources: (N,) by name of the class, as long as the recording.
        sampling_rate: Hz.
        onset_level: a part has a frame at most this much below the loudest of its event, dB.
        offset_level: a part lasts as long as its frames are at most this much below it, dB.
        close_gaps: longest pause within a part, s.
        shortest_event: length of the shortest part, s.
    """
    n_samples = max(1, round(_FRAME_LENGTH * sampling_rate))  # of a frame
    hop = n_samples / sampling_rate  # s
    levels = {name: _frame_levels(samples, n_samples) for name, samples in sources.items()}
    max_gap = int(close_gaps / hop + 1e-6)  # frames
    events: list[SoundEvent] = []
    n_silent = 0
    for extent in extents:
        if extent.event_label not in levels:
            events.append(extent)
            continue
        first = int(extent.onset / hop + 1e-6)
        end = int(np.ceil(extent.offset / hop - 1e-6))
        inside = levels[extent.event_label][first:end]  # (T,)
        if not len(inside) or inside.max() <= _SILENT:
            n_silent += 1
            continue
        runs = find_active_runs(
            inside - inside.max(),
            high=-onset_level,
            low=np.nextafter(-offset_level, -np.inf),  # the level itself still sounds
            max_gap=max_gap,
            close_gaps_first=False,
        )
        parts = [
            SoundEvent(
                extent.event_label,
                max(extent.onset, (first + start) * hop),
                min(extent.offset, (first + stop) * hop),
            )
            for start, stop in runs
        ]
        long_parts = [part for part in parts if part.offset - part.onset >= shortest_event - 1e-6]
        events += long_parts or [max(parts, key=lambda part: part.offset - part.onset)]
    return SoundingEvents(events, n_silent)


def _frame_levels(samples: np.ndarray, length: int) -> np.ndarray:
    """Compute the level of each frame of some samples: (N,) → (T,), dB."""
    starts = np.arange(0, len(samples), length)  # (T,)
    counts = np.diff(starts, append=len(samples))  # (T,)
    power = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / counts
    return 10 * np.log10(np.maximum(power, 10 ** (_SILENT / 10)))
