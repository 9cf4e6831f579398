"""Detection: from masks to when each class sounds.

Axes: K classes, M bands, T frames.
"""

from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent


@dataclass(frozen=True)
class DetectionConfig(Config):
    """From which activity on a class is said to sound, and for how long at least."""

    high_threshold: float = option(
        0.5, "an event has a frame with at least this activity …", at_least=0, at_most=1
    )
    low_threshold: float = option(
        0.2, "… and lasts as long as the activity stays above this", at_least=0, at_most=1
    )
    close_gaps: float = option(0.3, "pauses up to this do not end an event", unit="s", at_least=0)
    close_gaps_first: bool = option(
        True,
        "before the high threshold is asked for, so that what is quiet all along may join; False: after (Kong's rule)",
    )
    shortest_event: float = option(0.1, "shorter events are dropped", unit="s", at_least=0)
    tag_threshold: float = option(
        0.1, "a class with a probability up to this is not looked for", at_least=0, at_most=1
    )
    activity: str = option(
        "magnitude",
        "what a class must take of a frame: of its magnitude (few loud bins suffice), or of its bins (Kong's rule)",
        choices=("magnitude", "bins"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low_threshold > self.high_threshold:
            raise InputError(
                f"low_threshold is {self.low_threshold:g}: expected at most high_threshold, {self.high_threshold:g}"
            )


def frame_activity(
    masks: np.ndarray, power: np.ndarray, probabilities: np.ndarray, config: DetectionConfig
) -> np.ndarray:
    """How far each class fills each frame, and 0 where its tag says that it is not in the recording.

    Of the magnitude: where loud bins are a class's own it is 1, however few they are; a frame of background has 0 for all
    classes. Of the bins: the mean of the mask.

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
    """Events by a double threshold: where activity stays above the low one and reaches the high one.

    Args:
        activity: (K, T); a frame stands for the time from half a hop before its centre to half a hop after.
        hop: s from one frame to the next.
        classes: K names.
        config: thresholds and durations.
        length: of the recording, s: no event goes on behind it.

    Returns:
        events in the order of their onsets.

    Source: the double threshold of Kong et al., arXiv 1804.04715.
    """
    events = []
    for name, curve in zip(classes, activity, strict=True):
        gap = int(config.close_gaps / hop + 1e-6)
        runs = _runs(curve > config.low_threshold)
        runs = _joined(runs, gap) if config.close_gaps_first else runs
        loud = [run for run in runs if curve[slice(*run)].max() >= config.high_threshold]
        for start, stop in _joined(loud, gap):
            if (stop - start) * hop >= config.shortest_event:
                event = SoundEvent(
                    name, max(0.0, (start - 0.5) * hop), min((stop - 0.5) * hop, length)
                )
                if event.onset < event.offset:
                    events.append(event)
    return sorted(events, key=lambda event: (event.onset, event.event_label))


def _runs(above: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(int)))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]


def _joined(runs: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Stretches, those not more than `gap` frames apart taken together."""
    joined: list[tuple[int, int]] = []
    for start, stop in runs:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
