"""Plan how to read a sound file that is not as its header says: from pieces, as parts, counted.

A plan is found once for each file and remembered; it then opens the file each time.
"""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from absslab.core.audio.assembled_file import AssembledFile, Span, size_of
from absslab.core.audio.av_decoder import AvDecoder
from absslab.core.audio.decoders import Decoder, DecodingError, JoinedDecoder, PlainDecoder
from absslab.core.audio.file_memory import remember
from absslab.core.common.files import FileVersion

_BLOCK = 1 << 16  # samples to decode at a time
_SMALL_BLOCK = 1 << 10  # where a decoder drops a block that is not complete
_FEWEST_BYTES = 2000  # per second of sound; of less, the header is not believed


class OpenedFile(NamedTuple):
    """A decoder of a file, and what is known about the file."""

    decoder: Decoder
    remarks: list[str]
    is_length_certain: bool  # otherwise it is counted
    n_announced: int = -1  # number of samples that the header says; −1: what the decoder says


class SampleCount(NamedTuple):
    """What is there when a file is decoded to its end."""

    n_samples: int
    remarks: tuple[str, ...]


@remember
def is_believable(path: str, version: FileVersion, pieces: tuple[Span | bytes, ...]) -> bool:
    """Tell whether a part of a file holds the samples that its header says, without decoding all.

    A seek that fails leaves a decoder that can't be used any more, so that this opens its own.
    """
    decoder = open_pieces(path, pieces, prints_messages=True)
    size = sum(map(size_of, pieces)) if pieces else version.size
    try:
        n_samples = decoder.n_samples
        if not 0 < n_samples < 1 << 60:
            return n_samples == 0
        is_compressed = decoder.container in ("FLAC", "OGG", "MP3", "SDS")
        if not is_compressed and not decoder.subtype.startswith("ALAC"):
            return True
        fewest = _FEWEST_BYTES * (n_samples / decoder.sampling_rate - 1)
        if decoder.container in ("OGG", "MP3", "SDS") and size < fewest:
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
        is_extra: whether libav decodes it.
        can_seek: whether the places that it says of itself are right.
        n_announced: number of samples that its header says; −1: what the decoder says.
    """

    parts: tuple[tuple[Span | bytes, ...], ...]
    lengths: tuple[int, ...]
    remarks: tuple[str, ...]
    is_length_certain: bool
    prints_messages: bool
    is_extra: bool = False
    can_seek: bool = True
    n_announced: int = -1

    def open(self, path: str | os.PathLike[str]) -> OpenedFile:
        """Open the file.

        Raises:
            DecodingError: the first part can't be read.
        """
        openers = [partial(self.open_part, path, pieces) for pieces in self.parts]
        first = openers[0]()
        is_joined = len(openers) > 1
        decoder = JoinedDecoder(first, openers, self.lengths) if is_joined else first
        return OpenedFile(decoder, list(self.remarks), self.is_length_certain, self.n_announced)

    def open_part(self, path: str | os.PathLike[str], pieces: tuple[Span | bytes, ...]) -> Decoder:
        """Open a part of the file.

        Raises:
            DecodingError: it can't be read.
        """
        if self.is_extra:
            return AvDecoder.open(path, pieces)
        decoder = open_pieces(path, pieces, prints_messages=self.prints_messages)
        decoder.can_seek = decoder.can_seek and self.can_seek
        return decoder

    def count_part(
        self, path: str, version: FileVersion, pieces: tuple[Span | bytes, ...]
    ) -> SampleCount:
        """Return how many samples of a part can be decoded.

        Raises:
            DecodingError: none can.
        """
        decoder = self.open_part(path, pieces)
        if not self.is_extra and is_believable(path, version, pieces):
            decoder.close()
            return SampleCount(decoder.n_samples, ())
        return count_decoded(OpenedFile(decoder, [], False))


def describe_size(n_announced: int, n_available: int, unit: str) -> str:
    """Return the remark on a file that holds more, or less, than its header says."""
    if n_available < n_announced:
        return f"is cut short: {n_available} of {n_announced} {unit} are there"
    return f"says {n_announced} {unit} in its header, but holds {n_available}: all of them are read"


def open_pieces(
    path: str | os.PathLike[str], pieces: Sequence[Span | bytes], *, prints_messages: bool = False
) -> PlainDecoder:
    """Open pieces of a file as one; without any, the file itself.

    Raises:
        DecodingError: libsndfile can't read it.
    """
    if not pieces:
        return PlainDecoder.open(os.fspath(path), prints_messages=prints_messages)
    source = AssembledFile(path, pieces)
    try:
        return PlainDecoder.open(source, prints_messages=prints_messages)  # type: ignore[arg-type]
    except DecodingError:
        source.close()
        raise


def make_plan(
    path: str,
    version: FileVersion,
    parts: Iterable[Sequence[Span | bytes]],
    remarks: Sequence[str],
    *,
    is_certain: bool = True,
    prints_messages: bool = False,
    is_extra: bool = False,
    can_seek: bool = True,
) -> Plan:
    """Plan to read parts of a file as one sound; those at another rate are left out and told.

    Raises:
        DecodingError: the first one can't be read.
    """
    plan = Plan(
        tuple(map(tuple, parts)),
        (),
        tuple(remarks),
        is_certain,
        prints_messages,
        is_extra,
        can_seek,
    )
    n_parts = len(plan.parts)
    if n_parts == 1:
        return plan
    lengths: list[int] = []
    all_remarks = list(remarks)
    kind = (0, 0)  # sampling rate and number of channels
    for pieces in plan.parts:
        try:
            part = plan.open_part(path, pieces)
            part.close()
            own_kind = (part.sampling_rate, part.n_channels)
            if lengths and own_kind != kind:
                break
            kind = own_kind
            count = plan.count_part(path, version, pieces)
        except DecodingError:
            if not lengths:
                raise
            break
        lengths.append(count.n_samples)
        all_remarks += [
            f"is {n_parts} files in one, one of which {remark}" for remark in count.remarks
        ]
    n_left_out = n_parts - len(lengths)
    if n_left_out:
        read = sum(lengths) / kind[0]
        all_remarks.append(
            f"is {n_parts} files in one, the last {n_left_out} at another rate, with other "
            f"channels or damaged: only the first {read:.2f} s are read"
        )
    return plan._replace(
        parts=plan.parts[: len(lengths)],
        lengths=tuple(lengths),
        remarks=tuple(all_remarks),
        is_length_certain=True,
    )


def count_decoded(opened: OpenedFile, most: int = -1) -> SampleCount:
    """Return how many samples can be decoded, and close the decoder.

    Args:
        opened: its decoder is new.
        most: number of samples after which to stop; −1 for none.

    Raises:
        DecodingError: the decoder fails before the first sample.
    """
    decoder = opened.decoder
    n_announced = decoder.n_samples if opened.n_announced < 0 else opened.n_announced
    block_size = _BLOCK if isinstance(decoder, AvDecoder) else _SMALL_BLOCK
    n_samples = 0
    fails = False
    try:
        while most < 0 or n_samples <= most:
            block = decoder.read(block_size)
            if not len(block):
                break
            n_samples += len(block)
    except DecodingError:
        if not n_samples:
            raise
        fails = True
    finally:
        decoder.close()
    if 0 <= most < n_samples:
        return SampleCount(n_samples, ())
    remarks = []
    if isinstance(decoder, AvDecoder):
        remarks.extend(decoder.remarks)
        # The last frame is filled up with silence, which the header leaves out.
        if 0 < n_announced < n_samples <= n_announced + 2 * decoder.frame_size:
            n_samples = n_announced
        slack = 2 * decoder.frame_size + decoder.sampling_rate // 10
        n_announced = decoder.n_promised if n_samples + slack < decoder.n_promised else 0
        if decoder.is_cut and not n_announced:
            remarks.append("ends within a packet: its end may be missing")
    if n_samples < n_announced < 1 << 60:
        remarks.append(f"is cut short: {n_samples} of {n_announced} samples are there")
    elif 0 < opened.n_announced < n_samples:
        remarks.append(describe_size(opened.n_announced, n_samples, "samples"))
    elif fails and not opened.remarks:
        seconds = n_samples / decoder.sampling_rate
        remarks.append(f"can't be decoded after {seconds:.2f} s: its end may be missing")
    return SampleCount(n_samples, tuple(remarks))
