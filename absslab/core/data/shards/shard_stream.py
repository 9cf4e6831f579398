"""The bytes of a shard, read again from where they ended when a server or a command fails."""

import hashlib
import time

from absslab.core.common.errors import InputError, Reason, WorkError
from absslab.core.data.shards.places import AddressError, Place, ReadingError, Source

N_ATTEMPTS = 5  # without a new byte
_LONGEST_WAIT = 30.0  # s before the next attempt


class ShardStream:
    """A file that is read in sequence, as `tarfile` reads it.

    Args:
        place: where it is.
        name: of the file.
        size: number of bytes that it should have; None: it is not known.
        timeout: s without a byte after which a source fails.
        is_first: whether nothing has been read from this place before, so that an address at which
            nobody answers twice is taken for a wrong one.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        size: int | None,
        timeout: float,
        *,
        is_first: bool = False,
    ):
        self.place = place
        self.name = name
        self.size = size
        self.position = 0
        self._checksum = hashlib.sha256()
        self._timeout = timeout
        self._is_first = is_first
        self._source: Source | None = None
        self._n_failures = 0

    def read(self, n_bytes: int) -> bytes:
        """Read up to so many bytes; none at the end.

        Raises:
            InputError: the file can't be read, and never could, or is longer than it should be.
            WorkError: reading failed several times.
        """
        while True:
            try:
                if self._source is None:
                    self._source = self.place.open(self.name, self.position, self.size)
                content = self._source.read(n_bytes)
            except ReadingError as failure:
                self.close()
                may_be_wrong = self._is_first and not self.position and self._n_failures
                if may_be_wrong and isinstance(failure, AddressError):
                    raise InputError(
                        "{place} can't be read ({reason}), tried twice: check the address or the "
                        "command",
                        place=self.place.describe(self.name),
                        reason=Reason(str(failure), str(failure)),
                    ) from None
                self._wait(failure)
                continue
            if not content and self._ends_early():
                self.close()
                self._wait(ReadingError(f"it ended after {self.position} of {self.size} bytes"))
                continue
            if content:
                self._n_failures = 0
            self.position += len(content)
            if self.size is not None and self.position > self.size:
                raise InputError(
                    f"{{place}} has more than the {self.size} bytes that shards.json says: it is "
                    "another file, or damaged; copy it again from where it was packed",
                    place=self.place.describe(self.name),
                )
            self._checksum.update(content)
            return content

    @property
    def sha256(self) -> str:
        """The SHA-256 of all that has been read, in hexadecimal."""
        return self._checksum.hexdigest()

    def _ends_early(self) -> bool:
        """Return whether a connection ended before the file did."""
        return self.place.is_remote and self.size is not None and self.position < self.size

    def _wait(self, failure: ReadingError) -> None:
        """Wait before the next attempt.

        Raises:
            WorkError: this was the last one.
        """
        self._n_failures += 1
        if self._n_failures >= N_ATTEMPTS:
            raise WorkError(
                f"{{place}} can't be read after {self.position} bytes ({{reason}}), tried "
                f"{N_ATTEMPTS} times: check the connection",
                place=self.place.describe(self.name),
                reason=Reason(str(failure), str(failure)),
            )
        time.sleep(min(2.0 ** (self._n_failures - 1), self._timeout, _LONGEST_WAIT))

    def close(self) -> None:
        """Stop reading."""
        if self._source is not None:
            self._source.close()
            self._source = None


def read_whole(place: Place, name: str, timeout: float, most_bytes: int) -> bytes:
    """Read a small file, the first one from this place.

    Args:
        place: where it is.
        name: of the file.
        timeout: s without a byte after which reading is tried again.
        most_bytes: size that it may have.

    Raises:
        InputError: it can't be read, or is larger.
        WorkError: reading failed several times.
    """
    stream = ShardStream(place, name, None, timeout, is_first=True)
    parts = []
    try:
        while content := stream.read(1 << 20):
            parts.append(content)
            if stream.position > most_bytes:
                raise InputError(
                    f"{{place}} has more than {most_bytes} bytes", place=place.describe(name)
                )
    except InputError as error:
        raise error.wrap("{error}; expected shards that absslab pack has written") from None
    finally:
        stream.close()
    return b"".join(parts)
