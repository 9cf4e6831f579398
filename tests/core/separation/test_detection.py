"""Detection finds the expected events in activities written by hand."""

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.separation.detection import (
    ActivityCurves,
    DetectionConfig,
    find_events,
    frame_activity,
    smooth_by_median,
)

HOP = 0.1
PLAIN = DetectionConfig(high_threshold=0.5, low_threshold=0.2, close_gaps=0.0, shortest_event=0.0)


def detect(*curves, **changes):
    """Detect events: (label, onset, offset) in frames; classes are called a, b, …."""
    config = DetectionConfig(**{**PLAIN.to_json(), **changes})
    events = find_events(np.array(curves), HOP, list("abc")[: len(curves)], config)
    return [
        (event.event_label, round(event.onset / HOP, 6), round(event.offset / HOP, 6))
        for event in events
    ]


def test_an_event_reaches_the_high_threshold_and_lasts_as_long_as_it_is_above_the_low_one():
    assert detect([0, 0.3, 0.3, 0.6, 0.3, 0.1, 0]) == [("a", 0.5, 4.5)]


def test_what_never_reaches_the_high_threshold_is_no_event():
    assert detect([0, 0.3, 0.49, 0.3, 0]) == []


def test_the_high_threshold_itself_is_enough_and_the_low_one_is_not():
    assert detect([0, 0.5, 0]) == [("a", 0.5, 1.5)]
    assert detect([0, 0.2, 0.5, 0.2]) == [("a", 1.5, 2.5)]


def test_a_frame_stands_for_half_a_hop_before_and_behind_its_centre_nothing_before_the_recording():
    assert detect([0.9, 0, 0, 0.9]) == [("a", 0, 0.5), ("a", 2.5, 3.5)]


def test_silence_holds_no_event():
    assert detect([0.0] * 5, [0.0] * 5) == []


def test_gaps_up_to_the_limit_are_closed_and_longer_ones_are_not():
    curve = [0, 0.9, 0, 0, 0.9, 0, 0, 0, 0.9]
    assert detect(curve, close_gaps=0.2) == [("a", 0.5, 4.5), ("a", 7.5, 8.5)]
    assert detect(curve, close_gaps=0.3) == [("a", 0.5, 8.5)]
    assert len(detect(curve)) == 3


def test_a_gap_limit_between_two_frames_is_rounded_down():
    assert len(detect([0.9, 0, 0, 0.9], close_gaps=0.19)) == 2


def test_events_shorter_than_the_limit_are_dropped():
    curve = [0, 0.9, 0, 0.9, 0.9, 0.9, 0]
    assert detect(curve, shortest_event=0.3) == [("a", 2.5, 5.5)]
    assert detect(curve, shortest_event=0.31) == []


def test_gaps_are_closed_before_short_events_are_dropped():
    assert detect([0.9, 0, 0.9, 0, 0], close_gaps=0.1, shortest_event=0.3) == [("a", 0, 2.5)]


def test_the_loud_frame_may_lie_on_the_other_side_of_a_closed_gap():
    assert detect([0, 0.3, 0, 0.9, 0], close_gaps=0.1) == [("a", 0.5, 3.5)]


def test_by_the_rule_of_Kong_gaps_are_closed_between_stretches_that_have_a_loud_frame_alone():
    """Both thresholds are applied first, then gaps are closed, then short events dropped."""
    kong = {"close_gaps_first": False, "close_gaps": 0.1}
    assert detect([0, 0.3, 0, 0.9, 0], **kong) == [("a", 2.5, 3.5)]
    assert detect([0, 0.3, 0.6, 0, 0.9, 0], shortest_event=0.4, **kong) == [("a", 0.5, 4.5)]


def test_events_come_in_the_order_of_their_onsets_and_each_class_has_its_own():
    assert detect([0, 0, 0.9, 0], [0, 0.9, 0.9, 0], [0.9, 0, 0, 0.9]) == [
        ("c", 0, 0.5),
        ("b", 0.5, 2.5),
        ("a", 1.5, 2.5),
        ("c", 2.5, 3.5),
    ]


def test_the_curves_are_not_modified():
    curve = np.array([[0.0, 0.9, 0.0]])
    find_events(curve, HOP, ["a"], PLAIN)
    assert curve.tolist() == [[0.0, 0.9, 0.0]]


def test_as_many_names_as_curves_are_needed():
    with pytest.raises(ValueError, match="zip"):
        find_events(np.zeros((2, 3)), HOP, ["a"], PLAIN)


def test_an_event_says_what_and_when():
    assert find_events(np.array([[0.0, 0.9, 0.0]]), HOP, ["a"], PLAIN) == [
        SoundEvent("a", pytest.approx(0.05), pytest.approx(0.15))
    ]


def test_the_low_threshold_is_not_above_the_high_one():
    with pytest.raises(
        InputError, match=r"low_threshold is 0.6: expected at most high_threshold, 0.5"
    ):
        DetectionConfig(low_threshold=0.6, high_threshold=0.5)
    assert DetectionConfig(low_threshold=0.55).thresholds(None, "a") == ClassThresholds(0.55, 0.55)


def random_masks(*shape):
    return np.random.default_rng(0).random(shape)


def activity_of(masks, power, probabilities=None, **options):
    probabilities = np.ones(len(masks)) if probabilities is None else probabilities
    return frame_activity(
        np.asarray(masks),
        np.asarray(power),
        np.asarray(probabilities),
        HOP,
        DetectionConfig(**options),
    )


@pytest.mark.parametrize("rule", ["magnitude", "bins"])
def test_activity_lies_between_the_smallest_and_the_largest_mask_value_of_a_frame(rule):
    masks = random_masks(3, 8, 20)
    power = random_masks(8, 20)
    activity = activity_of(masks, power, activity=rule)
    assert activity.shape == (3, 20)
    assert (activity <= masks.max(1) + 1e-6).all()
    assert (activity >= masks.min(1) - 1e-6).all()


def test_a_class_that_takes_all_is_fully_active_and_silence_is_not():
    power = random_masks(8, 20)
    power[:, 5] = 0
    activity = activity_of([np.ones((8, 20)), np.zeros((8, 20))], power)
    expected = np.ones(20)
    expected[5] = 0
    assert np.allclose(activity[0], expected)
    assert not activity[1].any()


def test_activity_is_the_part_of_the_magnitude_or_of_the_bins_that_the_mask_takes():
    masks = [[[1.0], [0.0]], [[0.0], [0.5]]]
    power = [[9.0], [1.0]]  # magnitudes 3 and 1
    assert activity_of(masks, power).tolist() == [[0.75], [0.125]]
    assert activity_of(masks, power, activity="bins").tolist() == [[0.5], [0.25]]


def test_clarity_is_high_where_some_bands_belong_to_a_class_beside_louder_sounds():
    """In band 2 the class has a tenth of the magnitude, all of it its own."""
    masks = [[[0.0], [1.0]], [[1.0], [0.0]]]
    power = [[81.0], [1.0]]  # magnitudes 9 and 1
    share = np.array([0.1, 0.9])
    assert activity_of(masks, power)[:, 0] == pytest.approx(share)
    clarity = activity_of(masks, power, activity="clarity")[:, 0]
    assert clarity == pytest.approx(share**0.3)
    halves = activity_of(np.multiply(masks, 0.5), power, activity="clarity")[:, 0]
    assert halves == pytest.approx((share / 2) ** 0.3 * 0.5**0.7)


def test_loud_clarity_ends_where_a_class_has_faded_and_its_next_sound_may_be_quiet():
    """The class has all bins for 6 s; from 0.5 s on it is 30 dB below its first sound."""
    level = np.full(60, 1e-3)
    level[:5] = 1.0
    active = activity_of(np.ones((1, 1, 60)), level[None], activity="clarity_20_dB")[0]
    assert active.tolist() == [1.0] * 5 + [0.0] * 20 + [1.0] * 35  # 2 s later it counts as another
    for kind in ("clarity", "magnitude"):
        assert (activity_of(np.ones((1, 1, 60)), level[None], activity=kind) == 1).all()
    level[5:] = 0.02  # 17 dB below
    assert activity_of(np.ones((1, 1, 60)), level[None], activity="clarity_20_dB").all()


def test_a_recording_in_parts_has_the_activity_of_the_whole():
    """A sound fades just before the second part begins."""
    masks = random_masks(2, 8, 60)
    power = random_masks(8, 60) * np.where(np.arange(60) < 25, 1.0, 1e-4)
    probabilities = np.array([0.9, 0.05])
    for kind in ("magnitude", "clarity", "clarity_20_dB", "bins"):
        config = DetectionConfig(activity=kind)
        curves = ActivityCurves(HOP, config)
        for part in (slice(0, 30), slice(30, 60)):
            curves.add(masks[:, :, part], power[:, part], probabilities)
        whole = frame_activity(masks, power, probabilities, HOP, config)
        np.testing.assert_array_equal(curves.gated(), whole)
        assert not whole[1].any()
        assert curves.ungated()[1].any()
    config = DetectionConfig(activity="clarity_20_dB")
    faded = frame_activity(masks, power, probabilities, HOP, config)[0, 30:45]
    assert not faded.any()


@pytest.mark.parametrize("kind", ["clarity", "clarity_20_dB", "magnitude"])
def test_silence_has_no_activity(kind):
    activity = activity_of(random_masks(2, 8, 20), np.zeros((8, 20)), activity=kind)
    assert not activity.any()


def test_where_masks_compete_activities_add_up_to_at_most_one():
    masks = random_masks(4, 8, 20)
    assert (activity_of((masks / masks.sum(0))[:3], random_masks(8, 20)).sum(0) <= 1).all()


def test_a_class_up_to_the_tag_threshold_has_no_activity():
    activity = activity_of(
        np.ones((3, 8, 20)), np.ones((8, 20)), [0.1, 0.11, 0.0], tag_threshold=0.1
    )
    assert activity.any(1).tolist() == [False, True, False]


# --- thresholds that were chosen for a model, and the median filter -------------------------------

CHOSEN = EventThresholds({"a": ClassThresholds(0.8, 0.4, 0.3)})


def test_a_median_filter_removes_single_frames_and_fills_single_gaps():
    curve = [0, 0.9, 0, 0, 0.9, 0, 0.9, 0.9, 0]
    assert detect(curve, median_filter=0.3) == [("a", 4.5, 7.5)]
    assert detect(curve, median_filter=0.19) == detect(curve)
    assert smooth_by_median(np.array([1.0, 0, 0, 1, 1]), 3).tolist() == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("length", [0, 1.9, 3, 4.2, 5, 1e9])
def test_a_median_is_that_of_the_frames_around(length):
    curve = np.random.default_rng(0).random(8)
    n = min(int(length / 2) * 2 + 1, 15)
    padded = np.pad(curve, n // 2, mode="edge")
    expected = [np.median(padded[t : t + n]) for t in range(8)]
    np.testing.assert_allclose(smooth_by_median(curve, length), expected)


def test_chosen_thresholds_count_where_none_is_set():
    config = DetectionConfig()
    assert config.thresholds(CHOSEN, "a") == ClassThresholds(0.8, 0.4, 0.3)
    assert config.thresholds(CHOSEN, "b") == ClassThresholds(0.5, 0.2, 0.0)
    assert config.thresholds(None, "a") == ClassThresholds(0.5, 0.2, 0.0)


def test_thresholds_that_are_set_count_for_all_classes():
    config = DetectionConfig(high_threshold=0.3)
    assert config.thresholds(CHOSEN, "a") == ClassThresholds(0.3, 0.3, 0.3)
    assert config.thresholds(CHOSEN, "b") == ClassThresholds(0.3, 0.2, 0.0)
    assert DetectionConfig(low_threshold=0.3).thresholds(CHOSEN, "a").high == 0.8
    assert DetectionConfig(median_filter=0.0).thresholds(CHOSEN, "a").median_filter == 0


def test_chosen_thresholds_do_not_count_for_another_kind_of_activity():
    config = DetectionConfig(activity="bins")
    assert config.thresholds(CHOSEN, "a") == ClassThresholds(0.5, 0.2, 0.0)
    config = DetectionConfig(activity="clarity")
    assert config.thresholds(CHOSEN, "a") == ClassThresholds(0.6, 0.3, 0.0)


def test_the_kind_of_activity_is_that_of_the_chosen_thresholds_where_none_is_set():
    clear = EventThresholds(activity="clarity")
    config = DetectionConfig()
    assert [config.choose_activity(chosen) for chosen in (None, CHOSEN, clear)] == [
        "magnitude",
        "magnitude",
        "clarity",
    ]
    assert DetectionConfig(activity="bins").choose_activity(clear) == "bins"
    assert config.thresholds(clear, "a") == ClassThresholds(0.6, 0.3, 0.0)
    masks = random_masks(2, 8, 20)
    power = random_masks(8, 20)
    curves = frame_activity(masks, power, np.ones(2), HOP, config, clear)
    assert np.array_equal(curves, activity_of(masks, power, activity="clarity"))


def test_events_are_found_with_the_thresholds_of_their_class():
    curves = np.array([[0, 0.7, 0.7, 0.7, 0], [0, 0.7, 0.7, 0.7, 0]])
    events = find_events(curves, HOP, ["a", "b"], DetectionConfig(), chosen=CHOSEN)
    assert [event.event_label for event in events] == ["b"]


@pytest.mark.parametrize("values", [(0.2, 0.5, 0), (1.5, 0.5, 0), (0.5, 0.2, -1), (np.nan, 0.2, 0)])
def test_thresholds_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="the thresholds of a are"):
        EventThresholds({"a": ClassThresholds(*values)})
    with pytest.raises(InputError, match="chosen by 'luck': expected events, tags"):
        EventThresholds(chosen_by="luck")
    with pytest.raises(InputError, match="of the activity 'noise': expected magnitude, clarity"):
        EventThresholds(activity="noise")
