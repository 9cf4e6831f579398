"""Find the frames of MP3 files, so that none is lost: the header says less, or there is none.

The first frame of an MP3 usually says how many follow. It is missing in streams, and wrong in files
that were cut or joined. A decoder then estimates the length, or stops where the first part ends.
"""

import mmap
import os
from dataclasses import dataclass
from typing import NamedTuple

from absslab.core.audio.assembled_file import Span

_SEARCHED = 1 << 16  # bytes before the first frame
_BIT_RATES = {  # kbit/s by (version is 1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz
_HAS_NUMBER = 1  # flag of the first frame: it says how many frames follow


class _Frame(NamedTuple):
    """What the header of a frame says."""

    size: int  # bytes
    n_samples: int
    sampling_rate: int  # Hz
    n_channels: int
    version: int
    layer: int

    @property
    def coding(self) -> tuple[int, int, int, int]:
        """What all frames of a part have in common."""
        return self.version, self.layer, self.sampling_rate, self.n_channels

    @property
    def info_at(self) -> int:
        """The byte of the frame where a header of the part stands, if there is one."""
        if self.version == 3:
            return 36 if self.n_channels == 2 else 21
        return 21 if self.n_channels == 2 else 13


@dataclass
class Mp3Part:
    """A part of a file that a decoder reads as one: a file that was joined to others.

    Args:
        spans: the frames, without those that say how many follow, and without tags.
        header: the frame that says how many follow; made here if there is none.
        n_frames: number of frames.
        n_announced: the number that the file says; −1 if it does not.
        samples_per_frame: per channel.
        coding: version, layer, sampling rate in Hz and number of channels.
        n_junk: bytes between frames that are neither frames nor tags.
        n_trailing: bytes after the last frame of the file that are neither; zeros do not count.
        is_cut: whether the file ends within a frame of this part.
    """

    spans: list[Span]
    header: bytes
    n_frames: int
    n_announced: int
    samples_per_frame: int
    coding: tuple[int, int, int, int]
    n_junk: int = 0
    n_trailing: int = 0
    is_cut: bool = False

    @property
    def pieces(self) -> list[Span | bytes]:
        """A file of this part that says how many frames there are."""
        return [self.header, *self.spans]

    @property
    def n_missing(self) -> int:
        """Number of frames that the file says and lacks."""
        return max(0, self.n_announced - self.n_frames)


def find_mp3_parts(path: str | os.PathLike[str]) -> list[Mp3Part]:
    """Find the frames of an MP3 file; there are none if it is none, or of layer I or II."""
    if not os.path.getsize(path):
        return []
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = skip_tags(content, 0)
        first = _find_frame(content, start, start + _SEARCHED)
        if first is None:
            return []
        return _Walk(content).run(first)


class _Walk:
    """The walk over all frames of a file."""

    def __init__(self, content: mmap.mmap):
        self.content = content
        self.parts: list[Mp3Part] = []
        self.span_start = 0
        self.is_open = False  # whether a span has begun
        self.flags_at = 0

    def run(self, position: int) -> list[Mp3Part]:
        """Return the parts, given the position of the first frame."""
        content = self.content
        size = len(content)
        while position < size:
            frame = _parse_frame(content, position)
            if frame is None:
                self._close_span(position)
                after = skip_tags(content, position)
                if after == position:
                    found = _find_frame(content, position + 1, size, self._coding())
                    if found is None:
                        rest = content[position:].rstrip(b"\0")
                        if self.parts and _begins_as_frame(rest):
                            self.parts[-1].is_cut = True  # within a header
                        elif self.parts:
                            self.parts[-1].n_trailing = len(rest)
                        break
                    self.parts[-1].n_junk += found - position
                    after = found
                position = after
                continue
            if position + frame.size > size:
                if self.parts:
                    self.parts[-1].is_cut = True
                break
            n_announced = _read_number(content, position, frame)
            if n_announced is not None:
                self._close_span(position)
                header = content[position : position + frame.size]
                self._begin_part(frame, header, n_announced)
            else:
                if frame.coding != self._coding():
                    # What looks like another coding counts if another frame of it follows.
                    following = _parse_frame(content, position + frame.size)
                    if self.parts and (following is None or following.coding != frame.coding):
                        self._close_span(position)
                        self.parts[-1].n_junk += 1
                        position += 1
                        continue
                    self._close_span(position)
                    self._begin_part(frame, b"", -1)
                if not self.is_open:
                    self.span_start = position
                    self.is_open = True
                self.parts[-1].n_frames += 1
            position += frame.size
        self._close_span(position)
        parts = [part for part in self.parts if part.n_frames]
        for part in parts:
            part.header = _correct_header(part, content)
        return parts

    def _coding(self) -> tuple[int, int, int, int] | None:
        return self.parts[-1].coding if self.parts else None

    def _begin_part(self, frame: _Frame, header: bytes, n_announced: int) -> None:
        self.parts.append(Mp3Part([], header, 0, n_announced, frame.n_samples, frame.coding))

    def _close_span(self, position: int) -> None:
        if self.is_open:
            self.parts[-1].spans.append(Span(self.span_start, position))
        self.is_open = False


def _parse_frame(content: mmap.mmap | bytes, position: int) -> _Frame | None:
    """Read the header of a frame; None if there is none here."""
    head = content[position : position + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version = head[1] >> 3 & 3
    layer = 4 - (head[1] >> 1 & 3)
    bit_rate_index = head[2] >> 4
    rate_index = head[2] >> 2 & 3
    is_reserved = version == 1 or layer == 4 or rate_index == 3 or head[3] & 3 == 2
    if is_reserved or not 0 < bit_rate_index < 15:
        return None
    is_first_version = version == 3
    bits = 1000 * _BIT_RATES[is_first_version, layer][bit_rate_index]
    rate = _RATES[version][rate_index]
    padding = head[2] >> 1 & 1
    n_channels = 1 if head[3] >> 6 == 3 else 2
    if layer == 1:
        return _Frame((12 * bits // rate + padding) * 4, 384, rate, n_channels, version, layer)
    n_samples = 576 if layer == 3 and not is_first_version else 1152
    size = n_samples // 8 * bits // rate + padding
    return _Frame(size, n_samples, rate, n_channels, version, layer)


def _begins_as_frame(rest: bytes) -> bool:
    """Tell whether these few bytes may be the beginning of the header of a frame."""
    return 0 < len(rest) < 4 and rest[0] == 0xFF and (len(rest) < 2 or rest[1] & 0xE0 == 0xE0)


def _find_frame(
    content: mmap.mmap, start: int, end: int, coding: tuple[int, int, int, int] | None = None
) -> int | None:
    """Return where a frame of layer III begins that another one of its kind follows."""
    while (start := content.find(b"\xff", start, min(end, len(content)))) >= 0:
        frame = _parse_frame(content, start)
        if frame is not None and frame.layer == 3 and coding in (None, frame.coding):
            after = start + frame.size
            following = _parse_frame(content, after)
            is_last = coding is not None and after == len(content)
            if is_last or (following is not None and following.coding == frame.coding):
                return start
        start += 1
    return None


def skip_tags(content: mmap.mmap, position: int) -> int:
    """Return the position after tags with titles and pictures."""
    while position < len(content):
        head = content[position : position + 32]
        if head[:3] == b"ID3" and len(head) >= 10:
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size = int.from_bytes(head[12:16], "little")
            is_header = head[23] & 0x20
            position += 32 + size if is_header else 32
        elif head[:11] == b"LYRICSBEGIN":
            end = content.find(b"LYRICS200", position)
            if end < 0:
                break
            position = end + 9
        else:
            break
    return min(position, len(content))


def _read_number(content: mmap.mmap, position: int, frame: _Frame) -> int | None:
    """Return how many frames a frame says that follow; None if it is one with sound."""
    if frame.layer != 3:
        return None
    at = position + frame.info_at
    mark = content[at : at + 12]
    if mark[:4] in (b"Xing", b"Info"):
        has_number = mark[7] & _HAS_NUMBER
        return int.from_bytes(mark[8:12], "big") if has_number else -1
    at = position + 36
    if content[at : at + 4] == b"VBRI":
        return int.from_bytes(content[at + 14 : at + 18], "big")
    return None


def _correct_header(part: Mp3Part, content: mmap.mmap) -> bytes:
    """Return the frame that says how many follow, with the right number."""
    header = part.header
    at = _Frame(0, 0, part.coding[2], part.coding[3], *part.coding[:2]).info_at
    number = part.n_frames.to_bytes(4, "big")
    if header[at : at + 4] in (b"Xing", b"Info") and part.n_announced == part.n_frames:
        return header
    if header[at : at + 4] in (b"Xing", b"Info") and part.n_announced >= 0:
        corrected = bytearray(header)
        corrected[at + 8 : at + 12] = number
        flags = header[at + 7]
        encoder_at = at + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 100 * (flags >> 2 & 1)
        encoder_at += 4 * (flags >> 3 & 1)
        if flags & 2:
            size = len(header) + sum(span.end - span.start for span in part.spans)
            corrected[at + 12 : at + 16] = size.to_bytes(4, "big")
        # The last frames are others than those that the encoder filled up with silence.
        delay_at = encoder_at + 21
        if len(corrected) > delay_at + 3:
            corrected[delay_at + 1] &= 0xF0
            corrected[delay_at + 2] = 0
        return bytes(corrected)
    if part.coding[1] != 3:
        return b""
    return _make_header(content[part.spans[0].start : part.spans[0].start + 4], at, number)


def _make_header(head: bytes, info_at: int, number: bytes) -> bytes:
    """Make a frame without sound of the coding of another one."""
    flags = bytes([0, 0, 0, _HAS_NUMBER])
    for bit_rate_index in range(1, 15):
        frame_head = bytes([head[0], head[1] | 1, bit_rate_index << 4 | head[2] & 0x0C, head[3]])
        frame = _parse_frame(frame_head, 0)
        if frame is not None and frame.size >= info_at + 52:
            content = bytearray(frame.size)
            content[:4] = frame_head
            content[info_at : info_at + 12] = b"Info" + flags + number
            return bytes(content)
    return b""
