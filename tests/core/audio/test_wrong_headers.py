"""Headers that say less than there is, or nothing, and files whose end is missing."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile
from sound_kinds import encode, tone, write_with_av
from sound_reading import read_with_notices

from absslab.core.audio import sound_files
from absslab.core.audio.container_ends import is_cut
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices

RATE = 16000
N = 8000  # samples of the sounds below
ID3 = b"ID3\4\0\0" + bytes([0, 0, 1, 0]) + bytes(128)


def read(path, content):
    """Return the samples (C, N) of a file with this content, and what is said about it.

    A part of it must be that part of its samples.
    """
    channels, lines = read_with_notices(path, content)
    middle = channels.shape[1] // 2
    with collect_notices():
        part, _ = sound_files.load_channels(path, start=middle, n_samples=100)
    np.testing.assert_allclose(part, channels[:, middle : middle + 100], atol=1e-3)
    return channels, [line.removeprefix(f"{path.name} ") for line in lines]


def less(n_announced, n_available=N, unit="samples"):
    return [
        f"says {n_announced} {unit} in its header, but holds {n_available}: all of them are read"
    ]


# --- FLAC


def flac(n_announced=None, *, n_channels=1, coding="PCM_16", seconds=0.5):
    """Return a FLAC whose header says another number of samples."""
    samples = np.tile(tone(seconds)[:, None], n_channels)
    raw = bytearray(encode(samples, RATE, "FLAC", coding))
    if n_announced is not None:
        raw[21] = raw[21] & 0xF0 | n_announced >> 32
        raw[22:26] = (n_announced & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(raw)


@pytest.mark.parametrize(("n_channels", "coding"), [(1, "PCM_16"), (2, "PCM_24"), (6, "PCM_S8")])
@pytest.mark.parametrize("n_announced", [1, 4000, 7999])
def test_a_flac_that_says_less_is_read_whole_with_both_numbers(
    tmp_path, n_announced, n_channels, coding
):
    expected, _ = read(tmp_path / "whole.flac", flac(n_channels=n_channels, coding=coding))
    for before in (b"", ID3):
        content = before + flac(n_announced, n_channels=n_channels, coding=coding)
        channels, lines = read(tmp_path / "a.flac", content)
        np.testing.assert_array_equal(channels, expected)
        assert lines == less(n_announced)


def test_a_flac_that_says_less_and_is_cut_is_read_to_its_last_frame(tmp_path):
    content = flac(4000, seconds=2.0)
    channels, lines = read(tmp_path / "a.flac", content[: len(content) * 2 // 3])
    assert 16000 < channels.shape[1] < 24000
    assert lines == less(4000, channels.shape[1])


def test_a_flac_of_a_pipe_that_is_cut_may_lack_its_end(tmp_path):
    content = flac(0, seconds=2.0)
    assert read(tmp_path / "a.flac", content)[1] == []
    channels, lines = read(tmp_path / "a.flac", content[:-1000])
    assert 24000 < channels.shape[1] < 32000
    assert lines == ["ends within a frame: its end may be missing"]


@pytest.mark.parametrize("between", [b"", ID3, b"TAG" + bytes(125)])
@pytest.mark.parametrize("n_announced", [None, 0, 4000])
def test_joined_flacs_are_read_whole(tmp_path, between, n_announced):
    channels, lines = read(tmp_path / "a.flac", flac(n_announced) + between + flac(n_announced))
    assert channels.shape == (1, 2 * N)
    np.testing.assert_array_equal(channels[:, N:], channels[:, :N])
    assert lines == (less(8000, 2 * N) if n_announced else [])


@pytest.mark.parametrize("which", [0, 1])
def test_of_joined_flacs_one_may_be_cut(tmp_path, which):
    parts = [flac(seconds=1.0), flac(seconds=1.0)]
    parts[which] = parts[which][:-4000]
    channels, lines = read(tmp_path / "a.flac", b"".join(parts))
    n_available = channels.shape[1] - 16000
    assert 8000 < n_available < 16000
    assert lines == [
        f"is 2 files in one, one of which is cut short: {n_available} of 16000 samples are there"
    ]


# --- AU


def au(size=None, *, order="big", coding="PCM_16", offset=None):
    """Return an AU whose header says another size (bytes)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(0.5), RATE, format="AU", subtype=coding, endian=order.upper())
    raw = bytearray(buffer.getvalue())
    if size is not None:
        raw[8:12] = size.to_bytes(4, order)
    if offset is not None:
        raw[24:24] = bytes(offset - 24)
        raw[4:8] = offset.to_bytes(4, order)
    return bytes(raw)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize(("coding", "width"), [("PCM_16", 2), ("FLOAT", 4), ("ULAW", 1)])
@pytest.mark.parametrize("n_announced", [1, 4000, 7999])
def test_an_au_that_says_less_is_read_whole_with_both_numbers(
    tmp_path, n_announced, coding, width, order
):
    content = au(n_announced * width, order=order, coding=coding)
    channels, lines = read(tmp_path / "a.au", content)
    np.testing.assert_allclose(channels[0], tone(0.5), atol=0.03)
    assert lines == less(n_announced)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("offset", [None, 1000])
def test_an_au_of_unknown_size_is_read_whole_without_a_word(tmp_path, size, order, offset):
    channels, lines = read(tmp_path / "a.au", au(size, order=order, offset=offset))
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert lines == []


def test_an_au_that_says_more_is_cut_short(tmp_path):
    channels, lines = read(tmp_path / "a.au", au()[:-2001])
    assert channels.shape == (1, 6999)
    assert lines == ["is cut short: 6999 of 8000 samples are there"]
    assert read(tmp_path / "a.au", au(20000))[1] == [
        "is cut short: 8000 of 10000 samples are there"
    ]


def test_joined_aus_are_read_one_after_the_other(tmp_path):
    channels, lines = read(tmp_path / "a.au", au() + au())
    np.testing.assert_array_equal(channels[:, N:], channels[:, :N])
    assert lines == []


# --- W64, RF64, CAF, AIFF, WAV


def w64(size=None):
    raw = bytearray(encode(tone(0.5), RATE, "W64", "PCM_16"))
    at = raw.index(b"data\xf3\xac\xd3\x11")
    if size is not None:
        raw[at + 16 : at + 24] = size.to_bytes(8, "little")
    return bytes(raw)


@pytest.mark.parametrize("name", [b"data\xf3\xac\xd3\x11", b"fmt \xf3\xac\xd3\x11"])
def test_a_w64_whose_chunk_has_a_damaged_name_is_refused(tmp_path, name):
    raw = bytearray(w64())
    at = raw.index(name)
    raw[at + 4 : at + 16] = bytes(12)  # what follows the letters
    with pytest.raises(InputError, match="is not a readable sound file"):
        read(tmp_path / "a.w64", raw)


def caf(size=None, coding="PCM_16"):
    raw = bytearray(encode(tone(0.5), RATE, "CAF", coding))
    at = raw.index(b"data")
    if size is not None:
        raw[at + 4 : at + 12] = (size % (1 << 64)).to_bytes(8, "big")
    return bytes(raw)


def aiff(n_samples=None, size=None):
    raw = bytearray(encode(tone(0.5), RATE, "AIFF", "PCM_16"))
    if n_samples is not None:
        at = raw.index(b"COMM")
        raw[at + 10 : at + 14] = n_samples.to_bytes(4, "big")
    if size is not None:
        at = raw.index(b"SSND")
        raw[at + 4 : at + 8] = size.to_bytes(4, "big")
    return bytes(raw)


def wav_of_chunks(*chunks):
    body = b"".join(name + len(part).to_bytes(4, "little") + part for name, part in chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WAVE" + body


PCM = (tone(0.5) * 32767).astype("<i2").tobytes()
FORMAT = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
EXTENSIBLE = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 4 * RATE, 4, 32, 22, 24, 4)
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
PCM_24_IN_32 = ((tone(0.5) * (2**31 - 1)).astype("<i4") >> 8 << 8).astype("<i4").tobytes()


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (w64(), []),
        (w64(24 + 2 * 4000), less(4000)),
        (w64(24), less(0)),
        (w64(0), less(0)),
        (w64((1 << 64) - 1), []),
        (caf(-1), []),
        (caf(4 + 2 * 4000), less(4000)),
        (caf(0), less(0)),
        (aiff(n_samples=4000), []),
        (aiff(n_samples=0, size=8 + 2 * 4000), less(4000)),
        (aiff(n_samples=10000), ["is cut short: 8000 of 10000 samples are there"]),
        (ID3 + aiff(), []),
        (wav_of_chunks((b"fmt ", FORMAT), (b"fact", bytes(4)), (b"data", PCM)), []),
        (wav_of_chunks((b"fmt ", FORMAT), (b"data", PCM[:6000]), (b"data", PCM[6000:])), []),
        (
            wav_of_chunks(
                (b"fmt ", FORMAT),
                (b"data", PCM[:6000]),
                (b"LIST", b"INFO"),
                (b"data", PCM[6000:]),
            ),
            [],
        ),
        (wav_of_chunks((b"fmt ", EXTENSIBLE + PCM_GUID), (b"data", PCM_24_IN_32)), []),
        (ID3 + wav_of_chunks((b"fmt ", FORMAT), (b"data", PCM)), []),
    ],
)
def test_all_samples_of_a_container_are_read(tmp_path, content, lines):
    channels, found = read(tmp_path / "a.bin", content)
    np.testing.assert_allclose(channels[0], tone(0.5), atol=1e-4)
    assert found == lines


@pytest.mark.parametrize("size", [-1, 4000, None])
def test_a_caf_of_packets_is_read_whole_whatever_it_says(tmp_path, size):
    expected, _ = read(tmp_path / "whole.caf", caf(coding="ALAC_16"))
    channels, lines = read(tmp_path / "a.caf", caf(size, "ALAC_16"))
    np.testing.assert_array_equal(channels, expected)
    assert ["bytes" in line for line in lines] == ([True] if size == 4000 else [])


@pytest.mark.parametrize("container", ["W64", "AU", "RF64"])
def test_joined_files_of_one_kind_are_read_one_after_the_other(tmp_path, container):
    once = encode(tone(0.5), RATE, container, "PCM_16")
    channels, lines = read(tmp_path / "a.bin", once + once)
    np.testing.assert_array_equal(channels[:, N:], channels[:, :N])
    assert lines == []


@pytest.mark.parametrize("container", ["WAV", "W64", "AU", "FLAC", "CAF", "AIFF"])
@pytest.mark.parametrize("other", ["FLAC", "OGG", "WAV", "AU"])
def test_another_sound_behind_one_is_said_to_be_left_out(tmp_path, container, other):
    if container == other:
        pytest.skip("these are read one after the other")
    coding = "VORBIS" if other == "OGG" else "PCM_16"
    behind = encode(tone(0.25), RATE, other, coding)
    content = encode(tone(0.5), RATE, container, "PCM_16") + behind
    channels, lines = read(tmp_path / "a.bin", content)
    assert channels.shape == (1, N)
    kind = "FLAC" if container == "FLAC" else "part of it"
    n_bytes = len(behind.rstrip(b"\0")) if container == "FLAC" else len(behind)
    assert lines == [
        f"goes on after its sound with {n_bytes} bytes that are no {kind}: they are left out"
    ]


# --- Ogg


def pages_of(content):
    return [at for at in range(len(content)) if content.startswith(b"OggS", at)]


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_of_an_ogg_that_ends_within_its_first_page_of_sound_this_is_read(tmp_path, coding):
    content = encode(tone(3.0), RATE, "OGG", coding)
    expected, _ = read(tmp_path / "whole.ogg", content)
    first, second = pages_of(content)[2:4]
    channels, lines = read(tmp_path / "a.ogg", content[: (first + second) // 2])
    n_samples = channels.shape[1]
    assert n_samples > 2000
    tolerance = 0.02 if coding == "OPUS" else 1e-4
    np.testing.assert_allclose(channels, expected[:, :n_samples], atol=tolerance)
    assert lines == ["has no last page: its end may be missing; what is there is read"]


def test_an_ogg_that_ends_before_its_first_sample_says_so(tmp_path):
    content = encode(tone(3.0), RATE, "OGG", "VORBIS")
    (tmp_path / "a.ogg").write_bytes(content[: pages_of(content)[2]])
    with pytest.raises(InputError, match=r"holds 0 samples \(it has no last page\): replace"):
        sound_files.check(tmp_path / "a.ogg")


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_behind_an_ogg_that_is_cut_the_next_one_is_read_whole(tmp_path, coding):
    content = encode(tone(3.0), RATE, "OGG", coding)
    channels, lines = read(tmp_path / "a.ogg", content[: len(content) // 2] + content)
    assert channels.shape[1] > 48000 + 15000
    assert lines[0] == (
        "is 2 files in one, of which 1 has no last page: an end may be missing; "
        "what is there is read"
    )


def test_an_ogg_with_tags_of_mp3_before_it_keeps_its_length(tmp_path):
    channels, lines = read(tmp_path / "a.ogg", ID3 + encode(tone(0.5), RATE, "OGG", "VORBIS"))
    assert channels.shape == (1, N)
    assert lines == []


# --- what libav reads


def written_with_av(path, coding, rate=RATE, seconds=2.0, **options):
    """Return the bytes of a sound that PyAV writes."""
    with av.open(str(path), "w", options=options) as output:
        stream = output.add_stream(coding, rate=rate)
        stream.layout = "mono"
        samples = tone(seconds, rate).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        converter = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        for converted in converter.resample(frame):
            output.mux(stream.encode(converted))
        output.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize("coding", ["ac3", "eac3"])
@pytest.mark.parametrize("rate", [32000, 44100, 48000])
def test_an_ac3_that_ends_within_a_packet_may_lack_its_end(tmp_path, coding, rate):
    content = written_with_av(tmp_path / f"whole.{coding}", coding, rate)
    assert read(tmp_path / "a.ac3", content)[1] == []
    for n_lost in (1, 37, 777):
        _, lines = read(tmp_path / "a.ac3", content[:-n_lost])
        assert lines == ["ends within a packet: its end may be missing"]


@pytest.mark.parametrize(
    ("suffix", "coding", "rate"), [(".webm", "libopus", 48000), (".mkv", "aac", RATE)]
)
def test_a_recording_of_a_browser_without_its_end_says_so(tmp_path, suffix, coding, rate):
    content = written_with_av(tmp_path / f"whole{suffix}", coding, rate, live="1")
    path = tmp_path / f"a{suffix}"
    assert read(path, content)[1] == []
    for share in (0.4, 0.5, 0.9, 0.999):
        channels, lines = read(path, content[: round(share * len(content))])
        assert channels.shape[1] < 2 * rate * (share + 0.1)
        assert lines == ["ends within a packet: its end may be missing"]


FRAGMENTED = {"movflags": "cmaf+frag_every_frame"}


@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}, FRAGMENTED])
@pytest.mark.parametrize("coding", ["aac", "alac"])
def test_joined_recordings_of_a_phone_are_read_whole(tmp_path, coding, options):
    content = written_with_av(tmp_path / "whole.m4a", coding, **options)
    once, lines = read(tmp_path / "a.m4a", content)
    assert lines == []
    channels, lines = read(tmp_path / "a.m4a", content + content)
    n_samples = once.shape[1]
    assert channels.shape == (1, 2 * n_samples)
    np.testing.assert_allclose(channels[:, n_samples:], once, atol=1e-3)
    assert lines == []


@pytest.mark.parametrize("share", [0.4, 0.5, 0.9])
def test_a_fragmented_recording_without_its_end_says_so(tmp_path, share):
    content = written_with_av(tmp_path / "whole.m4a", "aac", **FRAGMENTED)
    _, lines = read(tmp_path / "a.m4a", content[: round(share * len(content))])
    assert lines[-1] == "ends within a packet: its end may be missing"


def test_another_true_audio_behind_one_is_said_to_be_left_out(tmp_path):
    write_with_av(tmp_path / "a.tta", tone(0.5)[None], RATE, "tta")
    content = (tmp_path / "a.tta").read_bytes()
    channels, lines = read(tmp_path / "a.tta", content + content)
    assert channels.shape == (1, N)
    assert lines == [
        f"goes on after its sound with {len(content)} bytes that are no part of it: "
        "they are left out"
    ]


def test_a_voc_that_ends_within_a_block_is_cut(tmp_path):
    content = encode(tone(0.5), RATE, "VOC", "PCM_16")
    assert read(tmp_path / "a.voc", content)[1] == []
    _, lines = read(tmp_path / "a.voc", content[:-1000])
    assert lines == ["ends within a block: its end may be missing"]


@pytest.mark.parametrize("container", ["ac3", "voc", "matroska,webm", "mov,mp4", "avi", "flv"])
@pytest.mark.parametrize("seed", range(5))
def test_the_walk_over_any_bytes_ends(container, seed):
    noise = np.random.default_rng(seed).bytes(3000)
    for head in (b"", b"\x1aE\xdf\xa3\x18\x53\x80\x67\xff", b"\0\0\0\x18ftypM4A ", b"\x0b\x77"):
        assert is_cut(io.BytesIO(head + noise), container) in (True, False)
