"""Detection: when each class sounds. Events in, counts and scores out.

Axes: K classes, T frames or segments. An event has event_label, onset and offset in s.

Counts are kept per class: true positives, false positives, false negatives; and, over all classes, errors, in which an
event of the wrong class is one substitution rather than a deletion and an insertion. Counts of several recordings add up.
F1 is None where nothing was there and nothing was said; the error rate is None where nothing was there.

Source: Mesaros, Heittola, Virtanen, Metrics for polyphonic sound event detection, 2016. The numbers are
those of `sed_eval`.
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
    """What was found, what was made up, what was missed."""

    decisions: np.ndarray  # (3, K): true positives, false positives, false negatives
    errors: int = 0  # substitutions + deletions + insertions

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.decisions + other.decisions, self.errors + other.errors)


def frame_counts(reference: np.ndarray, estimated: np.ndarray) -> Counts:
    """Counts of the cells of two activity rolls (K, T), bool."""
    found, said, there = (
        roll.sum(0) for roll in (reference & estimated, estimated, reference)
    )  # (T,)
    decisions = np.stack(
        [
            (reference & estimated).sum(1),
            (estimated & ~reference).sum(1),
            (reference & ~estimated).sum(1),
        ]
    )
    return Counts(decisions, int((np.maximum(there, said) - found).sum()))


def segment_counts(
    reference: Sequence[SoundEvent],
    estimated: Sequence[SoundEvent],
    classes: Sequence[str],
    *,
    length: float,
    segment_length: float = 1.0,
) -> Counts:
    """Segment-based counts: is a class active anywhere in each segment of a recording?

    Args:
        reference, estimated: events of one recording.
        classes: K names.
        length: of the recording, s; what is beyond is not looked at.
        segment_length: s.

    Raises:
        InputError: an event of an unknown class.
    """
    n_segments = math.ceil(length / segment_length)

    def roll(events: Sequence[SoundEvent]) -> np.ndarray:
        active = np.zeros((len(classes), n_segments), bool)
        for event in events:
            start = math.floor(event.onset / segment_length)
            stop = math.ceil(event.offset / segment_length)
            active[_index(classes, event), max(0, start) : stop] = True
        return active

    return frame_counts(roll(reference), roll(estimated))


def frame_roll(
    events: Sequence[SoundEvent], classes: Sequence[str], *, n_frames: int, hop: float
) -> np.ndarray:
    """Which classes are active at the centres of frames, which are at 0, hop, 2 · hop, …: (K, T), bool.

    Raises:
        InputError: an event of an unknown class.
    """
    active = np.zeros((len(classes), n_frames), bool)
    centres = np.arange(n_frames) * hop
    for event in events:
        active[_index(classes, event)] |= (event.onset <= centres) & (centres < event.offset)
    return active


def event_counts(
    reference: Sequence[SoundEvent],
    estimated: Sequence[SoundEvent],
    classes: Sequence[str],
    *,
    collar: float = 0.2,
    share_of_length: float = 0.5,
) -> Counts:
    """Event-based counts: an event is found if one of its class begins and ends where it does.

    Each event is matched to at most one, so that as many as possible are matched.

    Args:
        reference, estimated: events of one recording.
        classes: K names.
        collar: how far apart onsets may be, s.
        share_of_length: offsets may be apart by this share of the event's length, or by the collar if that is more.

    Raises:
        InputError: an event of an unknown class.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    there = np.array([_index(classes, event) for event in reference], int)
    said = np.array([_index(classes, event) for event in estimated], int)
    n_there, n_said = (np.bincount(which, minlength=len(classes)) for which in (there, said))
    if not reference or not estimated:
        return Counts(np.stack([0 * n_there, n_said, n_there]), len(reference) + len(estimated))
    near = np.array(
        [
            [_is_near(one, other, collar, share_of_length) for other in estimated]
            for one in reference
        ]
    )
    hits = near & (there[:, None] == said)  # (events there, events said)
    matched = maximum_bipartite_matching(csr_array(hits), perm_type="column")  # the partner, or −1
    n_found = np.bincount(there[matched >= 0], minlength=len(classes))
    missed = np.flatnonzero(matched < 0)
    made_up = set(range(len(estimated))) - set(matched.tolist())
    n_substituted = 0
    for index in missed:  # one of another class in its place
        partner = next((other for other in sorted(made_up) if near[index, other]), None)
        if partner is not None:
            made_up.remove(partner)
            n_substituted += 1
    n_errors = len(reference) + len(estimated) - 2 * int(n_found.sum()) - n_substituted
    return Counts(np.stack([n_found, n_said - n_found, n_there - n_found]), n_errors)


def f1_score(decisions: np.ndarray) -> np.ndarray:
    """F1 of counts (3, …) → (…); NaN where nothing was there and nothing was said."""
    found, made_up, missed = decisions
    return ratio(2 * found, 2 * found + made_up + missed)


def detection_scores(counts: Counts) -> dict[str, float | None]:
    """Scores over classes, as DCASE reports them.

    F1, precision and recall are means over classes, and ..._micro those of all counts together; the error rate is that of
    all counts together, and error_rate_macro the mean over classes. Precision is that of the classes that were said, recall
    and error rates are those of the classes that were there.
    """
    per_class = _scores(counts.decisions)
    together = _scores(counts.decisions.sum(1, keepdims=True))
    n_there = int((counts.decisions[0] + counts.decisions[2]).sum())
    macro = {name: number(mean_of_defined(values)) for name, values in per_class.items()}
    micro = {
        f"{name}_micro": number(values[0])
        for name, values in together.items()
        if name != "error_rate"
    }
    return {
        **{name: value for name, value in macro.items() if name != "error_rate"},
        "error_rate": counts.errors / n_there if n_there else None,
        **micro,
        "error_rate_macro": macro["error_rate"],
    }


def detection_scores_per_class(counts: Counts) -> dict[str, list[float | None]]:
    """F1, precision, recall and error rate of each class."""
    return {
        name: [number(value) for value in values]
        for name, values in _scores(counts.decisions).items()
    }


def _scores(decisions: np.ndarray) -> dict[str, np.ndarray]:
    found, made_up, missed = decisions
    return {
        "f1": f1_score(decisions),
        "precision": ratio(found, found + made_up),
        "recall": ratio(found, found + missed),
        "error_rate": ratio(made_up + missed, found + missed),
    }


def _is_near(one: SoundEvent, other: SoundEvent, collar: float, share_of_length: float) -> bool:
    tolerance = max(collar, share_of_length * (one.offset - one.onset))
    return abs(one.onset - other.onset) <= collar and abs(one.offset - other.offset) <= tolerance


def _index(classes: Sequence[str], event: SoundEvent) -> int:
    if event.event_label not in classes:
        raise InputError(
            f"there is an event of {event.event_label!r}: expected one of {', '.join(classes)}"
        )
    return list(classes).index(event.event_label)
