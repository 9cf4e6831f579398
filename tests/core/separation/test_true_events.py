"""Events are the parts of their labels in which their sources sound."""

import numpy as np
import pytest

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.separation.true_events import find_sounding_events

RATE = 1000
WHOLE = [SoundEvent("dog", 0.0, 3.0)]


def source(*parts, length=3.0):
    """Make a source that has a level (dB) from one time to another, each, and is silent else."""
    samples = np.zeros(round(length * RATE), np.float32)
    for start, stop, level in parts:
        samples[round(start * RATE) : round(stop * RATE)] = 10 ** (level / 20)
    return samples


def times(*parts, extents=WHOLE, length=3.0, **settings):
    """Find the events of a dog: (onset, offset) each."""
    found = find_sounding_events(extents, {"dog": source(*parts, length=length)}, RATE, **settings)
    return [(round(event.onset, 6), round(event.offset, 6)) for event in found.events]


def test_barks_are_events_of_their_own():
    assert times((0.2, 0.6, 0), (1.4, 1.8, 0)) == [(0.2, 0.6), (1.4, 1.8)]


def test_silence_around_a_sound_is_no_part_of_it():
    assert times((1.0, 2.5, -20)) == [(1.0, 2.5)]


def test_pauses_up_to_the_limit_are_closed():
    parts = ((0.2, 0.6, 0), (0.9, 1.2, 0), (1.52, 1.8, 0))
    assert times(*parts) == [(0.2, 1.2), (1.52, 1.8)]
    assert times(*parts, close_gaps=0.32) == [(0.2, 1.8)]
    assert times(*parts, close_gaps=0.0) == [(0.2, 0.6), (0.9, 1.2), (1.52, 1.8)]


def test_levels_are_relative_to_the_loudest_frame():
    for level in (0.0, -60.0):
        parts = ((0.2, 0.6, level), (0.6, 1.0, level - 39), (1.0, 1.4, level - 41))
        assert times(*parts) == [(0.2, 1.0)]


def test_a_part_needs_a_frame_above_the_onset_level():
    parts = ((0.2, 0.6, 0), (1.4, 1.8, -30), (2.4, 2.8, -20))
    assert times(*parts) == [(0.2, 0.6), (2.4, 2.8)]
    assert times(*parts, onset_level=30.1) == [(0.2, 0.6), (1.4, 1.8), (2.4, 2.8)]


def test_short_parts_are_dropped_but_for_the_longest():
    assert times((0.2, 0.6, 0), (1.4, 1.48, 0)) == [(0.2, 0.6)]
    assert times((0.2, 0.24, 0), (1.4, 1.48, 0)) == [(1.4, 1.48)]


def test_each_label_has_levels_of_its_own():
    extents = [SoundEvent("dog", 0.0, 1.0), SoundEvent("dog", 1.0, 3.0)]
    parts = ((0.2, 0.6, 0), (1.4, 1.8, -50))
    assert times(*parts, extents=extents) == [(0.2, 0.6), (1.4, 1.8)]


def test_events_end_where_their_labels_do():
    extents = [SoundEvent("dog", 0.51, 1.01)]
    assert times((0.0, 3.0, 0), extents=extents) == [(0.51, 1.01)]
    assert times((0.0, 0.3, 0), extents=[SoundEvent("dog", 0.0, 9.0)], length=0.3) == [(0.0, 0.3)]


def test_an_event_that_is_silent_is_counted():
    extents = [SoundEvent("dog", 0.0, 1.0), SoundEvent("dog", 2.0, 3.0)]
    found = find_sounding_events(extents, {"dog": source((0.2, 0.6, 0))}, RATE)
    assert len(found.events) == 1
    assert found.n_silent == 1


def test_a_label_beyond_the_end_of_its_source_is_silent():
    found = find_sounding_events([SoundEvent("dog", 5.0, 6.0)], {"dog": source((0, 3, 0))}, RATE)
    assert found == ([], 1)


def test_events_of_classes_without_a_source_stay_as_they_are():
    extents = [SoundEvent("rain", 0.0, 3.0), *WHOLE]
    found = find_sounding_events(extents, {"dog": source((0.2, 0.6, 0))}, RATE)
    assert found.events == [extents[0], SoundEvent("dog", 0.2, 0.6)]


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_times_are_right_at_any_rate(rate):
    samples = np.zeros(60 * rate, np.float32)
    samples[50 * rate : 52 * rate] = 0.5
    whole = [SoundEvent("dog", 0.0, 60.0)]
    (event,) = find_sounding_events(whole, {"dog": samples}, rate).events
    assert event.onset == pytest.approx(50.0, abs=0.021)
    assert event.offset == pytest.approx(52.0, abs=0.021)


def test_nothing_is_modified():
    samples = source((0.2, 0.6, 0))
    before = samples.copy()
    find_sounding_events(WHOLE, {"dog": samples}, RATE)
    np.testing.assert_array_equal(samples, before)
