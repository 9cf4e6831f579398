"""Read the recordings of a shard in sequence, and say what is wrong with a shard.

What shards.json says of a shard finds what the shard itself does not tell: an end between two
recordings by their number, a changed byte by its checksum.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from absslab.core.common.errors import (
    InputError,
    Reason,
    WorkError,
    escape_braces,
    join_errors,
    shorten,
)
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.shards.places import FolderPlace, Place
from absslab.core.data.shards.shard_index import (
    COMMAND,
    INDEX_FILE,
    LABELS_SIZE,
    SUFFIX,
    SampleLabels,
    Shard,
    recording_key,
)
from absslab.core.data.shards.shard_members import (
    DamagedShardError,
    pass_over_content,
    pass_over_rest,
    read_content,
    read_header,
)
from absslab.core.data.shards.shard_stream import ShardStream

_N_LISTED = 10  # number of shards that one line names
_HOW_TO_MEND = "copy it again from where it was packed, or pack again"


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


def check_shards(place: Place, shards: Sequence[Shard], n_shards: int) -> None:
    """Check that the files in a folder have the sizes that shards.json says.

    Args:
        place: where they are.
        shards: those that are checked.
        n_shards: number of all that shards.json names.

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
        plural = "" if n_shards == 1 else "s"
        more = f"; and {len(errors) - _N_LISTED} more" if len(errors) > _N_LISTED else ""
        raise join_errors(
            errors[:_N_LISTED],
            after=f"{more}: {INDEX_FILE} names {n_shards} shard{plural}; "
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

    The last one comes when the shard has been compared with its checksum.

    Args:
        place: where it is.
        shard: which one.
        classes: each recording has a label of each.
        timeout: s without a byte after which reading is tried again.
        is_wanted: tells by the number of a recording whether it is read; others are passed over.

    Raises:
        InputError: the shard is cut, empty or damaged, or a recording lacks its labels or its
            sound, or is there twice.
        WorkError: reading failed, of a server or a command several times.
    """
    stream = ShardStream(place, shard.name, shard.n_bytes, timeout)
    reader = _ShardReader(shard, place.describe(shard.name), classes, is_wanted)
    try:
        while (member := read_header(stream, shard.n_bytes)) is not None:
            if reader.begins(member.name):
                yield from reader.take()
            reader.check_size(member.name, member.size)
            content = None
            if reader.needs_content():
                content = read_content(stream, member.size)
            else:
                pass_over_content(stream, member.size)
            reader.add(member.name, content)
        last = list(reader.take())
        pass_over_rest(stream)
        if reader.n_read < shard.n_recordings or stream.position != shard.n_bytes:
            raise DamagedShardError
        if stream.sha256 != shard.sha256:
            raise reader.checksum_error()
        yield from last
    except DamagedShardError:
        raise reader.cut_error(stream.position) from None
    except OSError as error:
        raise reader.reading_error(error) from None
    finally:
        stream.close()


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

    def needs_content(self) -> bool:
        """Return whether the recording that is read is wanted."""
        return self.is_wanted(self.number)

    def begins(self, name: str) -> bool:
        """Return whether a file is of another recording than the one before it."""
        return bool(self._files) and name.partition(".")[0] != recording_key(self.number)

    def check_size(self, name: str, size: int) -> None:
        """Check that labels are not so large that they are none.

        Raises:
            InputError: they are.
        """
        if name.endswith(".json") and size > LABELS_SIZE:
            raise self._error(
                f"has {_show(name)} of {size} bytes: expected labels of {LABELS_SIZE} at most"
            )

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
            raise self._error(f"has {_show(name)} where the recording {expected} is expected")
        if not SUFFIX.fullmatch(f".{suffix}"):
            raise self._error(f"has {_show(name)}, which has no suffix of a sound")
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
        labels, sound = files["json"], files[sounds[0]]
        self._files = {}
        self.n_read += 1
        if labels is not None and sound is not None:
            suffix = f".{sounds[0]}"
            parsed = self._parse_labels(key, labels)
            yield ShardSample(number, self.shard.name, self.place, parsed, suffix, sound)

    def _parse_labels(self, key: str, content: bytes) -> SampleLabels:
        try:
            labels = SampleLabels.from_bytes(content, f"{key}.json")
        except InputError as error:
            raise self._error(f"has unreadable labels of the recording {key} ({error})") from None
        for name in self.classes:
            if name not in labels.labels:
                raise self._error(f"lacks the label {name} of the recording {key}")
            if labels.labels[name] not in (0, 1, None):
                raise self._error(
                    f"has the label {labels.labels[name]} of {name} for the recording {key}: "
                    "expected 0, 1 or null"
                )
        return labels

    def cut_error(self, n_bytes: int) -> InputError:
        """Return the error of a shard that ends too early."""
        if not n_bytes:
            return InputError(f"{{shard}} is empty: {_HOW_TO_MEND}", shard=self.place)
        return InputError(
            f"{{shard}} is cut or damaged {self._where()} ({n_bytes} of {self.shard.n_bytes} bytes "
            f"are read, {self.n_read} of {self.shard.n_recordings} recordings): {_HOW_TO_MEND}",
            shard=self.place,
        )

    def checksum_error(self) -> InputError:
        """Return the error of a shard that has another checksum."""
        return InputError(
            f"{{shard}} is damaged: its SHA-256 is not the one in {INDEX_FILE}; {_HOW_TO_MEND}",
            shard=self.place,
        )

    def reading_error(self, error: OSError) -> WorkError:
        """Return the error of a shard that the system does not read."""
        return WorkError(
            f"{{shard}} can't be read {self._where()} ({{reason}}): check the disk and the "
            "permissions",
            shard=self.place,
            reason=Reason.of(error),
        )

    def _where(self) -> str:
        """Return how far reading has come, for messages."""
        if not self.n_read:
            return "before its first recording"
        return f"after the recording {recording_key(self.number - 1)}"

    def _error(self, problem: str) -> InputError:
        return InputError(
            f"{{shard}} {escape_braces(problem)}: it is not as {COMMAND} wrote it; {_HOW_TO_MEND}",
            shard=self.place,
        )


def _show(name: str) -> str:
    """Return a name that a shard says, in one short line."""
    return shorten(ascii(name)[1:-1], 100)
