"""A region keeps exactly the tones inside of it."""

import numpy as np
import pytest

from absslab.core.audio.region import cut_region
from absslab.core.common.errors import InputError


def tone(frequency: float, rate: int, start: float, end: float, length: float = 3.0) -> np.ndarray:
    time = np.arange(round(length * rate)) / rate
    inside = np.clip(np.minimum(time - start, end - time) / 0.02, 0, 1)  # no clicks
    return (0.2 * inside * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def tone_level(samples: np.ndarray, frequency: float, rate: int) -> float:
    """Return the level of the tone of a frequency, dB."""
    n = len(samples)
    window = np.blackman(n)
    phase = np.exp(-2j * np.pi * frequency * np.arange(n) / rate)
    return 20 * np.log10(2 * abs(np.sum(samples * window * phase)) / window.sum() + 1e-12)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_of_three_tones_at_two_instants_exactly_the_one_in_the_rectangle_survives(rate):
    frequencies = (500, 1500, 3000)
    recording = sum(
        tone(frequency, rate, *when)
        for frequency in frequencies
        for when in ((0.2, 1.2), (1.8, 2.8))
    )
    cut = cut_region(recording, rate, start=1.9, end=2.7, low=1200, high=1800)
    middle = slice(round(2.0 * rate), round(2.6 * rate))
    assert tone_level(cut[middle], 1500, rate) == pytest.approx(
        tone_level(recording[middle], 1500, rate), abs=0.1
    )
    for other in (500, 3000):
        assert (
            tone_level(cut[middle], other, rate) < tone_level(recording[middle], other, rate) - 50
        )
    assert np.abs(cut[: round(1.9 * rate)]).max() == np.abs(cut[round(2.7 * rate) :]).max() == 0


@pytest.mark.parametrize("shape", [(16000,), (2, 16001), (1, 5), (1,)])
def test_the_whole_range_is_the_input(shape):
    waveform = (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    for start, end, low, high in (
        (0, shape[-1] / 16000, 0, 8000),
        (-1, 1e9, -5, 1e9),
        (-np.inf, np.inf, -np.inf, np.inf),
    ):
        cut = cut_region(waveform, 16000, start=start, end=end, low=low, high=high)
        assert (cut.shape, cut.dtype) == (waveform.shape, np.float32)
        np.testing.assert_allclose(cut, waveform, atol=1e-6)


def test_channels_are_cut_alike_and_the_input_is_left_as_it_is():
    channel = tone(1000, 16000, 0, 3)
    stereo = np.stack([channel, -0.5 * channel])
    before = stereo.copy()
    cut = cut_region(stereo, 16000, start=1, end=2, low=900, high=1100)
    np.testing.assert_allclose(cut[1], -0.5 * cut[0], atol=1e-6)
    np.testing.assert_array_equal(stereo, before)


def test_its_ends_are_faded_but_not_those_of_the_recording():
    ones = np.ones(16000, np.float32)
    cut = cut_region(ones, 16000, start=0, end=0.5, low=0, high=8000)
    assert cut[0] == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(cut)).max() < 0.02
    assert cut[7999] < 0.01
    assert cut[7839] == pytest.approx(1, abs=1e-3)


def test_neighbouring_rectangles_in_frequency_add_up():
    waveform = (0.1 * np.random.default_rng(1).standard_normal(32000)).astype(np.float32)
    below, above = (
        cut_region(waveform, 16000, start=0, end=2, low=low, high=high)
        for low, high in ((0, 1001), (1002, 8000))
    )
    np.testing.assert_allclose(below + above, waveform, atol=1e-6)


def test_a_rectangle_smaller_than_a_bin_and_shorter_than_its_fades_still_sounds():
    waveform = tone(1000, 16000, 0, 3)
    cut = cut_region(waveform, 16000, start=1, end=1.005, low=1001, high=1002)
    assert np.abs(cut).max() > 0.01
    assert np.count_nonzero(cut) <= 80
    dot = cut_region(waveform, 16000, start=1, end=1.00001, low=990, high=1010)
    assert dot.shape == waveform.shape


def test_it_is_the_same_whatever_lies_far_from_it():
    waveform = (0.1 * np.random.default_rng(2).standard_normal(48000)).astype(np.float32)
    other = waveform.copy()
    other[:8000] = other[40000:] = 0
    first, second = (
        cut_region(recording, 16000, start=1, end=2, low=500, high=700)
        for recording in (waveform, other)
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": 1.0, "end": 1.0}, "start 1 and end 1 s"),
        ({"start": 2.0}, "lower value first"),
        ({"low": 500, "high": 400}, "low 500 and high 400 Hz"),
        ({"start": np.nan}, "lower value first"),
        ({"high": np.nan}, "lower value first"),
        ({"low": 8000, "high": 9000}, "lie outside the recording: expected a part of 0 to 8000 Hz"),
        ({"start": 3.5, "end": 4}, "expected a part of 0 to 3 s"),
        ({"start": -2, "end": -1}, "lie outside the recording"),
    ],
)
def test_a_rectangle_that_holds_nothing_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        cut_region(
            np.zeros(48000, np.float32),
            16000,
            **({"start": 0.5, "end": 1.5, "low": 100, "high": 200} | change),
        )


def test_what_is_no_waveform_is_refused():
    for waveform in (np.zeros(0), np.zeros((1, 2, 3))):
        with pytest.raises(InputError, match="at least one sample"):
            cut_region(waveform, 16000, start=0, end=1, low=0, high=100)
