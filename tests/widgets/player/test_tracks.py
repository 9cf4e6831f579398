"""Parts of sounds are read at any rate without gaps; tracks are made from files and arrays."""

import numpy as np
import pytest

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.data.mixture_folder import source_files
from absslab.widgets.player.any_sound import make_tracks
from absslab.widgets.player.tracks import (
    Resampled,
    Track,
    array_sound,
    file_sound,
    mixture_tracks,
    to_one_rate,
)


def noise(n, *shape):
    return (0.1 * np.random.default_rng(0).standard_normal((*shape, n))).astype(np.float32)


def test_an_array_is_read_from_anywhere_with_silence_around_it():
    samples = noise(1000)
    sound = array_sound(samples, 8000)
    assert (sound.n_samples, sound.n_channels, sound.sampling_rate) == (1000, 1, 8000)
    np.testing.assert_array_equal(sound.read(100, 50)[0], samples[100:150])
    np.testing.assert_array_equal(
        sound.read(-10, 30)[0], np.r_[np.zeros(10), samples[:20]].astype(np.float32)
    )
    np.testing.assert_array_equal(
        sound.read(990, 30)[0], np.r_[samples[990:], np.zeros(20)].astype(np.float32)
    )
    for start in (-100, 1000, 5000):
        np.testing.assert_array_equal(sound.read(start, 40), np.zeros((1, 40)))


def test_a_file_is_read_as_an_array_is(tmp_path):
    samples = noise(3000, 2)
    sound_files.save(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    sound = file_sound(tmp_path / "a.wav")
    array = array_sound(samples, 44100)
    assert (sound.n_samples, sound.n_channels) == (3000, 2)
    for start, n in ((0, 3000), (-50, 100), (2950, 100), (4000, 10), (-30, 10)):
        np.testing.assert_array_equal(sound.read(start, n), array.read(start, n))


def test_of_more_than_two_channels_the_mean_is_heard(tmp_path):
    samples = noise(500, 5)
    sound_files.save(tmp_path / "five.wav", samples, 16000, subtype="FLOAT")
    for sound in (array_sound(samples, 16000), file_sound(tmp_path / "five.wav")):
        assert sound.n_channels == 1
        np.testing.assert_allclose(sound.read(0, 500)[0], samples.mean(0), atol=1e-7)


@pytest.mark.parametrize(
    ("own", "rate"), [(44100, 16000), (16000, 44100), (48000, 44100), (4000, 8000)]
)
def test_windows_of_a_resampled_sound_fit_to_each_other(own, rate):
    samples = noise(own * 5)
    sound = Resampled(array_sound(samples, own), rate)
    resampled = sound_files.resample(samples, own, rate)
    assert sound.n_samples == len(resampled)
    size = rate // 3 + 7
    windows = np.concatenate([sound.read(start, size) for start in range(0, 5 * rate, size)], 1)[
        0, : len(resampled)
    ]
    middle = slice(
        rate // 10, -rate // 10
    )  # at its ends, the whole sound has no neighbouring samples
    np.testing.assert_allclose(windows[middle], resampled[middle], atol=2e-5)


def test_tracks_of_several_rates_are_brought_to_the_first_ones():
    tracks = to_one_rate(
        [Track("a", array_sound(noise(16000), 16000)), Track("b", array_sound(noise(44100), 44100))]
    )
    assert [track.sound.sampling_rate for track in tracks] == [16000, 16000]
    assert tracks[1].sound.n_samples == 16000


@pytest.mark.parametrize(("rate", "played_rate"), [(4000, 8000), (192000, 96000)])
def test_rates_that_browsers_do_not_take_are_brought_to_the_nearest(rate, played_rate):
    assert (
        to_one_rate([Track("a", array_sound(noise(rate), rate))])[0].sound.sampling_rate
        == played_rate
    )


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(0, np.float32), 16000, "at least one sample"),
        (np.zeros((2, 3, 4), np.float32), 16000, "expected (N,) or (C, N)"),
        (np.zeros((1000, 2), np.float32), 16000, "channels first"),
        (np.array([0.0, np.nan]), 16000, "finite"),
        (np.array([1, 2]), 16000, "divide 16-bit samples by 32768"),
        (np.zeros(10), 0, "sampling_rate is 0"),
        (np.zeros(10), 16000.5, "whole number"),
    ],
)
def test_what_is_no_sound_is_refused(samples, rate, words):
    with pytest.raises(InputError) as raised:
        array_sound(samples, rate)
    assert words in str(raised.value)


def test_a_mixture_comes_with_the_sources_that_were_saved_with_it(mixtures):
    path = mixtures / "test" / "000000.wav"
    tracks = mixture_tracks(path)
    assert [track.kind for track in tracks[:1]] == ["mixture"]
    assert {track.name for track in tracks[1:]} == {*source_files(path), "background"}
    assert {track.kind for track in tracks[1:]} == {"reference", "background"}
    total = sum(track.sound.read(0, 32000) for track in tracks[1:])
    np.testing.assert_allclose(total, tracks[0].sound.read(0, 32000), atol=1e-6)


def test_a_separated_folder_has_sources_and_a_residual(tmp_path):
    for name in ("knock", "speech", "residual"):
        sound_files.save(tmp_path / f"{name}.wav", noise(800), 16000)
    assert [(track.name, track.kind) for track in make_tracks(tmp_path)] == [
        ("knock", "source"),
        ("speech", "source"),
        ("residual", "residual"),
    ]


def test_tracks_are_made_of_whatever_sounds(tmp_path):
    for folder in ("a", "b"):
        sound_files.save(tmp_path / folder / "x.wav", noise(800), 16000)
    files = [tmp_path / "a" / "x.wav", tmp_path / "b" / "x.wav"]
    assert [track.name for track in make_tracks(files)] == [str(path) for path in files]
    assert [track.name for track in make_tracks({"one": files[0], "mixture": noise(5)}, 8000)] == [
        "one",
        "mixture",
    ]
    assert make_tracks(noise(5), 8000)[0].sound.sampling_rate == 8000
    assert make_tracks(make_tracks(files[0]))[0].name == "x"


def test_a_tensor_is_an_array_and_a_file_without_sources_keeps_its_name(tmp_path):
    import torch

    np.testing.assert_array_equal(
        make_tracks(torch.ones(5), 8000)[0].sound.read(0, 5), np.ones((1, 5))
    )
    sound_files.save(tmp_path / "own take.wav", noise(800), 16000)
    assert [(track.name, track.kind) for track in make_tracks(tmp_path / "own take.wav")] == [
        ("own take", "mixture")
    ]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (np.zeros(5), "sampling_rate is missing"),
        (3, "int can't be listened to"),
        ([], "list can't be listened to"),
    ],
)
def test_what_can_not_be_listened_to_says_what_can(what, words):
    with pytest.raises(InputError, match=words):
        make_tracks(what)


def test_folders_without_sound_and_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no sound file"):
        make_tracks(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        make_tracks(tmp_path / "missing.wav")
    with pytest.raises(InputError, match="expected at least one track"):
        to_one_rate([])
    with pytest.raises(InputError, match="kind of the track"):
        Track("a", array_sound(noise(4), 16000), "sound")


@pytest.mark.parametrize(
    "rate", ["16000", b"16000", [16000], True, 0, -8000, 8000.5, np.nan, np.inf]
)
def test_a_rate_that_is_no_whole_number_is_refused(rate):
    with pytest.raises(InputError, match="expected a whole number of Hz"):
        array_sound(noise(100), rate)


@pytest.mark.parametrize("rate", [8000, 8000.0, np.int64(8000), np.float32(8000)])
def test_any_whole_number_is_a_rate(rate):
    assert array_sound(noise(100), rate).sampling_rate == 8000


def test_sounds_of_a_folder_that_can_not_be_read_are_told_and_the_others_played(tmp_path):
    sound_files.save(tmp_path / "good.wav", np.full(100, 0.1, np.float32), 8000)
    (tmp_path / "memo.m4a").write_bytes(b"no sound")
    with pytest.warns(InputWarning, match=r"1 of 2 files was left out: .*memo\.m4a"):
        (track,) = make_tracks(tmp_path)
    assert track.name == "good"
    (tmp_path / "good.wav").unlink()
    with pytest.raises(InputError, match=r"memo\.m4a"):
        make_tracks(tmp_path)
