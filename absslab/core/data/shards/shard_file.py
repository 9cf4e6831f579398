"""Write a shard: a tar file that appears whole or not at all."""

import hashlib
import io
import os
import tarfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from absslab.core.common.files import temporary_sibling
from absslab.core.data.shards.shard_index import SampleLabels, Shard, recording_key

END_SIZE = 2 * tarfile.BLOCKSIZE  # zeros that end a tar file


class ShardFile:
    """A shard that is being written; `create` makes one, and `finish` gives it its name.

    Args:
        path: of the shard.
        first: number of its first recording.
        file: what is written to.
    """

    def __init__(self, path: Path, first: int, file: io.BufferedWriter):
        self.path = path
        self.first = first
        self.n_recordings = 0
        self.n_bytes = 0
        self._file = file
        self._checksum = hashlib.sha256()

    @classmethod
    def create(cls, path: Path, first: int) -> Self:
        """Begin to write a shard.

        Raises:
            OSError: the folder can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path, first, open(temporary_sibling(path), "wb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with suppress(OSError):  # of a full disk, which has been told
            self._file.close()
        Path(self._file.name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, self._file.name):
            error.filename = str(self.path)

    def add(self, labels: SampleLabels, suffix: str, sound: bytes) -> None:
        """Add a recording.

        Args:
            labels: what is said of it.
            suffix: of its sound, with a dot.
            sound: the bytes of its sound.
        """
        key = recording_key(self.first + self.n_recordings)
        for end, content in ((".json", labels.to_bytes()), (suffix, sound)):
            header = tarfile.TarInfo(key + end)
            header.size = len(content)
            self._write(header.tobuf(tarfile.USTAR_FORMAT))
            self._write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        self.n_recordings += 1

    def finish(self, split: str) -> Shard:
        """Complete the shard.

        Args:
            split: of its recordings.
        """
        self._write(bytes(END_SIZE))
        self._file.close()
        os.replace(self._file.name, self.path)
        sha256 = self._checksum.hexdigest()
        return Shard(self.path.name, split, self.first, self.n_recordings, self.n_bytes, sha256)

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._checksum.update(content)
        self.n_bytes += len(content)
