"""Decode the sound of M4A, WebM, videos and many more files with PyAV, of the extra `formats`.

Axes: C channels, N samples.
"""

import io
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from absslab.core.audio.assembled_file import AssembledFile, Span
from absslab.core.audio.container_ends import is_cut
from absslab.core.audio.decoders import DecodingError

if TYPE_CHECKING:
    import av

# Other demuxers of libav follow addresses in a file to other files.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,aac,latm,loas,mp3,flac,wav,w64,aiff,au,caf,amr,amrnb,"
    "amrwb,asf,avi,ac3,eac3,mpeg,mpegts,mpegvideo,wv,ape,tta,xwma,rm,flv,dts,truehd,voc,ircam,nut"
)
_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64}  # of whole numbers
_MOST_BAD_PACKETS = 100  # one after the other; a file with more is not decoded to its end
_LOSSLESS_24_BITS = ("pcm_s24", "flac", "alac", "wavpack", "tta", "ape", "mlp", "truehd")


class SafeReader(io.BufferedReader):
    """A file of which libav may ask for any place.

    An error that `seek` raises is printed by PyAV, with a traceback.
    """

    def seek(self, target: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place, and return it; −1 if there is no such place."""
        try:
            return super().seek(target, whence)
        except (OSError, ValueError):
            return -1


class AvDecoder:
    """Decodes the first sound in a file; `open` opens one. See `Decoder`.

    Args:
        container: open for reading.
        source: the file that it reads; closed with it.
        frames: the decoded frames.
        first: the first of them.
    """

    can_seek = False
    is_quick = False

    def __init__(self, container: Any, source: BinaryIO, frames: "_Frames", first: "av.AudioFrame"):
        self._container = container
        self._source = source
        self._frames = frames
        self._blocks = frames.blocks(first)
        self._rest = np.empty((0, first.layout.nb_channels), np.float32)  # (n, C)
        self.sampling_rate: int = first.sample_rate
        self.n_channels: int = first.layout.nb_channels
        self.n_samples = frames.n_announced
        self.n_promised = frames.n_promised
        self.n_streams = len(container.streams.audio)
        self.frame_size: int = max(first.samples, 2048)
        self.subtype = _subtype(frames.stream, first)

    @classmethod
    def open(cls, path: str | os.PathLike[str], pieces: Sequence[Span | bytes] = ()) -> "AvDecoder":
        """Open a file.

        Args:
            path: the file.
            pieces: of it, which are read as one file; by default all.

        Raises:
            DecodingError: it holds no sound, or libav can't read it.
        """
        import av

        source = SafeReader(_open_raw(path, pieces))  # closed with the decoder
        container = None
        try:
            container = av.open(
                source, container_options={"format_whitelist": _DEMUXERS}, metadata_errors="replace"
            )
            if not container.streams.audio:
                kinds = sorted({stream.type for stream in container.streams})
                raise DecodingError(f"it has no sound, only {' and '.join(kinds) or 'a header'}")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise DecodingError("there is no decoder for the coding of its sound")
            with io.BufferedReader(_open_raw(path, pieces)) as file:
                ends_early = is_cut(file, container.format.name)
            frames = _Frames(container, stream, is_cut=ends_early)
            first = frames.next()
            if first is None:
                raise DecodingError("not one packet of its sound can be decoded")
        except (av.error.FFmpegError, ValueError, OSError) as error:
            _close(container, source)
            raise DecodingError(_describe(error)) from None
        except BaseException:
            _close(container, source)
            raise
        return cls(container, source, frames, first)

    @property
    def remarks(self) -> list[str]:
        """What was left out so far."""
        return self._frames.remarks

    @property
    def is_cut(self) -> bool:
        """Whether the file ends within a packet, so far as is known."""
        return self._frames.is_cut

    def read(self, n_samples: int) -> np.ndarray:
        """See `Decoder.read`."""
        blocks = [self._rest]  # (n, C) each
        n_read = len(self._rest)
        while n_read < n_samples:
            block = next(self._blocks, None)
            if block is None:
                break
            blocks.append(block)
            n_read += len(block)
        samples = np.concatenate(blocks)  # (n, C)
        self._rest = samples[n_samples:]
        return samples[:n_samples]  # (N, C)

    def seek(self, position: int) -> None:
        """Do not call this: it can't seek."""
        raise DecodingError("it can't seek")

    def close(self) -> None:
        """Close the file."""
        _close(self._container, self._source)


class _Frames:
    """The decoded frames of a stream, without the damaged ones."""

    def __init__(self, container: Any, stream: Any, *, is_cut: bool = False):
        self.stream = stream
        self.is_cut = is_cut  # whether the file ends within a packet
        self._n_bad = 0  # packets that can't be decoded
        self._remarks_of_end: list[str] = []
        self._frames = self._decode(container)
        self.n_announced = 0  # exactly
        self.n_promised = 0  # approximately
        rate = stream.codec_context.sample_rate
        # Other containers estimate the duration from the bit rate.
        if stream.duration and "mp4" in container.format.name:
            self.n_announced = round(stream.duration * stream.time_base * rate)
            self.n_promised = self.n_announced
        elif "matroska" in container.format.name and len(container.streams) == 1:
            self.n_promised = round((container.duration or 0) / 1e6 * rate)

    @property
    def remarks(self) -> list[str]:
        """What was left out so far."""
        remarks = []
        if self._n_bad:
            packets = "packet" if self._n_bad == 1 else "packets"
            remarks.append(f"is damaged: {self._n_bad} {packets} of its sound can't be decoded")
        return [*remarks, *self._remarks_of_end]

    def next(self) -> "av.AudioFrame | None":
        """Return the next frame; None at the end."""
        return next(self._frames, None)

    def blocks(self, first: "av.AudioFrame") -> Iterator[np.ndarray]:
        """Yield samples (n, C), up to where the sound takes another rate or other channels."""
        frame: Any = first
        n_samples = 0
        while frame is not None:
            is_same = frame.sample_rate == first.sample_rate
            if not is_same or frame.layout.nb_channels != first.layout.nb_channels:
                self._remarks_of_end.append(
                    f"changes to {frame.layout.nb_channels} channels at {frame.sample_rate} Hz: "
                    f"only the {n_samples / first.sample_rate:.2f} s before are read"
                )
                return
            n_samples += frame.samples
            yield _to_floats(frame)
            frame = self.next()

    def _decode(self, container: Any) -> "Iterator[av.AudioFrame]":
        import av

        n_bad_in_a_row = 0
        n_samples = 0
        is_partial = False  # the last packet
        packets = container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):  # the file ends within a packet
                self.is_cut = True
                packet = None
            if packet is not None and packet.size:
                is_partial = packet.is_corrupt  # in its middle a stream may have such packets too
            else:
                self.is_cut = self.is_cut or is_partial
            try:
                frames = self.stream.decode(packet)
            except (av.error.EOFError, StopIteration):
                return
            except av.error.FFmpegError:
                n_bad_in_a_row += 1
                self._n_bad += 1
                if n_bad_in_a_row > _MOST_BAD_PACKETS:
                    rate = self.stream.codec_context.sample_rate or 1
                    self._remarks_of_end.append(
                        f"can't be decoded after {n_samples / rate:.2f} s: what follows the "
                        f"{n_bad_in_a_row} damaged packets there is left out"
                    )
                    return
                if packet is None:
                    return
                continue
            n_bad_in_a_row = 0
            n_samples += sum(frame.samples for frame in frames)
            yield from frames
            if packet is None or packet.size == 0:  # the last one empties the decoder
                return


def _open_raw(path: str | os.PathLike[str], pieces: Sequence[Span | bytes]) -> io.RawIOBase:
    return AssembledFile(path, pieces) if pieces else io.FileIO(path)


def _to_floats(frame: "av.AudioFrame") -> np.ndarray:
    """Return the samples of a frame as floats (n, C)."""
    array: np.ndarray = frame.to_ndarray()  # (C, n), or (1, n · C) if the channels alternate
    name = frame.format.name
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T  # (C, n)
    bits = _BITS.get(name.removesuffix("p"))
    if bits == 8:
        array = (array.astype(np.float32) - 128) / 128
    elif bits is not None:
        array = array / float(1 << (bits - 1))
    return np.ascontiguousarray(array.T, dtype=np.float32)  # (n, C)


def _subtype(stream: Any, first: "av.AudioFrame") -> str:
    """Return the coding that holds the samples exactly, as libsndfile calls it."""
    kind = first.format.name.removesuffix("p")
    codec: str = stream.codec_context.name
    if kind in ("u8", "s16"):
        return "PCM_U8" if kind == "u8" else "PCM_16"
    if kind == "s32" and codec.startswith(_LOSSLESS_24_BITS):
        return "PCM_24"
    return codec.upper()


def _describe(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".")


def _close(container: Any, source: BinaryIO) -> None:
    if container is not None:
        container.close()
    source.close()
