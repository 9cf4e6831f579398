"""Read the files of a shard in sequence, without trusting what it says of their sizes.

Python's `tarfile` reads headers. It is not let near the stream: it would keep in memory whatever
further kinds of headers announce, which `absslab pack` never writes.
"""

import tarfile
from dataclasses import dataclass

from absslab.core.data.shards.shard_stream import ShardStream

_PLAIN_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_CHUNK_SIZE = 1 << 16


class DamagedShardError(Exception):
    """A shard is not as it was written."""


@dataclass(frozen=True)
class MemberHeader:
    """What precedes a file in a shard.

    Args:
        name: of the file.
        size: number of its bytes.
    """

    name: str
    size: int


def read_header(stream: ShardStream, n_bytes: int) -> MemberHeader | None:
    """Read what precedes the next file.

    Args:
        stream: the shard.
        n_bytes: size of the shard.

    Returns:
        the header; None at the end of the files.

    Raises:
        DamagedShardError: there is no header, or one of no plain file that fits into the shard.
    """
    block = _read_exactly(stream, tarfile.BLOCKSIZE)
    if not any(block):
        return None
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    except (tarfile.TarError, ValueError):
        raise DamagedShardError from None
    if member.type not in _PLAIN_FILES or not 0 <= member.size <= n_bytes - stream.position:
        raise DamagedShardError
    return MemberHeader(member.name, member.size)


def read_content(stream: ShardStream, size: int) -> bytes:
    """Read a file, and what fills its last block.

    Raises:
        DamagedShardError: the shard ends before it does.
    """
    return _read_exactly(stream, size + -size % tarfile.BLOCKSIZE)[:size]


def pass_over_content(stream: ShardStream, size: int) -> None:
    """Read and forget a file.

    Raises:
        DamagedShardError: the shard ends before it does.
    """
    remaining = size + -size % tarfile.BLOCKSIZE
    while remaining:
        remaining -= len(_read_exactly(stream, min(remaining, _CHUNK_SIZE)))


def pass_over_rest(stream: ShardStream) -> None:
    """Read and forget what follows the last file."""
    while stream.read(_CHUNK_SIZE):
        pass


def _read_exactly(stream: ShardStream, n_bytes: int) -> bytes:
    parts = []
    while n_bytes:
        part = stream.read(n_bytes)
        if not part:
            raise DamagedShardError
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)
