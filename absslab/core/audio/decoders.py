"""Decode sound files block by block with libsndfile; one interface for all decoders.

Axes: C channels, N samples.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, Protocol

import numpy as np
import soundfile

from absslab.core.audio.decoder_messages import hide_decoder_messages


class DecodingError(Exception):
    """What a decoder says about a file that it can't decode."""


class Decoder(Protocol):
    """An open sound file; `read` goes on where the last one ended.

    Attributes:
        sampling_rate: Hz.
        n_channels: C.
        n_samples: number of samples per channel that the file says; 0 if it does not.
        subtype: coding of the samples, as libsndfile calls it.
        can_seek: whether `seek` can be called.
        is_quick: whether samples at the end are read as quickly as those at the beginning.
    """

    sampling_rate: int
    n_channels: int
    n_samples: int
    subtype: str
    can_seek: bool
    is_quick: bool

    def read(self, n_samples: int) -> np.ndarray:
        """Decode the next samples (N, C); fewer only at the end.

        Raises:
            DecodingError: the file is damaged here.
        """
        ...

    def seek(self, position: int) -> None:
        """Go on at a sample.

        Raises:
            DecodingError: the file is damaged, or ends before.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class _ForwardFile(soundfile.SoundFile):
    """A file that is read forwards, unless `seek` is called.

    soundfile seeks after each read of a file that can seek. Where the end of a file is missing,
    this fails, and the samples that were read are lost.
    """

    def seekable(self) -> bool:
        """Return False, so that reading does not seek."""
        return False

    @property
    def can_seek(self) -> bool:
        """Whether the coding can seek."""
        return bool(super().seekable())


class PlainDecoder:
    """Decodes with libsndfile; `open` opens a file. See `Decoder`.

    Args:
        file: open for reading.
        prints_messages: whether its decoder prints messages about damaged files.
        source: the open file that libsndfile reads from; closed with it.
    """

    def __init__(
        self, file: _ForwardFile, *, prints_messages: bool, source: BinaryIO | None = None
    ):
        self._file = file
        self._source = source
        self._prints_messages = prints_messages
        self.sampling_rate: int = file.samplerate
        self.n_channels: int = file.channels
        self.n_samples: int = file.frames
        self.subtype: str = file.subtype
        self.container: str = file.format
        self.log: str = file.extra_info
        self.can_seek = file.can_seek
        self.is_quick = self.can_seek and file.format not in ("OGG", "MP3")

    @classmethod
    def open(cls, source: str | BinaryIO, *, prints_messages: bool = False) -> "PlainDecoder":
        """Open a file.

        Args:
            source: its path, or an open file, which is closed with the decoder.
            prints_messages: whether its decoder prints messages about damaged files.

        Raises:
            DecodingError: libsndfile can't read it.
        """
        own_source = None if isinstance(source, str) else source
        try:
            with _hide_messages(prints_messages):
                file = _ForwardFile(path_for_library(source) if isinstance(source, str) else source)
        except soundfile.LibsndfileError as error:
            raise _decoding_error(error) from None
        return cls(file, prints_messages=prints_messages, source=own_source)

    def read(self, n_samples: int) -> np.ndarray:
        """See `Decoder.read`."""
        try:
            with _hide_messages(self._prints_messages):
                block: np.ndarray = self._file.read(n_samples, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _decoding_error(error) from None
        return block  # (N, C)

    def seek(self, position: int) -> None:
        """See `Decoder.seek`."""
        try:
            with _hide_messages(self._prints_messages):
                self._file.seek(position)
        except soundfile.LibsndfileError as error:
            raise _decoding_error(error) from None

    def close(self) -> None:
        """Close the file."""
        with _hide_messages(self._prints_messages):
            self._file.close()
        if self._source is not None:
            self._source.close()


def _hide_messages(prints_messages: bool) -> AbstractContextManager[None]:
    return hide_decoder_messages() if prints_messages else nullcontext()


def _decoding_error(error: soundfile.LibsndfileError) -> DecodingError:
    return DecodingError(error.error_string.strip().rstrip("."))


def path_for_library(path: str | os.PathLike[str]) -> str | bytes:
    """Return a path as libsndfile takes it, whose name need not be UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


class JoinedDecoder:
    """Decodes parts of a file one after the other as one sound; see `Decoder`.

    Args:
        first: the first part, open.
        openers: open each part; the first one is opened again only to seek.
        lengths: number of samples that each part holds, whatever its header says.
    """

    def __init__(
        self, first: Decoder, openers: Sequence[Callable[[], Decoder]], lengths: Sequence[int]
    ):
        self._current = first
        self._index = 0
        self._position = 0  # in the current part
        self._openers = openers
        self._lengths = lengths
        self.sampling_rate = first.sampling_rate
        self.n_channels = first.n_channels
        self.n_samples = sum(lengths)
        self.subtype = first.subtype
        self.can_seek = first.can_seek
        self.is_quick = False

    def read(self, n_samples: int) -> np.ndarray:
        """See `Decoder.read`."""
        blocks = []  # (n, C) each
        n_read = 0
        while n_read < n_samples:
            n_left = self._lengths[self._index] - self._position
            if n_left <= 0:
                if self._index + 1 == len(self._openers):
                    break
                self._open(self._index + 1)
                continue
            block = self._current.read(min(n_left, n_samples - n_read))
            if not len(block):  # the file has changed
                break
            blocks.append(block)
            n_read += len(block)
            self._position += len(block)
        if not blocks:
            return np.empty((0, self.n_channels), np.float32)
        return np.concatenate(blocks)  # (N, C)

    def seek(self, position: int) -> None:
        """See `Decoder.seek`."""
        index = 0
        while index + 1 < len(self._lengths) and position >= self._lengths[index]:
            position -= self._lengths[index]
            index += 1
        if index != self._index:
            self._open(index)
        self._current.seek(position)
        self._position = position

    def close(self) -> None:
        """Close the file."""
        self._current.close()

    def _open(self, index: int) -> None:
        self._current.close()
        self._current = self._openers[index]()
        self._index = index
        self._position = 0
