"""Find files that were joined in an Ogg, whose decoder stops at the end of the first."""

import mmap
import os
from dataclasses import dataclass

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.mp3_frames import skip_tags

_HEAD = 27  # bytes of a page before the sizes of its segments
_IS_FIRST = 2  # flags of a page
_IS_LAST = 4


@dataclass
class OggPart:
    """A part of a file that a decoder reads as one."""

    span: Span
    is_ended: bool = False  # by a page that says that it is the last one
    n_lost_bytes: int = 0  # between pages: what stands there is none
    n_trailing: int = 0  # bytes after the last page of the file that are none, without tags


def find_ogg_parts(path: str | os.PathLike[str]) -> list[OggPart]:
    """Find the parts of an Ogg file; there are none if it is no Ogg."""
    parts: list[OggPart] = []
    if not os.path.getsize(path):
        return parts
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        is_beginning = False  # whether the pages before were the first ones of their streams
        position = 0
        while (position := content.find(b"OggS", position)) >= 0:
            if not parts and position:
                break  # the file begins with something else
            head = content[position : position + _HEAD]
            if len(head) < _HEAD:
                break
            n_segments = head[26]
            sizes = content[position + _HEAD : position + _HEAD + n_segments]
            end = position + _HEAD + n_segments + sum(sizes)
            is_first = bool(head[5] & _IS_FIRST)
            if is_first and not is_beginning:
                parts.append(OggPart(Span(position, position)))
            if not parts or end > len(content):
                break
            is_beginning = is_first
            parts[-1].n_lost_bytes += position - parts[-1].span.end
            parts[-1].span = Span(parts[-1].span.start, end)
            parts[-1].is_ended = parts[-1].is_ended or bool(head[5] & _IS_LAST)
            position = end
        if parts:
            end = parts[-1].span.end
            is_page_cut = content[end : end + 4] == b"OggS"[: max(1, len(content) - end)]
            if parts[-1].is_ended or not is_page_cut:
                rest = content[skip_tags(content, end) :]
                parts[-1].n_trailing = len(rest.rstrip(b"\0"))
    return parts
