"""Find the samples of AU files, whose headers may say another size than is there, or none.

Source: the header of Sun and NeXT: mark, begin of the samples, their bytes, coding, rate, channels.
"""

import os
from typing import BinaryIO, Literal

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.other_sounds import begins_as_sound
from absslab.core.audio.sound_chunks import SampleBytes

_ORDERS: dict[bytes, Literal["big", "little"]] = {b".snd": "big", b"dns.": "little"}
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_LARGEST_HEADER = 1 << 16  # bytes
_MOST_PADDING = 4096  # zeros that fill a block of a disk
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # bytes of a sample, by coding


def find_au_samples(file: BinaryIO, start: int = 0) -> SampleBytes | None:
    """Find the samples of an AU.

    Args:
        file: open for reading.
        start: the byte where it begins.

    Returns:
        None if the file is of another kind.
    """
    file_size = file.seek(0, os.SEEK_END)
    file.seek(start)
    head = file.read(24)
    order = _ORDERS.get(head[:4])
    if len(head) < 24 or order is None:
        return None
    numbers = [int.from_bytes(head[at : at + 4], order) for at in range(4, 24, 4)]
    offset, announced, coding, _, n_channels = numbers
    if not 24 <= offset <= _LARGEST_HEADER or start + offset > file_size:
        return None
    first = start + offset
    available = file_size - first
    end = file_size
    is_unknown = announced in _UNKNOWN_SIZES
    file.seek(first)
    joined_at = 0
    n_trailing = 0
    if announced < available and not is_unknown:
        end = first + announced
        file.seek(end)
        following = file.read(64)
        if following[:4] == head[:4] and begins_as_sound(following, 0):
            joined_at = end
        elif begins_as_sound(following, 0):
            n_trailing = file_size - end
        elif not _is_padding(file, end, file_size):
            end = file_size
    size = max(1, _WIDTHS.get(coding, 0) * n_channels)
    unit = "samples" if coding in _WIDTHS else "bytes"
    n_announced = -1 if is_unknown else announced // size
    n_available = (end - first) // size
    if n_available == n_announced:
        n_announced = -1
    length = min(end - first, 0xFFFFFFFF)  # which stands for all that follows
    file.seek(start)
    header = file.read(offset)
    pieces: list[Span | bytes] = [
        header[:8] + length.to_bytes(4, order) + header[12:],
        Span(first, end),
    ]
    is_regular = not start and end == file_size and n_announced < 0 and announced == end - first
    return SampleBytes(
        [] if is_regular else pieces,
        n_announced,
        n_available if n_announced >= 0 else -1,
        unit,
        joined_at,
        n_trailing,
    )


def _is_padding(file: BinaryIO, start: int, end: int) -> bool:
    file.seek(start)
    return end - start <= _MOST_PADDING and not any(file.read(end - start))
