"""Loudness equals closed forms of the standard; levels make sounds comparable."""

import builtins
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from absslab.core.audio.loudness import loudness, matched_gains, peak
from absslab.core.common.errors import InputError


def sine(frequency=997.0, seconds=5.0, rate=48000, amplitude=1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_sine_of_997_Hz_at_full_scale_has_minus_3_01_LUFS_as_the_standard_says(rate):
    assert loudness(sine(rate=rate), rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness(sine(rate=rate, amplitude=0.1).astype(np.float32), rate) == pytest.approx(
        -23.01, abs=0.05
    )


def test_channels_add_their_energies():
    channel = sine()
    assert loudness(np.stack([channel, channel]), 48000) == pytest.approx(0.0, abs=0.05)
    assert loudness(np.stack([channel, 0 * channel]), 48000) == pytest.approx(-3.01, abs=0.05)
    assert loudness(channel[None], 48000) == loudness(channel, 48000)


def test_of_more_channels_than_the_standard_knows_the_mean_is_measured():
    assert loudness(np.stack([sine()] * 8), 48000) == pytest.approx(-3.01, abs=0.05)


def test_pauses_do_not_count():
    sound = sine(amplitude=0.1, seconds=4)
    with_pauses = np.concatenate([sound, np.zeros(480000), sine(amplitude=0.0001, seconds=10)])
    # Blocks at the edge count.
    assert loudness(with_pauses, 48000) == pytest.approx(loudness(sound, 48000), abs=0.3)


@pytest.mark.parametrize(
    "samples", [np.zeros(48000), np.zeros((2, 10)), np.zeros(1), 1e-6 * sine()]
)
def test_silence_has_no_loudness_and_no_warning(samples, recwarn):
    assert loudness(samples, 48000) == -np.inf
    assert not recwarn.list


def test_silence_is_not_measured(monkeypatch):
    import pyloudnorm

    monkeypatch.setattr(pyloudnorm, "Meter", lambda *_, **__: pytest.fail("the library was asked"))
    for samples in (np.zeros(48000), np.full((5, 48000), 3e-5)):
        assert loudness(samples, 48000) == -np.inf


@pytest.mark.parametrize("n_channels", [1, 5])
def test_what_counts_as_silent_is_what_the_gate_takes_for_it(n_channels):
    from pyloudnorm import Meter

    loudest = 10 ** (-90 / 20) * np.sign(sine(3000)[:, None] + np.zeros(n_channels))
    assert Meter(48000, filter_class="DeMan").integrated_loudness(loudest) == -np.inf


def test_sounds_measured_in_threads_leave_the_warnings_as_they_are(request):
    request.addfinalizer(lambda interval=sys.getswitchinterval(): sys.setswitchinterval(interval))
    sys.setswitchinterval(1e-6)
    before = list(warnings.filters)
    sounds = [sine(seconds=0.6, rate=8000) * (np.arange(4800) > 4000) for _ in range(200)]
    with ThreadPoolExecutor(8) as threads:
        measured = list(threads.map(lambda sound: loudness(sound, 8000), sounds))
    assert len(set(measured)) == 1
    assert list(warnings.filters) == before


def test_a_click_is_measured_as_its_energy_in_a_block_of_400_ms(recwarn):
    for n in (1, 480, 9600):
        short = sine(amplitude=0.5)[:n] + 0.5
        padded = np.pad(short, (0, 19200 - n))
        assert np.isfinite(loudness(short, 48000))
        assert loudness(short, 48000) == pytest.approx(loudness(padded, 48000), abs=1e-6)
    assert loudness(sine(seconds=0.2), 48000) == pytest.approx(-3.01 + 10 * np.log10(0.5), abs=0.1)
    assert not recwarn.list


def test_the_peak_is_that_of_the_loudest_channel():
    assert peak(np.array([0.5, -1.0])) == 0
    assert peak(np.array([[0.1, 0.0], [0.0, -0.5]])) == pytest.approx(-6.02, abs=0.01)
    assert peak(np.zeros(3)) == -np.inf


def test_what_is_no_sound_is_refused():
    for samples in (np.zeros(0), np.zeros((1, 2, 3)), np.zeros((2, 0))):
        for measure in (peak, lambda waveform: loudness(waveform, 16000)):
            with pytest.raises(InputError, match="at least one sample"):
                measure(samples)


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch):
    load = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pyloudnorm":
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'absslab\[lab\]'"):
        loudness(sine(), 48000)


def test_gains_of_each_mode():
    loud = [-20.0, -30.0, -np.inf]
    peaks = [-10.0, -15.0, -np.inf]
    assert matched_gains(loud, peaks, "raw") == [0, 0, 0]
    assert matched_gains(loud, peaks, "peak") == [9, 14, 0]
    assert matched_gains(loud, peaks, "loudness") == [0, 10, 0]


def test_equal_loudness_is_lowered_until_no_peak_is_beyond_minus_1_dBFS():
    loud = [-20.0, -40.0, -25.0]
    peaks = [-3.0, -12.0, -6.0]  # the second would reach +8
    gains = matched_gains(loud, peaks, "loudness")
    assert gains == pytest.approx([-9, 11, -4])
    assert max(high + gain for high, gain in zip(peaks, gains, strict=True)) == pytest.approx(-1)
    assert len({round(level + gain, 6) for level, gain in zip(loud, gains, strict=True)}) == 1


def test_silent_tracks_have_no_gain_and_none_at_all_is_no_error():
    assert matched_gains([-np.inf, -30.0], [-np.inf, -20.0], "loudness") == [0, 0]
    assert matched_gains([-np.inf], [-90.0], "loudness") == [0]
    for mode in ("raw", "loudness", "peak"):
        assert matched_gains([], [], mode) == []
    with pytest.raises(InputError, match="no mode of level 'loud'; there is raw, loudness, peak"):
        matched_gains([], [], "loud")
