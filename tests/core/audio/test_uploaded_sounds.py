"""Uploads are decoded within limits; those that can't be are refused in one line."""

import numpy as np
import pytest
import soundfile

from absslab.core.audio import sound_files
from absslab.core.audio.uploaded_sounds import inspect_upload, transcode_upload
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end


def tone(n_channels=1, rate=16000, seconds=1.0, hertz=440.0):
    """(N, C): the same tone in each channel, softer from one to the next."""
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return samples[:, None] * 0.8 ** np.arange(n_channels)


def transcode(path, tmp_path, **options):
    target = tmp_path / "taken.wav"
    steps = list(
        transcode_upload(path, target, name=path.name, max_duration=options.get("max_duration", 10))
    )
    assert steps[-1].done == steps[-1].total
    return sound_files.load_channels(target)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_an_ordinary_file_comes_in_bit_by_bit(tmp_path, n_channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(n_channels), 16000)
    samples, rate = transcode(path, tmp_path)
    assert rate == 16000
    np.testing.assert_array_equal(samples, sound_files.load_channels(path)[0])


def test_of_many_channels_the_mean_is_taken(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(8), 16000, subtype="FLOAT")
    samples, _ = transcode(path, tmp_path)
    np.testing.assert_allclose(samples[0], tone(8).mean(1), atol=2**-22)
    assert (
        inspect_upload(path, name="a.wav", max_duration=10).description
        == "1.0 s, 16 kHz, mono; taken the mean of its 8 channels"
    )


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [96000, 192000, 88200])
def test_a_high_rate_is_lowered_without_a_seam_between_blocks(tmp_path, rate, n_channels):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(n_channels, rate, 3.3), rate, subtype="PCM_24")
    samples, rate = transcode(path, tmp_path)
    assert rate == 48000
    expected = tone(n_channels, 48000, 3.3).T
    assert samples.shape == expected.shape
    assert abs(samples - expected)[:, 2000:-2000].max() < 1e-3


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.write_text("words"), "a.wav is not a readable sound file"),
        (lambda path: path.touch(), "it has 0 bytes"),
        (
            lambda path: soundfile.write(path, tone(seconds=11), 16000),
            "lasts 0.2 min: expected at most 0.16",
        ),
        (
            lambda path: soundfile.write(path, tone(rate=500), 500),
            "500 Hz: expected at most 64 channels at 1000",
        ),
        (lambda path: soundfile.write(path, tone(65), 16000, subtype="FLOAT"), "65 channels"),
        (lambda path: soundfile.write(path, tone() * np.nan, 16000, subtype="FLOAT"), "NaN"),
    ],
)
def test_what_can_not_be_taken_in_is_said_in_one_line_and_leaves_nothing(tmp_path, make, line):
    path = tmp_path / "a.wav"
    make(path)
    with pytest.raises(InputError) as error:
        transcode(path, tmp_path)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_silence_is_taken_in_and_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    target = tmp_path / "copy.wav"
    steps = transcode_upload(tmp_path / "a.wav", target, name="a.wav", max_duration=10)
    assert run_to_end(steps).remarks == ("a.wav is silent: every sample is 0",)
    assert not soundfile.read(target)[0].any()


def test_a_file_that_breaks_in_the_middle_leaves_nothing(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 160000), 16000)
    content = bytearray(path.read_bytes())
    content[100000:140000] = bytes(40000)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a\.flac"):
        transcode(path, tmp_path, max_duration=20)
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_one_that_is_given_up_leaves_nothing(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(seconds=9, rate=48000), 48000)
    steps = transcode_upload(path, tmp_path / "taken.wav", name="a.wav", max_duration=10)
    next(steps)
    steps.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
