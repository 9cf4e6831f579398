"""Open sound files as they are: of any kind, with wrong headers, joined, or without their end.

All samples that are there are read. What is known to be missing is a remark on the file.

Axes: C channels, N samples.
"""

import os
import stat
from typing import Self

import numpy as np

from absslab.core.audio.decoder_choice import (
    OpenedFile,
    count_samples,
    open_decoder,
    unreadable_error,
)
from absslab.core.audio.decoders import DecodingError
from absslab.core.audio.formats import readable_kinds
from absslab.core.audio.sampling_rates import HIGHEST_RATE, LOWEST_RATE, is_rate
from absslab.core.common.errors import InputError, InputWarning, describe_shortage
from absslab.core.common.files import FileVersion
from absslab.core.common.files import unreadable_error as system_error

LARGEST = 1e10  # magnitude of a sample; the squares of larger ones are too large for float32
_BLOCK = 1 << 16  # samples to decode at a time


class OpenSound:
    """An open sound file; `open` opens one.

    Args:
        path: the file.
        opened: its decoder, and what is known about it.
    """

    def __init__(self, path: str | os.PathLike[str], opened: OpenedFile):
        self.path = os.fspath(path)
        self._opened = opened
        self._position = 0
        self._n_samples: int | None = None
        self._count_remarks: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a sound file.

        Raises:
            InputError: the file is missing or empty, not a sound, or of a rate that no sound has.
        """
        try:
            if not _is_file(path):
                raise InputError(
                    "{path} does not exist or is not a file: "
                    f"expected a sound file ({readable_kinds()})",
                    path=path,
                )
            opened = open_decoder(path)
        except DecodingError as error:
            raise unreadable_error(path, error) from None
        except OSError as error:  # it may not be read, or its disk has failed
            if describe_shortage(error):  # not the file's fault
                raise
            raise system_error(path, error) from None
        sound = cls(path, opened)
        if not is_rate(sound.sampling_rate):
            sound.close()
            raise InputError(
                f"{{path}} has a sampling rate of {sound.sampling_rate} Hz: "
                f"expected {LOWEST_RATE} to {HIGHEST_RATE} Hz; correct its header, or resample it",
                path=path,
            )
        return sound

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sampling_rate(self) -> int:
        """Sampling rate in Hz."""
        return self._opened.decoder.sampling_rate

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self._opened.decoder.n_channels

    @property
    def subtype(self) -> str:
        """Coding of the samples, as libsndfile calls it."""
        return self._opened.decoder.subtype

    @property
    def can_seek(self) -> bool:
        """Whether any sample can be reached without decoding all before it."""
        return self._opened.decoder.can_seek

    @property
    def is_quick(self) -> bool:
        """Whether samples at the end are read as quickly as those at the beginning."""
        return self._opened.decoder.is_quick

    @property
    def position(self) -> int:
        """The next sample to be read."""
        return self._position

    @property
    def n_samples(self) -> int:
        """Number of samples per channel; where no header tells it, they are decoded once."""
        return self.count_samples()

    def count_samples(self, longest: float | None = None) -> int:
        """Return the number of samples per channel.

        Args:
            longest: s; where the samples have to be decoded, this ends after a longer sound.

        Raises:
            InputError: the file holds no samples.
        """
        if self._n_samples is not None:
            return self._n_samples
        n_samples = self._opened.decoder.n_samples
        if not self._opened.is_length_certain:
            most = -1 if longest is None else int(longest * self.sampling_rate) + _BLOCK
            count = count_samples(self.path, FileVersion.of(self.path), most)
            n_samples = count.n_samples
            self._count_remarks = count.remarks
        if n_samples == 0:
            raise self.emptiness_error()
        self._n_samples = n_samples
        return n_samples

    def emptiness_error(self) -> InputError:
        """Return the error of a file without samples, which says what is known to be missing."""
        remarks = "".join(f" (it {text.split(': ')[0]})" for text in self._opened.remarks[:1])
        return InputError(
            f"{{path}} holds 0 samples{remarks}: replace or remove it", path=self.path
        )

    @property
    def notices(self) -> list[InputWarning]:
        """What is missing or wrong, after the samples have been counted."""
        remarks = [*self._opened.remarks, *self._count_remarks]
        return [InputWarning(f"{{path}} {remark}", path=self.path) for remark in remarks]

    def read(self, n_samples: int = -1) -> np.ndarray:
        """Read the next samples (N, C) float32; fewer only at the end.

        Args:
            n_samples: number of samples to read; −1 means all that follow.

        Raises:
            InputError: the file can't be decoded here, or holds NaN or samples that are too large.
        """
        left = max(0, self.n_samples - self._position)
        wanted = left if n_samples < 0 else min(left, n_samples)
        blocks = []
        try:
            while wanted > 0:
                # The header may promise more than fits into memory.
                block = self._opened.decoder.read(min(wanted, _BLOCK))  # (n, C)
                if not len(block):
                    break
                _check_samples(block, self.path)
                blocks.append(block)
                wanted -= len(block)
                self._position += len(block)
        except DecodingError as error:
            raise InputError(
                f"{{path}} can't be decoded {self._place()} ({error}): replace it", path=self.path
            ) from None
        return np.concatenate(blocks) if blocks else np.empty((0, self.n_channels), np.float32)

    def seek(self, position: int) -> None:
        """Go on at a sample; where a coding can't seek, this decodes all before it.

        Raises:
            InputError: the file can't be decoded up to there.
        """
        position = min(position, self.n_samples)
        if position == self._position:
            return
        if self.can_seek:
            try:
                self._opened.decoder.seek(position)
            except DecodingError as error:
                raise InputError(
                    f"{{path}} can't be decoded at {position / self.sampling_rate:.2f} s "
                    f"({error}): replace it",
                    path=self.path,
                ) from None
            self._position = position
            return
        if position < self._position:
            self.close()
            try:
                self._opened = open_decoder(self.path)
            except DecodingError as error:
                raise unreadable_error(self.path, error) from None
            self._position = 0
        while self._position < position and len(self.read(min(_BLOCK, position - self._position))):
            pass

    def close(self) -> None:
        """Close the file."""
        self._opened.decoder.close()

    def _place(self) -> str:
        return f"after {self._position / self.sampling_rate:.2f} s"


def _check_samples(block: np.ndarray, path: str) -> None:
    largest = float(np.abs(block).max(initial=0))
    if largest <= LARGEST:
        return
    if not np.isfinite(largest):
        raise InputError("{path} holds NaN or infinite samples: replace or remove it", path=path)
    raise InputError(
        f"{{path}} holds samples of up to {largest:.2g}: expected [−1, 1]; scale or replace it",
        path=path,
    )


def _is_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is a file, other than a pipe or a device.

    Raises:
        OSError: the system does not let us look.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
