"""The sound is the sum of tracks with their gains, which can be expressed as gains of a remix."""

import math

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.widgets.player.mixdown import (
    MixedSound,
    MixState,
    measure_level,
    mix_tracks,
    remix_gains,
)
from absslab.widgets.player.tracks import Track, array_sound

RATE = 8000
OFF = -math.inf


def tracks(*kinds):
    rng = np.random.default_rng(0)
    names = {"mixture": "mixture", "residual": "residual"}
    return [
        Track(
            names.get(kind, f"{kind}{i}"), array_sound(rng.standard_normal(RATE) * 0.1, RATE), kind
        )
        for i, kind in enumerate(kinds)
    ]


def test_a_remix_is_the_sum_of_the_tracks_with_their_gains():
    some = tracks("source", "source", "residual")
    expected = 0.5 * some[0].sound.read(10, 100) + 2 * some[2].sound.read(10, 100)
    np.testing.assert_allclose(mix_tracks(some, [0.5, 0, 2], 10, 100), expected, atol=1e-6)


def test_a_stereo_track_makes_the_remix_stereo_and_silence_is_mono():
    some = [*tracks("source"), Track("wide", array_sound(np.ones((2, 50), np.float32), RATE))]
    assert mix_tracks(some, [1, 1], 0, 50).shape == (2, 50)
    assert mix_tracks(some, [1, 0], 0, 50).shape == (1, 50)
    np.testing.assert_array_equal(mix_tracks(some, [0, 0], 0, 5), np.zeros((1, 5)))


def test_gains_of_a_remix_name_every_class_and_the_residual():
    some = tracks("mixture", "source", "source", "residual")
    gains = remix_gains(some, MixState((OFF, -6.0, OFF, 0.0), {}))
    assert gains == {"source1": pytest.approx(-6), "source2": OFF, "residual": pytest.approx(0)}


def test_the_mixture_is_all_classes_and_what_is_heard_besides_adds_to_it():
    some = tracks("mixture", "source", "residual")
    gains = remix_gains(some, MixState((0.0, 0.0, OFF), {}))
    assert gains == {"source1": pytest.approx(20 * math.log10(2)), "residual": pytest.approx(0)}


def test_references_can_not_be_saved_as_settings_and_nothing_neither():
    some = tracks("mixture", "source", "reference")
    with pytest.raises(InputError, match="reference2 can be heard, which no model makes"):
        remix_gains(some, MixState((OFF, 0.0, 0.0), {}))
    with pytest.raises(InputError, match="nothing is heard"):
        remix_gains(some, MixState((OFF, OFF, OFF), {}))


def test_what_the_page_says_is_taken_only_where_it_fits():
    some = tracks("mixture", "source")
    assert MixState.from_page(some, {"gains": [None, -3], "mix": {"solo": [1]}}) == MixState(
        (OFF, -3.0), {"solo": [1]}
    )
    for gains in ([0], [0, math.nan], [0, "loud"]):
        with pytest.raises((ValueError, TypeError)):
            MixState.from_page(some, {"gains": gains, "mix": {}})


def test_the_level_of_a_long_sound_is_that_of_the_whole():
    rng = np.random.default_rng(1)
    long = array_sound((0.1 * rng.standard_normal(RATE * 700)).astype(np.float32), RATE)
    short = array_sound(long.read(0, RATE * 10), RATE)
    assert measure_level(long).loudness == pytest.approx(measure_level(short).loudness, abs=0.1)
    assert measure_level(long).peak == pytest.approx(
        20 * math.log10(abs(long.read(0, long.n_samples)).max()), abs=1e-4
    )


def test_a_remix_is_a_sound_as_wide_and_as_long_as_its_widest_and_longest_track():
    wide = Track("wide", array_sound(np.ones((2, 50), np.float32), RATE))
    sound = MixedSound((*tracks("source"), wide), (0.5, 0.0))
    assert (sound.sampling_rate, sound.n_samples, sound.n_channels, sound.seeks_well) == (
        RATE,
        RATE,
        2,
        True,
    )
    expected = 0.5 * sound.tracks[0].sound.read(10, 100)
    np.testing.assert_allclose(sound.read(10, 100), np.repeat(expected, 2, axis=0), atol=1e-7)
