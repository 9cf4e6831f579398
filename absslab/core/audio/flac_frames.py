"""Find the parts of FLAC files, and what their headers do not say: joined files, wrong lengths.

A FLAC says in its header how many samples it has; a decoder stops there. Each frame has the number
of its first sample, so that the last frame tells whether there are more.

Source: RFC 9639, Free Lossless Audio Codec.
"""

import mmap
import os
import re
from dataclasses import dataclass

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.mp3_frames import skip_tags
from absslab.core.audio.other_sounds import find_other_sound

_START = b"fLaC\0\0\0\x22"
_INFO = 8  # bytes before the description of the stream
_N_SAMPLES_AT = 21  # byte of a part whose low four bits begin the number of samples
_HEAD = 42  # bytes of a part that describe the stream
_LONGEST_FRAME = 1 << 20  # bytes; of a frame that is searched at the end
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_RATES = {
    1: 88200,
    2: 176400,
    3: 192000,
    4: 8000,
    5: 16000,
    6: 22050,
    7: 24000,
    8: 32000,
    9: 44100,
    10: 48000,
    11: 96000,
}
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


@dataclass(frozen=True)
class FlacPart:
    """A part of a file that a decoder reads as one.

    Args:
        span: its bytes.
        n_announced: number of samples that its header says; 0 if it does not.
        has_more: whether its last frame lies behind these.
        is_cut: whether it ends within a frame, so far as is known.
        header: the first bytes, which say no number of samples.
        n_trailing: bytes after it that are another sound.
    """

    span: Span
    n_announced: int
    has_more: bool
    is_cut: bool
    header: bytes
    n_trailing: int = 0

    @property
    def pieces(self) -> tuple[Span | bytes, ...]:
        """A file of this part; where the header is wrong, one that says no number of samples."""
        if not self.has_more:
            return (self.span,)
        return (self.header, Span(self.span.start + len(self.header), self.span.end))


def find_flac_parts(
    path: str | os.PathLike[str], start: int = 0, most: int = 10_000
) -> list[FlacPart]:
    """Find the parts of a FLAC file.

    Args:
        path: the file.
        start: the byte where it begins, after tags.
        most: number of parts after which to stop.
    """
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        starts = [start]
        while (at := content.find(_START, starts[-1] + 1)) > 0 and len(starts) < most + 1:
            starts.append(at)
        edges = [*starts, len(content)][: most + 1]
        return [
            _describe_part(content, begin, end)
            for begin, end in zip(edges[:-1], edges[1:], strict=True)
        ]


def _describe_part(content: mmap.mmap, start: int, end: int) -> FlacPart:
    header = bytearray(content[start : start + _HEAD])
    if len(header) < _HEAD or header[:_INFO] != _START:
        return FlacPart(Span(start, end), 0, False, False, b"")
    n_announced = (header[_N_SAMPLES_AT] & 15) << 32 | int.from_bytes(header[22:26], "big")
    header[_N_SAMPLES_AT] &= 0xF0
    header[_N_SAMPLES_AT + 1 : _N_SAMPLES_AT + 5] = bytes(4)
    other = find_other_sound(content, start + _HEAD, end)
    n_trailing = len(content[skip_tags(content, other) : end].rstrip(b"\0"))
    end = other - 128 if content[max(start, other - 128) :][:3] == b"TAG" else other
    frame_at, n_available = _find_last_frame(content, start, end, bytes(header))
    is_cut = not n_announced and not _is_whole(content[frame_at:end])
    return FlacPart(
        Span(start, end),
        n_announced,
        0 < n_announced < n_available,
        is_cut,
        bytes(header),
        n_trailing,
    )


def _find_last_frame(content: mmap.mmap, start: int, end: int, header: bytes) -> tuple[int, int]:
    """Return where the last frame begins, and the number of samples up to its end."""
    first = max(start + _HEAD, end - _LONGEST_FRAME)
    tail = content[first:end]
    places = [match.start() for match in _SYNC.finditer(tail)]
    for place in reversed(places):
        n_samples = _parse_frame(tail[place : place + 16], header)
        if n_samples:
            return first + place, n_samples
    return first, 0


def _parse_frame(head: bytes, header: bytes) -> int:
    """Return the number of samples up to the end of a frame; 0 if there is none here."""
    if len(head) < 6:
        return 0
    rate = int.from_bytes(header[18:21], "big") >> 4
    n_channels = (header[20] >> 1 & 7) + 1
    n_bits = ((header[20] & 1) << 4 | header[21] >> 4) + 1
    size_code = head[2] >> 4
    rate_code = head[2] & 15
    layout = head[3] >> 4
    is_alike = (
        size_code
        and _RATES.get(rate_code, rate) == rate
        and rate_code != 15
        and (layout + 1 if layout < 8 else 2) == n_channels
        and layout < 11
        and _BITS.get(head[3] >> 1 & 7, n_bits) == n_bits
        and not head[3] & 1
    )
    n_bytes = _count_leading_ones(head[4])
    if not is_alike or n_bytes in (1, 8):
        return 0
    n_bytes = max(1, n_bytes)
    number = head[4] & (0x7F >> (n_bytes if n_bytes > 1 else 0))
    for byte in head[5 : 4 + n_bytes]:
        number = number << 6 | byte & 0x3F
    at = 4 + n_bytes
    if size_code == 1:
        n_samples = 192
    elif size_code < 6:
        n_samples = 144 << size_code
    elif size_code < 8:
        n_samples = int.from_bytes(head[at : at + size_code - 5], "big") + 1
        at += size_code - 5
    else:
        n_samples = 1 << size_code
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if at >= len(head) or _checksum(head[:at], 0x07, 8) != head[at]:
        return 0
    is_numbered_by_frame = head[1] == 0xF8
    block_size = int.from_bytes(header[8:10], "big")
    return (number * block_size if is_numbered_by_frame else number) + n_samples


def _count_leading_ones(byte: int) -> int:
    return 8 - (byte ^ 0xFF).bit_length()


def _is_whole(frame: bytes) -> bool:
    """Tell whether bytes are a whole frame."""
    value = 0
    for byte in frame:
        value = (value << 8 & 0xFF00) ^ _TABLE_16[value >> 8 ^ byte]
    return not value


def _checksum(content: bytes, polynomial: int, n_bits: int) -> int:
    """Return the remainder of a division by a polynomial, high bits first."""
    value = 0
    top = 1 << (n_bits - 1)
    for byte in content:
        value ^= byte << (n_bits - 8)
        for _ in range(8):
            value = (value << 1) ^ polynomial if value & top else value << 1
            value &= (1 << n_bits) - 1
    return value


_TABLE_16 = [_checksum(bytes([byte]), 0x8005, 16) for byte in range(256)]
