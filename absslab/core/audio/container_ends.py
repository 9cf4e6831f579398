"""Tell by the sizes in a file whether it ends within a packet: its end may then be missing.

libav reads such files without a word.
"""

import os
from typing import BinaryIO

from absslab.core.audio.mp4_boxes import find_mp4_parts

_TAIL = 1 << 18  # bytes; far more than a pack of an MPEG has
_TS_SIZES = (188, 192, 204)  # bytes of a packet of a transport stream
_PACK = b"\0\0\1\xba"
_SEGMENT = b"\x18\x53\x80\x67"
_CLUSTER = b"\x1f\x43\xb6\x75"
_LONGEST_CLUSTER = 1 << 25  # bytes
_AC3_WORDS = (  # of a frame at 48 kHz, by the code of its size; at other rates they are more
    64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1152, 1280,
)  # fmt: skip


def is_cut(file: BinaryIO, container: str) -> bool:
    """Tell whether an AVI, MPEG, FLV, Matroska, MP4 or AC-3 ends before one of its packets does.

    Args:
        file: open for reading; its position changes.
        container: as libav calls it, in small letters.
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
    if container == "voc":
        return _is_voc_cut(file, size)
    if container in ("ac3", "eac3"):
        return _is_ac3_cut(file, size)
    if "mp4" in container:
        parts = find_mp4_parts(file)
        return bool(parts) and parts[-1].is_cut
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
    tag_size = int.from_bytes(_read(file, max(0, size - 4), 4), "big")
    if not 11 <= tag_size <= size - 4:
        return True
    return int.from_bytes(_read(file, size - 4 - tag_size + 1, 3), "big") != tag_size - 11


def _is_matroska_cut(file: BinaryIO, size: int) -> bool:
    """Compare the size of the segment; if it was left open, those of what is in its last cluster.

    Browsers leave it open.
    """
    start = _read(file, 0, 1 << 12)
    at = start.find(_SEGMENT)
    if at < 0:
        return False
    head = _read_element(start[at:])
    if head is None:
        return False
    _, announced, length = head
    if announced is not None:
        return at + length + announced > size
    tail_at = max(at + length, size - _LONGEST_CLUSTER)
    tail = _read(file, tail_at, _LONGEST_CLUSTER)
    position = tail.rfind(_CLUSTER)
    while 0 <= position < len(tail):
        head = _read_element(tail[position : position + 12])
        if head is None:
            return True
        name, announced, length = head
        is_open = name == _CLUSTER or announced is None
        position += length if is_open else length + (announced or 0)
    return position > len(tail)


def _read_element(head: bytes) -> tuple[bytes, int | None, int] | None:
    """Read the beginning of an element of Matroska.

    Returns:
        its name, its size in bytes (None if it was left open), and the bytes before its content;
        None if it is not complete.
    """
    if not head or not head[0]:
        return None
    name_length = 9 - head[0].bit_length()
    if len(head) <= name_length or not head[name_length]:
        return None
    length = 9 - head[name_length].bit_length()
    if len(head) < name_length + length:
        return None
    number = int.from_bytes(head[name_length : name_length + length], "big")
    most = (1 << 7 * length) - 1
    announced = number & most
    size = None if announced == most else announced
    return head[:name_length], size, name_length + length


def _is_voc_cut(file: BinaryIO, size: int) -> bool:
    """Walk over the blocks of a Creative Voice."""
    position = int.from_bytes(_read(file, 20, 2), "little")
    while position + 4 <= size:
        head = _read(file, position, 4)
        if not head[0]:  # the end
            return False
        position += 4 + int.from_bytes(head[1:], "little")
    return position > size


def _is_ac3_cut(file: BinaryIO, size: int) -> bool:
    """Walk over the frames at the end of an AC-3 or E-AC-3."""
    tail = _read(file, max(0, size - _TAIL), _TAIL)
    at = tail.find(b"\x0b\x77")
    while at >= 0:
        position = at
        n_frames = 0
        while (length := _ac3_size(tail[position : position + 6])) > 0:
            position += length
            n_frames += 1
        if position >= len(tail) or n_frames > 2:
            rest = tail[position:]
            return position > len(tail) or rest[:2] == b"\x0b\x77" or rest == b"\x0b"
        at = tail.find(b"\x0b\x77", at + 1)
    return False


def _ac3_size(head: bytes) -> int:
    """Return the number of bytes of a frame; 0 if there is none."""
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:  # E-AC-3
        return 2 * ((int.from_bytes(head[2:4], "big") & 0x7FF) + 1)
    rate_code = head[4] >> 6
    size_code = head[4] & 63
    if rate_code == 3 or size_code >= 2 * len(_AC3_WORDS):
        return 0
    words = _AC3_WORDS[size_code // 2]
    if rate_code == 2:  # 32 kHz
        words = words * 3 // 2
    elif rate_code == 1:  # 44.1 kHz
        words = words * 48000 // 44100 + size_code % 2
    return 2 * words
