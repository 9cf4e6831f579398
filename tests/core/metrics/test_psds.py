"""PSDS of detectors with a known score, and cases in which it is undefined."""

import sys

import numpy as np
import pytest

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.psds import SCENARIOS, DetectionData, is_available, psds

CLASSES = ["cough", "knock", "speech"]
HOP = 0.02
LENGTH = 10.0
needs_sed_scores_eval = pytest.mark.skipif(
    not is_available(), reason="sed_scores_eval is missing: pip install absslab[psds]"
)

# They begin and end between two frames.
COUGHS = [
    SoundEvent("cough", 1.01, 1.31),
    SoundEvent("cough", 5.01, 5.41),
]
KNOCKS = [SoundEvent("knock", 3.01, 3.51)]
SPEECH = [SoundEvent("speech", 7.01, 7.91)]
ALL = {"a.wav": [*COUGHS, *SPEECH], "b.wav": KNOCKS, "c.wav": []}


def activity(events, classes=CLASSES):
    """Make the activity (K, T): 1 in the frames of the events, 0 elsewhere."""
    curves = np.zeros((len(classes), 501))
    for event in events:
        curves[
            classes.index(event.event_label),
            round(event.onset / HOP + 0.5) : round(event.offset / HOP + 0.5),
        ] = 1
    return curves


def scores(activities, events, classes=CLASSES):
    durations = dict.fromkeys(activities, LENGTH)
    return psds([DetectionData(activities, events, durations, classes, HOP)])[0]


def perfect(events, classes=CLASSES):
    return {name: activity(of_one, classes) for name, of_one in events.items()}


def both(value):
    return dict.fromkeys(SCENARIOS, value)


@needs_sed_scores_eval
def test_a_perfect_detector_has_1():
    assert scores(perfect(ALL), ALL) == pytest.approx(both(1))


@needs_sed_scores_eval
@pytest.mark.parametrize(("n_classes", "is_compared"), [(50, True), (51, False)])
def test_each_class_is_compared_with_each_of_fifty_at_most(n_classes, is_compared):
    classes = [f"class {k}" for k in range(n_classes)]
    events = {f"{k}.wav": [SoundEvent(label, 1.01, 2.01)] for k, label in enumerate(classes)}
    found = scores(perfect(events, classes), events, classes)
    assert found == {"psds1": pytest.approx(1), "psds2": pytest.approx(1) if is_compared else None}


@needs_sed_scores_eval
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_silent_detector_has_0_and_so_has_one_that_says_always_the_same(level):
    assert scores({name: np.full((3, 501), level) for name in ALL}, ALL) == both(0)


@needs_sed_scores_eval
def test_a_detector_of_the_opposite_has_0():
    assert scores({name: 1 - curves for name, curves in perfect(ALL).items()}, ALL) == both(0)


@needs_sed_scores_eval
def test_only_the_order_of_the_levels_matters():
    rng = np.random.default_rng(0)
    curves = {
        name: 0.4 * curve + 0.6 * rng.random((3, 1)) * rng.random(curve.shape)
        for name, curve in perfect(ALL).items()
    }
    assert scores({name: curve**3 / 2 for name, curve in curves.items()}, ALL) == pytest.approx(
        scores(curves, ALL)
    )


@needs_sed_scores_eval
def test_a_class_that_is_never_found_costs_the_mean_and_the_spread():
    """The classes have recall 1, 1 and 0; the score is their mean minus their deviation."""
    curves = perfect(ALL)
    for curve in curves.values():
        curve[1] = 0
    assert scores(curves, ALL) == pytest.approx(both(2 / 3 - np.sqrt(2 / 9)))


@needs_sed_scores_eval
def test_an_event_of_which_half_is_found_counts_where_location_hardly_matters():
    curves = perfect(ALL)
    curves["b.wav"][1, round(3.26 / HOP) :] = 0
    psds = scores(curves, ALL)
    assert psds["psds2"] == pytest.approx(1)
    assert psds["psds1"] < 0.5


@needs_sed_scores_eval
def test_classes_without_events_are_left_out():
    events = {
        name: [event for event in of_one if event.event_label != "speech"]
        for name, of_one in ALL.items()
    }
    curves = perfect(events)
    for curve in curves.values():
        curve[2] = np.random.default_rng(0).random(501)
    of_two = {name: curve[:2] for name, curve in curves.items()}
    assert scores(curves, events) == scores(of_two, events, CLASSES[:2]) == pytest.approx(both(1))


@needs_sed_scores_eval
@pytest.mark.parametrize("events", [[], COUGHS])
def test_with_fewer_than_two_sounding_classes_it_is_not_defined(events):
    assert scores({"a.wav": activity(events)}, {"a.wav": events}) == both(None)


@needs_sed_scores_eval
@pytest.mark.parametrize(
    "parts",
    [
        [(5.01, 5.31), (5.21, 5.41)],
        [(5.01, 5.21), (5.21, 5.41)],
        [(5.01, 5.41), (5.11, 5.21)],
        [(5.01, 5.41)] * 2,
    ],
    ids=["overlapping", "touching", "one in the other", "twice the same"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_events_of_one_class_that_overlap_or_touch_are_one(parts, order):
    coughs = [COUGHS[0], *(SoundEvent("cough", *part) for part in parts)]
    events = ALL | {"a.wav": [*coughs, *SPEECH][::order]}
    assert scores(perfect(ALL), events) == pytest.approx(both(1))
    rng = np.random.default_rng(1)
    curves = {name: 0.5 * curve + 0.5 * rng.random((3, 1)) for name, curve in perfect(ALL).items()}
    assert scores(curves, events) == scores(curves, ALL)


@needs_sed_scores_eval
def test_events_of_different_classes_may_overlap():
    events = {"a.wav": [SoundEvent("cough", 1.01, 1.41), SoundEvent("knock", 1.21, 1.61)]}
    assert scores(perfect(events), events) == pytest.approx(both(1))


@needs_sed_scores_eval
@pytest.mark.parametrize("length", [9.991, 10.0, 10.02, 10.5])
def test_a_recording_may_be_a_little_shorter_or_longer_than_its_frames(length):
    data = DetectionData(perfect(ALL), ALL, dict.fromkeys(ALL, length), CLASSES, HOP)
    assert psds([data]) == [pytest.approx(both(1))]


@needs_sed_scores_eval
def test_several_processes_compute_what_one_does(monkeypatch):
    few = {name: [event for event in ALL[name] if event in COUGHS] for name in ALL}
    rng = np.random.default_rng(0)
    durations = dict.fromkeys(ALL, LENGTH)
    several = [
        DetectionData(
            {name: noise * rng.random((3, 501)) + curve for name, curve in perfect(ALL).items()},
            *(events, durations, CLASSES, HOP),
        )
        for events, noise in ((ALL, 2), (few, 2), (ALL, 0))
    ]
    monkeypatch.setattr("absslab.core.metrics.psds._PAIRS_PER_PROCESS", 1)
    together = psds(several, n_workers=2)
    assert together == psds(several)
    assert together[1] == both(None)  # one class alone has an event
    assert together[0] != together[2] == pytest.approx(both(1))


@needs_sed_scores_eval
@pytest.mark.filterwarnings("error:::absslab")
def test_single_precision_and_read_only_curves_will_do_and_nothing_is_modified():
    curves = {name: curve.astype(np.float32) for name, curve in perfect(ALL).items()}
    for curve in curves.values():
        curve.flags.writeable = False
    before = {name: curve.copy() for name, curve in curves.items()}
    events = {name: list(of_one) for name, of_one in ALL.items()}
    assert scores(curves, events) == pytest.approx(both(1))
    assert events == ALL
    for name, curve in curves.items():
        np.testing.assert_array_equal(curve, before[name])


def test_without_sed_scores_eval_it_is_not_available_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sed_scores_eval", None)
    assert not is_available()
    with pytest.raises(ImportError):
        scores(perfect(ALL), ALL)
