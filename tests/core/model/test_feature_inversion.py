"""Features are scaled from 0 to 1, and their sounds keep what they should of a recording."""

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.model.feature_inversion import FRONT_ENDS, FeatureInversion, FrontEndConfig, pcen

RATE = 16000


def tone(frequency, level, seconds=1.0):
    return (
        10 ** (level / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    ).astype(np.float32)


@pytest.fixture
def loud_then_quiet():
    """A tone at −6 dB, then one of another frequency at −46 dB."""
    return np.concatenate([tone(500, -6), tone(2000, -46)])


def energy(sound, frequency):
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    at = np.fft.rfftfreq(len(sound), 1 / RATE)
    return spectrum[np.abs(at - frequency) < 100].sum()


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_pictures_go_from_black_to_white_and_sounds_are_as_long_and_as_loud_as_the_recording(
    name, loud_then_quiet
):
    front_ends = FeatureInversion(loud_then_quiet, RATE, FrontEndConfig(n_mels=40))
    features = front_ends.compute_features(name)
    sound = front_ends.compute_sound(name)
    assert (features.shades.min(), features.shades.max()) == pytest.approx((0, 1))
    assert (
        features.shades.shape[0] == len(features.centres) == (513 if name == "spectrogram" else 40)
    )
    assert sound.shape == loud_then_quiet.shape
    assert np.isfinite(sound).all()
    is_as_loud = np.mean(sound**2) == pytest.approx(np.mean(loud_then_quiet**2), rel=0.01)
    assert is_as_loud or np.abs(sound).max() == pytest.approx(1.0, rel=1e-3), (
        "unless its peak is the limit"
    )


def test_a_spectrogram_with_the_recording_s_phase_is_the_recording(loud_then_quiet):
    np.testing.assert_allclose(
        FeatureInversion(loud_then_quiet, RATE).compute_sound("spectrogram"),
        loud_then_quiet,
        atol=1e-5,
    )


def test_mel_and_log_mel_hold_the_same_until_shades_are_lost(loud_then_quiet):
    inversion = FeatureInversion(loud_then_quiet, RATE)
    np.testing.assert_allclose(
        inversion.compute_sound("log_mel"), inversion.compute_sound("mel"), atol=1e-3
    )
    rounded = FeatureInversion(loud_then_quiet, RATE, FrontEndConfig(shades=8))
    quiet = {
        name: energy(rounded.compute_sound(name)[RATE + 2000 :], 2000)
        for name in ("mel", "log_mel")
    }
    assert quiet["mel"] < 1e-3 * quiet["log_mel"], (
        "on a linear scale, 40 dB down is less than one of eight shades"
    )


def test_as_bright_as_the_picture_pcen_evens_out_levels(loud_then_quiet):
    ratios = {}
    for name in ("log_mel", "pcen"):
        sound = FeatureInversion(
            loud_then_quiet, RATE, FrontEndConfig(levels="brightness")
        ).compute_sound(name)
        ratios[name] = energy(sound, 500) / energy(sound, 2000)
    assert ratios["pcen"] < 0.1 * ratios["log_mel"]


def test_noise_as_a_carrier_has_the_picture_s_levels_and_another_phase(loud_then_quiet):
    sound = FeatureInversion(loud_then_quiet, RATE, FrontEndConfig(carrier="noise")).compute_sound(
        "spectrogram"
    )
    assert energy(sound, 500) / energy(sound, 1000) > 1e3
    assert abs(np.corrcoef(sound, loud_then_quiet)[0, 1]) < 0.5


def test_pcen_is_its_definition_for_a_steady_band_and_forgets_its_level():
    steady = np.full((1, 50), 0.01)
    expected = (0.01 / (1e-6 + 0.01) ** 0.98 + 2) ** 0.5 - 2**0.5
    np.testing.assert_allclose(pcen(steady), expected, rtol=1e-9)
    np.testing.assert_allclose(pcen(100 * steady), pcen(steady), rtol=0.1)
    np.testing.assert_allclose(pcen(steady, gain=0.0, bias=0.0, power=1.0), steady)


STEP = np.r_[np.full(100, 0.001), np.full(400, 0.1)]  # an event 40 dB above the level before
ONSET = 100  # its frame


@pytest.mark.parametrize("smoothing", [0.04, 0.2, 0.5])
def test_pcen_keeps_an_onset_and_divides_out_what_is_sustained(smoothing):
    normalised = pcen(STEP[None], smoothing=smoothing)[0]
    level = (1 - smoothing) * 0.001 + smoothing * 0.1
    assert (
        normalised[ONSET]
        == normalised.max()
        == pytest.approx((0.1 / (1e-6 + level) ** 0.98 + 2) ** 0.5 - 2**0.5)
    )
    assert normalised[-1] == pytest.approx(normalised[ONSET - 1], rel=0.1), (
        "a sustained event ends at the value before its onset"
    )
    assert (np.diff(normalised[ONSET:]) <= 1e-12).all(), "the value falls after the onset"


def test_pcen_knows_nothing_of_what_comes_later():
    before = pcen(STEP[None, :ONSET])
    np.testing.assert_array_equal(pcen(STEP[None])[:, :ONSET], before)
    np.testing.assert_allclose(before, before[0, 0], err_msg="no dip ahead of an event")


def test_pcen_the_more_a_frame_weighs_the_less_is_left_of_an_event_but_its_onset():
    lengths = []
    for smoothing in (0.01, 0.04, 0.2, 0.5):
        normalised = pcen(STEP[None], smoothing=smoothing)[0, ONSET:]
        lengths.append(int((normalised > 1.5 * normalised[-1]).sum()))
    assert lengths == sorted(set(lengths), reverse=True), lengths
    assert lengths[-1] <= 2


@pytest.mark.parametrize("waveform", [np.zeros(100), np.ones((2, 100)), np.zeros(0)])
def test_what_is_no_recording_is_refused(waveform):
    with pytest.raises(InputError, match="expected samples"):
        FeatureInversion(waveform, RATE)


def test_an_unknown_front_end_names_the_known_ones():
    with pytest.raises(InputError, match="there is spectrogram, mel, log_mel, pcen"):
        FeatureInversion(np.ones(2000), RATE).compute_features("gammatone")
