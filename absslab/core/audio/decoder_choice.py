"""Choose the decoder for a sound file by its content, and mend what its header says.

libsndfile gets a correct file, made of pieces of the one that is there; libav gets what libsndfile
does not know.
"""

import mmap
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from absslab.core.audio.assembled_file import AssembledFile, Span
from absslab.core.audio.av_decoder import AvDecoder
from absslab.core.audio.decoders import Decoder, DecodingError, JoinedDecoder, PlainDecoder
from absslab.core.audio.file_memory import remember
from absslab.core.audio.formats import INSTALL_HINT, has_extra_formats
from absslab.core.audio.mp3_frames import find_mp3_parts
from absslab.core.audio.ogg_pages import find_ogg_parts
from absslab.core.audio.sound_chunks import find_samples
from absslab.core.common.errors import InputError
from absslab.core.common.files import FileVersion

_BLOCK = 1 << 16  # samples to decode at a time
_SMALL_BLOCK = 1 << 10  # where a decoder drops a block that is not complete
_FEWEST_BYTES = 2000  # per second of sound; of less, the header is not believed
_FLAC_START = b"fLaC\0\0\0\x22"
_MOST_PARTS = 10_000
_LOGGED_SIZES = re.compile(
    r"^\s*(?:riff|Riff size|Data Size|data|BODY)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE
)
_KINDS = (  # first bytes, where they begin, what the file is
    (b"ftyp", 4, "an MP4 or M4A file"),
    (b"moov", 4, "a QuickTime file"),
    (b"\x1aE\xdf\xa3", 0, "a WebM or Matroska file"),
    (b"#!AMR", 0, "an AMR file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "a Windows Media file"),
    (b"AVI ", 8, "an AVI video"),
    (b"\x0b\x77", 0, "an AC-3 file"),
    (b"\xff\xf1", 0, "an AAC file"),
    (b"\xff\xf9", 0, "an AAC file"),
    (b"\x00\x00\x01\xba", 0, "an MPEG video"),
    (b"wvpk", 0, "a WavPack file"),
    (b"MAC ", 0, "a Monkey's Audio file"),
    (b"TTA1", 0, "a True Audio file"),
)


class OpenedFile(NamedTuple):
    """A decoder of a file, and what is known about the file."""

    decoder: Decoder
    remarks: list[str]
    is_length_certain: bool  # otherwise it is counted


class SampleCount(NamedTuple):
    """What is there when a file is decoded to its end."""

    n_samples: int
    remarks: tuple[str, ...]


def open_decoder(path: str | os.PathLike[str]) -> OpenedFile:
    """Open a file with the decoder for its content.

    Raises:
        DecodingError: there is none.
    """
    with open(path, "rb") as file:
        head = file.read(12)
    try:
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff"):
            return _open_chunks(path)
        if head[:4] == b"OggS":
            return _open_ogg(path)
        if head[:4] == b"fLaC":
            return _open_flac(path)
        if head[:3] == b"ID3" or (head[:1] == b"\xff") or _find_kind(path) == "":
            plan = _plan_mp3(os.fspath(path), FileVersion.of(path))
            if plan is not None:
                return plan.open(path)
        if _find_kind(path):
            raise DecodingError("libsndfile does not know its format")
        return _open_plain(path)
    except DecodingError as error:
        if not has_extra_formats() or os.path.getsize(path) == 0:
            raise
        return _open_extra(path, error)


def _open_extra(path: str | os.PathLike[str], refusal: DecodingError) -> OpenedFile:
    """Open a file that libsndfile does not read.

    Raises:
        DecodingError: nor does libav.
    """
    try:
        decoder = AvDecoder.open(path)
        remarks = []
        if decoder.n_streams > 1:
            remarks.append(f"has {decoder.n_streams} sounds: only the first of them is read")
        return OpenedFile(decoder, remarks, is_length_certain=False)
    except DecodingError as error:
        if _find_kind(path) or "no sound" in str(error):
            raise
        raise refusal from None


def _open_plain(path: str | os.PathLike[str]) -> OpenedFile:
    decoder = PlainDecoder.open(os.fspath(path), prints_messages=True)
    is_certain = _is_believable(os.fspath(path), FileVersion.of(path))
    return OpenedFile(decoder, _remarks_of_log(decoder), is_certain)


def _remarks_of_log(decoder: PlainDecoder) -> list[str]:
    """Return what libsndfile noticed about sizes in a header."""
    found = _LOGGED_SIZES.search(decoder.log)
    if found is None:
        return []
    announced, available = map(int, found.groups())
    if available < announced:
        return [f"is cut short: {available} of {announced} bytes are there"]
    return [f"says {announced} bytes in its header, but holds {available}: some may not be read"]


@remember
def _is_believable(path: str, version: FileVersion) -> bool:
    """Tell whether a file holds the samples that its header says, without decoding all of them.

    A seek that fails leaves a decoder that can't be used any more, so that this opens its own.
    """
    decoder = PlainDecoder.open(path, prints_messages=True)
    try:
        n_samples = decoder.n_samples
        if not 0 < n_samples < 1 << 60:
            return n_samples == 0
        if decoder.container not in ("FLAC", "OGG", "MP3", "SDS"):  # not compressed
            return True
        seconds = n_samples / decoder.sampling_rate
        if decoder.container != "FLAC" and version.size < _FEWEST_BYTES * (seconds - 1):
            return False
        decoder.seek(n_samples - 1)
        return len(decoder.read(1)) == 1
    except DecodingError:
        return False
    finally:
        decoder.close()


class Plan(NamedTuple):
    """How to open a file whose header is wrong, or that is several files in one.

    Args:
        parts: the pieces of each part; a part without any is the file itself.
        lengths: number of samples of each part, if there are several.
        remarks: what is missing or wrong.
        is_length_certain: otherwise it is counted.
        prints_messages: whether its decoder prints what it thinks of a file.
    """

    parts: tuple[tuple[Span | bytes, ...], ...]
    lengths: tuple[int, ...]
    remarks: tuple[str, ...]
    is_length_certain: bool
    prints_messages: bool

    def open(self, path: str | os.PathLike[str]) -> OpenedFile:
        """Open the file.

        Raises:
            DecodingError: libsndfile can't read it.
        """
        openers: list[Callable[[], Decoder]] = [
            partial(_open_pieces, path, pieces, prints_messages=self.prints_messages)
            for pieces in self.parts
        ]
        first = openers[0]()
        is_joined = len(openers) > 1
        decoder = JoinedDecoder(first, openers, self.lengths) if is_joined else first
        return OpenedFile(decoder, list(self.remarks), self.is_length_certain)


def _open_chunks(path: str | os.PathLike[str]) -> OpenedFile:
    """Open a WAV, AIFF or CAF, and files of the same kind that were joined to it."""
    plan = _plan_chunks(os.fspath(path), FileVersion.of(path))
    return _open_plain(path) if plan is None else plan.open(path)


@remember
def _plan_chunks(path: str, version: FileVersion) -> Plan | None:
    """Find the samples of a WAV, AIFF or CAF; None if its chunks tell nothing."""
    parts: list[list[Span | bytes]] = []
    remarks = []
    start = 0
    with open(path, "rb") as file:
        while len(parts) < _MOST_PARTS:
            found = find_samples(file, start)
            if found is None:
                if parts:
                    break
                return None
            if found.n_said >= 0:
                remarks.append(_remark_of_size(found.n_said, found.n_there, found.unit))
            parts.append(found.pieces)
            start = found.joined_at
            if not start:
                break
    if start:
        remarks.append(_remark_of_most_parts())
    return _plan(path, parts, remarks)


def _remark_of_most_parts() -> str:
    return f"is more than {_MOST_PARTS} files in one: only the first {_MOST_PARTS} are read"


def _remark_of_size(n_said: int, n_there: int, unit: str) -> str:
    if n_there < n_said:
        return f"is cut short: {n_there} of {n_said} {unit} are there"
    return f"says {n_said} {unit} in its header, but holds {n_there}: all of them are read"


def _open_pieces(
    path: str | os.PathLike[str], pieces: Sequence[Span | bytes], *, prints_messages: bool = False
) -> PlainDecoder:
    if not pieces:
        return PlainDecoder.open(os.fspath(path), prints_messages=prints_messages)
    source = AssembledFile(path, pieces)
    try:
        return PlainDecoder.open(source, prints_messages=prints_messages)  # type: ignore[arg-type]
    except DecodingError:
        source.close()
        raise


def _plan(
    path: str,
    parts: Iterable[Sequence[Span | bytes]],
    remarks: Sequence[str],
    *,
    is_certain: bool = True,
    prints_messages: bool = False,
) -> Plan:
    """Plan to read parts of a file as one sound; those at another rate are left out and told.

    Raises:
        DecodingError: libsndfile can't read the first one.
    """
    plan = Plan(tuple(map(tuple, parts)), (), tuple(remarks), is_certain, prints_messages)
    n_parts = len(plan.parts)
    if n_parts == 1:
        return plan
    alike: list[tuple[Span | bytes, ...]] = []
    lengths: list[int] = []
    kind = (0, 0)  # sampling rate and number of channels
    n_left_out = 0
    for pieces in plan.parts:
        try:
            part = _open_pieces(path, pieces, prints_messages=prints_messages)
        except DecodingError:
            if not alike:
                raise
            n_left_out += 1
            continue
        own_kind = (part.sampling_rate, part.n_channels)
        if not alike or (own_kind == kind and not n_left_out):
            kind = own_kind
            alike.append(pieces)
            lengths.append(part.n_samples)
        else:
            n_left_out += 1
        part.close()
    if n_left_out:
        read = sum(lengths) / kind[0]
        remark = (
            f"is {n_parts} files in one, the last {n_left_out} at another rate, with other "
            f"channels or damaged: only the first {read:.2f} s are read"
        )
        plan = plan._replace(remarks=(*remarks, remark))
    return plan._replace(parts=tuple(alike), lengths=tuple(lengths))


def _find_flac_starts(path: str) -> list[int]:
    """Find where the parts of a FLAC begin."""
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        starts = [0]
        while (at := content.find(_FLAC_START, starts[-1] + 1)) > 0 and len(starts) <= _MOST_PARTS:
            starts.append(at)
    return starts


def _open_flac(path: str | os.PathLike[str]) -> OpenedFile:
    plan = _plan_flac(os.fspath(path), FileVersion.of(path))
    return _open_plain(path) if plan is None else plan.open(path)


@remember
def _plan_flac(path: str, version: FileVersion) -> Plan | None:
    """Find the parts of a FLAC; None if it is one."""
    starts = _find_flac_starts(path)
    if len(starts) == 1:
        return None
    remarks = [_remark_of_most_parts()] if len(starts) > _MOST_PARTS else []
    edges = [*starts, version.size][: _MOST_PARTS + 1]
    spans = map(Span, edges[:-1], edges[1:])
    return _plan(path, [[span] for span in spans], remarks)


def _open_ogg(path: str | os.PathLike[str]) -> OpenedFile:
    plan = _plan_ogg(os.fspath(path), FileVersion.of(path))
    if plan is None:
        return _open_plain(path)
    if plan.parts != ((),):
        return plan.open(path)
    opened = _open_plain(path)
    is_certain = opened.is_length_certain and plan.is_length_certain
    return OpenedFile(opened.decoder, [*plan.remarks, *opened.remarks], is_certain)


@remember
def _plan_ogg(path: str, version: FileVersion) -> Plan | None:
    """Find the parts of an Ogg; None if it is none."""
    parts = find_ogg_parts(path)
    if not parts:
        return None
    remarks = []
    if not parts[-1].is_ended:
        remarks.append("has no last page: its end may be missing; what is there is read")
    n_lost = sum(part.n_lost_bytes for part in parts)
    if n_lost:
        remarks.append(f"is damaged: {n_lost} bytes are no part of its sound and are left out")
    if parts[-1].n_trailing:
        remarks.append(_remark_of_trailing(parts[-1].n_trailing, "Ogg"))
    is_whole = len(parts) == 1 and parts[0].span.end == version.size
    pieces: list[list[Span | bytes]] = [[]] if is_whole else [[part.span] for part in parts]
    return _plan(path, pieces, remarks, is_certain=not n_lost)


def _remark_of_trailing(n_bytes: int, kind: str) -> str:
    return f"goes on after its sound with {n_bytes} bytes that are no {kind}: they are left out"


@remember
def _plan_mp3(path: str, version: FileVersion) -> Plan | None:
    """Find the parts of an MP3; None if it is none."""
    parts = find_mp3_parts(path)
    if not parts:
        return None
    remarks = []
    for part in parts:
        seconds_per_frame = part.samples_per_frame / part.coding[2]
        if part.n_missing:
            announced = part.n_said * seconds_per_frame
            available = part.n_frames * seconds_per_frame
            remarks.append(f"is cut short: {available:.2f} of {announced:.2f} s are there")
        if part.n_junk:
            remarks.append(
                f"is damaged: {part.n_junk} bytes between its frames are no sound and are left out"
            )
        if part.n_trailing:
            remarks.append(_remark_of_trailing(part.n_trailing, "MP3"))
        if part.is_cut and not part.n_missing:
            remarks.append("ends within a frame: its end may be missing")
    return _plan(path, [part.pieces for part in parts], remarks, prints_messages=True)


@remember
def count_samples(path: str, version: FileVersion, most: int) -> SampleCount:
    """Decode a file, and return how many samples it holds; `version` changes when the file does.

    Args:
        path: the file.
        version: of the file.
        most: number of samples after which to stop; −1 for none.
    """
    decoder = open_decoder(path).decoder
    n_said = decoder.n_samples
    n_samples = 0
    block_size = _BLOCK if isinstance(decoder, AvDecoder) else _SMALL_BLOCK
    try:
        while most < 0 or n_samples <= most:
            block = decoder.read(block_size)
            if not len(block):
                break
            n_samples += len(block)
    except DecodingError as error:
        if not n_samples:
            raise unreadable_error(path, error) from None
    finally:
        decoder.close()
    if 0 <= most < n_samples:
        return SampleCount(n_samples, ())
    remarks = []
    if isinstance(decoder, AvDecoder):
        remarks.extend(decoder.remarks)
        # The last frame is filled up with silence, which the header leaves out.
        if 0 < n_said < n_samples <= n_said + 2 * decoder.frame_size:
            n_samples = n_said
        slack = 2 * decoder.frame_size + decoder.sampling_rate // 10
        n_said = decoder.n_promised if n_samples + slack < decoder.n_promised else 0
        if decoder.is_cut and not n_said:
            remarks.append("ends within a packet: its end may be missing")
    if n_samples < n_said < 1 << 60:
        remarks.append(f"is cut short: {n_samples} of {n_said} samples are there")
    return SampleCount(n_samples, tuple(remarks))


def unreadable_error(path: str | os.PathLike[str], error: DecodingError) -> InputError:
    """Return the error of a file that no decoder reads."""
    reason = str(error)
    advice = "replace or remove it"
    if os.path.getsize(path) == 0:
        reason = "it has 0 bytes"
    elif kind := _find_kind(path):
        advice = "replace it, or convert it to WAV or FLAC"
        if not has_extra_formats():
            reason = f"it is {kind}"
            advice = f"to read it, {INSTALL_HINT}, or convert it to WAV or FLAC"
    elif not has_extra_formats() and os.path.splitext(path)[1]:
        advice = f"replace it; for more formats, {INSTALL_HINT}"
    return InputError(f"{{path}} is not a readable sound file ({reason}): {advice}", path=path)


def _find_kind(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        head = file.read(16)
    for mark, start, kind in _KINDS:
        if head[start : start + len(mark)] == mark:
            return kind
    return ""
