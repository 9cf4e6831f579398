"""Spectrograms show sounds at the right place, and all on the same range of levels."""

import numpy as np
import pytest
import soundfile

from absslab.plots.figures import RANGE
from absslab.widgets.player.spectrogram_tiles import (
    Frequencies,
    level_pixels,
    mask_pixels,
    spectrogram_levels,
)
from absslab.widgets.player.tracks import FileSound, Mask, array_sound, file_sound

RATE = 16000
FREQUENCIES = {axis: Frequencies(axis, 120, RATE / 2) for axis in ("mel", "linear")}


def tone(hertz, seconds, level=1.0):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


@pytest.mark.parametrize("axis", ["mel", "linear"])
@pytest.mark.parametrize("hertz", [100, 440, 1000, 3000, 7500])
def test_a_tone_is_brightest_in_the_row_that_has_its_frequency(axis, hertz):
    level = spectrogram_levels(
        array_sound(tone(hertz, 2), RATE), FREQUENCIES[axis], start=0.5, end=1.5, n_columns=50
    )
    assert level.shape == (120, 50)
    rows = level.argmax(0)
    assert len(set(rows)) == 1
    edges = FREQUENCIES[axis].edges
    assert edges[rows[0]] - 16 <= hertz <= edges[rows[0] + 1] + 16  # Hz: a bin of 64 ms


def test_a_click_is_in_its_column():
    samples = np.zeros(4 * RATE, np.float32)
    samples[3 * RATE] = 1
    level = spectrogram_levels(
        array_sound(samples, RATE), FREQUENCIES["mel"], start=0, end=4, n_columns=400
    ).max(0)
    loud = np.flatnonzero(level > level.max() - 3)
    assert abs(loud.mean() - 299.5) <= 1.5


def test_half_the_amplitude_is_six_decibels_less_in_the_same_colours():
    sounds = [array_sound(tone(1000, 1, gain), RATE) for gain in (1.0, 0.5)]
    loud, quiet = (
        spectrogram_levels(sound, FREQUENCIES["mel"], start=0, end=1, n_columns=20)
        for sound in sounds
    )
    assert loud.max() - quiet.max() == pytest.approx(6.02, abs=0.01)
    top = loud.max()
    assert level_pixels(loud, top).max() == 255
    assert level_pixels(quiet, top).max() == pytest.approx(255 * (1 - 6.02 / RANGE), abs=1)
    assert level_pixels(np.array([top - RANGE - 1]), top) == 0


@pytest.mark.parametrize(
    ("suffix", "coding", "most_reads"),
    [(".wav", "PCM_16", 400), (".mp3", "MPEG_LAYER_III", 5), (".wav", "G721_32", 5)],
)
def test_a_long_file_is_looked_at_here_and_there_or_where_seeking_is_dear_in_a_few_blocks(
    tmp_path, monkeypatch, suffix, coding, most_reads
):
    path = tmp_path / f"long{suffix}"
    samples = np.concatenate([tone(500, 90), tone(3000, 90)])
    soundfile.write(path, 0.5 * samples, RATE, subtype=coding)
    reads = []
    read = FileSound.read
    monkeypatch.setattr(
        FileSound, "read", lambda self, start, n: reads.append(n) or read(self, start, n)
    )
    level = spectrogram_levels(
        file_sound(path), FREQUENCIES["mel"], start=0, end=180, n_columns=100
    )
    rows = level.argmax(0)
    centres = FREQUENCIES["mel"].centres
    assert np.all(np.abs(centres[rows[:49]] - 500) < 40)
    assert np.all(np.abs(centres[rows[51:]] - 3000) < 150)
    assert len(reads) <= most_reads


def test_silence_is_dark_and_a_sound_shorter_than_a_window_is_seen():
    silent = spectrogram_levels(
        array_sound(np.zeros(RATE, np.float32), RATE),
        FREQUENCIES["mel"],
        start=0,
        end=1,
        n_columns=10,
    )
    assert silent.max() == pytest.approx(-120)
    short = spectrogram_levels(
        array_sound(np.ones(1, np.float32), RATE),
        FREQUENCIES["mel"],
        start=0,
        end=1 / RATE,
        n_columns=10,
    )
    assert np.isfinite(short).all()
    assert short.max() > -120


def test_a_mask_lies_where_its_bands_and_frames_are():
    values = np.zeros((4, 10))
    values[2, 5] = 1
    mask = Mask(values, np.array([500.0, 1500.0, 3000.0, 6000.0]), hop=0.1)
    frequencies = FREQUENCIES["linear"]
    pixels = mask_pixels(mask, frequencies, start=0, end=1, n_columns=100)
    rows, columns = np.nonzero(pixels)
    assert set(np.unique(pixels)) == {0, 255}
    assert 2250 - 70 < frequencies.centres[rows.min()] < 2250 + 70
    assert 4500 - 70 < frequencies.centres[rows.max()] < 4500 + 70
    assert (columns.min(), columns.max()) == (45, 54)
