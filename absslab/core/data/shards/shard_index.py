"""The list of the shards of a corpus, and what a training has to know of all recordings in them.

::

    shards/shards.json           `ShardIndex`
    shards/train-000000.tar …    shards of the split train; validation and test likewise
        000000000.json           `SampleLabels` of a recording
        000000000.flac           its sound: the file as it was, or FLAC
        000000001.json …

Names are those of WebDataset's convention: what precedes the first dot is the key of a recording.
Keys are numbers, which count on from shard to shard; any shard thus knows its own keys.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from absslab.core.common.config import fingerprint
from absslab.core.common.documents import SavedDocument, document_from_json, document_to_json
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import is_larger, parse_json, read_json
from absslab.core.data.splits import SPLITS

INDEX_FILE = "shards.json"
INDEX_SIZE = 256_000_000  # bytes that it has at most
LABELS_SIZE = 1_000_000  # bytes that the labels of a recording have at most
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")  # of a sound
COMMAND = "absslab pack"


def shard_name(split: str, number: int) -> str:
    """Return the name of a shard.

    >>> shard_name("train", 3)
    'train-000003.tar'
    """
    return f"{split}-{number:06d}.tar"


def recording_key(number: int) -> str:
    """Return the key of a recording, by which its files are named in a shard.

    >>> recording_key(12)
    '000000012'
    """
    return f"{number:09d}"


@dataclass(frozen=True)
class SampleLabels:
    """What a shard says of a recording beside its sound.

    Args:
        name: its path in the folder that was packed.
        labels: for each class 1 or 0, or None where it is not known.
        origin: the longer recording that it was cut from.
        start: where it begins in the file of this name, s.
        duration: s.
    """

    name: str
    labels: Mapping[str, int | None]
    origin: str
    start: float
    duration: float

    def to_bytes(self) -> bytes:
        """Return the content of the file in the shard."""
        return json.dumps(document_to_json(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> "SampleLabels":
        """Read what `to_bytes` returned.

        Args:
            content: of the file in the shard.
            name: of this file, for messages.

        Raises:
            InputError: it is another content.
        """
        return document_from_json(cls, parse_json(content, name))


@dataclass(frozen=True)
class Shard:
    """A shard.

    Args:
        name: of its file.
        split: train, validation or test.
        first: number of its first recording.
        n_recordings: number of its recordings.
        n_bytes: size of its file.
        sha256: of its file, in hexadecimal.
    """

    name: str
    split: str
    first: int
    n_recordings: int
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class SplitTotals:
    """What is known of all recordings of a split together.

    Args:
        n_recordings: number of recordings.
        duration: of all of them, s.
        shortest: duration of the shortest, s.
        longest: duration of the longest, s.
        present: for each class the number of recordings that are known to have it.
        absent: for each class the number of recordings that are known to lack it.
    """

    n_recordings: int = 0
    duration: float = 0.0
    shortest: float = 0.0
    longest: float = 0.0
    present: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)

    def add(self, labels: SampleLabels) -> "SplitTotals":
        """Return the totals with one more recording."""
        counts = []
        for value, before in ((1, self.present), (0, self.absent)):
            added = {name: int(label == value) for name, label in labels.labels.items()}
            counts.append({name: before.get(name, 0) + count for name, count in added.items()})
        is_first = not self.n_recordings
        return SplitTotals(
            self.n_recordings + 1,
            self.duration + labels.duration,
            labels.duration if is_first else min(self.shortest, labels.duration),
            max(self.longest, labels.duration),
            *counts,
        )


@dataclass(frozen=True)
class ShardIndex(SavedDocument):
    """The content of shards.json.

    Args:
        classes: all classes, in the order of the labels.
        config: settings of the packing.
        source: fingerprint of the recordings, labels and settings that were packed.
        shards: the shards, in the order of their recordings.
        totals: by split.
        n_packed: number of recordings of the folder that are in these shards or left out.
        left_out: why recordings were left out, by their paths in the folder.
        is_finished: whether these are all shards.
    """

    FORMAT = "absslab shards"
    VERSION = 1

    classes: list[str]
    config: Mapping[str, object]
    source: str
    shards: list[Shard] = field(default_factory=list)
    totals: dict[str, SplitTotals] = field(default_factory=dict)
    n_packed: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    is_finished: bool = False

    def of_split(self, split: str) -> list[Shard]:
        """Return the shards of a split."""
        return [shard for shard in self.shards if shard.split == split]

    def total(self, split: str) -> SplitTotals:
        """Return what is known of a split; zeros if it has no recordings."""
        return self.totals.get(split, SplitTotals())

    @property
    def n_recordings(self) -> int:
        """Number of recordings in all shards."""
        return sum(total.n_recordings for total in self.totals.values())

    def fingerprint(self) -> str:
        """Return a fingerprint that differs if the recordings or labels do."""
        return fingerprint([list(self.classes), [document_to_json(item) for item in self.shards]])

    def grow(self, shard: Shard, totals: SplitTotals, n_packed: int) -> "ShardIndex":
        """Return the index with one more shard.

        Args:
            shard: the shard.
            totals: of its split, with the shard.
            n_packed: see `ShardIndex`.
        """
        return replace(
            self,
            shards=[*self.shards, shard],
            totals={**self.totals, shard.split: totals},
            n_packed=n_packed,
        )


def read_index(path: str | Path) -> ShardIndex:
    """Read a shards.json.

    Raises:
        InputError: it is missing or damaged, or the packing is not finished.
    """
    if is_larger(path, INDEX_SIZE):
        raise InputError(f"{{path}} has more than {INDEX_SIZE} bytes", path=path)
    if not os.path.exists(path):
        raise InputError(
            f"{{path}} does not exist: expected a folder of shards that {COMMAND} has written",
            path=path,
        )
    return parse_index(read_json(path), path)


def parse_index(content: object, path: str | Path) -> ShardIndex:
    """Return the list that a shards.json holds.

    Args:
        content: of the file, as JSON.
        path: of the file, for messages.

    Raises:
        InputError: it is damaged, or the packing is not finished.
    """
    index = ShardIndex.from_content(content, path, COMMAND)
    if not index.is_finished:
        raise InputError(
            f"{{path}} is not finished: run the same {COMMAND} again, which goes on", path=path
        )
    check_index(index, path)
    return index


def check_index(index: ShardIndex, path: str | Path) -> None:
    """Check that what shards.json says of shards and splits agrees.

    Raises:
        InputError: it does not.
    """
    number = 0
    problem = ""
    for shard in index.shards:
        if shard.first != number or shard.n_recordings < 1 or shard.split not in SPLITS:
            problem = f"{shard.name} does not follow the shard before it"
        if Path(shard.name).name != shard.name or not shard.name:
            problem = f"{shard.name!r} is no name of a file"
        number += shard.n_recordings
    for split in SPLITS:
        n_recordings = sum(shard.n_recordings for shard in index.of_split(split))
        total = index.total(split)
        if n_recordings != total.n_recordings:
            problem = f"its {split} shards have {n_recordings} recordings, not the total of them"
        elif n_recordings and {*total.present, *total.absent} != {*index.classes}:
            problem = f"it does not count the classes of its {split} split"
    if not index.classes:
        problem = "it names no classes"
    if problem:
        raise InputError(
            f"{{path}} is damaged: {escape_braces(problem)}; take it from where it was packed",
            path=path,
        )
