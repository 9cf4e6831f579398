"""Files are read as they are: all samples that are there, and what is lost is said."""

import io
import os
import re
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from sound_kinds import (
    KINDS,
    encode,
    frequency_of,
    tone,
    write_silent_film,
    write_with_av,
)
from sound_reading import read_with_notices

from absslab.core.audio import av_decoder, decoder_choice, formats, sound_files
from absslab.core.audio.av_decoder import SafeReader
from absslab.core.audio.mp3_frames import find_mp3_parts
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices

RATE = 16000


@pytest.mark.parametrize("n_channels", [1, 2, 6])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_is_read_whole_without_a_word(tmp_path, kind, n_channels):
    if n_channels > 1 and kind.name in ("wav gsm", "aiff gsm", "wav g721", "au g723", "xi", "amr"):
        pytest.skip("this coding has one channel")
    if n_channels > 2 and kind.name in ("mp3", "wav ima adpcm", "wav ms adpcm"):
        pytest.skip("this coding has two channels")
    samples = tone(0.7, kind.rate)
    path = kind.write(tmp_path / f"a{kind.suffix}", samples, kind.rate, n_channels)
    assert formats.is_audio(path)
    with collect_notices() as notices:
        about = sound_files.check(path)
        channels, rate = sound_files.load_channels(path)
        blocks = list(sound_files.read_blocks(path))
        assert sound_files.info(path) == about
    assert notices == []
    assert rate == about.sampling_rate == kind.rate
    assert channels.shape == (n_channels, about.n_samples)
    assert 0 <= about.n_samples - len(samples) <= kind.slack
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), channels)
    assert frequency_of(channels[0], rate) == pytest.approx(440, abs=3)
    if kind.tolerance is not None:
        np.testing.assert_allclose(channels[0], samples, atol=kind.tolerance)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_part_of_each_kind_is_that_part_of_its_samples(tmp_path, kind):
    path = kind.write(tmp_path / f"a{kind.suffix}", tone(2.0, kind.rate), kind.rate)
    whole = sound_files.load(path)
    tolerance = 1e-3 if kind.name in ("vorbis", "opus", "mp3") else 0
    for start, n_samples in [(500, 100), (600, 7000), (100, 300), (len(whole) - 50, 50), (0, 10)]:
        part = sound_files.load(path, start=start, n_samples=n_samples)
        assert len(part) == n_samples
        np.testing.assert_allclose(part, whole[start : start + n_samples], atol=tolerance)
    assert len(sound_files.load(path, start=len(whole) - 50, n_samples=200)) == 50
    assert len(sound_files.load(path, start=len(whole) + 50, n_samples=200)) == 0


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("coding", ["aac", "alac"])
def test_phone_recordings_of_every_rate_keep_their_length(tmp_path, coding, rate):
    samples = tone(0.5, rate)
    write_with_av(tmp_path / "a.m4a", samples[None], rate, coding)
    about = sound_files.check(tmp_path / "a.m4a")
    assert about.sampling_rate == rate
    assert about.n_samples == pytest.approx(len(samples), abs=rate / 1000)


# --- headers that say something else than is there


def wav(samples, *, said=None, before=b"", after=b"", coding="PCM_16", order="little"):
    """Return the bytes of a WAV whose chunk of samples says another size."""
    if order == "little":
        raw = encode(samples, RATE, "WAV", coding)
    else:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, RATE, format="WAV", subtype=coding, endian="BIG")
        raw = buffer.getvalue()
    at = raw.index(b"data")
    size = raw[at + 4 : at + 8] if said is None else said.to_bytes(4, order)
    return raw[:at] + before + b"data" + size + raw[at + 8 :] + after


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("n_announced", [0, 1, 4000, 7900])
def test_a_wav_that_says_less_is_read_whole_with_both_numbers(
    tmp_path, n_announced, coding, n_channels, order
):
    samples = np.tile(tone(0.5)[:, None], n_channels)
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[coding] * n_channels
    content = wav(samples, said=n_announced * width, coding=coding, order=order)
    channels, notices = read_with_notices(tmp_path / "a.wav", content)
    np.testing.assert_allclose(channels, samples.T, atol=1e-4)
    assert notices == [
        f"a.wav says {n_announced} samples in its header, but holds 8000: all of them are read"
    ]


LIST = b"LIST" + (4).to_bytes(4, "little") + b"INFO"


@pytest.mark.parametrize(
    "after", [b"", LIST, b"\0\0\0", b"\0" * 512, b"TAG" + bytes(125), b"ID3\4\0\0\0\0\0\0", b"x"]
)
def test_what_follows_the_samples_is_no_sound(tmp_path, after):
    channels, notices = read_with_notices(tmp_path / "a.wav", wav(tone(0.5), after=after))
    assert channels.shape == (1, 8000)
    assert notices == []


def test_chunks_after_samples_that_a_header_does_not_count_are_no_sound(tmp_path):
    content = wav(tone(0.5), said=4000, after=LIST)
    channels, notices = read_with_notices(tmp_path / "a.wav", content)
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert notices == [
        "a.wav says 2000 samples in its header, but holds 8000: all of them are read"
    ]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000])
def test_a_wav_of_a_pipe_is_read_whole_without_a_word(tmp_path, size):
    channels, notices = read_with_notices(tmp_path / "a.wav", wav(tone(0.5), said=size))
    assert channels.shape == (1, 8000)
    assert notices == []


@pytest.mark.parametrize("name", [b"note", b"LIST", b"bext", b"JUNK", b"xyz "])
@pytest.mark.parametrize("size", [1, 25, 301])
def test_an_odd_chunk_without_padding_hides_no_samples(tmp_path, name, size):
    before = name + size.to_bytes(4, "little") + b"a" * size
    for padding in (b"", b"\0"):
        channels, notices = read_with_notices(
            tmp_path / "a.wav", wav(tone(0.5), before=before + padding)
        )
        np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
        assert notices == []


@pytest.mark.parametrize(
    ("container", "coding", "n_lost"),
    [
        ("WAV", "PCM_16", "samples"),
        ("WAVEX", "PCM_24", "samples"),
        ("RF64", "PCM_16", "samples"),
        ("WAV", "GSM610", "bytes"),
        ("AIFF", "PCM_16", "samples"),
        ("CAF", "PCM_16", "samples"),
        ("AU", "PCM_16", "samples"),
        ("W64", "PCM_16", "samples"),
        ("FLAC", "PCM_16", "samples"),
        ("MP3", "MPEG_LAYER_III", " s "),
    ],
)
def test_of_a_file_that_is_cut_short_all_that_is_there_is_read(tmp_path, container, coding, n_lost):
    whole = encode(tone(3.0), RATE, container, coding)
    (tmp_path / "whole").write_bytes(whole)
    expected = sound_files.load(tmp_path / "whole")
    channels, notices = read_with_notices(tmp_path / "a.bin", whole[: round(0.6 * len(whole))])
    n_samples = channels.shape[1]
    assert 0.5 * len(expected) < n_samples < 0.65 * len(expected)
    assert len(notices) == 1
    assert notices[0].startswith("a.bin is cut short: ")
    assert n_lost in notices[0]
    if container != "MP3":
        np.testing.assert_allclose(channels[0], expected[:n_samples], atol=1e-6)


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_end_is_read_and_this_is_said(tmp_path, coding):
    whole = encode(tone(3.0), RATE, "OGG", coding)
    channels, notices = read_with_notices(tmp_path / "a.ogg", whole[: round(0.7 * len(whole))])
    assert 8000 < channels.shape[1] < 48000
    assert notices == ["a.ogg has no last page: its end may be missing; what is there is read"]


def test_an_aiff_of_a_recorder_that_died_is_read_whole(tmp_path):
    raw = bytearray(encode(tone(0.5), RATE, "AIFF", "PCM_16"))
    at = raw.index(b"SSND")
    raw[at + 4 : at + 8] = bytes(4)
    raw[4:8] = bytes(4)
    at = raw.index(b"COMM")
    raw[at + 10 : at + 14] = bytes(4)
    channels, notices = read_with_notices(tmp_path / "a.aiff", bytes(raw))
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert notices == ["a.aiff says 0 samples in its header, but holds 8000: all of them are read"]


def test_a_flac_of_a_pipe_is_read_whole(tmp_path):
    raw = bytearray(encode(tone(0.5), RATE, "FLAC", "PCM_16"))
    raw[21] &= 0xF0  # the 36 bits of the number of samples
    raw[22:26] = bytes(4)
    channels, notices = read_with_notices(tmp_path / "a.flac", bytes(raw))
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert notices == []


# --- MP3 without a header, and files in one


def mp3(seconds=1.5, rate=RATE, n_channels=1, with_header=True, tmp_path=None):
    samples = np.tile(tone(seconds, rate)[:, None], n_channels)
    raw = encode(samples, rate, "MP3", "MPEG_LAYER_III")
    if with_header:
        return raw
    path = tmp_path / "with_header.mp3"
    path.write_bytes(raw)
    return raw[find_mp3_parts(path)[0].spans[0].start :]


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_an_mp3_without_a_header_is_read_whole(tmp_path, rate, n_channels):
    content = mp3(4.5, rate, n_channels, with_header=False, tmp_path=tmp_path)
    channels, notices = read_with_notices(tmp_path / "a.mp3", content)
    assert len(channels) == n_channels
    assert 4.5 * rate <= channels.shape[1] <= 4.5 * rate + 3 * 1152
    assert frequency_of(channels[0], rate) == pytest.approx(440, abs=3)
    assert notices == []


ID3 = b"ID3\4\0\0" + bytes([0, 0, 1, 0]) + bytes(128)


@pytest.mark.parametrize("between", [b"", ID3, b"TAG" + bytes(125)])
def test_two_joined_mp3s_are_read_one_after_the_other(tmp_path, between):
    channels, notices = read_with_notices(tmp_path / "a.mp3", mp3() + between + mp3())
    assert channels.shape == (1, 48000)
    once = sound_files.load(tmp_path / "a.mp3", n_samples=24000)
    np.testing.assert_allclose(channels[0, 24000:], once, atol=1e-3)
    assert notices == []
    across = sound_files.load(tmp_path / "a.mp3", start=23000, n_samples=2000)
    np.testing.assert_allclose(across, channels[0, 23000:25000], atol=1e-3)


def test_joined_mp3s_without_headers_are_read_whole(tmp_path):
    bare = mp3(with_header=False, tmp_path=tmp_path)
    for content in (bare + bare, mp3() + bare):
        channels, _ = read_with_notices(tmp_path / "a.mp3", content)
        assert 48000 <= channels.shape[1] <= 48000 + 5 * 576


def test_of_joined_mp3s_at_other_rates_the_first_is_read_and_this_is_said(tmp_path):
    channels, notices = read_with_notices(tmp_path / "a.mp3", mp3() + mp3(rate=44100))
    assert channels.shape == (1, 24000)
    assert notices == [
        "a.mp3 is 2 files in one, the last 1 at another rate, with other channels or damaged: "
        "only the first 1.50 s are read"
    ]


def test_a_damaged_mp3_is_read_and_this_is_said(tmp_path):
    content = mp3(3.0)
    half = len(content) // 2
    channels, notices = read_with_notices(
        tmp_path / "a.mp3", content[:half] + bytes(500) + content[half + 500 :]
    )
    assert 40000 < channels.shape[1] < 48000
    assert len(notices) == 2
    assert "is cut short" in notices[0]
    assert "bytes between its frames are no sound and are left out" in notices[1]


@pytest.mark.parametrize(
    ("container", "coding"),
    [
        ("WAV", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("CAF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
    ],
)
def test_two_joined_files_are_read_one_after_the_other(tmp_path, container, coding):
    once = encode(tone(1.5), RATE, container, coding)
    channels, notices = read_with_notices(tmp_path / "a.bin", once + once)
    assert channels.shape == (1, 48000)
    np.testing.assert_allclose(channels[0, 24000:], channels[0, :24000], atol=1e-3)
    assert notices == []


# --- what can't be read


def test_files_are_read_by_their_content_whatever_their_name(tmp_path):
    write_with_av(tmp_path / "a.m4a", tone()[None], RATE, "aac")
    (tmp_path / "a.m4a").rename(tmp_path / "a.wav")
    assert sound_files.check(tmp_path / "a.wav").n_samples == pytest.approx(RATE, abs=64)
    (tmp_path / "b.m4a").write_bytes(encode(tone(), RATE, "FLAC", "PCM_16"))
    assert sound_files.check(tmp_path / "b.m4a").n_samples == RATE
    (tmp_path / "c.wav").write_bytes(mp3())
    assert sound_files.check(tmp_path / "c.wav").n_samples == 24000


def test_a_video_without_sound_has_none(tmp_path):
    write_silent_film(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"a\.mp4 .*it has no sound, only video"):
        sound_files.info(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if not kind.container], ids=lambda k: k.name
)
def test_without_the_extra_formats_the_line_says_what_to_install(tmp_path, monkeypatch, kind):
    path = kind.write(tmp_path / f"a{kind.suffix}", tone(0.5, kind.rate), kind.rate)
    monkeypatch.setattr("absslab.core.audio.decoder_choice.has_extra_formats", lambda: False)
    with pytest.raises(InputError) as caught:
        sound_files.info(path)
    assert "pip install 'absslab[formats]'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".m4a", ".mp4", ".webm", ".aac"])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_phone_recording_without_its_end_is_read_or_refused_in_one_line(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    coding, rate = ("libopus", 48000) if suffix == ".webm" else ("aac", RATE)
    write_with_av(path, tone(2.0, rate)[None], rate, coding)
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
    is_index_at_end = suffix in (".m4a", ".mp4")
    if is_index_at_end or share < 0.1:
        with pytest.raises(InputError, match=rf"a\{suffix} is not a readable sound file \("):
            sound_files.check(path)
        return
    with collect_notices():
        assert 0.3 * rate < sound_files.check(path).n_samples < 1.5 * rate


def test_a_playlist_of_other_files_is_not_followed(tmp_path):
    soundfile.write(tmp_path / "secret.wav", tone(), RATE)
    (tmp_path / "a.m4a").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(InputError, match=r"a\.m4a"):
        sound_files.info(tmp_path / "a.m4a")


def ogg_checksum(page):
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
            value &= 0xFFFFFFFF
    return value.to_bytes(4, "little")


@pytest.mark.parametrize(("seconds", "n_notices"), [(0.5, 0), (3.0, 1)])
def test_a_tiny_opus_that_claims_hours_holds_what_it_holds(tmp_path, seconds, n_notices):
    raw = encode(tone(seconds), RATE, "OGG", "OPUS")
    at = raw.rindex(b"OggS")
    page = bytearray(raw[at:])
    page[6:14] = (5 * 3600 * 48000).to_bytes(8, "little")
    page[22:26] = bytes(4)
    page[22:26] = ogg_checksum(page)
    _, notices = read_with_notices(tmp_path / "a.opus", raw[:at] + bytes(page))
    with collect_notices():
        about = sound_files.info(tmp_path / "a.opus")
    assert about.duration == pytest.approx(seconds, abs=0.05)
    assert ["is cut short" in notice for notice in notices] == [True] * n_notices


# --- rates and samples that no sound has


@pytest.mark.parametrize("rate", [1, 2, 16, 99, 20_000_000, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_refused(tmp_path, rate):
    raw = bytearray(encode(tone(), RATE, "WAV", "PCM_16"))
    raw[24:28] = rate.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(raw)
    for read in (sound_files.info, sound_files.check, sound_files.load):
        with pytest.raises(InputError, match=rf"a\.wav has a sampling rate of {rate} Hz: expected"):
            read(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [3.4e38, -1e30, 1e11])
def test_samples_whose_squares_are_infinite_are_refused(tmp_path, value):
    samples = tone()
    samples[100] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    for read in (sound_files.check, sound_files.load):
        with pytest.raises(InputError, match=r"a\.wav holds samples of up to .* scale"):
            read(tmp_path / "a.wav")


def test_decoders_print_nothing_about_damaged_files(tmp_path):
    content = bytearray(mp3(3.0))
    for at in range(1000, len(content), 300):
        content[at : at + 20] = bytes(range(20))
    (tmp_path / "a.mp3").write_bytes(ID3[:10] + b"\xff" * 128 + bytes(content))
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from absslab.core.audio import sound_files\n"
        "print(sound_files.check(sys.argv[1]).n_samples)\n"
        "print('a line of ours', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.mp3"], capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1] == "a line of ours"
    assert len(done.stderr.splitlines()) == 1
    assert int(done.stdout) > 20000


def test_libav_is_told_of_a_place_that_a_file_does_not_have(tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(b"0123456789")
    with SafeReader(io.FileIO(path)) as reader:
        assert reader.seek(-5) == -1
        assert reader.seek(-2, io.SEEK_END) == 8
        assert reader.read() == b"89"


@pytest.mark.parametrize("size", [2**62, 2**63 - 1, 2**64 - 1])
def test_a_chunk_that_claims_to_be_larger_than_any_file_is_no_reason_to_fail(tmp_path, size):
    path = tmp_path / "a.w64"
    soundfile.write(path, tone(0.2, RATE), RATE, format="W64", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[56:64] = size.to_bytes(8, "little")  # of the chunk that describes the samples
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable sound file"):
        sound_files.load(path)


@pytest.mark.parametrize("name", [b"caf\xe9", b"x" * 245, "é".encode() * 120, b"a:b?*"])
@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
def test_files_of_any_name_are_read_and_written(tmp_path, name, suffix):
    path = tmp_path / os.fsdecode(name + suffix.encode())
    write_with_av(tmp_path / "a.m4a", tone(0.2)[None], RATE, "aac")
    (tmp_path / "a.m4a").rename(path)
    assert sound_files.check(path).n_samples == pytest.approx(3200, abs=64)
    copy = path.with_suffix(".wav")
    writer = sound_files.WavWriter.open(copy, RATE, 1, 10, "PCM_16")
    writer.write(np.zeros((1, 10)))
    writer.close()
    assert sound_files.info(copy).n_samples == 10
    assert [item for item in tmp_path.iterdir() if item.name.endswith(".part")] == []


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_an_ogg_with_a_damaged_middle_is_read_and_this_is_said(tmp_path, coding):
    raw = encode(tone(6.0), RATE, "OGG", coding)
    half = len(raw) // 2
    damaged = raw[: half - 2500] + bytes(5000) + raw[half + 2500 :]
    channels, notices = read_with_notices(tmp_path / "a.ogg", damaged)
    assert 16000 < channels.shape[1] < 96000
    assert any("a.ogg is damaged: " in notice for notice in notices)


def test_of_several_sounds_in_a_video_the_first_is_read_and_this_is_said(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        streams = [output.add_stream("pcm_s16le", rate=RATE) for _ in range(2)]
        for stream in streams:
            stream.layout = "mono"
        for stream, frequency in zip(streams, (440, 880), strict=True):
            samples = (20000 * tone(0.5, frequency=frequency)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = RATE
            frame.pts = 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode())
    with collect_notices() as notices:
        samples = sound_files.load(tmp_path / "a.mkv")
    assert frequency_of(samples, RATE) == pytest.approx(440, abs=3)
    assert [notice.with_names() for notice in notices] == [
        "a.mkv has 2 sounds: only the first of them is read"
    ]


def test_a_webm_that_promises_more_is_cut_short(tmp_path):
    write_with_av(tmp_path / "whole.webm", tone(3.0, 48000)[None], 48000, "libopus")
    content = (tmp_path / "whole.webm").read_bytes()
    channels, notices = read_with_notices(tmp_path / "a.webm", content[: len(content) // 2])
    assert 48000 < channels.shape[1] < 96000
    assert len(notices) == 1
    assert "a.webm is cut short: " in notices[0]


def test_a_wav_beyond_four_gibibytes_whose_size_wrapped_is_read_to_its_end(tmp_path):
    """The file is sparse: it takes no room on the disk."""
    n_samples = (1 << 31) + 3000
    header = wav(np.zeros(0), said=2 * n_samples % (1 << 32))
    last = (30000 * tone(0.1)).astype("<i2")
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * (n_samples - len(last)))
        file.seek(0, os.SEEK_END)
        file.write(last.tobytes())
    with collect_notices() as notices:
        assert sound_files.info(tmp_path / "a.wav").n_samples == n_samples
        samples = sound_files.load(tmp_path / "a.wav", start=n_samples - len(last))
    np.testing.assert_array_equal(samples, last / np.float32(32768))
    assert [notice.with_names() for notice in notices] == [
        f"a.wav says 3000 samples in its header, but holds {n_samples}: all of them are read"
    ]


@pytest.mark.parametrize("mark", [b"RF64", b"BW64"])
@pytest.mark.parametrize("has_size", [True, False])
def test_a_long_wav_is_read_with_and_without_its_size(tmp_path, mark, has_size):
    raw = bytearray(encode(tone(0.5), RATE, "RF64", "PCM_16"))
    raw[:4] = mark
    if not has_size:
        at = raw.index(b"ds64")
        raw[at + 8 : at + 32] = bytes(24)
    channels, notices = read_with_notices(tmp_path / "a.wav", bytes(raw))
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert notices == []


def test_a_file_that_promises_samples_and_has_none_is_refused(tmp_path):
    path = tmp_path / "a.au"
    numbers = (28, 6, 3, RATE, 1)  # begin and bytes of the samples, 16 bits, rate, channels
    path.write_bytes(b".snd" + b"".join(n.to_bytes(4, "big") for n in numbers) + bytes(4))
    with pytest.raises(InputError, match="holds 0 samples"):
        sound_files.check(path, may_be_silent=True)


# --- ends that are missing, and what follows a sound


@pytest.mark.parametrize(
    ("suffix", "coding", "rate"),
    [
        (".avi", "pcm_s16le", RATE),
        (".avi", "mp3", RATE),
        (".ts", "mp2", RATE),
        (".ts", "aac", RATE),
        (".mpg", "mp2", 44100),
        (".flv", "aac", 44100),
        (".mka", "flac", RATE),
    ],
)
@pytest.mark.parametrize("n_lost", [37, 777, 4001])
def test_a_video_that_ends_within_a_packet_may_lack_its_end(tmp_path, suffix, coding, rate, n_lost):
    path = tmp_path / f"whole{suffix}"
    write_with_av(path, tone(2.0, rate)[None], rate, coding)
    assert read_with_notices(path, path.read_bytes())[1] == []
    _, notices = read_with_notices(tmp_path / f"a{suffix}", path.read_bytes()[:-n_lost])
    line = f"a{suffix} ends within a packet: its end may be missing"
    assert line in notices or any("is cut short" in notice for notice in notices)


def test_damaged_packets_and_a_change_of_rate_are_both_said(tmp_path):
    path = tmp_path / "a.aac"
    write_with_av(path, tone(1.0)[None], RATE, "aac")
    first = bytearray(path.read_bytes())
    first[len(first) // 2 : len(first) // 2 + 60] = b"\xff" * 60
    write_with_av(path, tone(1.0, 44100)[None], 44100, "aac")
    _, notices = read_with_notices(path, bytes(first) + path.read_bytes())
    assert len(notices) == 2
    assert re.match(r"a\.aac is damaged: \d+ packets? of its sound can't be decoded", notices[0])
    assert "changes to 1 channels at 44100 Hz: only the" in notices[1]


def test_what_follows_too_many_damaged_packets_is_said_to_be_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(av_decoder, "_MOST_BAD_PACKETS", 2)
    path = tmp_path / "a.flv"
    write_with_av(path, tone(3.0, 44100)[None], 44100, "aac")
    content = bytearray(path.read_bytes())
    position = 13
    n_tags = 0
    while position < len(content):
        size = int.from_bytes(content[position + 1 : position + 4], "big")
        n_tags += content[position] == 8
        if 60 < n_tags < 70:  # the sound after two bytes about its coding
            content[position + 13 : position + 11 + size] = b"\xff" * (size - 2)
        position += 11 + size + 4
    channels, notices = read_with_notices(path, bytes(content))
    assert channels.shape[1] < 2 * 44100
    assert len(notices) == 2
    assert notices[0] == "a.flv is damaged: 3 packets of its sound can't be decoded"
    assert re.match(
        r"a\.flv can't be decoded after 1\.\d\d s: what follows the 3 damaged packets there is "
        "left out",
        notices[1],
    )


@pytest.mark.parametrize("container", ["MP3", "OGG"])
def test_a_wav_that_follows_another_sound_is_said_to_be_left_out(tmp_path, container):
    coding = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}[container]
    sound = encode(tone(1.5), RATE, container, coding)
    other = encode(tone(0.5), RATE, "WAV", "PCM_16")
    channels, notices = read_with_notices(tmp_path / "a.bin", sound + other)
    assert channels.shape == (1, 24000)
    n_bytes = len(other.rstrip(b"\0"))
    kind = {"MP3": "MP3", "OGG": "Ogg"}[container]
    assert notices == [
        f"a.bin goes on after its sound with {n_bytes} bytes that are no {kind}: they are left out"
    ]
    for harmless in (bytes(700), b"TAG" + b"x" * 125, b"LYRICSBEGININD000LYRICS200"):
        channels, notices = read_with_notices(tmp_path / "a.bin", sound + harmless)
        assert channels.shape == (1, 24000)
        assert notices == []


def test_an_mp3_without_a_header_that_ends_within_a_frame_may_lack_its_end(tmp_path):
    content = mp3(1.5, with_header=False, tmp_path=tmp_path)
    for n_lost in (1, 40):
        _, notices = read_with_notices(tmp_path / "a.mp3", content[:-n_lost])
        assert notices == ["a.mp3 ends within a frame: its end may be missing"]


@pytest.mark.parametrize("container", ["WAV", "AIFF", "FLAC"])
def test_of_too_many_joined_files_the_first_are_read_and_this_is_said(
    tmp_path, monkeypatch, container
):
    monkeypatch.setattr(decoder_choice, "_MOST_PARTS", 2)
    once = encode(tone(0.25), RATE, container, "PCM_16")
    for n, lines in [
        (2, []),
        (3, ["a.bin is more than 2 files in one: only the first 2 are read"]),
        (4, ["a.bin is more than 2 files in one: only the first 2 are read"]),
    ]:
        channels, notices = read_with_notices(tmp_path / "a.bin", n * once)
        assert channels.shape == (1, 8000)
        assert notices == lines


FINDERS = {
    "WAV": "find_samples",
    "FLAC": "find_flac_parts",
    "OGG": "find_ogg_parts",
    "MP3": "find_mp3_parts",
}
CODINGS = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}


@pytest.mark.parametrize("container", FINDERS)
def test_a_file_is_searched_for_its_parts_once_while_it_is_the_same(
    tmp_path, monkeypatch, container
):
    name = FINDERS[container]
    find = getattr(decoder_choice, name)
    searched = []
    monkeypatch.setattr(decoder_choice, name, lambda *given: searched.append(given) or find(*given))
    for n in (1, 2):
        content = encode(tone(0.5), RATE, container, CODINGS.get(container, "PCM_16"))
        (tmp_path / "a.bin").write_bytes(n * content)
        searched.clear()
        for start in (0, 100, 200):
            assert len(sound_files.load(tmp_path / "a.bin", start=start, n_samples=50)) == 50
        assert len(searched) == (n if container == "WAV" else 1)


@pytest.mark.parametrize("container", FINDERS)
def test_only_the_part_that_is_read_of_joined_files_is_opened(tmp_path, monkeypatch, container):
    content = encode(tone(0.5), RATE, container, CODINGS.get(container, "PCM_16"))
    (tmp_path / "a.bin").write_bytes(5 * content)
    first = sound_files.load(tmp_path / "a.bin", n_samples=50)
    opened = []
    open_decoder = decoder_choice.PlainDecoder.open

    def count(*given, **named):
        opened.append(given)
        return open_decoder(*given, **named)

    monkeypatch.setattr(decoder_choice.PlainDecoder, "open", count)
    np.testing.assert_array_equal(sound_files.load(tmp_path / "a.bin", n_samples=50), first)
    assert len(opened) == 1


def test_a_repaired_header_is_told_at_each_read_though_it_is_searched_once(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(wav(tone(0.5), said=2000))
    with collect_notices() as first:
        sound_files.load(tmp_path / "a.wav")
    monkeypatch.setattr(decoder_choice, "find_samples", lambda *_: pytest.fail("searched again"))
    with collect_notices() as second:
        assert len(sound_files.load(tmp_path / "a.wav")) == 8000
    assert [str(notice) for notice in second] == [str(notice) for notice in first] != []
