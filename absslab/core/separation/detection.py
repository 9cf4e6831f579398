"""Detect from masks when each class is active.

Axes: K classes, M bands, T frames.
"""

from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent


@dataclass(frozen=True)
class DetectionConfig(Config):
    """Thresholds and durations of events."""

    high_threshold: float = option(
        0.5, "an event needs a frame with at least this activity", at_least=0, at_most=1
    )
    low_threshold: float = option(
        0.2, "an event lasts as long as the activity stays above this", at_least=0, at_most=1
    )
    close_gaps: float = option(0.3, "longest pause within an event", unit="s", at_least=0)
    close_gaps_first: bool = option(
        True,
        "True: close gaps before the high threshold is applied, so that quiet parts may join an "
        "event; False: close them after it (Kong's rule)",
    )
    shortest_event: float = option(
        0.1, "length of the shortest event; shorter ones are dropped", unit="s", at_least=0
    )
    tag_threshold: float = option(
        0.1, "a class with at most this probability has no events", at_least=0, at_most=1
    )
    activity: str = option(
        "magnitude",
        "activity of a class in a frame: its share of the magnitude (a few loud bins suffice), or "
        "of the bins (Kong's rule)",
        choices=("magnitude", "bins"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low_threshold > self.high_threshold:
            raise InputError(
                f"low_threshold is {self.low_threshold:g}: expected at most high_threshold, "
                f"{self.high_threshold:g}"
            )


def frame_activity(
    masks: np.ndarray, power: np.ndarray, probabilities: np.ndarray, config: DetectionConfig
) -> np.ndarray:
    """Compute the share of each class in each frame; it is 0 where the class is not tagged.

    With `activity="magnitude"`, it is 1 if all loud bins belong to a class, even if there are only
    few, and 0 for all classes in a frame of background. With "bins", it is the mean of the mask.

    Args:
        masks: masks of the classes.
        power: power of the mixture.
        probabilities: probability that each class is present.
        config: settings, of which `activity` and `tag_threshold` are used.

    Shape:
        masks (K, M, T), power (M, T), probabilities (K,) → (K, T) in [0, 1].

    Source: the mean of the mask, and the gate: Kong et al., arXiv 1804.04715.
    """
    if config.activity == "bins":
        activity = masks.mean(1)  # (K, T)
    else:
        magnitude = np.sqrt(np.maximum(power, 0))  # (M, T)
        activity = np.einsum("kmt,mt->kt", masks, magnitude) / np.maximum(magnitude.sum(0), 1e-9)
    return activity * (probabilities > config.tag_threshold)[:, None]


def find_events(
    activity: np.ndarray,
    hop: float,
    classes: list[str],
    config: DetectionConfig,
    *,
    length: float = np.inf,
) -> list[SoundEvent]:
    """Find events: the activity stays above the low threshold, and reaches the high one.

    Args:
        activity: (K, T); a frame covers the time from half a hop before its centre to half a hop
            after it.
        hop: time from one frame to the next, s.
        classes: K names.
        config: thresholds and durations.
        length: length of the recording, s; no event ends after it.

    Returns:
        events in the order of their onsets.

    Source: the double threshold of Kong et al., arXiv 1804.04715.
    """
    events = []
    max_gap = int(config.close_gaps / hop + 1e-6)  # frames
    for name, curve in zip(classes, activity, strict=True):
        runs = find_active_runs(
            curve,
            high=config.high_threshold,
            low=config.low_threshold,
            max_gap=max_gap,
            close_gaps_first=config.close_gaps_first,
        )
        for start, stop in runs:
            onset = max(0.0, (start - 0.5) * hop)
            offset = min((stop - 0.5) * hop, length)
            if (stop - start) * hop >= config.shortest_event and onset < offset:
                events.append(SoundEvent(name, onset, offset))
    return sorted(events, key=lambda event: (event.onset, event.event_label))


def find_active_runs(
    curve: np.ndarray, *, high: float, low: float, max_gap: int, close_gaps_first: bool
) -> list[tuple[int, int]]:
    """Find where a curve stays above a low threshold and reaches a high one.

    Args:
        curve: (T,).
        high: the high threshold; a run has a frame of at least this.
        low: the low threshold; a run lasts as long as the curve is above it.
        max_gap: longest pause within a run, frames.
        close_gaps_first: whether gaps are closed before the high threshold is applied, too.

    Returns:
        (start, stop) of each run, frames.
    """
    runs = _find_runs(curve > low)
    if close_gaps_first:
        runs = _close_gaps(runs, max_gap)
    loud = [run for run in runs if curve[slice(*run)].max() >= high]
    return _close_gaps(loud, max_gap)


def _find_runs(above: np.ndarray) -> list[tuple[int, int]]:
    """Find (start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(int)))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]


def _close_gaps(runs: list[tuple[int, int]], max_gap: int) -> list[tuple[int, int]]:
    """Join runs with gaps of up to `max_gap` frames between them."""
    closed: list[tuple[int, int]] = []
    for start, stop in runs:
        if closed and start - closed[-1][1] <= max_gap:
            closed[-1] = (closed[-1][0], stop)
        else:
            closed.append((start, stop))
    return closed
