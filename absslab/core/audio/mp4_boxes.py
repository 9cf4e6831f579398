"""Find files that were joined in an MP4, of which a decoder reads the first, and where one is cut.

Source: ISO/IEC 14496-12, the base media file format: boxes of a size, a name and a content.
"""

import os
from dataclasses import dataclass
from typing import BinaryIO

from absslab.core.audio.assembled_file import Span

_NAMES = frozenset(
    b"ftyp moov mdat moof mfra free skip wide uuid pdin styp sidx ssix prft meta emsg udta".split()
)


@dataclass
class Mp4Part:
    """A part of a file that a decoder reads as one.

    Args:
        span: its bytes.
        has_index: whether its samples are described, or those of its first fragment.
        is_cut: whether the file ends within a fragment of it.
    """

    span: Span
    has_index: bool = False
    is_cut: bool = False


def find_mp4_parts(file: BinaryIO) -> list[Mp4Part]:
    """Find the parts of an MP4, open for reading; there are none if it is another file."""
    parts: list[Mp4Part] = []
    size = file.seek(0, os.SEEK_END)
    position = 0
    is_fragmented = False
    while position < size:
        file.seek(position)
        head = file.read(16)
        name = head[4:8]
        if name not in _NAMES:
            if parts and is_fragmented and 0 < len(head) < 8:
                parts[-1].is_cut = True  # within the name
            break
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        end = size if length == 0 else position + length
        if name == b"ftyp" and (not parts or parts[-1].has_index):
            parts.append(Mp4Part(Span(position, position)))
            is_fragmented = False
        if not parts or end <= position:
            break
        parts[-1].has_index = parts[-1].has_index or name == b"moov"
        is_fragmented = is_fragmented or name == b"moof"
        parts[-1].is_cut = is_fragmented and end > size
        parts[-1].span = Span(parts[-1].span.start, min(end, size))
        position = end
    if parts:
        parts[-1].span = Span(parts[-1].span.start, size)
    return parts
