"""Detection scores are those counted by hand, in frames, segments and events."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import (
    Counts,
    detection_scores,
    detection_scores_per_class,
    event_counts,
    f1_score,
    frame_counts,
    frame_roll,
    number,
    segment_counts,
)

CLASSES = ["cough", "knock"]
NAMES = {
    "f1",
    "precision",
    "recall",
    "error_rate",
    "f1_micro",
    "precision_micro",
    "recall_micro",
    "error_rate_macro",
}


def cough(onset, offset):
    return SoundEvent("cough", onset, offset)


def knock(onset, offset):
    return SoundEvent("knock", onset, offset)


def lists(counts):
    """Return (found, false, missed) of each class, and the errors."""
    return [tuple(column) for column in counts.decisions.T.tolist()], counts.errors


def segments(reference, estimated, length=4.0, **options):
    return lists(segment_counts(reference, estimated, CLASSES, length=length, **options))


def of_events(reference, estimated, **options):
    return lists(event_counts(reference, estimated, CLASSES, **options))


def roll(*rows):
    return np.array([[cell == "x" for cell in row] for row in rows])


# frames


def test_frames_are_counted_cell_by_cell():
    """One of 6 errors is a substitution: in frame 3 a knock is detected as a cough."""
    reference = roll("xxx...", "...xx.")
    estimated = roll(".xxx..", "....xx")
    assert lists(frame_counts(reference, estimated)) == ([(2, 1, 1), (1, 1, 1)], 3)


def test_two_classes_in_one_frame_are_two_decisions():
    assert lists(frame_counts(roll("x", "x"), roll("x", "x"))) == ([(1, 0, 0), (1, 0, 0)], 0)
    assert lists(frame_counts(roll("x", "x"), roll(".", "."))) == ([(0, 0, 1), (0, 0, 1)], 2)
    assert lists(frame_counts(roll(".", "."), roll("x", "x"))) == ([(0, 1, 0), (0, 1, 0)], 2)


def test_a_frame_is_active_if_its_centre_lies_in_an_event_onset_included_offset_not():
    active = frame_roll([cough(0.25, 0.75), knock(0.3, 0.45)], CLASSES, n_frames=5, hop=0.25)
    np.testing.assert_array_equal(active, roll(".xx..", "....."))


def test_events_of_one_class_are_joined_in_a_roll_and_what_is_beyond_it_is_not_there():
    active = frame_roll(
        [cough(0, 0.5), cough(0.25, 0.75), cough(4, 9)], CLASSES, n_frames=5, hop=0.25
    )
    np.testing.assert_array_equal(active, roll("xxx..", "....."))
    assert not frame_roll([], CLASSES, n_frames=5, hop=0.25).any()


# segments


def test_a_segment_that_is_touched_counts():
    assert segments([cough(0.9, 1.1)], [cough(1.8, 2.2)]) == ([(1, 1, 1), (0, 0, 0)], 2)


def test_an_event_that_ends_at_a_border_does_not_touch_the_next_segment():
    assert segments([cough(1, 2)], [cough(1.4, 1.5)]) == ([(1, 0, 0), (0, 0, 0)], 0)
    assert segments([cough(1, 2)], [cough(2, 3)]) == ([(0, 1, 1), (0, 0, 0)], 2)


def test_an_event_across_borders_counts_in_each_segment():
    assert segments([cough(0.5, 3.5)], [cough(0.5, 1.5), cough(2.2, 2.3)]) == (
        [(3, 0, 1), (0, 0, 0)],
        1,
    )


def test_several_events_of_a_class_in_a_segment_count_once():
    assert segments([cough(0.1, 0.2), cough(0.3, 0.4)], [cough(0.8, 0.9)]) == (
        [(1, 0, 0), (0, 0, 0)],
        0,
    )


def test_a_class_for_another_in_the_same_segment_is_one_substitution():
    assert segments([cough(0, 1)], [knock(0, 1)]) == ([(0, 0, 1), (0, 1, 0)], 1)
    assert segments([cough(0, 1)], [knock(1, 2)]) == ([(0, 0, 1), (0, 1, 0)], 2)


def test_what_is_beyond_the_end_is_not_looked_at():
    assert segments([cough(0, 9)], [cough(2, 3), cough(7, 8), knock(4, 5)]) == (
        [(1, 0, 3), (0, 0, 0)],
        3,
    )


def test_the_last_segment_may_be_shorter_than_the_others():
    assert segments([cough(4.1, 4.2)], [], length=4.3) == ([(0, 0, 1), (0, 0, 0)], 1)
    assert segments([cough(4.1, 4.2)], [], length=4.0) == ([(0, 0, 0), (0, 0, 0)], 0)


@pytest.mark.parametrize(
    ("segment_length", "n_segments"), [(0.5, 4), (1.0, 2), (2.0, 1), (4.0, 1), (8.0, 1)]
)
def test_the_length_of_segments_can_be_chosen(segment_length, n_segments):
    """The segment is from 0 to 2 s."""
    assert segments([cough(0, 2)], [cough(0, 2)], segment_length=segment_length) == (
        [(n_segments, 0, 0), (0, 0, 0)],
        0,
    )


# events


def test_an_event_is_found_where_it_begins_and_ends_and_of_its_class_only():
    assert of_events([cough(1, 2)], [cough(1.1, 2.1)]) == ([(1, 0, 0), (0, 0, 0)], 0)
    assert of_events([cough(1, 2)], [cough(1.3, 2)]) == ([(0, 1, 1), (0, 0, 0)], 2)
    assert of_events([cough(1, 1.3)], [cough(1, 1.6)]) == ([(0, 1, 1), (0, 0, 0)], 2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_collar_itself_is_near_enough_and_a_hair_more_is_not(sign):
    """All times are exact as binary numbers."""
    edge = 0.25 * sign
    hair = 2**-20 * sign
    options = {"collar": 0.25, "share_of_length": 0.0}
    assert of_events([cough(1, 2)], [cough(1 + edge, 2)], **options) == ([(1, 0, 0), (0, 0, 0)], 0)
    assert of_events([cough(1, 2)], [cough(1 + edge + hair, 2)], **options) == (
        [(0, 1, 1), (0, 0, 0)],
        2,
    )
    assert of_events([cough(1, 2)], [cough(1, 2 + edge)], **options) == ([(1, 0, 0), (0, 0, 0)], 0)
    assert of_events([cough(1, 2)], [cough(1, 2 + edge + hair)], **options) == (
        [(0, 1, 1), (0, 0, 0)],
        2,
    )


def test_a_long_event_may_end_half_its_length_off_but_must_begin_where_it_does():
    """Half of 4 s is allowed for the offset."""
    for offset, is_found in ((8, 1), (4, 1), (8 + 2**-20, 0), (4 - 2**-20, 0)):
        missed = 1 - is_found
        assert of_events([cough(2, 6)], [cough(2, offset)]) == (
            [(is_found, missed, missed), (0, 0, 0)],
            2 * missed,
        )
    assert of_events([cough(2, 6)], [cough(2.3, 6)]) == ([(0, 1, 1), (0, 0, 0)], 2)


def test_half_the_length_is_that_of_the_event_that_is_there():
    """Neither half of the short event nor the collar is enough; half of the estimate would be."""
    assert of_events([cough(0, 0.5)], [cough(0, 4)]) == ([(0, 1, 1), (0, 0, 0)], 2)
    assert of_events([cough(0, 4)], [cough(0, 2.5)]) == ([(1, 0, 0), (0, 0, 0)], 0)


def test_one_estimate_finds_one_event_and_one_event_is_found_by_one_estimate():
    assert of_events([cough(1, 2), cough(1.1, 2.1)], [cough(1, 2)]) == ([(1, 0, 1), (0, 0, 0)], 1)
    assert of_events([cough(1, 2)], [cough(1, 2), cough(1.1, 2.1)]) == ([(1, 1, 0), (0, 0, 0)], 1)


@pytest.mark.parametrize("order", [1, -1])
def test_as_many_are_matched_as_can_be(order):
    """The first estimate matches both events, the second only the earlier one.

    Matching each estimate with its nearest event would find only one.
    """
    reference = [cough(1.0, 2), cough(1.25, 2)]
    estimated = [cough(1.0, 2), cough(0.75, 2)]
    options = {"collar": 0.25}
    assert of_events(reference, estimated[::order], **options) == ([(2, 0, 0), (0, 0, 0)], 0)
    assert of_events(reference[::-1], estimated[::order], **options) == ([(2, 0, 0), (0, 0, 0)], 0)


def test_a_long_chain_of_near_events_is_matched_one_by_one():
    reference = [cough(onset, onset + 1) for onset in np.arange(20) * 0.125]
    estimated = [cough(onset - 0.125, onset + 0.875) for onset in np.arange(20)[::-1] * 0.125]
    assert of_events(reference, estimated, collar=0.125)[0][0] == (20, 0, 0)


def test_an_event_of_another_class_in_its_place_is_one_substitution():
    assert of_events([cough(1, 2)], [knock(1.1, 2)]) == ([(0, 0, 1), (0, 1, 0)], 1)
    assert of_events([cough(1, 2)], [knock(3, 4)]) == ([(0, 0, 1), (0, 1, 0)], 2)


def test_what_is_found_is_not_substituted_as_well():
    """Of three estimates one finds a cough, one substitutes the second cough, and one is false."""
    reference = [cough(1, 2), cough(1.1, 2)]
    estimated = [knock(1, 2), cough(1, 2), knock(1, 2)]
    assert of_events(reference, estimated) == ([(1, 0, 1), (0, 2, 0)], 2)


def test_each_substitute_stands_for_one_event():
    assert of_events([cough(1, 2), cough(1, 2)], [knock(1, 2)]) == ([(0, 0, 2), (0, 1, 0)], 2)


# no events, no detections


@pytest.mark.parametrize("count", [segments, of_events])
def test_without_estimates_all_is_missed_and_without_events_all_is_made_up(count):
    events = [cough(0, 1), knock(1, 2), cough(2, 3)]
    assert count(events, []) == ([(0, 0, 2), (0, 0, 1)], 3)
    assert count([], events) == ([(0, 2, 0), (0, 1, 0)], 3)
    assert count([], []) == ([(0, 0, 0), (0, 0, 0)], 0)


@pytest.mark.filterwarnings("error")
def test_where_nothing_was_there_and_nothing_was_said_there_is_no_score():
    counts = event_counts([], [], CLASSES)
    assert detection_scores(counts) == dict.fromkeys(NAMES)
    assert detection_scores_per_class(counts) == {
        name: [None, None] for name in ("f1", "precision", "recall", "error_rate")
    }


def test_where_nothing_was_said_precision_has_no_value_and_all_else_is_as_bad_as_it_can_be():
    scores = detection_scores(event_counts([cough(0, 1), knock(0, 1)], [], CLASSES))
    none = dict.fromkeys(("precision", "precision_micro"))
    bad = {
        "f1": 0,
        "recall": 0,
        "f1_micro": 0,
        "recall_micro": 0,
        "error_rate": 1,
        "error_rate_macro": 1,
    }
    assert scores == none | bad


def test_where_nothing_was_there_recall_and_error_rate_have_no_value():
    scores = detection_scores(event_counts([], [cough(0, 1), knock(0, 1)], CLASSES))
    none = dict.fromkeys(("recall", "recall_micro", "error_rate", "error_rate_macro"))
    assert scores == none | dict.fromkeys(("f1", "precision", "f1_micro", "precision_micro"), 0)


# scores of counts


def test_scores_are_the_ratios_of_the_counts():
    """Cough: 3 found, 1 false, 2 missed; knock: 1 found, 0 false, 3 missed.

    One of 6 errors is a substitution.
    """
    counts = Counts(np.array([[3, 1], [1, 0], [2, 3]]), 5)
    assert detection_scores(counts) == pytest.approx(
        {
            "f1": (6 / 9 + 2 / 5) / 2,
            "precision": (3 / 4 + 1) / 2,
            "recall": (3 / 5 + 1 / 4) / 2,
            "error_rate": 5 / 9,
            "f1_micro": 8 / 14,
            "precision_micro": 4 / 5,
            "recall_micro": 4 / 9,
            "error_rate_macro": (3 / 5 + 3 / 4) / 2,
        }
    )
    per_class = detection_scores_per_class(counts)
    assert per_class["f1"] == pytest.approx([6 / 9, 2 / 5])
    assert per_class["precision"] == pytest.approx([3 / 4, 1])
    assert per_class["recall"] == pytest.approx([3 / 5, 1 / 4])
    assert per_class["error_rate"] == pytest.approx([3 / 5, 3 / 4])


def test_a_class_without_anything_is_left_out_of_the_means():
    scores = detection_scores(event_counts([cough(0, 1)], [cough(0, 1)], [*CLASSES, "speech"]))
    assert scores == {name: 0.0 if "error" in name else 1.0 for name in NAMES}


def test_the_error_rate_may_exceed_1():
    scores = detection_scores(
        event_counts([cough(0, 1)], [cough(3, 4), cough(5, 6), knock(7, 8)], CLASSES)
    )
    assert scores["error_rate"] == 4


def test_F1_of_any_counts_keeps_their_axes():
    f1 = f1_score(np.array([[[1, 0]], [[0, 0]], [[1, 0]]]))
    assert f1.shape == (1, 2)
    assert f1[0, 0] == pytest.approx(2 / 3)
    assert np.isnan(f1[0, 1])


def test_scores_are_plain_numbers():
    scores = detection_scores(event_counts([cough(0, 1)], [cough(0, 1)], CLASSES))
    assert {type(value) for value in scores.values()} == {float}
    assert number(np.float32(np.nan)) is None
    assert type(number(np.float32(1))) is float


events = st.builds(
    lambda label, onset, length: SoundEvent(label, onset / 8, (onset + length) / 8),
    st.sampled_from(CLASSES),
    st.integers(0, 24),
    st.integers(1, 8),
)
recordings = st.lists(
    st.tuples(st.lists(events, max_size=5), st.lists(events, max_size=5)), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=60)
@given(recordings)
def test_counts_of_recordings_add_up_to_those_of_all_of_them_one_behind_the_other(each):
    def later(events, seconds):
        return [
            SoundEvent(event.event_label, event.onset + seconds, event.offset + seconds)
            for event in events
        ]

    joined = [
        [event for i, pair in enumerate(each) for event in later(pair[side], 16 * i)]
        for side in (0, 1)
    ]
    together = segment_counts(*joined, CLASSES, length=16.0 * len(each))
    parts = reduce(add, (segment_counts(*pair, CLASSES, length=16.0) for pair in each))
    assert lists(parts) == lists(together)
    parts = reduce(add, (event_counts(*pair, CLASSES) for pair in each))
    assert parts.decisions.tolist() == event_counts(*joined, CLASSES).decisions.tolist()
    assert parts.errors == event_counts(*joined, CLASSES).errors


@settings(deadline=None, max_examples=60)
@given(st.lists(events, max_size=6), st.lists(events, max_size=6))
def test_counts_are_consistent(reference, estimated):
    """Found and missed events add up to the true ones; substitutions are counted as defined."""
    for counts in (
        event_counts(reference, estimated, CLASSES),
        segment_counts(reference, estimated, CLASSES, length=5.0),
    ):
        hits, made_up, missed = counts.decisions.sum(1)
        assert max(made_up, missed) <= counts.errors <= made_up + missed
    hits, made_up, missed = event_counts(reference, estimated, CLASSES).decisions
    for k, name in enumerate(CLASSES):
        assert hits[k] + missed[k] == sum(event.event_label == name for event in reference)
        assert hits[k] + made_up[k] == sum(event.event_label == name for event in estimated)


def test_adding_modifies_neither():
    first = event_counts([cough(0, 1)], [], CLASSES)
    other = event_counts([], [cough(0, 1)], CLASSES)
    total = first + other
    assert lists(total) == ([(0, 1, 1), (0, 0, 0)], 2)
    assert lists(first) == ([(0, 0, 1), (0, 0, 0)], 1)
    assert lists(other) == ([(0, 1, 0), (0, 0, 0)], 1)


@pytest.mark.parametrize(
    "count",
    [
        lambda reference, estimated: segment_counts(reference, estimated, CLASSES, length=4.0),
        lambda reference, estimated: event_counts(reference, estimated, CLASSES),
        lambda reference, estimated: frame_roll(
            [*reference, *estimated], CLASSES, n_frames=5, hop=0.1
        ),
    ],
    ids=["segments", "events", "frames"],
)
def test_an_unknown_class_is_refused_on_either_side(count):
    barks = [SoundEvent("bark", 0.0, 1.0)]
    for sides in ((barks, []), ([], barks), ([cough(0, 1)], barks)):
        with pytest.raises(InputError, match=r"'bark': expected one of cough, knock"):
            count(*sides)
