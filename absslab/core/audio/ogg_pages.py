"""Find files that were joined in an Ogg, whose decoder stops at the end of the first.

A decoder also drops a page that is not complete, which may hold a second of sound or more:
`OggPart` has the complete packets of a last page that is cut.

Source: RFC 3533, the Ogg encapsulation format; RFC 6716, section 3.1, durations in Opus.
"""

import mmap
import os
from dataclasses import dataclass
from itertools import accumulate

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.mp3_frames import skip_tags

_HEAD = 27  # bytes of a page before the sizes of its segments
_IS_FIRST = 2  # flags of a page
_IS_LAST = 4


@dataclass
class OggPart:
    """A part of a file that a decoder reads as one."""

    span: Span
    repaired: bytes = b""  # a page of the complete packets of the next one, which is cut
    is_ended: bool = False  # by a page that says that it is the last one
    n_lost_bytes: int = 0  # between pages: what stands there is none
    n_samples: int = 0  # that the last page says; the place in the sound where it ends
    is_opus: bool = False
    n_trailing: int = 0  # bytes after the last page of the file that are none, without tags

    @property
    def pieces(self) -> tuple[Span | bytes, ...]:
        """A file of this part."""
        return (self.span, self.repaired) if self.repaired else (self.span,)


def find_ogg_parts(path: str | os.PathLike[str], start: int = 0) -> list[OggPart]:
    """Find the parts of an Ogg file; there are none if it is no Ogg.

    Args:
        path: the file.
        start: the byte where it begins, after tags.
    """
    parts: list[OggPart] = []
    if not os.path.getsize(path):
        return parts
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        is_beginning = False  # whether the pages before were the first ones of their streams
        position = start
        while (position := content.find(b"OggS", position)) >= 0:
            if not parts and position > start:
                break  # the file begins with something else
            head = content[position : position + _HEAD]
            if len(head) < _HEAD:
                break
            n_segments = head[26]
            sizes = content[position + _HEAD : position + _HEAD + n_segments]
            packets_at = position + _HEAD + n_segments
            end = packets_at + sum(sizes)
            following = content[end : end + 4]
            inner = content.find(b"OggS", position + 4, end)
            if parts and inner > 0 and following != b"OggS" and end != len(content):
                parts[-1].repaired = _repair_page(content[position:inner], parts[-1])
                position = inner  # this page is cut, and another one begins within it
                continue
            is_first = bool(head[5] & _IS_FIRST)
            if is_first and not is_beginning:
                parts.append(OggPart(Span(position, position)))
            if parts and end > len(content):
                parts[-1].repaired = _repair_page(content[position:], parts[-1])
            if not parts or end > len(content):
                break
            is_beginning = is_first
            parts[-1].n_lost_bytes += position - parts[-1].span.end
            parts[-1].span = Span(parts[-1].span.start, end)
            parts[-1].repaired = b""  # such a page is no part of the span
            n_samples = int.from_bytes(head[6:14], "little", signed=True)
            parts[-1].n_samples = max(parts[-1].n_samples, n_samples)
            if content[packets_at : packets_at + 8] == b"OpusHead":
                parts[-1].is_opus = True
            parts[-1].is_ended = parts[-1].is_ended or bool(head[5] & _IS_LAST)
            position = end
        if parts:
            end = parts[-1].span.end
            is_page_cut = content[end : end + 4] == b"OggS"[: max(1, len(content) - end)]
            if parts[-1].is_ended or not is_page_cut:
                rest = content[skip_tags(content, end) :]
                parts[-1].n_trailing = len(rest.rstrip(b"\0"))
    return parts


def _repair_page(page: bytes, part: OggPart) -> bytes:
    """Make a page of the complete packets of one that is cut; empty if there are none.

    Args:
        page: the bytes that are there.
        part: the pages before.
    """
    n_segments = page[_HEAD - 1] if len(page) >= _HEAD else 0
    sizes = page[_HEAD : _HEAD + n_segments]
    packets = page[_HEAD + n_segments :]
    n_kept = 0
    n_bytes = 0
    packet_at = 0  # in the bytes of the packets
    n_samples = part.n_samples
    for number, total in enumerate(accumulate(sizes), start=1):
        if total <= len(packets) and sizes[number - 1] < 255:  # a packet ends here
            n_kept = number
            n_bytes = total
            n_samples += _opus_duration(packets[packet_at:total])
            packet_at = total
    if not n_kept:
        return b""
    head = bytearray(page[:_HEAD])
    head[5] &= ~_IS_LAST
    head[22:26] = bytes(4)
    head[26] = n_kept
    if part.is_opus:  # whose decoder takes a later place for a sound that begins later
        head[6:14] = n_samples.to_bytes(8, "little", signed=True)
    repaired = bytes(head) + sizes[:n_kept] + packets[:n_bytes]
    checksum = 0
    for byte in repaired:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _TABLE[checksum >> 24 ^ byte]
    return repaired[:22] + checksum.to_bytes(4, "little") + repaired[26:]


def _opus_duration(packet: bytes) -> int:
    """Return the number of samples, at 48 kHz, of a packet of Opus."""
    if not packet:
        return 0
    kind = packet[0] >> 3
    if kind < 12:
        duration = (480, 960, 1920, 2880)[kind % 4]
    elif kind < 16:
        duration = (480, 960)[kind % 2]
    else:
        duration = (120, 240, 480, 960)[kind % 4]
    n_frames = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[packet[0] & 3]
    return n_frames * duration


def _table_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
    return value & 0xFFFFFFFF


_TABLE = [_table_entry(byte) for byte in range(256)]
