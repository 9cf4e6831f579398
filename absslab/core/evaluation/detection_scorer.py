"""Score detected events against true ones, one recording after the other.

Axes: K classes, T frames.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.score_table import DETECTION_KINDS
from absslab.core.metrics import psds
from absslab.core.metrics.detection import (
    Counts,
    event_counts,
    frame_counts,
    frame_roll,
    merge_events,
    segment_counts,
)
from absslab.core.metrics.ranking import BinnedCounts

_COUNTED = ("counts", "frames", "n_scored", "n_with_activity", "n_joined_events", "n_silent_events")


class Tolerances(NamedTuple):
    """How exactly times must be found."""

    frame_length: float  # s
    segment_length: float  # s
    collar: float  # s
    share_of_length: float


class DetectionScorer:
    """Counts hits, misses and false alarms, and keeps what PSDS needs.

    Args:
        classes: K names.
        tolerances: how exactly times must be found.
        frame_threshold: a class is found in frames with at least this activity, if it is known;
            None: in the frames of its detected events.
    """

    def __init__(
        self,
        classes: Sequence[str],
        tolerances: Tolerances,
        *,
        frame_threshold: float | None = None,
    ):
        self.classes = list(classes)
        self.tolerances = tolerances
        self.frame_threshold = frame_threshold
        self.counts = dict.fromkeys(DETECTION_KINDS, Counts(np.zeros((3, len(self.classes)), int)))
        self.frames = BinnedCounts(len(self.classes))
        self.activities: dict[str, np.ndarray] = {}  # (K, T), of recordings with strong labels
        self.ungated_activities: dict[str, np.ndarray] = {}  # (K, T), before the gate of tags
        self.events: dict[str, Sequence[SoundEvent]] = {}
        self.durations: dict[str, float] = {}  # s
        self.hop = 0.0
        self.n_scored = 0
        self.n_with_activity = 0
        self.n_joined_events = 0  # true events that overlap another of their class
        self.n_silent_events = 0  # true events whose source is silent

    def add(
        self,
        name: str,
        true_events: Sequence[SoundEvent],
        detected: Sequence[SoundEvent],
        length: float,
        *,
        n_silent: int = 0,
        activity: np.ndarray | None = None,
        activity_hop: float = 0.0,
    ) -> dict[str, np.ndarray]:
        """Count the events of a recording.

        Args:
            name: of the recording.
            true_events: its true events.
            detected: those that a system has found.
            length: of the recording, s.
            n_silent: number of true events that are left out, since they can't be heard.
            activity: (K, T) in [0, 1], of which `frame_threshold` is a threshold.
            activity_hop: time from one frame of the activity to the next, s.

        Returns:
            what was counted: (K,) by name of the column.
        """
        hop, segment_length, collar, share_of_length = self.tolerances
        n_frames = math.ceil(length / hop)
        merged = merge_events(true_events)
        found = merge_events(detected)
        found_frames = frame_roll(found, self.classes, n_frames=n_frames, hop=hop)  # (K, T)
        if activity is not None and self.frame_threshold is not None:
            nearest = np.rint(np.arange(n_frames) * hop / activity_hop).astype(int)  # (T,)
            nearest = np.minimum(nearest, activity.shape[1] - 1)
            found_frames = activity[:, nearest] >= self.frame_threshold  # (K, T)
        pair = (merged, found, self.classes)
        counts = {
            "frame": frame_counts(
                frame_roll(merged, self.classes, n_frames=n_frames, hop=hop),  # (K, T)
                found_frames,
            ),
            "segment": segment_counts(*pair, length=length, segment_length=segment_length),
            "event": event_counts(*pair, collar=collar, share_of_length=share_of_length),
        }
        columns = {}
        for kind, new in counts.items():
            self.counts[kind] += new
            for count, values in zip(("tp", "fp", "fn"), new.decisions, strict=True):
                columns[f"{kind}_{count}"] = values.astype(float)
            columns[f"{kind}_errors"] = np.full(len(self.classes), float(new.errors))
        self.n_scored += 1
        self.n_joined_events += len(true_events) - len(merged)
        self.n_silent_events += n_silent
        self.events[name] = merged
        self.durations[name] = length
        return columns

    def add_activity(
        self, name: str, activity: np.ndarray, hop: float, *, ungated: np.ndarray | None = None
    ) -> None:
        """Count the frames of a recording whose events were added.

        Args:
            name: of the recording.
            activity: (K, T) in [0, 1].
            hop: time from one frame to the next, s.
            ungated: (K, T), the activity before it becomes 0 where a class is not tagged.

        Raises:
            InputError: the activity has other values.
        """
        active = frame_roll(
            self.events[name], self.classes, n_frames=activity.shape[1], hop=hop
        )  # (K, T)
        self.frames.add(activity, active)
        self.n_with_activity += 1
        if psds.is_available():
            self.activities[name] = activity.astype(np.float32, copy=False)
            if ungated is not None:
                self.ungated_activities[name] = ungated.astype(np.float32, copy=False)
            self.hop = hop

    def merge(self, other: "DetectionScorer") -> None:
        """Add what another scorer has counted of other recordings."""
        for kind, counts in other.counts.items():
            self.counts[kind] += counts
        self.frames.counts += other.frames.counts
        for name in ("activities", "ungated_activities", "events", "durations"):
            getattr(self, name).update(getattr(other, name))
        self.hop = other.hop or self.hop
        for name in ("n_scored", "n_with_activity", "n_joined_events", "n_silent_events"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def psds_data(self, *, ungated: bool = False) -> psds.DetectionData | None:
        """Return what PSDS compares.

        Args:
            ungated: whether the activity before the gate of tags is compared.

        Returns:
            the data; None if no recording has this activity, or `sed_scores_eval` is not installed.
        """
        activities = self.ungated_activities if ungated else self.activities
        if not activities:
            return None
        events = {name: self.events[name] for name in activities}
        durations = {name: self.durations[name] for name in activities}
        return psds.DetectionData(activities, events, durations, self.classes, self.hop)

    def copy_counts(self) -> dict[str, Any]:
        """Copy what a recording changes, beside what is kept by its name."""
        return copy.deepcopy({name: getattr(self, name) for name in _COUNTED})

    def restore_counts(self, before: dict[str, Any], name: str) -> None:
        """Undo what a recording has changed since `copy_counts`."""
        for counted, value in before.items():
            setattr(self, counted, value)
        for values in (self.activities, self.ungated_activities, self.events, self.durations):
            values.pop(name, None)
