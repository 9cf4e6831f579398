"""Detect from masks when each class is active.

Axes: K classes, J of them, M bands, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.model.event_thresholds import (
    ACTIVITIES,
    BINS,
    CLARITY,
    LOUD_CLARITY,
    MAGNITUDE,
    ClassThresholds,
    EventThresholds,
)

AUTO = "auto"
FIXED_THRESHOLDS = {  # where none were chosen
    MAGNITUDE: ClassThresholds(0.5, 0.2),
    CLARITY: ClassThresholds(0.6, 0.3),
    LOUD_CLARITY: ClassThresholds(0.6, 0.3),
    BINS: ClassThresholds(0.5, 0.2),
}
# Of clarity, chosen by event F1 on validation recordings; see docs/results.md.
_SHARE_EXPONENT = 0.3  # of the share of the magnitude; the rest is that of the mask itself
_RANGE = 20.0  # dB below its loudest frame nearby in which a class counts as sounding
_NEARBY = 2.0  # s


@dataclass(frozen=True)
class DetectionConfig(Config):
    """Thresholds and durations of events."""

    high_threshold: float | None = option(
        None,
        "an event needs a frame with at least this activity; by default what was chosen for the "
        f"class on validation recordings, or else {FIXED_THRESHOLDS[MAGNITUDE].high:g} "
        f"({FIXED_THRESHOLDS[CLARITY].high:g} of clarity)",
        at_least=0,
        at_most=1,
    )
    low_threshold: float | None = option(
        None,
        "an event lasts as long as the activity stays above this; by default what was chosen for "
        f"the class, or else {FIXED_THRESHOLDS[MAGNITUDE].low:g} "
        f"({FIXED_THRESHOLDS[CLARITY].low:g} of clarity)",
        at_least=0,
        at_most=1,
    )
    median_filter: float | None = option(
        None,
        "length of a median filter that smooths the activity first; 0: none; by default what was "
        "chosen for the class, or else none",
        unit="s",
        at_least=0,
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
        AUTO,
        "activity of a class in a frame: its share of the magnitude (a few loud bins suffice), how "
        "clearly some bands are its own (clarity; or 0 if it is 20 dB below its loudest frame "
        "nearby), or its share of the bins (Kong's rule); auto: that of the model's chosen "
        "thresholds, or else magnitude",
        choices=(AUTO, *ACTIVITIES),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        low = self.low_threshold
        high = self.high_threshold
        if low is not None and high is not None and low > high:
            raise InputError(f"low_threshold is {low:g}: expected at most high_threshold, {high:g}")

    def choose_activity(self, chosen: EventThresholds | None) -> str:
        """Return the kind of activity: as set here, else that of a model's thresholds."""
        if self.activity != AUTO:
            return self.activity
        return MAGNITUDE if chosen is None else chosen.activity

    def thresholds(self, chosen: EventThresholds | None, class_name: str) -> ClassThresholds:
        """Return the thresholds of a class: as set here, else as chosen for it, else the defaults.

        Args:
            chosen: thresholds of a model; they do not count if they are of another kind of
                activity.
            class_name: name of the class.
        """
        activity = self.choose_activity(chosen)
        found = FIXED_THRESHOLDS[activity]
        if chosen is not None and chosen.activity == activity:
            found = chosen.per_class.get(class_name, found)
        high = found.high
        low = found.low
        median_filter = found.median_filter
        if self.median_filter is not None:
            median_filter = self.median_filter
        if self.low_threshold is not None:
            low = self.low_threshold
            high = max(high, low)
        if self.high_threshold is not None:
            high = self.high_threshold
            low = min(high, low)
        return ClassThresholds(high, low, median_filter)


class ActivityCurves:
    """How active each class is in each frame of a recording that comes in parts.

    With the kind "magnitude", the activity is 1 if all loud bins belong to a class, even if there
    are only few, and 0 for all classes in a frame of background. With "bins", it is the mean of the
    mask. "clarity" is high where some bands surely belong to the class, even beside louder sounds;
    "clarity_20_dB" is the same, but 0 where the class is far below its loudest frame nearby.

    Args:
        hop: time from one frame to the next, s.
        config: settings, of which `activity` and `tag_threshold` are used.
        chosen: thresholds that were chosen for the model, and the kind of activity that they are
            of.

    Source: the mean of the mask, and the gate: Kong et al., arXiv 1804.04715.
    """

    def __init__(self, hop: float, config: DetectionConfig, chosen: EventThresholds | None = None):
        self.hop = hop
        self.config = config
        self.kind = config.choose_activity(chosen)
        self._activity: list[np.ndarray] = []  # (K, t) each
        self._level: list[np.ndarray] = []  # (K, t), power of the class, if the kind needs it
        self._is_tagged: list[np.ndarray] = []  # (K, t)

    def add(
        self,
        masks: np.ndarray,
        power: np.ndarray,
        probabilities: np.ndarray,
        found: Sequence[int] | None = None,
    ) -> None:
        """Add the next part of the recording.

        Args:
            masks: masks of all classes, or of those that are found.
            power: power of the mixture.
            probabilities: probability that each class is present.
            found: the classes that the masks are of; None: all. The activity of the others is 0.

        Shape:
            masks (J, M, t), power (M, t), probabilities (K,).
        """
        power = np.maximum(power, 0)
        activity = _ACTIVITIES[self.kind](masks, power)  # (J, t)
        is_tagged = (probabilities > self.config.tag_threshold)[:, None]  # (K, 1)
        activity = _extend_rows(activity, found, len(probabilities))  # (K, t)
        self._activity.append(activity)
        if self.kind == LOUD_CLARITY:
            level = np.einsum("kmt,mt->kt", masks, power)  # (J, t)
            self._level.append(_extend_rows(level, found, len(probabilities)))
        self._is_tagged.append(np.broadcast_to(is_tagged, activity.shape))

    def ungated(self) -> np.ndarray:
        """Return the activity, also where a class is not tagged: (K, T) in [0, 1]."""
        activity = np.concatenate(self._activity, 1)  # (K, T)
        if self.kind != LOUD_CLARITY:
            return activity
        return activity * _find_loud_frames(np.concatenate(self._level, 1), self.hop)

    def gated(self) -> np.ndarray:
        """Return the activity; it is 0 where a class is not tagged: (K, T) in [0, 1]."""
        return self.ungated() * np.concatenate(self._is_tagged, 1)


def frame_activity(
    masks: np.ndarray,
    power: np.ndarray,
    probabilities: np.ndarray,
    hop: float,
    config: DetectionConfig,
    chosen: EventThresholds | None = None,
) -> np.ndarray:
    """Compute how active each class is in each frame of a recording that is one part.

    See `ActivityCurves`.

    Shape:
        masks (K, M, T), power (M, T), probabilities (K,) → (K, T) in [0, 1].
    """
    curves = ActivityCurves(hop, config, chosen)
    curves.add(masks, power, probabilities)
    return curves.gated()


def _extend_rows(values: np.ndarray, rows: Sequence[int] | None, n_rows: int) -> np.ndarray:
    """Put values (J, t) into the given rows of zeros (n_rows, t); None: they are all rows."""
    if rows is None or len(rows) == n_rows:
        return values
    extended = np.zeros((n_rows, values.shape[1]), values.dtype)
    extended[list(rows)] = values
    return extended


def _mask_mean(masks: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return the mean of the mask over the bands: (K, M, T) → (K, T)."""
    return masks.mean(1)


def _magnitude_share(masks: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return the share of each class in the magnitude: (K, M, T), (M, T) → (K, T)."""
    magnitude = np.sqrt(power)  # (M, T)
    return np.einsum("kmt,mt->kt", masks, magnitude) / np.maximum(magnitude.sum(0), 1e-9)


def _clarity(masks: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return how clearly each class sounds: (K, M, T), (M, T) → (K, T).

    The share of the magnitude is small beside louder sounds. So it counts less than the mean of the
    mask over bands, weighted by the mask itself.
    """
    share = _magnitude_share(masks, power)  # (K, T)
    own = np.square(masks).sum(1) / np.maximum(masks.sum(1), 1e-9)  # (K, T)
    return share**_SHARE_EXPONENT * own ** (1 - _SHARE_EXPONENT)


def _find_loud_frames(level: np.ndarray, hop: float) -> np.ndarray:
    """Find the frames in which a class is hardly below its loudest one nearby: (K, T) → (K, T).

    In a loud background, a mask stays high for long after a sound has faded.
    """
    from scipy.ndimage import maximum_filter1d

    n_frames = 2 * round(_NEARBY / hop) + 1
    loudest = maximum_filter1d(level, n_frames, axis=1, mode="nearest")  # (K, T)
    return level > loudest * 10 ** (-_RANGE / 10)


_ACTIVITIES = {
    MAGNITUDE: _magnitude_share,
    CLARITY: _clarity,
    LOUD_CLARITY: _clarity,
    BINS: _mask_mean,
}


def find_events(
    activity: np.ndarray,
    hop: float,
    classes: list[str],
    config: DetectionConfig,
    *,
    length: float = np.inf,
    chosen: EventThresholds | None = None,
) -> list[SoundEvent]:
    """Find events: the activity stays above the low threshold, and reaches the high one.

    Args:
        activity: (K, T); a frame covers the time from half a hop before its centre to half a hop
            after it.
        hop: time from one frame to the next, s.
        classes: K names.
        config: thresholds and durations.
        length: length of the recording, s; no event ends after it.
        chosen: thresholds that were chosen for the model.

    Returns:
        events in the order of their onsets.

    Source: the double threshold of Kong et al., arXiv 1804.04715.
    """
    events = []
    max_gap = int(config.close_gaps / hop + 1e-6)  # frames
    for name, curve in zip(classes, activity, strict=True):
        thresholds = config.thresholds(chosen, name)
        smoothed = smooth_by_median(curve, thresholds.median_filter / hop)
        runs = find_active_runs(
            smoothed,
            high=thresholds.high,
            low=thresholds.low,
            max_gap=max_gap,
            close_gaps_first=config.close_gaps_first,
        )
        for start, stop in runs:
            onset = max(0.0, (start - 0.5) * hop)
            offset = min((stop - 0.5) * hop, length)
            if (stop - start) * hop >= config.shortest_event and onset < offset:
                events.append(SoundEvent(name, onset, offset))
    return sorted(events, key=lambda event: (event.onset, event.event_label))


def smooth_by_median(curve: np.ndarray, length: float) -> np.ndarray:
    """Replace each value by the median of those around it; beyond the ends the curve stays as is.

    Args:
        curve: (T,).
        length: of the filter, frames; it takes an odd number of them, so below 2 it does nothing.

    Shape:
        (T,) → (T,).
    """
    from scipy.ndimage import median_filter

    n_frames = min(int(length / 2) * 2 + 1, 2 * len(curve) - 1)
    return curve if n_frames < 3 else median_filter(curve, n_frames, mode="nearest")


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
