"""Read the recordings of a shard in sequence, and say what is wrong with a shard.

Python's own `tarfile` reads the stream. What it does not notice, such as an end between two
recordings, is found by what shards.json says.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from absslab.core.common.errors import InputError, escape_braces, join_errors
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.shards.places import FolderPlace, Place
from absslab.core.data.shards.shard_file import END_SIZE
from absslab.core.data.shards.shard_index import (
    COMMAND,
    INDEX_FILE,
    SampleLabels,
    Shard,
    recording_key,
)
from absslab.core.data.shards.shard_stream import ShardStream

_N_LISTED = 10  # number of shards that one line names
_AGAIN = "copy it again from where it was packed, or pack again"


@dataclass(frozen=True)
class ShardSample:
    """A recording in a shard, whose sound is not decoded.

    Args:
        number: of the recording in the corpus.
        shard: name of the shard.
        place: where the shard is, for messages.
        labels: what is said of it.
        suffix: of its sound, with a dot.
        sound: the bytes of its sound.
    """

    number: int
    shard: str
    place: str
    labels: SampleLabels
    suffix: str
    sound: bytes = field(repr=False)

    def describe(self) -> str:
        """Return which recording this is, for messages."""
        return f"{self.place}: {recording_key(self.number)} ({self.labels.name})"

    def to_recording(self) -> LabelledRecording:
        """Return the recording as readers of folders do, with a description for its path."""
        labels = self.labels.labels
        return LabelledRecording(
            self.describe(),
            frozenset(name for name, label in labels.items() if label == 1),
            self.labels.origin,
            unknown=frozenset(name for name, label in labels.items() if label is None),
        )


def check_shards(place: Place, shards: Sequence[Shard]) -> None:
    """Check that the files in a folder have the sizes that shards.json says.

    Raises:
        InputError: some are missing, empty or cut; the line names up to ten.
    """
    if not isinstance(place, FolderPlace):
        return
    errors = []
    for shard in shards:
        path = place.folder / shard.name
        size = path.stat().st_size if path.is_file() else None
        if size == shard.n_bytes:
            continue
        problem = "has"
        if size is None:
            errors.append(InputError("{path} does not exist", path=path))
            continue
        if not size:
            errors.append(InputError("{path} is empty", path=path))
            continue
        if size < shard.n_bytes:
            problem = "is cut: it has"
        errors.append(InputError(f"{{path}} {problem} {size} bytes of {shard.n_bytes}", path=path))
    if errors:
        more = f"; and {len(errors) - _N_LISTED} more" if len(errors) > _N_LISTED else ""
        raise join_errors(
            errors[:_N_LISTED],
            after=f"{more}: {INDEX_FILE} names {len(shards)} shards; "
            "copy them again from where they were packed, or pack again",
        )


def read_shard(
    place: Place,
    shard: Shard,
    classes: Sequence[str],
    timeout: float,
    *,
    is_wanted: Callable[[int], bool] = lambda number: True,
) -> Iterator[ShardSample]:
    """Read the recordings of a shard in their order.

    Args:
        place: where it is.
        shard: which one.
        classes: each recording has a label of each.
        timeout: s without a byte after which reading is tried again.
        is_wanted: tells by the number of a recording whether it is read; others are passed over.

    Raises:
        InputError: the shard is cut, empty or damaged, or a recording lacks its labels or its
            sound, or is there twice.
        WorkError: reading failed several times.
    """
    stream = ShardStream(place, shard.name, shard.n_bytes, timeout)
    reader = _ShardReader(shard, place.describe(shard.name), classes, is_wanted)
    try:
        # An open file is asked for, of which only `read` is used.
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of them
                if not member.isreg():
                    continue
                content = None
                if reader.begins(member.name):
                    yield from reader.take()
                if reader.needs_content():
                    file = tar.extractfile(member)
                    content = file.read() if file is not None else b""
                reader.add(member.name, content)
            if stream.position < shard.n_bytes - END_SIZE and not reader.is_complete:
                raise reader.cut_error(stream.position)
            yield from reader.take()
    except tarfile.TarError:
        raise reader.cut_error(stream.position) from None
    finally:
        stream.close()
    if reader.n_read < shard.n_recordings:
        raise reader.cut_error(stream.position)


class _ShardReader:
    """Joins the files of each recording, and checks that they follow each other.

    Args:
        shard: which one.
        place: where it is, for messages.
        classes: each recording has a label of each.
        is_wanted: see `read_shard`.
    """

    def __init__(
        self,
        shard: Shard,
        place: str,
        classes: Sequence[str],
        is_wanted: Callable[[int], bool],
    ):
        self.shard = shard
        self.place = place
        self.classes = classes
        self.is_wanted = is_wanted
        self.n_read = 0  # recordings that are complete
        self._files: dict[str, bytes | None] = {}  # of the recording that is read, by suffix

    @property
    def number(self) -> int:
        """Number of the recording that is read, or of the next one."""
        return self.shard.first + self.n_read

    @property
    def is_complete(self) -> bool:
        """Whether the recording that is read has its labels and its sound."""
        return "json" in self._files and len(self._files) > 1

    def needs_content(self) -> bool:
        """Return whether the recording that is read is wanted."""
        return self.is_wanted(self.number)

    def begins(self, name: str) -> bool:
        """Return whether a file is of another recording than the one before it."""
        return bool(self._files) and name.partition(".")[0] != recording_key(self.number)

    def add(self, name: str, content: bytes | None) -> None:
        """Add a file of the recording that is read.

        Raises:
            InputError: it is there twice, or of another recording.
        """
        key, _, suffix = name.partition(".")
        expected = recording_key(self.number)
        if self.n_read == self.shard.n_recordings:
            raise self._error(f"has more recordings than the {self.n_read} that {INDEX_FILE} says")
        if key != expected:
            first = recording_key(self.shard.first)
            if first <= key < expected and len(key) == len(expected):
                raise self._error(f"has the recording {key} twice")
            raise self._error(f"has {name} where the recording {expected} is expected")
        if suffix in self._files:
            raise self._error(f"has {name} twice")
        self._files[suffix] = content

    def take(self) -> Iterator[ShardSample]:
        """Yield the recording that is complete, if it is wanted.

        Raises:
            InputError: it lacks its labels or its sound.
        """
        if not self._files:
            return
        files, key = self._files, recording_key(self.number)
        sounds = [suffix for suffix in files if suffix != "json"]
        if "json" not in files:
            raise self._error(f"lacks the labels of the recording {key}, {key}.json")
        if len(sounds) != 1:
            has = f"has {len(sounds)} sounds" if sounds else "lacks the sound"
            raise self._error(f"{has} of the recording {key}")
        number = self.number
        said, sound = files["json"], files[sounds[0]]
        self._files = {}
        self.n_read += 1
        if said is not None and sound is not None:
            labels = self._labels(key, said)
            suffix = f".{sounds[0]}"
            yield ShardSample(number, self.shard.name, self.place, labels, suffix, sound)

    def _labels(self, key: str, content: bytes) -> SampleLabels:
        try:
            said = SampleLabels.from_bytes(content)
        except InputError as error:
            raise self._error(f"has unreadable labels of the recording {key} ({error})") from None
        for name in self.classes:
            if name not in said.labels:
                raise self._error(f"lacks the label {name} of the recording {key}")
            if said.labels[name] not in (0, 1, None):
                raise self._error(
                    f"has the label {said.labels[name]} of {name} for the recording {key}: "
                    "expected 0, 1 or null"
                )
        return said

    def cut_error(self, n_bytes: int) -> InputError:
        """Return the error of a shard that ends too early."""
        if not n_bytes:
            return InputError(f"{{shard}} is empty: {_AGAIN}", shard=self.place)
        where = "before its first recording"
        if self.n_read:
            where = f"after the recording {recording_key(self.number - 1)}"
        return InputError(
            f"{{shard}} is cut or damaged {where} ({n_bytes} of {self.shard.n_bytes} bytes are "
            f"read, {self.n_read} of {self.shard.n_recordings} recordings): {_AGAIN}; a training "
            "goes on from its last.ckpt",
            shard=self.place,
        )

    def _error(self, problem: str) -> InputError:
        return InputError(
            f"{{shard}} {escape_braces(problem)}: it is not as {COMMAND} wrote it; {_AGAIN}",
            shard=self.place,
        )
