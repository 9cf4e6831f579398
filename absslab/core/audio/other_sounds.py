"""Find where another sound begins behind one: files of several kinds that were joined."""

import mmap
import re

from absslab.core.audio.mp3_frames import skip_tags

_BEGINNINGS = {  # how sounds begin, by a mark that is searched, which is this many bytes behind
    (b"RIFF", 0): rb"RIFF.{4}WAVE",
    (b"RF64", 0): rb"RF64.{4}WAVE",
    (b"FORM", 0): rb"FORM.{4}AIF[FC]",
    (b"OggS\0\2", 0): rb"OggS",
    (b"fLaC\0\0\0\x22", 0): rb"fLaC",
    (b"caff\0\1\0\0desc", 0): rb"caff",
    (b".snd\0\0", 0): rb"\.snd",
    (b"dns.", 0): rb"dns\.[^\0].?\0\0",
    (b"riff\x2e\x91\xcf\x11", 0): rb"riff",
    (b"ftyp", 4): rb"\0\0.{2}ftyp[ -~]{4}",
}
_TAGS = rb"ID3[\x02-\x04]\0.[\0-\x7f]{4}"
_PATTERNS = {key: re.compile(pattern, re.DOTALL) for key, pattern in _BEGINNINGS.items()}
_PATTERNS_AND_TAGS = _PATTERNS | {(b"ID3", 0): re.compile(_TAGS, re.DOTALL)}


def find_other_sound(content: mmap.mmap | bytes, start: int, end: int) -> int:
    """Return where another sound, or tags in front of one, begins; `end` if there is none.

    Args:
        content: of a file.
        start: the byte to search from.
        end: the byte to search to.
    """
    first = end
    for (mark, offset), pattern in _PATTERNS_AND_TAGS.items():
        at = content.find(mark, start + offset, first)
        while at >= 0 and not pattern.match(content, at - offset):
            at = content.find(mark, at + 1, first)
        if at >= 0:
            first = min(first, at - offset)
    return first


def begins_as_sound(content: mmap.mmap | bytes, start: int) -> bool:
    """Tell whether a sound of a known kind, other than an MP3, begins at a byte."""
    return any(pattern.match(content, start) for pattern in _PATTERNS.values())


def skip_leading_tags(content: mmap.mmap) -> int:
    """Return where a sound begins that has tags before it, which belong to MP3s; 0 without them."""
    start = skip_tags(content, 0)
    return start if begins_as_sound(content, start) else 0
