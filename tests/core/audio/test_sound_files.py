"""Sound files of every coding are read, bad ones are refused, and written ones are complete."""

import io
import os
import signal

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from absslab.core.audio import formats, sound_files
from absslab.core.common.errors import InputError, InputWarning

RATE = 16000


def tone(frequency, seconds=1.0, rate=RATE, level=0.5):
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def frequency_and_level(samples, rate):
    """Measure the strongest partial of a tone, from its middle half, away from the edges."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window))
    peak = int(spectrum.argmax())
    return peak * rate / len(middle), 2 * spectrum[peak] / window.sum()


def truncate_file(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1 / 100),
        ("a.wav", "PCM_16", 1 / 30000),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "PCM_32", 1e-7),
        ("a.wav", "FLOAT", 1e-7),
        ("a.wav", "DOUBLE", 1e-7),
        ("a.flac", "PCM_16", 1 / 30000),
        ("a.flac", "PCM_24", 1e-6),
        ("A.WAV", "PCM_16", 1 / 30000),
    ],
)
def test_good_files_load_as_the_mean_of_their_channels(
    tmp_path, name, subtype, tolerance, rate, n_channels
):
    channels = np.stack(
        [tone(440, 0.05, rate, level=(c + 1) / 10) for c in range(n_channels)]
    )  # (C, N)
    soundfile.write(tmp_path / name, channels.T, rate, subtype=subtype)
    about = sound_files.check(tmp_path / name)
    assert (about.sampling_rate, about.n_channels, about.n_samples) == (
        rate,
        n_channels,
        channels.shape[1],
    )
    assert about.duration == pytest.approx(0.05)
    loaded = sound_files.load(tmp_path / name)
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, channels.mean(axis=0), atol=tolerance)
    np.testing.assert_allclose(
        sound_files.load_channels(tmp_path / name)[0], channels, atol=tolerance
    )


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_lossy_files_load_with_their_tone_and_length(tmp_path, name, n_channels):
    soundfile.write(tmp_path / name, np.stack([tone(1000, rate=44100)] * n_channels, axis=1), 44100)
    about = sound_files.check(tmp_path / name)
    assert (about.sampling_rate, about.n_channels, about.n_samples) == (44100, n_channels, 44100)
    samples = sound_files.load(tmp_path / name)
    assert samples.shape == (44100,)
    frequency, level = frequency_and_level(samples, 44100)
    assert frequency == pytest.approx(1000, abs=2)
    assert level == pytest.approx(0.5, rel=0.05)


def test_a_part_of_a_file_is_that_part_of_its_samples(tmp_path):
    samples = tone(300)
    sound_files.save(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(
        sound_files.load(tmp_path / "a.wav", start=100, n_samples=50), samples[100:150]
    )
    np.testing.assert_array_equal(
        sound_files.load(tmp_path / "a.wav", start=15990, n_samples=50), samples[15990:]
    )


def test_blocks_are_the_file_cut_up(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, (2, 600_000)).astype(np.float32)
    sound_files.save(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    parts = list(sound_files.read_blocks(tmp_path / "a.wav"))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), samples)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000])
def test_a_wav_from_a_pipe_which_does_not_know_its_length_loads_whole(tmp_path, size):
    sound_files.save(tmp_path / "a.wav", tone(440), RATE)
    raw = bytearray((tmp_path / "a.wav").read_bytes())
    at = raw.index(b"data")
    raw[4:8] = raw[at + 4 : at + 8] = size.to_bytes(4, "little")
    (tmp_path / "pipe.wav").write_bytes(raw)
    assert sound_files.check(tmp_path / "pipe.wav").n_samples == RATE
    np.testing.assert_array_equal(
        sound_files.load(tmp_path / "pipe.wav"), sound_files.load(tmp_path / "a.wav")
    )


def test_a_wav_with_other_chunks_before_and_after_its_samples_loads_whole(tmp_path):
    sound_files.save(tmp_path / "a.wav", tone(440), RATE)
    raw = (tmp_path / "a.wav").read_bytes()
    at = raw.index(b"data")
    odd = b"note" + (3).to_bytes(4, "little") + b"abc\0"
    (tmp_path / "b.wav").write_bytes(raw[:at] + odd + raw[at:] + odd)
    assert sound_files.check(tmp_path / "b.wav").n_samples == RATE


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "big endian", "FLAC", "OGG", "MP3"])
def test_a_file_is_good_whole_and_said_to_be_cut_short(tmp_path, container):
    path = tmp_path / f"take1.{container.lower() if container in ('FLAC', 'OGG', 'MP3') else 'wav'}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)
    if container == "big endian":
        soundfile.write(path, noise, RATE, format="WAV", endian="BIG")
    else:
        soundfile.write(path, noise, RATE, format=container)
    assert sound_files.check(path).n_samples == 3 * RATE
    truncate_file(path)
    missing = "cut short|its end may be missing"
    with pytest.warns(InputWarning, match=rf"{path.name} .*({missing})"):
        assert 0 < sound_files.check(path).n_samples < 2 * RATE


def write_bad(path, kind):
    samples = tone(440)
    if kind == "NaN":
        samples[100] = np.nan
    elif kind == "infinite":
        samples[100] = np.inf
    elif kind == "silent":
        samples[:] = 0
    soundfile.write(path, samples[:0] if kind == "no samples" else samples, RATE, subtype="FLOAT")
    if kind == "no bytes":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not a sound at all\n" * 40)
    elif kind == "only a header":
        path.write_bytes(path.read_bytes()[:30])
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "missing":
        path.unlink()
    elif kind == "a folder":
        path.unlink()
        path.mkdir()


BAD = {
    "NaN": "holds NaN or infinite samples",
    "infinite": "holds NaN or infinite samples",
    "silent": "is silent",
    "no samples": "holds 0 samples",
    "no bytes": "it has 0 bytes",
    "text": "is not a readable sound file",
    "only a header": "is not a readable sound file",
    "noise": "is not a readable sound file",
    "missing": "does not exist",
    "a folder": "does not exist or is not a file",
}


@pytest.mark.parametrize(("kind", "message"), BAD.items())
def test_a_bad_file_is_refused_in_one_line_with_its_name(tmp_path, kind, message):
    path = tmp_path / "take1.wav"
    write_bad(path, kind)
    with pytest.raises(InputError) as caught:
        sound_files.check(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "silent"])
def test_a_bad_file_does_not_load_either(tmp_path, kind):
    write_bad(tmp_path / "take1.wav", kind)
    with pytest.raises(InputError, match=r"take1\.wav"):
        sound_files.load(tmp_path / "take1.wav")
    with pytest.raises(InputError, match=r"take1\.wav"):
        list(sound_files.read_blocks(tmp_path / "take1.wav"))


def test_silence_is_samples_but_no_event(tmp_path):
    write_bad(tmp_path / "take1.wav", "silent")
    assert not sound_files.load(tmp_path / "take1.wav").any()
    with pytest.raises(InputError, match="is silent"):
        sound_files.load_event(str(tmp_path / "take1.wav"), RATE)


def test_a_flac_whose_middle_is_damaged_is_refused(tmp_path):
    soundfile.write(
        tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE), RATE
    )
    raw = bytearray((tmp_path / "a.flac").read_bytes())
    raw[20000:30000] = bytes(10000)
    (tmp_path / "a.flac").write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.flac"):
        sound_files.check(tmp_path / "a.flac")


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("a.wav", True),
        ("a.MP3", True),
        ("a.aiff", True),
        ("a.M4A", True),
        ("a.webm", True),
        ("a.txt", False),
        ("a.json", False),
        ("wav", False),
        (".a.wav", False),
    ],
)
def test_sound_files_are_told_by_their_suffix_and_hidden_ones_are_none(name, sound):
    assert formats.is_audio(name) is sound


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(44100, 16000), (16000, 44100), (48000, 8000), (22050, 44100)]
)
def test_resampling_keeps_a_tones_frequency_and_level(from_rate, to_rate):
    samples = sound_files.resample(tone(1000, 1.0, from_rate), from_rate, to_rate)
    frequency, level = frequency_and_level(samples, to_rate)
    assert frequency == pytest.approx(1000, abs=3)
    assert level == pytest.approx(0.5, rel=0.01)


def test_resampling_removes_what_the_new_rate_cannot_hold():
    samples = sound_files.resample(tone(6000, 1.0, 44100), 44100, 8000)
    assert np.abs(samples[1000:-1000]).max() < 1e-3


@given(
    n=st.integers(1, 3000),
    from_rate=st.sampled_from([8000, 22050, 44100]),
    to_rate=st.sampled_from([8000, 16000]),
)
def test_resampling_gives_the_nearest_length_for_any_axes_before(n, from_rate, to_rate):
    samples = np.random.default_rng(n).uniform(-1, 1, (2, 3, n)).astype(np.float32)
    out = sound_files.resample(samples, from_rate, to_rate)
    assert out.shape == (2, 3, max(1, round(n * to_rate / from_rate)))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(
        out[1, 2], sound_files.resample(samples[1, 2], from_rate, to_rate)
    )


sixteen_bit = arrays.arrays(np.int16, st.integers(1, 200))


@given(sixteen_bit)
def test_sixteen_bit_samples_are_saved_exactly(tmp_path_factory, samples):
    path = tmp_path_factory.getbasetemp() / "exact.wav"
    as_floats = (samples / 32768).astype(np.float32)
    sound_files.save(path, as_floats, RATE)
    np.testing.assert_array_equal(sound_files.load(path), as_floats)
    sound_files.save(path, samples, RATE)
    np.testing.assert_array_equal(sound_files.load(path), as_floats)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.flac", "PCM_16"),
        ("a.flac", "PCM_24"),
    ],
)
def test_what_lies_on_the_grid_of_a_coding_is_saved_exactly(tmp_path, name, subtype):
    samples = sound_files.quantise(np.random.default_rng(0).uniform(-1.1, 1.1, (2, 999)), subtype)
    assert samples.dtype == np.float64
    sound_files.save(tmp_path / name, samples, RATE, subtype=subtype)
    np.testing.assert_array_equal(
        sound_files.load_channels(tmp_path / name)[0], samples.astype(np.float32)
    )


def test_the_grid_is_at_most_half_a_step_away_and_ends_before_one():
    samples = np.linspace(-0.99, 0.99, 12345)
    assert np.abs(sound_files.quantise(samples, "PCM_16") - samples).max() <= 0.5 / 32768
    np.testing.assert_array_equal(
        sound_files.quantise(np.array([-2.0, 2.0]), "PCM_16"), [-1, 32767 / 32768]
    )


def test_a_full_disk_leaves_no_file(tmp_path, full_disk):
    with full_disk(1000), pytest.raises(OSError, match=r"a\.wav"):
        sound_files.save(tmp_path / "a.wav", tone(440), RATE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_writer_writes_block_by_block_what_save_writes_at_once(tmp_path, subtype):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 5000)).astype(np.float32)
    writer = sound_files.WavWriter.open(tmp_path / "new" / "a.wav", RATE, 2, 5000, subtype)
    writer.write(samples[:, :1234])
    writer.write(samples[:, 1234:])
    assert not (tmp_path / "new" / "a.wav").exists()
    writer.close()
    writer.discard()
    sound_files.save(tmp_path / "b.wav", samples, RATE, subtype=subtype)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.wav"]
    np.testing.assert_array_equal(
        sound_files.load_channels(tmp_path / "new" / "a.wav")[0],
        sound_files.load_channels(tmp_path / "b.wav")[0],
    )


@pytest.mark.parametrize(
    ("n_samples", "container"), [(1000, "WAV"), ((1 << 31) - (1 << 16), "WAV"), (1 << 31, "RF64")]
)
def test_a_writer_takes_rf64_where_four_gibibytes_would_not_do(tmp_path, n_samples, container):
    writer = sound_files.WavWriter.open(tmp_path / "a.wav", RATE, 1, n_samples, "PCM_16")
    writer.write(tone(440)[None])
    (unfinished,) = tmp_path.iterdir()
    writer._file.flush()
    assert soundfile.info(unfinished).format == container
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_got_fewer_samples_than_promised_leaves_nothing(tmp_path):
    writer = sound_files.WavWriter.open(tmp_path / "a.wav", RATE, 1, 1000, "PCM_16")
    writer.write(np.zeros((1, 999)))
    with pytest.raises(OSError, match=r"a\.wav"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 10, 3000])
def test_a_writer_on_a_full_disk_leaves_nothing(tmp_path, full_disk, limit):
    writer = None

    def write():
        nonlocal writer
        writer = sound_files.WavWriter.open(tmp_path / "a.wav", RATE, 1, RATE, "PCM_16")
        for block in np.split(tone(440)[None], 10, axis=1):
            writer.write(block)
        writer.close()

    with full_disk(limit), pytest.raises(OSError, match=r"a\.wav"):
        write()
    if writer is not None:
        writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_can_only_not_finish_on_a_full_disk_leaves_nothing(tmp_path, full_disk):
    writer = sound_files.WavWriter.open(tmp_path / "a.wav", RATE, 1, RATE, "PCM_16")
    writer.write(tone(440)[None])
    os.truncate(next(tmp_path.iterdir()), 5000)
    with pytest.raises(OSError, match=r"a\.wav"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_below_a_file_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        sound_files.WavWriter.open(tmp_path / "file" / "a.wav", RATE, 1, 10, "PCM_16")


def test_ctrl_c_while_a_file_is_encoded_comes_through(monkeypatch):
    """libsndfile writes through a callback, in which exceptions are only printed."""
    original = io.BytesIO.write

    class Interrupted(io.BytesIO):
        def write(self, content):
            signal.raise_signal(signal.SIGINT)
            return original(self, content)

    monkeypatch.setattr(sound_files.io, "BytesIO", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        sound_files.encode(np.zeros(1000, np.float32), 16000)
