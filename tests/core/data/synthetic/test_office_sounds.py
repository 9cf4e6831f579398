"""The built-in recordings: their common properties, the physics of each class, and safe storage."""

import numpy as np
import pytest
import soundfile
from scipy.signal import find_peaks

from absslab.core.data.synthetic import office_sounds, recording_files
from absslab.core.data.synthetic.office_sounds import CLASSES, SAMPLING_RATE, synthesise
from absslab.core.data.synthetic.recording_files import cached_recordings, write_recordings

N_TAKES = 20


@pytest.fixture(scope="module")
def recordings():
    """All takes: {(class, take): samples}."""
    return {
        (name, take): synthesise(name, take) for name in CLASSES for take in range(1, N_TAKES + 1)
    }


def takes(recordings, class_name):
    return [recordings[class_name, take] for take in range(1, N_TAKES + 1)]


def power_spectrum(samples):
    """Return frequencies in Hz, and the power at each."""
    return np.fft.rfftfreq(len(samples), 1 / SAMPLING_RATE), np.abs(np.fft.rfft(samples)) ** 2


def centroid(samples):
    frequencies, power = power_spectrum(samples)
    return np.sum(frequencies * power) / np.sum(power)


def share_of_energy(samples, low, high):
    frequencies, power = power_spectrum(samples)
    return np.sum(power[(frequencies >= low) & (frequencies < high)]) / np.sum(power)


def frame_levels(samples, hop=441):
    """Return the RMS of every 10 ms."""
    n_frames = len(samples) // hop
    return np.sqrt(np.mean(samples[: n_frames * hop].reshape(n_frames, hop) ** 2, axis=1))


def n_onsets(samples, rise=2.0):
    """Count onsets.

    An onset is a block of 10 ms that is `rise` times as loud as the block before, and at most 26 dB
    below the loudest one.
    """
    levels = frame_levels(samples)
    before = np.concatenate([[1e-9], levels[:-1]])
    return int(np.sum((levels > rise * before) & (levels > 0.05 * np.max(levels))))


def log_mel_statistics(samples, filters):
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 512), 1024)[
        ::512
    ] * np.hanning(1024)
    log_mel = np.log(np.abs(np.fft.rfft(frames)) ** 2 @ filters.T + 1e-6)  # (T, M)
    return np.concatenate([log_mel.mean(axis=0), log_mel.std(axis=0)])  # (2M,)


def test_the_classes_are_the_sixteen_of_dcase_2013():
    assert len(CLASSES) == 16
    assert list(CLASSES) == sorted(CLASSES)


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_take_is_the_same_again_and_another_seed_or_take_differs(class_name, recordings):
    first = recordings[class_name, 1]
    np.testing.assert_array_equal(first, synthesise(class_name, 1))
    for other in (recordings[class_name, 2], synthesise(class_name, 1, seed=1)):
        assert len(first) != len(other) or not np.allclose(first, other)


@pytest.mark.parametrize("class_name", CLASSES)
def test_every_take_is_a_clean_recording(class_name, recordings):
    for samples in takes(recordings, class_name):
        peak = np.max(np.abs(samples))
        assert samples.dtype == np.float32
        assert np.all(np.isfinite(samples))
        assert 0.19 <= len(samples) / SAMPLING_RATE <= 3.0
        assert 0.2 < peak <= 0.9
        assert abs(np.mean(samples)) < 1e-6
        assert np.max(np.abs(samples[:100])) < 0.01 * peak
        assert np.max(np.abs(samples[-20:])) < 0.05 * peak


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_take_begins_or_ends_in_silence(class_name, recordings):
    for samples in takes(recordings, class_name):
        sounding = np.flatnonzero(np.abs(samples) > 1 / 32768)
        assert sounding[0] < 0.03 * SAMPLING_RATE
        assert sounding[-1] > len(samples) - 0.05 * SAMPLING_RATE


@pytest.mark.parametrize("class_name", CLASSES)
def test_takes_differ_in_length_colour_and_level(class_name, recordings):
    lengths = [len(samples) for samples in takes(recordings, class_name)]
    centroids = [centroid(samples) for samples in takes(recordings, class_name)]
    peaks = [np.max(np.abs(samples)) for samples in takes(recordings, class_name)]
    assert max(lengths) > 1.3 * min(lengths)
    assert max(centroids) > 1.3 * min(centroids)
    assert 20 * np.log10(max(peaks) / min(peaks)) > 5


def test_a_fifth_of_the_takes_lean_to_a_neighbour(monkeypatch):
    blends = []
    silent = {
        name: lambda rng, blend: blends.append(blend) or rng.normal(size=9000) for name in CLASSES
    }
    monkeypatch.setattr(office_sounds, "GENERATORS", silent)
    for name in CLASSES:
        for take in range(N_TAKES):
            synthesise(name, take)
    assert 0.12 < np.mean(np.array(blends) > 0) < 0.28


def test_a_phone_has_two_strong_tones(recordings):
    for samples in takes(recordings, "phone"):
        frequencies, power = power_spectrum(samples)
        smooth = np.convolve(power, np.ones(15), "same")
        peaks, _ = find_peaks(
            smooth, height=0.05 * np.max(smooth), distance=int(25 / frequencies[1])
        )
        assert len(peaks) >= 2


def test_knocks_and_slams_die_away_and_are_low(recordings):
    for class_name in ("knock", "doorslam"):
        for samples in takes(recordings, class_name):
            levels = frame_levels(samples)
            assert np.mean(levels[-5:]) < 0.1 * np.max(levels)
            assert share_of_energy(samples, 0, 1500) > 0.8


def test_a_keyboard_is_struck_several_times_and_more_often_than_a_mouse(recordings):
    keyboard = [n_onsets(samples) for samples in takes(recordings, "keyboard")]
    mouse = [n_onsets(samples) for samples in takes(recordings, "mouse")]
    assert min(keyboard) >= 3
    assert np.median(keyboard) > 2 * np.median(mouse)


def test_speech_and_laughter_lie_where_voices_do(recordings):
    for class_name in ("speech", "laughter"):
        for samples in takes(recordings, class_name):
            assert share_of_energy(samples, 80, 4000) > 0.8


def test_keys_are_the_brightest_of_what_is_struck(recordings):
    keys = np.median([centroid(samples) for samples in takes(recordings, "keys")])
    for other in ("knock", "doorslam", "switch", "pendrop", "keyboard", "drawer"):
        assert keys > 1.3 * np.median([centroid(samples) for samples in takes(recordings, other)])


def test_the_flights_of_a_pen_get_shorter(monkeypatch):
    onsets = []
    mix_at = office_sounds.mix_at
    monkeypatch.setattr(
        office_sounds, "mix_at", lambda parts: onsets.append([t for t, _ in parts]) or mix_at(parts)
    )
    for take in range(5):
        office_sounds._pendrop(np.random.default_rng(take), 0.0)
        flights = np.diff(np.unique(onsets[-1]))
        restitution = flights[1:] / flights[:-1]
        assert len(flights) >= 3
        # Each impact keeps the same fraction of the speed.
        np.testing.assert_allclose(restitution, restitution[0])
        assert 0.5 <= restitution[0] <= 0.72


def test_laughter_gets_weaker(recordings):
    halves = [np.array_split(samples**2, 2) for samples in takes(recordings, "laughter")]
    assert np.mean([np.sum(first) > np.sum(second) for first, second in halves]) > 0.8


def test_a_printer_lasts_and_a_switch_does_not(recordings):
    printer = [len(samples) for samples in takes(recordings, "printer")]
    switch = [len(samples) for samples in takes(recordings, "switch")]
    assert min(printer) > 1.0 * SAMPLING_RATE > max(switch)


def test_classes_are_distinct_but_not_trivially_so(recordings):
    librosa = pytest.importorskip("librosa")
    neighbors = pytest.importorskip("sklearn.neighbors")
    filters = librosa.filters.mel(sr=SAMPLING_RATE, n_fft=1024, n_mels=40)
    features = {key: log_mel_statistics(samples, filters) for key, samples in recordings.items()}
    train = [key for key in features if key[1] <= 14]
    test = [key for key in features if key[1] > 14]
    known = np.stack([features[key] for key in train])
    mean = known.mean(axis=0)
    deviation = known.std(axis=0)
    classifier = neighbors.KNeighborsClassifier(1).fit(
        (known - mean) / deviation, [name for name, _ in train]
    )
    unknown = (np.stack([features[key] for key in test]) - mean) / deviation
    assert 0.7 <= classifier.score(unknown, [name for name, _ in test]) <= 0.99


def test_an_unknown_class_is_refused_with_the_known_ones_named():
    with pytest.raises(ValueError, match=r"'whistle'.*alert, .*switch"):
        synthesise("whistle", 1)


def test_recordings_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_files, "CLASSES", ("alert", "switch"))
    monkeypatch.setattr(recording_files, "synthesise", lambda *_: np.full(9000, 0.5, np.float32))
    (tmp_path / "alert01.wav").write_bytes(b"kept")
    paths = write_recordings(tmp_path, n_takes=2)
    assert [path.name for path in paths] == [
        "alert01.wav",
        "alert02.wav",
        "switch01.wav",
        "switch02.wav",
    ]
    assert paths[0].read_bytes() == b"kept"
    assert sorted(tmp_path.iterdir()) == paths
    with pytest.raises(ValueError, match="n_takes is 0"):
        write_recordings(tmp_path, n_takes=0)


def test_what_is_written_is_what_was_synthesised(tmp_path):
    paths = write_recordings(tmp_path, n_takes=1)
    assert len(paths) == 16
    samples, sampling_rate = soundfile.read(paths[0], dtype="float32")
    assert sampling_rate == SAMPLING_RATE
    assert soundfile.info(paths[0]).subtype == "PCM_16"
    np.testing.assert_allclose(samples, synthesise("alert", 1), atol=1.1 / 32768)


def test_an_interrupted_write_leaves_whole_files_only_and_goes_on(tmp_path, monkeypatch):
    def interrupted(part, path):
        assert part.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_recordings(tmp_path, n_takes=1)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert all(path.exists() for path in write_recordings(tmp_path, n_takes=1))


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_files, "CLASSES", ("mouse", "switch"))
    monkeypatch.setenv("ABSSLAB_CACHE", str(tmp_path / "cache"))
    folder = cached_recordings(n_takes=1, seed=3)
    assert folder.parent == tmp_path / "cache"
    assert sorted(path.name for path in folder.iterdir()) == ["mouse01.wav", "switch01.wav"]
    before = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    assert cached_recordings(n_takes=1, seed=3) == folder
    assert before == [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    assert cached_recordings(n_takes=1, seed=4) != folder
    monkeypatch.delenv("ABSSLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cached_recordings(n_takes=1).parent == tmp_path / "xdg" / "absslab"
