"""Choose the thresholds of events per class, on other recordings than those of the training.

With strong labels, the thresholds of a class are those with the highest event F1, if it is more
than a standard error above that without any choice: of few events, others are chosen by chance.
With weak labels alone, the high one is that with the highest F1 of "the class reaches it". The low
one is always the same fraction of the high one.

Axes: K classes, T frames, n recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import Counts, event_counts, f1_score, merge_events
from absslab.core.model.event_thresholds import (
    BY_EVENTS,
    BY_TAGS,
    ClassThresholds,
    EventThresholds,
)
from absslab.core.separation.detection import HIGH, LOW, DetectionConfig, find_events

MIN_EVENTS = 5  # of a class; with fewer its thresholds stay as they are
_LEAST_VARIANCE = 0.05  # of a score of one event, for scores near 0 and 1
# Few candidates: with more, those of classes with few events are chosen by chance. The first that
# is as good as any is taken.
_HIGHS = (0.5, 0.4, 0.6, 0.8, 0.2, 0.9)
_MEDIAN_FILTERS = (0.0, 0.2)  # s
_CANDIDATES = [
    ClassThresholds(high, round(high * LOW / HIGH, 2), median_filter)
    for median_filter in _MEDIAN_FILTERS
    for high in _HIGHS
]


@dataclass(frozen=True)
class DetectedRecording:
    """What a model says of a recording, and what is known of it."""

    activity: np.ndarray  # (K, T)
    labels: frozenset[str]
    unknown: frozenset[str]  # classes that it may have or not
    length: float  # s
    events: Sequence[SoundEvent] | None = None


def choose_by_events(
    recordings: Sequence[DetectedRecording],
    classes: Sequence[str],
    hop: float,
    config: DetectionConfig,
) -> EventThresholds:
    """Choose the thresholds of each class with the highest event F1, where it is clearly higher.

    Args:
        recordings: n recordings; those without strong labels do not count.
        classes: K names.
        hop: time from one frame to the next, s.
        config: how events are found with these thresholds.
    """
    known = [recording for recording in recordings if recording.events is not None]
    per_class = {}
    for k, name in enumerate(classes):
        own = [item for item in known if name not in item.unknown]
        truths = [_events_of(recording, name) for recording in own]
        n_events = sum(map(len, truths))
        if n_events < MIN_EVENTS:
            continue
        scores = np.array(
            [_event_f1(own, truths, k, name, hop, config, item) for item in _CANDIDATES]
        )
        error = np.sqrt(max(scores[0] * (1 - scores[0]), _LEAST_VARIANCE) / n_events)
        if scores.max() - scores[0] > error:
            per_class[name] = _CANDIDATES[int(scores.argmax())]
    return EventThresholds(per_class, BY_EVENTS, len(known), config.activity)


def choose_by_tags(
    recordings: Sequence[DetectedRecording], classes: Sequence[str], config: DetectionConfig
) -> EventThresholds:
    """Choose the high threshold of each class that tells best whether it is in a recording.

    Args:
        recordings: n recordings with their weak labels.
        classes: K names.
        config: how the activity was computed.
    """
    per_class = {}
    for k, name in enumerate(classes):
        known = [item for item in recordings if name not in item.unknown]
        labels = np.array([name in item.labels for item in known], bool)  # (n,)
        if labels.all() or not labels.any():
            continue
        highest = np.array([item.activity[k].max(initial=0.0) for item in known])  # (n,)
        reached = highest >= np.array(_HIGHS)[:, None]  # (H, n)
        hits = (reached & labels).sum(1)  # (H,)
        f1 = 2 * hits / (reached.sum(1) + labels.sum())
        per_class[name] = _CANDIDATES[int(np.argmax(f1))]  # the first have no median filter
    return EventThresholds(per_class, BY_TAGS, len(recordings), config.activity)


def _events_of(recording: DetectedRecording, name: str) -> list[SoundEvent]:
    events = [event for event in recording.events or () if event.event_label == name]
    return merge_events(events)


def _event_f1(
    recordings: Sequence[DetectedRecording],
    truths: Sequence[Sequence[SoundEvent]],
    k: int,
    name: str,
    hop: float,
    config: DetectionConfig,
    candidate: ClassThresholds,
) -> float:
    """Compute the event F1 of a class with the thresholds of a candidate."""
    chosen = EventThresholds({name: candidate}, activity=config.activity)
    counts = Counts(np.zeros((3, 1), int))
    for recording, truth in zip(recordings, truths, strict=True):
        curve = recording.activity[k : k + 1]  # (1, T)
        if not truth and curve.max(initial=0.0) < candidate.high:
            continue
        found = find_events(curve, hop, [name], config, length=recording.length, chosen=chosen)
        counts += event_counts(truth, merge_events(found), [name])
    return float(np.nan_to_num(f1_score(counts.decisions)[0]))
