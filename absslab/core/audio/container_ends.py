"""Tell by the sizes in a container whether it ends within a packet: its end may then be missing.

libav reads such files without a word.
"""

import os
from typing import BinaryIO

_TAIL = 1 << 18  # bytes; far more than a pack of an MPEG has
_TS_SIZES = (188, 192, 204)  # bytes of a packet of a transport stream
_PACK = b"\0\0\1\xba"
_SEGMENT = b"\x18\x53\x80\x67"


def is_cut(file: BinaryIO, container: str) -> bool:
    """Tell whether an AVI, MPEG, FLV or Matroska ends before one of its packets does.

    Args:
        file: open for reading; its position changes.
        container: as libav calls it.
    """
    size = file.seek(0, os.SEEK_END)
    if container == "avi":
        return _is_avi_cut(file, size)
    if container == "mpegts":
        return _is_transport_cut(file, size)
    if container == "mpeg":
        return _is_program_cut(file, size)
    if container == "flv":
        return _is_flash_cut(file, size)
    if "matroska" in container:
        return _is_matroska_cut(file, size)
    return False


def _read(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    file.seek(position)
    return file.read(n_bytes)


def _is_avi_cut(file: BinaryIO, size: int) -> bool:
    """Walk over the parts of an AVI, which has a new one after each GiB."""
    position = 0
    while len(head := _read(file, position, 8)) == 8 and head[:4] == b"RIFF":
        position += 8 + int.from_bytes(head[4:], "little")
    return position > size


def _is_transport_cut(file: BinaryIO, size: int) -> bool:
    start = _read(file, 0, 1 << 16)
    for length in _TS_SIZES:
        for first in range(min(length, len(start))):
            if start[first] == 0x47 and set(start[first::length][:5]) == {0x47}:
                before = {192: 4}.get(length, 0)  # bytes of a packet before its mark
                return (size - first + before) % length != 0
    return False


def _is_program_cut(file: BinaryIO, size: int) -> bool:
    """Walk over the packets of the last complete pack and what follows it."""
    tail_at = max(0, size - _TAIL)
    tail = _read(file, tail_at, _TAIL)
    # The last one may begin within samples that look like one.
    position = tail.rfind(_PACK, 0, max(0, len(tail) - (1 << 16))) if tail_at else 0
    if position < 0:
        return False
    while position < len(tail):
        head = tail[position : position + 14]
        if len(head) < 4:
            return True
        if head[:3] != b"\0\0\1":
            return False  # something else follows
        if head[3] == 0xB9:  # the end
            return False
        if head[3] == 0xBA:
            if len(head) < 14:
                return True
            is_second = head[4] >> 6 == 1
            position += 14 + (head[13] & 7) if is_second else 12
        elif len(head) < 6:
            return True
        else:
            position += 6 + int.from_bytes(head[4:6], "big")
    return position > len(tail)


def _is_flash_cut(file: BinaryIO, size: int) -> bool:
    """Compare the last tag of an FLV with its size, which stands after it."""
    said = int.from_bytes(_read(file, max(0, size - 4), 4), "big")
    if not 11 <= said <= size - 4:
        return True
    return int.from_bytes(_read(file, size - 4 - said + 1, 3), "big") != said - 11


def _is_matroska_cut(file: BinaryIO, size: int) -> bool:
    """Compare the size of the segment, unless it was left open."""
    start = _read(file, 0, 1 << 12)
    at = start.find(_SEGMENT)
    if at < 0 or at + 5 > len(start) or not start[at + 4]:
        return False
    length = 9 - start[at + 4].bit_length()
    number = int.from_bytes(start[at + 4 : at + 4 + length], "big")
    said = number & ((1 << 7 * length) - 1)
    is_open = said == (1 << 7 * length) - 1
    return not is_open and at + 4 + length + said > size
