"""Detection scores, which measure how well the times of each class were found.

Events become counts, and counts become scores.

Axes: K classes, T frames or segments. An event has event_label, onset and offset in s.

Counts are kept per class: true positives, false positives, false negatives; and, over all classes,
errors, in which an event of the wrong class is one substitution instead of a deletion and an
insertion. Counts of several recordings add up. F1 is None if there is neither a reference event nor
an estimated one; the error rate is None if there is no reference event.

Source: Mesaros, Heittola, Virtanen, Metrics for polyphonic sound event detection, 2016. The numbers
are those of `sed_eval`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.undefined import mean_of_defined, number, ratio


@dataclass(frozen=True)
class Counts:
    """Hits, false alarms and misses."""

    decisions: np.ndarray  # (3, K): true positives, false positives, false negatives
    errors: int = 0  # substitutions + deletions + insertions

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.decisions + other.decisions, self.errors + other.errors)


def frame_counts(reference: np.ndarray, estimated: np.ndarray) -> Counts:
    """Count the cells of two activity rolls (K, T), bool."""
    hits = reference & estimated  # (K, T)
    false_alarms = estimated & ~reference  # (K, T)
    misses = reference & ~estimated  # (K, T)
    decisions = np.stack([hits.sum(1), false_alarms.sum(1), misses.sum(1)])  # (3, K)
    n_active = np.maximum(reference.sum(0), estimated.sum(0))  # (T,)
    return Counts(decisions, int((n_active - hits.sum(0)).sum()))


def segment_counts(
    reference: Sequence[SoundEvent],
    estimated: Sequence[SoundEvent],
    classes: Sequence[str],
    *,
    length: float,
    segment_length: float = 1.0,
) -> Counts:
    """Count segments of a recording in which a class is active anywhere.

    Args:
        reference: events of the recording.
        estimated: events of the recording.
        classes: K names.
        length: length of the recording, s; later parts of events are ignored.
        segment_length: s.

    Raises:
        InputError: an event has an unknown class.
    """
    n_segments = math.ceil(length / segment_length)

    def roll(events: Sequence[SoundEvent]) -> np.ndarray:
        active = np.zeros((len(classes), n_segments), bool)  # (K, T)
        for event in events:
            start = math.floor(event.onset / segment_length)
            stop = math.ceil(event.offset / segment_length)
            active[_class_index(classes, event), max(0, start) : stop] = True
        return active

    return frame_counts(roll(reference), roll(estimated))


def frame_roll(
    events: Sequence[SoundEvent], classes: Sequence[str], *, n_frames: int, hop: float
) -> np.ndarray:
    """Return which classes are active at the centres of frames.

    Args:
        events: events of a recording.
        classes: K names.
        n_frames: T.
        hop: s; the centres are at 0, hop, 2 · hop, ….

    Returns:
        (K, T), bool.

    Raises:
        InputError: an event has an unknown class.
    """
    active = np.zeros((len(classes), n_frames), bool)  # (K, T)
    centres = np.arange(n_frames) * hop  # (T,)
    for event in events:
        is_inside = (event.onset <= centres) & (centres < event.offset)  # (T,)
        active[_class_index(classes, event)] |= is_inside
    return active


def merge_events(events: Sequence[SoundEvent]) -> list[SoundEvent]:
    """Join the events of a class that overlap or touch each other, since they can't be told apart.

    Returns:
        the events in the order of their classes and onsets.
    """
    merged: list[SoundEvent] = []
    for event in sorted(events, key=lambda event: (event.event_label, event.onset)):
        last = merged[-1] if merged else None
        if last and last.event_label == event.event_label and event.onset <= last.offset:
            end = max(last.offset, event.offset)
            merged[-1] = SoundEvent(event.event_label, last.onset, end)
        else:
            merged.append(event)
    return merged


def event_counts(
    reference: Sequence[SoundEvent],
    estimated: Sequence[SoundEvent],
    classes: Sequence[str],
    *,
    collar: float = 0.2,
    share_of_length: float = 0.5,
) -> Counts:
    """Count events; one is found if an estimated event of its class has nearly the same times.

    Each event is matched to at most one other, so that as many as possible are matched.

    Args:
        reference: events of the recording.
        estimated: events of the recording.
        classes: K names.
        collar: largest difference of onsets, s.
        share_of_length: largest difference of offsets, as a fraction of the event's length; at
            least the collar is allowed.

    Raises:
        InputError: an event has an unknown class.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    reference_classes = np.array([_class_index(classes, event) for event in reference], int)
    estimated_classes = np.array([_class_index(classes, event) for event in estimated], int)
    n_reference = np.bincount(reference_classes, minlength=len(classes))  # (K,)
    n_estimated = np.bincount(estimated_classes, minlength=len(classes))  # (K,)
    if not reference or not estimated:
        decisions = np.stack([0 * n_reference, n_estimated, n_reference])  # (3, K)
        return Counts(decisions, len(reference) + len(estimated))
    near = np.zeros((len(reference), len(estimated)), bool)
    for row, event in zip(near, reference, strict=True):
        row[:] = [_is_near(event, other, collar, share_of_length) for other in estimated]
    hits = near & (reference_classes[:, None] == estimated_classes)  # (reference, estimated)
    partners = maximum_bipartite_matching(csr_array(hits), perm_type="column")  # index, or −1
    n_hits = np.bincount(reference_classes[partners >= 0], minlength=len(classes))  # (K,)
    misses = np.flatnonzero(partners < 0).tolist()
    false_alarms = sorted(set(range(len(estimated))) - set(partners.tolist()))
    n_substitutions = _count_substitutions(near, misses, false_alarms)
    n_errors = len(reference) + len(estimated) - 2 * int(n_hits.sum()) - n_substitutions
    decisions = np.stack([n_hits, n_estimated - n_hits, n_reference - n_hits])  # (3, K)
    return Counts(decisions, n_errors)


def _count_substitutions(near: np.ndarray, misses: list[int], false_alarms: list[int]) -> int:
    """Count the missed events that have an estimated event of another class in their place."""
    unused = list(false_alarms)
    n_substitutions = 0
    for index in misses:
        partner = next((other for other in unused if near[index, other]), None)
        if partner is not None:
            unused.remove(partner)
            n_substitutions += 1
    return n_substitutions


def f1_score(decisions: np.ndarray) -> np.ndarray:
    """Compute F1 of counts (3, …) → (…); NaN where all counts are 0."""
    hits, false_alarms, misses = decisions
    return ratio(2 * hits, 2 * hits + false_alarms + misses)


def detection_scores(counts: Counts) -> dict[str, float | None]:
    """Compute scores over all classes, as DCASE reports them.

    F1, precision and recall are means over classes, and ..._micro those of all counts together; the
    error rate is that of all counts together, and error_rate_macro the mean over classes. Precision
    is the mean over classes with estimated events, recall and error rates are those over classes
    with reference events.
    """
    per_class = _scores(counts.decisions)
    pooled = _scores(counts.decisions.sum(1, keepdims=True))
    n_reference = int((counts.decisions[0] + counts.decisions[2]).sum())
    macro_names = ("f1", "precision", "recall")
    macro = {name: number(mean_of_defined(per_class[name])) for name in macro_names}
    micro = {f"{name}_micro": number(pooled[name][0]) for name in macro_names}
    return {
        **macro,
        "error_rate": counts.errors / n_reference if n_reference else None,
        **micro,
        "error_rate_macro": number(mean_of_defined(per_class["error_rate"])),
    }


def detection_scores_per_class(counts: Counts) -> dict[str, list[float | None]]:
    """Compute F1, precision, recall and error rate of each class."""
    return {name: list(map(number, values)) for name, values in _scores(counts.decisions).items()}


def _scores(decisions: np.ndarray) -> dict[str, np.ndarray]:
    hits, false_alarms, misses = decisions
    return {
        "f1": f1_score(decisions),
        "precision": ratio(hits, hits + false_alarms),
        "recall": ratio(hits, hits + misses),
        "error_rate": ratio(false_alarms + misses, hits + misses),
    }


def _is_near(event: SoundEvent, other: SoundEvent, collar: float, share_of_length: float) -> bool:
    """Tell whether another event begins and ends near the times of an event."""
    tolerance = max(collar, share_of_length * (event.offset - event.onset))
    is_onset_near = abs(event.onset - other.onset) <= collar
    return is_onset_near and abs(event.offset - other.offset) <= tolerance


def _class_index(classes: Sequence[str], event: SoundEvent) -> int:
    if event.event_label not in classes:
        raise InputError(
            f"there is an event of {event.event_label!r}: expected one of {', '.join(classes)}"
        )
    return list(classes).index(event.event_label)
