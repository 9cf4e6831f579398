"""Recordings with weak labels and splits, as the readers of folders and corpora return them."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from absslab.core.common.errors import InputError, InputWarning, join_errors
from absslab.core.common.left_out import LeftOut, LeftOutFile
from absslab.core.common.notices import give_notice
from absslab.core.data.class_names import list_classes
from absslab.core.data.identical_files import give_notice_of_divided_copies, split_copies_together
from absslab.core.data.recordings import compile_pattern, origin_of
from absslab.core.data.splits import ALL, Percentages, split_origins
from absslab.core.data.strong_labels import SoundEvent, read_events

_N_EXAMPLES = 3  # recordings that are not found which one line names


@dataclass(frozen=True)
class LabelledRecording:
    """A recording, its weak labels, and where its true sources are, if it has them.

    Args:
        path: of the file.
        labels: its classes.
        origin: the longer recording that it was cut from.
        split: train, validation or test; empty if it is not known yet.
        unknown: classes that it may have or not.
        channels: for each class whose true source is a channel of the recording, which one; None
            if sources are files beside the recording, as `absslab mix` writes them.
        members: for each class that joins several of the folder, these; None if none does.
    """

    path: str
    labels: frozenset[str]
    origin: str
    split: str = ""
    unknown: frozenset[str] = frozenset()
    channels: Mapping[str, int] | None = field(default=None, hash=False)
    members: Mapping[str, Sequence[str]] | None = field(default=None, hash=False)

    @property
    def is_source(self) -> bool:
        """Whether the recording is one true source alone, so that nothing is to be separated."""
        return self.channels is not None and len(self.channels) == 1


# Reads the strong labels of classes, given the lengths (s) of recordings by path.
EventReader = Callable[[Sequence[str], Mapping[str, float]], dict[str, list[SoundEvent]]]


def read_event_table(
    table: Path,
    folder: Path,
    classes: Sequence[str],
    durations: Mapping[str, float],
    *,
    may_lack_recordings: bool = False,
) -> dict[str, list[SoundEvent]]:
    """Read strong labels from a table that names recordings by their paths from a folder.

    Args:
        table: the table.
        folder: the folder.
        classes: the classes that may occur.
        durations: length (s) of each recording, by path.
        may_lack_recordings: whether the table may name recordings that are not there.

    Returns:
        the events of each recording, by path.

    Raises:
        InputError: see `read_events`.
    """
    paths = {os.path.relpath(path, folder): path for path in durations}
    lengths = {name: durations[path] for name, path in paths.items()}
    events = read_events(
        table,
        classes=classes,
        durations=lengths,
        folder=folder,
        may_lack_recordings=may_lack_recordings,
    )
    return {paths[name]: of_recording for name, of_recording in events.items()}


@dataclass(frozen=True)
class LabelledFolder:
    """The recordings of a folder.

    Args:
        recordings: those of all splits.
        classes: all classes.
        notes: what was read in another way than it is written, or left out; a sentence each.
        lacking: classes that a model has, but not the folder.
        events: what reads the strong labels of a split; without it, they are in events.tsv in
            the folder that the names of its recordings begin from.
        missing: why recordings that the labels name are not among these, by path.
        unavailable: recordings that the labels name, but whose source may have lost them.
        has_own_splits: whether the folder or its labels say which split each recording is in;
            otherwise the splits are drawn.
    """

    recordings: list[LabelledRecording]
    classes: list[str]
    notes: list[str] = field(default_factory=list)
    events: Mapping[str, EventReader] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()
    missing: Mapping[str, InputError] = field(default_factory=dict)
    unavailable: Sequence[LeftOutFile] = ()
    has_own_splits: bool = True

    def event_reader(self, split: str) -> EventReader | None:
        """Return what reads the strong labels of a split, or of all; None without such labels."""
        if split != ALL:
            return self.events.get(split)
        readers: dict[str, EventReader] = {}
        for name in {recording.split for recording in self.recordings}:
            if name not in self.events:
                return None
            readers[name] = self.events[name]
        return partial(_read_all_events, self.recordings, readers)

    def require_all(self) -> Self:
        """Return the folder itself, if no recording is missing.

        Raises:
            InputError: there are missing ones; the line names up to ten.
        """
        left_out = LeftOut("train", on_error="stop")
        for path, error in self.missing.items():
            left_out.add(path, error)
        if left_out:
            left_out.n_files = len(left_out) + len(self.recordings)
            raise left_out.to_error()
        return self


def _read_all_events(
    recordings: Sequence[LabelledRecording],
    readers: Mapping[str, EventReader],
    classes: Sequence[str],
    durations: Mapping[str, float],
) -> dict[str, list[SoundEvent]]:
    """Read the strong labels of recordings of several splits."""
    split_of = {recording.path: recording.split for recording in recordings}
    events: dict[str, list[SoundEvent]] = {}
    for split, reader in readers.items():
        own = {path: length for path, length in durations.items() if split_of[path] == split}
        if own:
            events |= reader(classes, own)
    return events


def none_found_error(missing: Sequence[InputError]) -> InputError:
    """Return the error of labels that name recordings of which none is there.

    Args:
        missing: why each is not used.
    """
    if len(missing) == 1:
        return missing[0]
    more = f"; and {len(missing) - _N_EXAMPLES} more" if len(missing) > _N_EXAMPLES else ""
    return join_errors(
        missing[:_N_EXAMPLES],
        before=f"none of the {len(missing)} recordings that the labels name is found: ",
        after=more + "; correct the names in the table, or pass the folder that they begin from "
        "with --data_folder",
    )


@dataclass(frozen=True)
class SplitSettings:
    """How recordings are split where their corpus does not say it.

    Args:
        percentages: those of train, validation and test.
        seed: seed of the shuffling.
        test_fold: of a corpus with folds, the fold that is tested; 0: the last.
    """

    percentages: Percentages = (80.0, 10.0, 10.0)
    seed: int = 0
    test_fold: int = 0


class LabelCounts(Protocol):
    """How many recordings of a split have labels, and which."""

    @property
    def n_recordings(self) -> int:
        """Number of recordings."""

    @property
    def present(self) -> Mapping[str, int]:
        """For each class the number of recordings that are known to have it."""

    @property
    def absent(self) -> Mapping[str, int]:
        """For each class the number of recordings that are known to lack it."""


class CountedLabels(NamedTuple):
    """The `LabelCounts` of recordings in a list."""

    n_recordings: int
    present: Mapping[str, int]
    absent: Mapping[str, int]

    @classmethod
    def of(cls, classes: Sequence[str], recordings: Sequence[LabelledRecording]) -> "CountedLabels":
        """Count the labels of recordings."""
        present = Counter(name for item in recordings for name in item.labels)
        unknown = Counter(name for item in recordings for name in item.unknown)
        n_recordings = len(recordings)
        return cls(
            n_recordings,
            {name: present[name] for name in classes},
            {name: n_recordings - present[name] - unknown[name] for name in classes},
        )


def warn_about_classes_without_recordings(
    classes: Sequence[str], train: LabelCounts, validation: LabelCounts
) -> None:
    """Tell which classes no recording of training, or none of validation, is known to have.

    Tell also which classes no training recording is known to lack.

    Args:
        classes: all classes.
        train: labels of the recordings that are trained on.
        validation: labels of those that choose the best model.

    Raises:
        InputError: no label of any training recording is known.
    """
    if not any(train.present.values()) and not any(train.absent.values()):
        raise InputError(
            f"no label of the {train.n_recordings} training recordings is known: expected 1 or 0 "
            "in the table for some of them"
        )
    is_complete = all(
        split.present.get(name, 0) + split.absent.get(name, 0) == split.n_recordings
        for split in (train, validation)
        for name in classes
    )
    has = "has" if is_complete else "is known to have"
    may_have = "has" if is_complete else "has or may have"
    learned = [name for name in classes if train.present.get(name)]
    problems = {
        f"no training recording {has} {{}}: the model can't learn to find them; add recordings, or "
        "leave them out of the labels": [name for name in classes if name not in learned],
        f"no validation recording {has} {{}}: the choice of the best model does not take them into "
        "account": [name for name in learned if not validation.present.get(name)],
        f"every training recording {may_have} {{}}: the model can't learn where it is absent, and "
        "its AUC is not defined; add recordings without it": [
            name for name in learned if not train.absent.get(name)
        ],
    }
    for text, names in problems.items():
        if names:
            give_notice(InputWarning(text.replace("{}", list_classes(names))))


def find_origins(
    recordings: Sequence[LabelledRecording], origin_pattern: str | None
) -> list[LabelledRecording]:
    """Return the recordings with the origins that a pattern finds in their names, if there is one.

    Raises:
        InputError: the pattern is no regular expression, or does not match a name.
    """
    pattern = compile_pattern(origin_pattern)
    if pattern is None:
        return list(recordings)
    return [
        replace(recording, origin=origin_of(Path(recording.path), pattern))
        for recording in recordings
    ]


def divide_into_splits(
    recordings: Sequence[LabelledRecording], percentages: Percentages, seed: int
) -> list[LabelledRecording]:
    """Split recordings by origin, stratified by class; files with the same bytes are of one origin.

    Args:
        recordings: the recordings; a split that they have already is replaced.
        percentages: those of train, validation and test.
        seed: seed of the shuffling.

    Raises:
        InputError: a class has too few origins.
    """

    def split(origins: Mapping[str, str]) -> list[LabelledRecording]:
        joined = [replace(recording, origin=origins[recording.path]) for recording in recordings]
        labels: dict[str, list[str]] = {}
        for origin, group in group_by_origin(joined).items():
            labels[origin] = sorted(set().union(*(recording.labels for recording in group)))
        splits = split_origins(labels, percentages, seed)
        return [replace(recording, split=splits[recording.origin]) for recording in joined]

    return split_copies_together({item.path: item.origin for item in recordings}, split)


def group_by_origin(
    recordings: Sequence[LabelledRecording],
) -> dict[str, list[LabelledRecording]]:
    """Return the recordings of each origin."""
    by_origin: dict[str, list[LabelledRecording]] = {}
    for recording in recordings:
        by_origin.setdefault(recording.origin, []).append(recording)
    return by_origin


def check_given_split(recordings: Sequence[LabelledRecording]) -> None:
    """Check that a split that labels define is complete and keeps each origin in one split.

    Raises:
        InputError: a recording has no split, or an origin is in two.
    """
    for recording in recordings:
        if not recording.split:
            raise InputError(
                "{path} has no split, but other recordings have one: "
                "fill the column split, or remove it",
                path=recording.path,
            )
    give_notice_of_divided_copies({recording.path: recording.split for recording in recordings})
    for origin, group in group_by_origin(recordings).items():
        splits = {recording.split for recording in group}
        if len(splits) > 1:
            raise InputError(
                f"origin {origin!r} is in {' and '.join(sorted(splits))}: expected it in one split"
            )
