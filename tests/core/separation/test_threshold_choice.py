"""The thresholds of each class are those that find its events best."""

from dataclasses import replace

import numpy as np

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.model.event_thresholds import ClassThresholds
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.threshold_choice import (
    DetectedRecording,
    choice_steps,
    choose_by_events,
    choose_by_tags,
    default_activity,
)

HOP = 0.1
CLASSES = ["dog", "rain"]
CONFIG = DetectionConfig()
CONSTANT = {"magnitude": np.ones((2, 60))}


def recording(level, noise, *, present=True, flicker=0.0):
    """Make a recording of 6 s: the dog from 2 to 4 s at a level of activity, noise elsewhere."""
    activity = np.zeros((2, 60))
    activity[0] = noise
    activity[0, 50] = max(noise, flicker)
    if present:
        activity[0, 20:40] = level
    events = [SoundEvent("dog", 1.95, 3.95)] if present else []
    labels = frozenset(CLASSES[:1] if present else ())
    return DetectedRecording({"magnitude": activity}, labels, frozenset(), 6.0, events)


def test_a_quiet_class_gets_low_thresholds():
    chosen = choose_by_events([recording(0.3, 0.05)] * 6, CLASSES, HOP, CONFIG)
    assert chosen.per_class == {"dog": ClassThresholds(0.2, 0.08)}
    assert (chosen.chosen_by, chosen.n_recordings) == ("events", 6)
    assert chosen.describe() == "strong labels of 6 validation recordings"


def test_a_class_that_is_heard_too_often_gets_high_thresholds():
    recordings = [recording(0.95, 0.3), recording(0.7, 0.0, present=False)] * 6
    recordings += [recording(0.7, 0.7, present=False)] * 3
    chosen = choose_by_events(recordings, CLASSES, HOP, CONFIG)
    assert chosen.per_class["dog"].high == 0.8


def test_single_frames_are_smoothed_away_where_that_helps():
    recordings = [recording(0.9, 0.0, flicker=0.95)] * 6
    config = DetectionConfig(shortest_event=0.0)
    chosen = choose_by_events(recordings, CLASSES, HOP, config)
    assert chosen.per_class["dog"] == ClassThresholds(0.5, 0.2, 0.2)


def test_classes_whose_events_run_too_long_get_common_thresholds():
    """Each class is heard at 0.3 of its share after its event, as in a real background."""
    activity = np.zeros((3, 60))
    activity[:, 20:40] = 0.9
    activity[:, 40:56] = 0.32
    names = ["cat", "cow", "dog"]
    events = [SoundEvent(name, 1.95, 3.95) for name in names[:2]]
    curves = {"magnitude": activity}
    recordings = [DetectedRecording(curves, frozenset(names), frozenset(), 6.0, events)] * 6
    chosen = choose_by_events(recordings, names, HOP, CONFIG)
    assert chosen.per_class == dict.fromkeys(names, ClassThresholds(0.6, 0.4))


def test_thresholds_stay_where_they_are_as_good_as_any():
    chosen = choose_by_events([recording(1.0, 0.0)] * 6, CLASSES, HOP, CONFIG)
    assert chosen.per_class == {}


def test_thresholds_stay_where_others_are_hardly_better():
    """With the others 19 instead of 18 of 20 events are found: 0.974 instead of 0.947."""
    recordings = [recording(1.0, 0.0)] * 18 + [recording(0.45, 0.0), recording(0.1, 0.0)]
    assert choose_by_events(recordings, CLASSES, HOP, CONFIG).per_class == {}


def test_thresholds_of_a_class_with_few_events_are_not_chosen():
    chosen = choose_by_events([recording(0.3, 0.05)] * 4, CLASSES, HOP, CONFIG)
    assert chosen.per_class == {}


def test_recordings_without_strong_labels_do_not_count():
    without = DetectedRecording(CONSTANT, frozenset(), frozenset(), 6.0)
    chosen = choose_by_events([recording(0.3, 0.05)] * 6 + [without] * 9, CLASSES, HOP, CONFIG)
    assert chosen.n_recordings == 6
    assert chosen.per_class["dog"].high == 0.2


def test_weak_labels_choose_what_tells_best_whether_a_class_is_there():
    recordings = [recording(0.85, 0.0), recording(0.0, 0.7, present=False)] * 6
    chosen = choose_by_tags(recordings, CLASSES)
    assert chosen.per_class == {"dog": ClassThresholds(0.8, 0.32)}
    assert chosen.describe() == "weak labels of 12 validation recordings"


def test_weak_labels_choose_nothing_for_classes_that_are_always_or_never_there():
    chosen = choose_by_tags([recording(0.3, 0.0)] * 6, CLASSES)
    assert chosen.per_class == {}


def test_weak_labels_choose_nothing_where_it_is_hardly_better():
    """At 0.4 they tell 20 of 20 recordings instead of 19: 1.0 instead of 0.974."""
    recordings = [recording(0.9, 0.0)] * 19 + [recording(0.45, 0.0)]
    recordings += [recording(0.0, 0.1, present=False)] * 5
    assert choose_by_tags(recordings, CLASSES).per_class == {}


def test_weak_labels_choose_nothing_from_few_recordings():
    recordings = [recording(0.85, 0.0), recording(0.0, 0.7, present=False)] * 4
    assert choose_by_tags(recordings, CLASSES).per_class == {}


def test_recordings_of_which_a_class_is_not_known_do_not_count_for_it():
    unknown = DetectedRecording(CONSTANT, frozenset(), frozenset({"dog"}), 6.0, [])
    by_events = choose_by_events([recording(0.3, 0.05)] * 6 + [unknown] * 9, CLASSES, HOP, CONFIG)
    assert by_events.per_class["dog"].high == 0.2
    recordings = [recording(0.85, 0.0), recording(0.0, 0.7, present=False)] * 6
    by_tags = choose_by_tags(recordings + [unknown] * 9, CLASSES)
    assert by_tags.per_class == {"dog": ClassThresholds(0.8, 0.32)}


def two_kinds(clear):
    """Make recordings of two classes at a clarity, of which the magnitude tells nothing."""
    names = ["cat", "dog"]
    curve = np.zeros((2, 60))
    curve[:, 20:40] = clear
    events = [SoundEvent(name, 1.95, 3.95) for name in names]
    curves = {"clarity": curve, "magnitude": np.full((2, 60), 0.3)}
    item = DetectedRecording(curves, frozenset(names), frozenset(), 6.0, events)
    silent = {kind: np.zeros((2, 60)) for kind in curves}
    return names, [item, DetectedRecording(silent, frozenset(), frozenset(), 6.0, [])] * 6


def swap_kinds(item):
    """Return a recording whose magnitude is its clarity, and the other way round."""
    curves = item.activities
    return replace(
        item, activities={"clarity": curves["magnitude"], "magnitude": curves["clarity"]}
    )


def test_the_kind_of_activity_that_finds_clearly_more_events_is_chosen():
    names, recordings = two_kinds(0.9)
    chosen = choose_by_events(recordings, names, HOP, CONFIG, "magnitude")
    assert (chosen.activity, chosen.per_class) == ("clarity", {})
    swapped = [swap_kinds(item) for item in recordings]
    assert choose_by_events(swapped, names, HOP, CONFIG, "clarity").activity == "magnitude"


def test_the_kind_of_activity_stays_where_no_other_is_clearly_better():
    names, recordings = two_kinds(0.9)
    alike = [
        replace(item, activities=dict.fromkeys(item.activities, item.activities["clarity"]))
        for item in recordings
    ]
    for kind in ("magnitude", "clarity"):
        assert choose_by_events(alike, names, HOP, CONFIG, kind).activity == kind


def test_thresholds_by_weak_labels_are_of_the_kind_that_is_given():
    names, recordings = two_kinds(0.25)
    chosen = choose_by_tags(recordings, names, "clarity")
    assert chosen.activity == "clarity"
    assert chosen.per_class == dict.fromkeys(names, ClassThresholds(0.2, 0.1))


def test_clarity_is_that_of_competing_masks():
    assert default_activity(True) == "clarity"
    assert default_activity(False) == "magnitude"


def test_the_kind_is_chosen_for_a_single_class_as_well():
    names, recordings = two_kinds(0.9)
    alone = [
        replace(item, events=[event for event in item.events if event.event_label == "dog"])
        for item in recordings
    ]
    assert choose_by_events(alone, names, HOP, CONFIG, "magnitude").activity == "clarity"


def test_a_class_may_keep_the_fixed_thresholds_where_others_get_common_ones():
    """Two classes are found from 0.45 on; of the third, what reaches 0.5 alone is an event."""
    names = ["cat", "cow", "dog"]
    curve = np.full((3, 60), 0.1)
    curve[:2, 20:40] = 0.45
    curve[2, 20:40] = 0.9
    curve[2, 45:55] = 0.5
    events = [SoundEvent(name, 1.95, 3.95) for name in names]
    item = DetectedRecording({"clarity": curve}, frozenset(names), frozenset(), 6.0, events)
    chosen = choose_by_events([item] * 6, names, HOP, CONFIG, "clarity")
    assert chosen.per_class["cat"] == ClassThresholds(0.4, 0.2)
    assert chosen.per_class["dog"] == ClassThresholds(0.6, 0.3)


def test_the_choice_tells_how_far_it_is():
    names, recordings = two_kinds(0.9)
    steps = list(choice_steps(recordings, names, HOP, CONFIG))
    assert [step.done for step in steps] == [1, 2, 3, 4]
    assert {step.total for step in steps} == {4}
