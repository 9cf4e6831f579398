"""Find the samples of WAV, W64, AIFF and CAF whose headers say something else than is there.

Recorders that lose power leave sizes of 0, sizes beyond 4 GiB wrap, and some programs forget to pad
odd chunks. The bytes of the samples are there nevertheless. `find_samples` says which bytes these
are, and makes a correct header for them.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.other_sounds import begins_as_sound

_UNKNOWN_SIZES = (0x7FFFF000, 0xFFFFFF00)  # of a pipe; from the second one on
_LONGEST_RIFF = (1 << 32) - (1 << 12)  # bytes
_SEARCHED = 1 << 20  # bytes in which a chunk is searched that is not where it should be
_LARGEST_HEADER = 1 << 16  # bytes of a chunk that describes the samples
_LARGEST_TABLE = 1 << 26  # bytes of a table of packets
_W64_NAME_ENDS = (  # bytes 4 to 12 of the names of chunks
    b"\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
    b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0",
)
_PLAIN_CODINGS = (1, 3, 6, 7, 0xFFFE)  # of WAV: a fixed number of bytes per sample
# What programs write before and after the samples.
_KNOWN = frozenset(
    b"fmt |data|fact|LIST|bext|cue |smpl|inst|iXML|axml|chna|JUNK|junk|PAD |FLLR|PEAK|id3 |ID3 "
    b"|DISP|acid|_PMX|afsp|cart|umid|minf|elm1|regn|plst|labl|note|ltxt|strc|ds64|levl|wavl|slnt"
    b"|r64m|COMM|SSND|MARK|INST|MIDI|AESD|APPL|COMT|NAME|AUTH|(c) |ANNO|FVER|CHAN"
    b"|desc|chan|pakt|kuki|info|strg|mark|free|uuid|peak|ovvw|edct|midi".split(b"|")
)


@dataclass(frozen=True)
class _Container:
    """How a container writes its chunks."""

    order: Literal["little", "big"]
    first: int  # byte of the first chunk
    size_length: int  # bytes of a size
    alignment: int  # bytes; chunks are filled up to a multiple of it
    samples_chunk: bytes
    before_samples: int  # bytes of that chunk before the samples
    name_length: int = 4  # bytes, of which the first four are letters

    @property
    def head_length(self) -> int:
        """Bytes of a chunk before its content."""
        return self.name_length + self.size_length

    @property
    def counts_head(self) -> bool:
        """Whether a size counts the head of its chunk, too."""
        return self.name_length > 4

    def padding(self, size: int) -> int:
        """Return the number of bytes that follow a chunk of a size."""
        return -size % self.alignment


_CONTAINERS = {
    b"RIFF": _Container("little", 12, 4, 2, b"data", 0),
    b"RIFX": _Container("big", 12, 4, 2, b"data", 0),
    b"RF64": _Container("little", 12, 4, 2, b"data", 0),
    b"BW64": _Container("little", 12, 4, 2, b"data", 0),
    b"riff": _Container("little", 40, 8, 8, b"data", 0, 16),
    b"FORM": _Container("big", 12, 4, 2, b"SSND", 8),
    b"caff": _Container("big", 8, 8, 1, b"data", 4),
}


@dataclass(frozen=True)
class SampleBytes:
    """Where the samples of a file are.

    Args:
        pieces: a file with a correct header; empty if the file itself can be read as it is.
        n_announced: what the header says; −1 if it does not say it.
        n_available: what is there.
        unit: of both: samples, or bytes where a coding has no fixed size.
        joined_at: the byte where another file of the same kind begins; 0 if there is none.
        n_trailing: bytes behind the samples that are a sound of another kind.
    """

    pieces: list[Span | bytes] = field(default_factory=list)
    n_announced: int = -1
    n_available: int = -1
    unit: str = "samples"
    joined_at: int = 0
    n_trailing: int = 0


def find_samples(file: BinaryIO, start: int = 0) -> SampleBytes | None:
    """Find the samples of a WAV, W64, AIFF or CAF.

    Args:
        file: open for reading.
        start: the byte where the WAV, W64, AIFF or CAF begins.

    Returns:
        None if the file is of another kind or has no chunk of samples.
    """
    file_size = file.seek(0, os.SEEK_END)
    file.seek(start)
    head = file.read(12)
    container = _CONTAINERS.get(head[:4])
    if container is None or not _is_sound(head):
        return None
    return _Search(file, container, head, start, file_size).run()


def _is_sound(head: bytes) -> bool:
    if head[:4] == b"caff":
        return True
    if head[:4] == b"riff":
        return head[4:12] == _W64_NAME_ENDS[0]
    kinds = (b"AIFF", b"AIFC") if head[:4] == b"FORM" else (b"WAVE",)
    return head[8:12] in kinds


class _Search:
    """The search of one file."""

    def __init__(
        self, file: BinaryIO, container: _Container, head: bytes, start: int, file_size: int
    ):
        self.file = file
        self.container = container
        self.head = head
        self.start = start
        self.file_size = file_size
        self.headers: list[bytes] = []  # the chunks before the samples, as they are
        self.coding = b""  # content of the chunk that describes the samples
        self.long_size = 0  # of the samples, in an RF64
        self.is_regular = start == 0 and head[:4] != b"BW64"  # which libsndfile does not know

    def run(self) -> SampleBytes | None:
        """Walk over the chunks to the samples."""
        position = self.start + self.container.first
        while (chunk := self._read_head(position)) is not None:
            name, size = chunk
            content = position + self.container.head_length
            if name == self.container.samples_chunk:
                return self._locate_samples(content, size)
            if not _is_plausible(name):
                self.is_regular = False
                found = self._find_samples_chunk(position)
                if found is None:
                    return None
                position = found
                continue
            self._keep_header(name, position, content, size)
            position = self._find_next_chunk(content, size)
        return None

    def _read_head(self, position: int) -> tuple[bytes, int] | None:
        length = self.container.head_length
        if position > self.file_size:  # a size may be larger than any place that `seek` accepts
            return None
        self.file.seek(position)
        head = self.file.read(length)
        if len(head) < length:
            return None
        size = int.from_bytes(head[self.container.name_length :], self.container.order)
        if not self.container.counts_head:
            return head[:4], size
        if head[4:12] not in _W64_NAME_ENDS:
            return b"\0\0\0\0", 0
        return head[:4], max(0, size - length)

    def _keep_header(self, name: bytes, position: int, content: int, size: int) -> None:
        """Keep what describes the samples."""
        kept = (b"fmt ", b"COMM", b"FVER", b"desc", b"kuki", b"chan", b"ds64", b"pakt")
        if name not in kept:
            return
        largest = _LARGEST_TABLE if name == b"pakt" else _LARGEST_HEADER
        self.file.seek(position)
        chunk = self.file.read(content - position + min(size, largest))
        body = chunk[content - position :]
        if name == b"ds64":
            self.long_size = int.from_bytes(body[8:16], "little")
            return
        if name in (b"fmt ", b"COMM", b"desc"):
            self.coding = body
        if self.container.counts_head:  # as a WAV has it
            chunk = name + len(body).to_bytes(4, "little") + body
        self.headers.append(chunk + bytes(len(body) % 2 if self.container.alignment > 1 else 0))

    def _find_next_chunk(self, content: int, size: int) -> int:
        """Return where the next chunk begins: some programs forget to pad an odd one."""
        end = content + size
        if self.container.alignment != 2 or not size % 2:
            return end + self.container.padding(size)
        self.file.seek(end)
        following = self.file.read(5)
        if following[:4] in _KNOWN and following[1:5] not in _KNOWN:
            self.is_regular = False
            return end
        return end + 1

    def _find_samples_chunk(self, position: int) -> int | None:
        """Return where the chunk of samples may begin, behind a place where no chunk does."""
        self.file.seek(position + 1)
        at = self.file.read(_SEARCHED).find(self.container.samples_chunk)
        return None if at < 0 else position + 1 + at

    def _locate_samples(self, content: int, size: int) -> SampleBytes:
        """Say where the samples are, given where their chunk begins and its size."""
        first = content + self.container.before_samples
        limits = _UNKNOWN_SIZES
        is_long = self.head[:4] in (b"RF64", b"BW64")
        if is_long and not self.long_size:  # it was never written
            self.is_regular = False
            is_long = False
        if self.container.size_length == 8:
            is_unknown = size >= 1 << 62
        elif is_long:
            is_unknown = False
            size = self.long_size if size == (1 << 32) - 1 else size
        else:
            is_unknown = size == limits[0] or size >= limits[1]
        announced = max(0, size - self.container.before_samples)
        available = max(0, self.file_size - first)
        if is_unknown:
            end = self._find_end(first)
            is_read_so = self.head[:4] not in (b"caff", b"riff")  # by libsndfile
            if self.is_regular and is_read_so and end == self.file_size:
                return SampleBytes()
            return SampleBytes(self._pieces(first, end))
        if announced > available:
            return self._describe_mismatch(first, self.file_size, announced)
        end = first + announced
        after = end + self.container.padding(size)
        if joined_at := self._find_joined_file(end, after):
            return SampleBytes(self._pieces(first, end), joined_at=joined_at)
        for place in (end, after):
            if self._begins_other_sound(place):
                n_trailing = self.file_size - place
                return SampleBytes(self._pieces(first, end), n_trailing=n_trailing)
        if self._only_chunks_follow(after):
            return self._describe_regular(first, end, self._find_more_samples(after))
        if self._only_chunks_follow(end) or self._only_padding_follows(end):
            return self._describe_regular(first, end, [])
        return self._describe_mismatch(first, self._find_end(end), announced)

    def _describe_regular(self, first: int, end: int, more: list[Span]) -> SampleBytes:
        """Describe samples whose number is the one that their chunk says."""
        is_read_so = self.is_regular and not more and self.head[:4] != b"riff"
        pieces = [] if is_read_so else self._pieces(first, end, more)
        size = self._sample_size()
        n_available = (end - first) // max(1, size)
        if self.head[:4] == b"FORM" and size:
            n_announced = int.from_bytes(self.coding[2:6], "big")
            if n_available < n_announced < (1 << 32) - 1:
                return SampleBytes(pieces, n_announced, n_available)
        return SampleBytes(pieces)

    def _find_more_samples(self, position: int) -> list[Span]:
        """Return the samples of further chunks, which some recorders write."""
        spans = []
        container = self.container
        while (chunk := self._read_head(position)) is not None:
            name, size = chunk
            content = position + container.head_length
            if name == container.samples_chunk:
                spans.append(Span(content + container.before_samples, content + size))
            position = content + size + container.padding(size)
        return [span for span in spans if span.start < span.end <= self.file_size]

    def _find_packet_table(self, position: int) -> list[Span]:
        """Return the chunk behind the samples that has the sizes of packets, if it is there."""
        while (chunk := self._read_head(position)) is not None and _is_plausible(chunk[0]):
            end = position + self.container.head_length + chunk[1]
            if chunk[0] == b"pakt" and end <= self.file_size:
                return [Span(position, end)]
            position = end
        return []

    def _begins_other_sound(self, place: int) -> bool:
        self.file.seek(place)
        head = self.file.read(64)
        return head[:4] != self.head[:4] and begins_as_sound(head, 0)

    def _describe_mismatch(self, first: int, end: int, announced: int) -> SampleBytes:
        """Describe samples whose number is not the one that the header says."""
        size = self._sample_size()
        if (end - first) // max(1, size) == announced // max(1, size):
            # What follows is shorter than a sample.
            return SampleBytes([] if self.is_regular else self._pieces(first, first + announced))
        if not size:
            end -= (end - first) % self._block_size()
            return SampleBytes(self._pieces(first, end), announced, end - first, "bytes")
        pieces = self._pieces(first, end)
        return SampleBytes(pieces, announced // size, (end - first) // size)

    def _sample_size(self) -> int:
        """Return the number of bytes of a sample of all channels; 0 if it is not fixed."""
        coding = self.coding
        if self.head[:4] == b"FORM":
            is_plain = self.head[8:12] == b"AIFF" or coding[18:22] in (b"NONE", b"sowt", b"twos")
            width = -(-int.from_bytes(coding[6:8], "big") // 8)
            return width * int.from_bytes(coding[:2], "big") if is_plain else 0
        if self.head[:4] == b"caff":
            return int.from_bytes(coding[16:20], "big") if coding[8:12] == b"lpcm" else 0
        order = self.container.order
        is_plain = int.from_bytes(coding[:2], order) in _PLAIN_CODINGS
        return int.from_bytes(coding[12:14], order) if is_plain else 0

    def _block_size(self) -> int:
        """Return the number of bytes that can only be decoded together."""
        if self.head[:4] in (b"FORM", b"caff"):
            return 1
        size = max(1, int.from_bytes(self.coding[12:14], self.container.order))
        return 2 * size if size % 2 else size  # of an odd chunk libsndfile decodes a byte too many

    def _find_joined_file(self, *places: int) -> int:
        """Return where another file of the same kind begins after the samples; 0 if none does."""
        for place in places:
            self.file.seek(place)
            head = self.file.read(12)
            if head[:4] == self.head[:4] and head[:4] in _CONTAINERS and _is_sound(head):
                return place
        return 0

    def _only_chunks_follow(self, position: int) -> bool:
        """Tell whether only whole chunks follow, or tags of other formats."""
        while position < self.file_size:
            chunk = self._read_head(position)
            if chunk is None:
                return True  # a few bytes
            name, size = chunk
            if name[:3] in (b"ID3", b"TAG") or name == b"APET":
                return True
            if not _is_plausible(name):
                return False
            position += self.container.head_length + size
            if position > self.file_size:
                return False
            position += self.container.padding(size)
        return True

    def _only_padding_follows(self, position: int) -> bool:
        """Tell whether a few zeros follow, which fill a block of a disk."""
        if self.file_size - position > 4096:
            return False
        self.file.seek(position)
        return not any(self.file.read())

    def _find_end(self, first: int) -> int:
        """Return where the samples end: before chunks that reach to the end of the file."""
        begin = max(first, self.file_size - _SEARCHED)
        self.file.seek(begin)
        tail = self.file.read()
        names = b"|".join(re.escape(name) for name in _KNOWN)
        for match in re.finditer(names, tail):
            if self._only_chunks_follow(begin + match.start()):
                return begin + match.start()
        return self.file_size

    def _pieces(self, first: int, end: int, more: Sequence[Span] = ()) -> list[Span | bytes]:
        """Make a file with a correct header."""
        spans = [Span(first, end), *more]
        size = sum(span.end - span.start for span in spans)
        if self.head[:4] == b"FORM":
            return [self._aiff_header(size), *spans]
        if self.head[:4] == b"caff":
            self.file.seek(first - 4)
            edits = self.file.read(4)
            head = b"".join(
                [self.head[:8], *self.headers, b"data", (size + 4).to_bytes(8, "big"), edits]
            )
            return [head, *spans, *self._find_packet_table(end)]
        return [self._wav_header(size), *spans]  # not padded: libsndfile would decode the byte

    def _wav_header(self, size: int) -> bytes:
        order = self.container.order
        headers = [chunk for chunk in self.headers if chunk[:4] == b"fmt "]
        if size < _LONGEST_RIFF:
            body = b"".join(headers)
            total = (4 + len(body) + 8 + size).to_bytes(4, order)
            mark = self.head[:4] if order == "big" else b"RIFF"
            return b"".join([mark, total, b"WAVE", body, b"data", size.to_bytes(4, order)])
        # Sizes of the file and of the samples, the number of samples (not used), an empty table.
        sizes = b"".join(number.to_bytes(8, "little") for number in (size + 100, size, 0))
        long_sizes = b"ds64" + (28).to_bytes(4, "little") + sizes + bytes(4)
        unknown = b"\xff" * 4
        return b"".join([b"RF64", unknown, b"WAVE", long_sizes, *headers, b"data", unknown])

    def _aiff_header(self, size: int) -> bytes:
        headers = []
        for chunk in self.headers:
            if chunk[:4] == b"COMM" and (sample_size := self._sample_size()):
                n_samples = (size // sample_size).to_bytes(4, "big")
                chunk = chunk[:10] + n_samples + chunk[14:]
            headers.append(chunk)
        body = b"".join(headers)
        total = (4 + len(body) + 16 + size).to_bytes(4, "big")
        samples = b"SSND" + (size + 8).to_bytes(4, "big") + bytes(8)
        return b"".join([b"FORM", total, self.head[8:12], body, samples])


def _is_plausible(name: bytes) -> bool:
    return name in _KNOWN or bool(re.fullmatch(rb"[\x20-\x7e]{4}", name))
