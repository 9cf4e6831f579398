"""The built-in backgrounds are coloured, vary over time, and are the same for the same seed."""

import numpy as np
import pytest
import soundfile

from absslab.core.common.errors import InputError
from absslab.core.data.synthetic import recording_files
from absslab.core.data.synthetic.backgrounds import BACKGROUNDS, DURATION, synthesise_background
from absslab.core.data.synthetic.physics import SAMPLING_RATE
from absslab.core.data.synthetic.recording_files import cached_backgrounds, write_backgrounds


def band_levels(samples):
    """Levels of octaves from 62 Hz to 16 kHz, dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLING_RATE)
    edges = 62.5 * 2.0 ** np.arange(9)
    return 10 * np.log10(
        [
            power[(hertz >= low) & (hertz < high)].mean()
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_a_background_is_not_white(kind):
    samples = synthesise_background(kind, 1)
    assert samples.dtype == np.float32
    assert len(samples) == DURATION * SAMPLING_RATE
    assert 0.4 < np.abs(samples).max() <= 1
    assert np.ptp(band_levels(samples)) > 12  # dB; of white noise, under 1


@pytest.mark.parametrize("kind", ["rain", "traffic", "wind"])
def test_a_background_that_is_weather_or_traffic_is_not_steady(kind):
    blocks = synthesise_background(kind, 2).reshape(50, -1)  # of 0.2 s
    levels = 10 * np.log10((blocks**2).mean(1))
    assert levels.std() > 0.8  # dB; of white noise, 0.1


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_takes_differ_and_the_same_take_is_the_same(kind):
    first = synthesise_background(kind, 1)
    np.testing.assert_array_equal(first, synthesise_background(kind, 1))
    for other in (synthesise_background(kind, 2), synthesise_background(kind, 1, seed=1)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


def test_an_unknown_background_is_told_the_known_ones():
    with pytest.raises(InputError, match="'snow': expected one of rain, traffic, ventilation"):
        synthesise_background("snow", 1)


def test_backgrounds_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_files, "BACKGROUNDS", ("rain", "wind"))
    monkeypatch.setenv("ABSSLAB_CACHE", str(tmp_path))
    folder = cached_backgrounds(n_takes=1, seed=3)
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == ["rain01.wav", "wind01.wav"]
    assert soundfile.info(paths[0]).samplerate == SAMPLING_RATE
    before = [path.stat().st_mtime_ns for path in paths]
    assert write_backgrounds(folder, n_takes=1, seed=3) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
