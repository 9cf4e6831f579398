"""Choose the decoder for a sound file by its content, and mend what its header says.

libsndfile gets a correct file, made of pieces of the one that is there; libav gets what libsndfile
does not know.
"""

import mmap
import os
import re
from collections.abc import Callable
from typing import BinaryIO

from absslab.core.audio.assembled_file import Span
from absslab.core.audio.au_files import find_au_samples
from absslab.core.audio.av_decoder import AvDecoder
from absslab.core.audio.container_ends import is_cut
from absslab.core.audio.decoders import DecodingError, PlainDecoder
from absslab.core.audio.decoding_plan import (
    OpenedFile,
    Plan,
    SampleCount,
    count_decoded,
    describe_size,
    is_believable,
    make_plan,
)
from absslab.core.audio.file_memory import remember
from absslab.core.audio.flac_frames import find_flac_parts
from absslab.core.audio.formats import INSTALL_HINT, has_extra_formats
from absslab.core.audio.mp3_frames import find_mp3_parts
from absslab.core.audio.mp4_boxes import find_mp4_parts
from absslab.core.audio.ogg_pages import find_ogg_parts
from absslab.core.audio.other_sounds import begins_as_sound, skip_leading_tags
from absslab.core.audio.sound_chunks import SampleBytes, find_samples
from absslab.core.common.errors import InputError
from absslab.core.common.files import FileVersion

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
_PICTURES = (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"avif", b"avis")  # kinds of MP4
_BEGINNINGS = (b"NIST_1A\n", b"Creative Voice File")  # of sounds that have no suffix here


def open_decoder(path: str | os.PathLike[str]) -> OpenedFile:
    """Open a file with the decoder for its content.

    Raises:
        DecodingError: there is none.
    """
    start = _find_start(os.fspath(path), FileVersion.of(path))
    with open(path, "rb") as file:
        file.seek(start)
        head = file.read(12)
    try:
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b"riff"):
            return _open_chunks(path)
        if head[:4] in (b".snd", b"dns."):
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


@remember
def _find_start(path: str, version: FileVersion) -> int:
    """Return the byte behind tags that belong to MP3s, if another kind of sound follows them."""
    if not version.size:
        return 0
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return skip_leading_tags(content)


def _open_extra(path: str | os.PathLike[str], refusal: DecodingError) -> OpenedFile:
    """Open a file that libsndfile does not read.

    Raises:
        DecodingError: nor does libav.
    """
    try:
        plan = _plan_extra(os.fspath(path), FileVersion.of(path))
        opened = plan.open(path)
    except DecodingError as error:
        if _find_kind(path) or "no sound" in str(error):
            raise
        raise refusal from None
    if isinstance(opened.decoder, AvDecoder) and opened.decoder.n_streams > 1:
        remark = f"has {opened.decoder.n_streams} sounds: only the first of them is read"
        opened.remarks.append(remark)
    return opened


@remember
def _plan_extra(path: str, version: FileVersion) -> "Plan":
    """Find files that were joined, of which libav reads the first."""
    remarks = []
    pieces: list[list[Span | bytes]] = [[]]
    with open(path, "rb") as file:
        parts = find_mp4_parts(file)
        if len(parts) > 1:
            pieces = [[part.span] for part in parts]
        elif n_trailing := _count_trailing(file):
            remarks.append(_remark_of_trailing(n_trailing, "part of it"))
    return make_plan(path, version, pieces, remarks, is_certain=len(parts) > 1, is_extra=True)


def _count_trailing(file: BinaryIO) -> int:
    """Return the bytes of another True Audio behind the first one, which libav passes over."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] != b"TTA1":
            return 0
        at = content.find(b"TTA1\1\0", 4)
        return len(content) - at if at > 0 else 0


def _open_plain(path: str | os.PathLike[str]) -> OpenedFile:
    decoder = PlainDecoder.open(os.fspath(path), prints_messages=True)
    is_certain = is_believable(os.fspath(path), FileVersion.of(path), ())
    remarks = _remarks_of_log(decoder)
    with open(path, "rb") as file:
        if is_cut(file, decoder.container.lower()):
            remarks.append("ends within a block: its end may be missing")
    return OpenedFile(decoder, remarks, is_certain)


def _remarks_of_log(decoder: PlainDecoder) -> list[str]:
    """Return what libsndfile noticed about sizes in a header."""
    found = _LOGGED_SIZES.search(decoder.log)
    if found is None:
        return []
    announced, available = map(int, found.groups())
    if available < announced:
        return [f"is cut short: {available} of {announced} bytes are there"]
    return [f"says {announced} bytes in its header, but holds {available}: some may not be read"]


def _open_chunks(path: str | os.PathLike[str]) -> OpenedFile:
    """Open a WAV, W64, AIFF, CAF or AU, and files of the same kind that were joined to it."""
    plan = _plan_chunks(os.fspath(path), FileVersion.of(path))
    return _open_plain(path) if plan is None else plan.open(path)


@remember
def _plan_chunks(path: str, version: FileVersion) -> Plan | None:
    """Find the samples of a WAV, W64, AIFF, CAF or AU; None if its chunks tell nothing."""
    parts: list[list[Span | bytes]] = []
    remarks = []
    start = _find_start(path, version)
    with open(path, "rb") as file:
        file.seek(start)
        mark = file.read(4)
        find: Callable[[BinaryIO, int], SampleBytes | None] = find_samples
        if mark in (b".snd", b"dns."):
            find = find_au_samples
        while len(parts) < _MOST_PARTS:
            found = find(file, start)
            if found is None:
                if parts:
                    break
                return None
            if found.n_announced >= 0:
                remarks.append(describe_size(found.n_announced, found.n_available, found.unit))
            if found.n_trailing:
                remarks.append(_remark_of_trailing(found.n_trailing, "part of it"))
            parts.append(found.pieces)
            start = found.joined_at
            if not start:
                break
    if start and len(parts) == _MOST_PARTS:
        remarks.append(_remark_of_most_parts())
    plan = make_plan(path, version, parts, remarks)
    if mark == b"caff" and len(parts) == 1:  # its packets may be missing
        is_certain = is_believable(path, version, plan.parts[0])
        return plan._replace(is_length_certain=is_certain, n_announced=0)
    return plan


def _remark_of_most_parts() -> str:
    return f"is more than {_MOST_PARTS} files in one: only the first {_MOST_PARTS} are read"


def _open_flac(path: str | os.PathLike[str]) -> OpenedFile:
    plan = _plan_flac(os.fspath(path), FileVersion.of(path))
    if plan.parts != ((),):
        return plan.open(path)
    opened = _open_plain(path)
    return opened._replace(remarks=[*plan.remarks, *opened.remarks])


@remember
def _plan_flac(path: str, version: FileVersion) -> Plan:
    """Find the parts of a FLAC."""
    parts = find_flac_parts(path, _find_start(path, version), _MOST_PARTS)
    remarks = []
    if parts[-1].span.end + parts[-1].n_trailing < version.size and len(parts) == _MOST_PARTS:
        remarks.append(_remark_of_most_parts())
    for part in parts:
        if part.n_trailing:
            remarks.append(_remark_of_trailing(part.n_trailing, "FLAC"))
        if part.is_cut:
            remarks.append("ends within a frame: its end may be missing")
    n_announced = sum(part.n_announced for part in parts)
    has_more = any(part.has_more for part in parts)
    is_whole = len(parts) == 1 and not has_more and parts[0].span == (0, version.size)
    pieces = [()] if is_whole else [part.pieces for part in parts]
    plan = make_plan(path, version, pieces, remarks)
    if len(parts) == 1:
        is_certain = not has_more and is_believable(path, version, plan.parts[0])
        return plan._replace(is_length_certain=is_certain, n_announced=n_announced)
    n_available = sum(plan.lengths)
    if has_more and n_announced < n_available:
        remark = describe_size(n_announced, n_available, "samples")
        plan = plan._replace(remarks=(*plan.remarks, remark))
    return plan


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
    parts = find_ogg_parts(path, _find_start(path, version))
    if not parts:
        return None
    remarks = []
    n_open = sum(not part.is_ended for part in parts)
    if len(parts) > 1 and n_open:
        have = "has" if n_open == 1 else "have"
        remarks.append(
            f"is {len(parts)} files in one, of which {n_open} {have} no last page: an end may be "
            "missing; what is there is read"
        )
    elif n_open:
        remarks.append("has no last page: its end may be missing; what is there is read")
    n_lost = sum(part.n_lost_bytes for part in parts)
    if n_lost:
        remarks.append(f"is damaged: {n_lost} bytes are no part of its sound and are left out")
    if parts[-1].n_trailing:
        remarks.append(_remark_of_trailing(parts[-1].n_trailing, "Ogg"))
    is_whole = len(parts) == 1 and parts[0].pieces == (Span(0, version.size),)
    pieces = [()] if is_whole else [part.pieces for part in parts]
    # A page that was repaired says a wrong place in the sound.
    is_repaired = any(part.repaired for part in parts)
    plan = make_plan(
        path,
        version,
        pieces,
        remarks,
        is_certain=not n_lost and not is_repaired,
        can_seek=not is_repaired,
    )
    return plan._replace(n_announced=0) if is_repaired else plan


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
            announced = part.n_announced * seconds_per_frame
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
    return make_plan(path, version, [part.pieces for part in parts], remarks, prints_messages=True)


@remember
def count_samples(path: str, version: FileVersion, most: int) -> SampleCount:
    """Decode a file, and return how many samples it holds; `version` changes when the file does.

    Args:
        path: the file.
        version: of the file.
        most: number of samples after which to stop; −1 for none.
    """
    try:
        return count_decoded(open_decoder(path), most)
    except DecodingError as error:
        raise unreadable_error(path, error) from None


def is_sound_by_content(path: str | os.PathLike[str]) -> bool:
    """Tell by its first bytes whether a file is a sound or a video, whatever its name."""
    with open(path, "rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURES:
        return False
    is_mp3 = head[:3] == b"ID3" or (head[:1] == b"\xff" and bool(find_mp3_parts(path)))
    return (
        is_mp3 or bool(_find_kind(path)) or head.startswith(_BEGINNINGS) or begins_as_sound(head, 0)
    )


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
