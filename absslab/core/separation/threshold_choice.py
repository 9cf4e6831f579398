"""Choose how events are found: by which activity, from which thresholds on.

This is chosen on other recordings than those of the training.

With strong labels, the kind of activity and one pair of thresholds are chosen for all classes:
those with the highest mean event F1. Over real backgrounds this pair is higher than over steady
noise. Then the thresholds of a class are those with its own highest event F1. Each choice is made
if its score is more than a standard error above that without it: of few events, others are chosen
by chance.
With weak labels alone, the high one is that with the highest F1 of "the class reaches it", by the
same rule, and the kind of activity stays. The low one is always the same fraction of the high one.

Axes: K classes, C candidates, T frames, n recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import Counts, event_counts, f1_score, merge_events
from absslab.core.model.event_thresholds import (
    BY_EVENTS,
    BY_TAGS,
    CLARITY,
    LOUD_CLARITY,
    MAGNITUDE,
    ClassThresholds,
    EventThresholds,
)
from absslab.core.separation.detection import (
    FIXED_THRESHOLDS,
    DetectionConfig,
    find_events,
)

MIN_EVENTS = 5  # of a class, or recordings with it; with fewer its thresholds stay as they are
_LEAST_VARIANCE = 0.05  # of a score of one event, for scores near 0 and 1
# Few candidates: with more, those of classes with few events are chosen by chance. The first that
# is as good as any is taken.
_HIGHS = (0.5, 0.4, 0.6, 0.8, 0.2, 0.9)
_MEDIAN_FILTERS = (0.0, 0.2)  # s
_COMMON = (  # for all classes
    ClassThresholds(0.4, 0.2),
    ClassThresholds(0.5, 0.2),
    ClassThresholds(0.5, 0.3),
    ClassThresholds(0.6, 0.2),
    ClassThresholds(0.6, 0.3),
    ClassThresholds(0.6, 0.4),
    ClassThresholds(0.7, 0.3),
    ClassThresholds(0.7, 0.4),
    ClassThresholds(0.7, 0.5),
)
CANDIDATE_ACTIVITIES = (CLARITY, LOUD_CLARITY, MAGNITUDE)  # bins is Kong's rule, for comparison


@dataclass(frozen=True)
class DetectedRecording:
    """What a model says of a recording, and what is known of it."""

    activities: Mapping[str, np.ndarray]  # by their kinds, (K, T) each
    labels: frozenset[str]
    unknown: frozenset[str]  # classes that it may have or not
    length: float  # s
    events: Sequence[SoundEvent] | None = None


def default_activity(competing: bool) -> str:
    """Return the kind of activity of a model for which no other is clearly better.

    Args:
        competing: whether its masks compete.
    """
    return CLARITY if competing else MAGNITUDE


def choose_by_events(
    recordings: Sequence[DetectedRecording],
    classes: Sequence[str],
    hop: float,
    config: DetectionConfig,
    activity: str = MAGNITUDE,
) -> EventThresholds:
    """Choose as `choice_steps` does, without its progress."""
    return run_to_end(choice_steps(recordings, classes, hop, config, activity))


def choice_steps(
    recordings: Sequence[DetectedRecording],
    classes: Sequence[str],
    hop: float,
    config: DetectionConfig,
    activity: str = MAGNITUDE,
) -> Steps[EventThresholds]:
    """Choose the activity and the thresholds with the highest event F1, where it is clearly higher.

    Args:
        recordings: n recordings; those without strong labels do not count.
        classes: K names.
        hop: time from one frame to the next, s.
        config: how events are found with these thresholds.
        activity: kind of activity that stays, with its fixed thresholds, if nothing is clearly
            better than these.

    Yields:
        how far it is; each class is looked at twice.
    """
    known = [recording for recording in recordings if recording.events is not None]
    scored = [_ScoredClass.of(known, k, name, hop, config) for k, name in enumerate(classes)]
    scored = [item for item in scored if item.n_events >= MIN_EVENTS]
    n_steps = 2 * len(scored)
    common = FIXED_THRESHOLDS[activity]
    if scored:
        kinds = dict.fromkeys([activity, *known[0].activities])  # each once
        pairs = {kind: dict.fromkeys([FIXED_THRESHOLDS[kind], *_COMMON]) for kind in kinds}
        candidates = [(kind, pair) for kind in kinds for pair in pairs[kind]]
        rows = []
        for item in scored:
            rows.append([item.event_f1(*candidate) for candidate in candidates])
            yield Progress(len(rows), n_steps)
        table = np.array(rows)  # (K, C)
        errors = [item.error(score) for item, score in zip(scored, table[:, 0], strict=True)]
        error = float(np.sqrt(np.square(errors).sum())) / len(scored)  # of the mean
        activity, common = candidates[_clearly_best(table.mean(0), error)]
    fixed = FIXED_THRESHOLDS[activity]
    per_class = {}
    for n_done, item in enumerate(scored, start=len(scored) + 1):
        varied = _vary(common)
        scores = np.array([item.event_f1(activity, candidate) for candidate in varied])
        best = varied[_clearly_best(scores, item.error(scores[0]))]
        if best != common:
            per_class[item.name] = best
        yield Progress(n_done, n_steps)
    if common != fixed:
        per_class = dict.fromkeys(classes, common) | per_class
    return EventThresholds(per_class, BY_EVENTS, len(known), activity)


def _vary(common: ClassThresholds) -> list[ClassThresholds]:
    """Return the candidates of a class: the common thresholds first."""
    ratio = common.low / common.high
    highs = dict.fromkeys([common.high, *_HIGHS])  # each once
    return [
        ClassThresholds(high, round(high * ratio, 2), median_filter)
        for median_filter in _MEDIAN_FILTERS
        for high in highs
    ]


def _error(score: float, n: int) -> float:
    """Return the standard error of a score of n events or recordings."""
    return float(np.sqrt(max(score * (1 - score), _LEAST_VARIANCE) / n))


def _clearly_best(scores: np.ndarray, error: float) -> int:
    """Return the index of the best score, or 0 if it is not more than an error above the first."""
    return int(scores.argmax()) if scores.max() - scores[0] > error else 0


def choose_by_tags(
    recordings: Sequence[DetectedRecording], classes: Sequence[str], activity: str = MAGNITUDE
) -> EventThresholds:
    """Choose high thresholds that tell clearly better whether a class is in a recording.

    Args:
        recordings: n recordings with their weak labels.
        classes: K names.
        activity: kind of activity.
    """
    fixed = FIXED_THRESHOLDS[activity]
    candidates = _vary(fixed)
    highs = np.array([candidate.high for candidate in candidates if not candidate.median_filter])
    per_class = {}
    for k, name in enumerate(classes):
        known = [item for item in recordings if name not in item.unknown]
        labels = np.array([name in item.labels for item in known], bool)  # (n,)
        n_labels = int(labels.sum())
        if labels.all() or n_labels < MIN_EVENTS:
            continue
        highest = np.array(
            [item.activities[activity][k].max(initial=0.0) for item in known]
        )  # (n,)
        reached = highest >= highs[:, None]  # (H, n)
        hits = (reached & labels).sum(1)  # (H,)
        f1 = 2 * hits / (reached.sum(1) + n_labels)
        best = candidates[_clearly_best(f1, _error(f1[0], n_labels))]  # the first have no filter
        if best != fixed:
            per_class[name] = best
    return EventThresholds(per_class, BY_TAGS, len(recordings), activity)


@dataclass(frozen=True)
class _ScoredClass:
    """The recordings in which a class is known, and its true events there."""

    k: int
    name: str
    recordings: Sequence[DetectedRecording]
    truths: Sequence[Sequence[SoundEvent]]
    hop: float  # s
    config: DetectionConfig

    @classmethod
    def of(
        cls,
        recordings: Sequence[DetectedRecording],
        k: int,
        name: str,
        hop: float,
        config: DetectionConfig,
    ) -> Self:
        known = [item for item in recordings if name not in item.unknown]
        return cls(k, name, known, [_events_of(item, name) for item in known], hop, config)

    @property
    def n_events(self) -> int:
        return sum(map(len, self.truths))

    def error(self, score: float) -> float:
        return _error(score, self.n_events)

    def event_f1(self, activity: str, candidate: ClassThresholds) -> float:
        """Compute the event F1 with a kind of activity and the thresholds of a candidate."""
        chosen = EventThresholds({self.name: candidate}, activity=activity)
        counts = Counts(np.zeros((3, 1), int))
        for recording, truth in zip(self.recordings, self.truths, strict=True):
            curve = recording.activities[activity][self.k : self.k + 1]  # (1, T)
            if not truth and curve.max(initial=0.0) < candidate.high:
                continue
            found = find_events(
                curve,
                self.hop,
                [self.name],
                self.config,
                length=recording.length,
                chosen=chosen,
            )
            counts += event_counts(truth, merge_events(found), [self.name])
        return float(np.nan_to_num(f1_score(counts.decisions)[0]))


def _events_of(recording: DetectedRecording, name: str) -> list[SoundEvent]:
    events = [event for event in recording.events or () if event.event_label == name]
    return merge_events(events)
