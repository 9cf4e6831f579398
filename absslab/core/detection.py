"""Detection: from masks to when each class sounds.

Axes: K classes, M bands, T frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from absslab.core.config import Config, option
from absslab.core.errors import InputError


@dataclass(frozen=True)
class DetectionConfig(Config):
    """From which activity on a class is said to sound, and for how long at least."""

    high_threshold: float = option(0.5, "an event has a frame with at least this activity …", at_least=0, at_most=1)
    low_threshold: float = option(0.2, "… and lasts as long as the activity stays above this", at_least=0, at_most=1)
    close_gaps: float = option(0.3, "pauses up to this do not end an event", unit="s", at_least=0)
    shortest_event: float = option(0.1, "shorter events are dropped", unit="s", at_least=0)
    tag_threshold: float = option(0.1, "a class with a probability up to this is not looked for", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low_threshold > self.high_threshold:
            raise InputError(
                f"low_threshold is {self.low_threshold:g}: expected at most high_threshold, {self.high_threshold:g}"
            )


@dataclass(frozen=True)
class DetectedEvent:
    """A class and when it sounds."""

    event_label: str
    onset: float  # s
    offset: float  # s


def frame_activity(masks: Tensor, power: Tensor) -> Tensor:
    """The part of each frame's magnitude that a class's mask takes.

    Where loud bins are a class's own it is 1, however few they are; a frame of background has 0 for all classes.

    Shape:
        masks (K, M, T), power (M, T) → (K, T) in [0, 1].
    """
    magnitude = power.clamp_min(0).sqrt()  # (M, T)
    return torch.einsum("kmt,mt->kt", masks, magnitude) / magnitude.sum(0).clamp_min(1e-9)


def find_events(activity: np.ndarray, hop: float, classes: list[str], config: DetectionConfig) -> list[DetectedEvent]:
    """Events by a double threshold: where activity stays above the low one and reaches the high one.

    Args:
        activity: (K, T); a frame stands for the time from half a hop before its centre to half a hop after.
        hop: s from one frame to the next.
        classes: K names.
        config: thresholds and durations.

    Returns:
        events in the order of their onsets.

    Source: the double threshold of Kong et al., arXiv 1804.04715.
    """
    events = []
    for name, curve in zip(classes, activity, strict=True):
        for start, stop in _runs(curve > config.low_threshold, int(config.close_gaps / hop + 1e-6)):
            if curve[start:stop].max() >= config.high_threshold and (stop - start) * hop >= config.shortest_event:
                events.append(DetectedEvent(name, max(0.0, (start - 0.5) * hop), (stop - 0.5) * hop))
    return sorted(events, key=lambda event: (event.onset, event.event_label))


def _runs(above: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(start, stop) of the stretches of True, those not more than `gap` frames apart taken together."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(int)))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return runs
