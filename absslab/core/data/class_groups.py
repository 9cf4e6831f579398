"""Groups of classes: each is trained, separated and scored as one class.

The label of a group is that of any of its members, its true source the sum of theirs. Classes in no
group are left out: what they sound like stays in the recordings, and so in the residual.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.data.class_names import check_class_names, list_classes, normalise
from absslab.core.data.clip_events import EVENTS_FILE
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
    read_event_table,
)
from absslab.core.data.strong_labels import SoundEvent

UNGROUPED = ("all_separated", "none")  # the thesis' words for no groups
_SEPARATOR = "."


def parse_groups(
    words: Sequence[str], classes: Sequence[str], place: str | Path
) -> dict[str, tuple[str, ...]]:
    """Return the members of each group.

    Args:
        words: names of groups, such as speech.laughter; a class alone is a group of its own.
        classes: those that may be members.
        place: the folder that has these classes.

    Raises:
        InputError: a member is no class, or is named twice.
    """
    groups: dict[str, tuple[str, ...]] = {}
    group_of: dict[str, str] = {}
    for word in map(normalise, words):
        groups[word] = _split_name(word, classes, place)
        for name in groups[word]:
            if name in group_of:
                raise InputError(
                    f"class_categories names the class {escape_braces(name)} twice: expected each "
                    "class in one group; remove it from one"
                )
            group_of[name] = word
    check_class_names(groups, place)
    return groups


def _split_name(word: str, classes: Sequence[str], place: str | Path) -> tuple[str, ...]:
    """Split the name of a group into classes, whose own names may have dots."""
    parts = word.split(_SEPARATOR)
    members: list[str] = []
    while parts:
        starts = (_SEPARATOR.join(parts[:n]) for n in range(len(parts), 0, -1))
        name = next((start for start in starts if start in classes), None)
        if name is None:
            raise InputError(
                f"class_categories names {escape_braces(repr(parts[0]))}, which is no class of "
                "{place}: expected its classes, joined by dots"
                f"{escape_braces(suggest_nearest(parts[0], classes))}",
                place=place,
            )
        members.append(name)
        del parts[: name.count(_SEPARATOR) + 1]
    return tuple(members)


def group_classes(labelled: LabelledFolder, words: Sequence[str], place: Path) -> LabelledFolder:
    """Return a folder whose classes are groups of its own ones.

    Args:
        labelled: the folder.
        words: names of the groups; see `parse_groups`.
        place: the folder's path.

    Raises:
        InputError: a group has a member that is no class, or is named twice.
    """
    groups = parse_groups(words, labelled.classes, place)
    recordings = [_group_labels(recording, groups) for recording in labelled.recordings]
    readers: dict[str, EventReader] = {}
    for split in {recording.split for recording in recordings}:
        inner = labelled.events.get(split)
        if inner is None:
            paths = [recording.path for recording in recordings if recording.split == split]
            inner = _find_event_table(paths, place)
        if inner is not None:
            readers[split] = partial(_read_grouped_events, inner, labelled.classes, groups)
    notes = list(labelled.notes)
    grouped = set().union(*groups.values())
    rest = [name for name in labelled.classes if name not in grouped]
    if rest:
        notes.append(
            f"class_categories leaves out {list_classes(rest)}: their sounds stay in the recordings"
        )
    return replace(
        labelled, recordings=recordings, classes=list(groups), notes=notes, events=readers
    )


def _group_labels(
    recording: LabelledRecording, groups: Mapping[str, Sequence[str]]
) -> LabelledRecording:
    labels = {name for name, members in groups.items() if not recording.labels.isdisjoint(members)}
    unknown = {
        name for name, members in groups.items() if not recording.unknown.isdisjoint(members)
    }
    return replace(
        recording,
        labels=frozenset(labels),
        unknown=frozenset(unknown - labels),
        members=groups,
    )


def _find_event_table(paths: Sequence[str], place: Path) -> EventReader | None:
    """Find the events.tsv of a split: in the whole folder, or in that of its recordings."""
    folders = {Path(path).parent for path in paths}
    for folder in [place, *folders] if len(folders) == 1 else [place]:
        table = folder / EVENTS_FILE
        if table.is_file():
            return partial(read_event_table, table, folder, may_lack_recordings=True)
    return None


def _read_grouped_events(
    reader: EventReader,
    members: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    durations: Mapping[str, float],
) -> dict[str, list[SoundEvent]]:
    """Read strong labels, and give each event the label of its group.

    Args:
        reader: reads the events of the members.
        members: all classes of the folder.
        groups: the members of each group.
        classes: the groups that may occur.
        durations: length (s) of each recording, by path.
    """
    group_of = {name: group for group in classes for name in groups.get(group, ())}
    events = reader(members, durations)
    return {path: _rename(of_recording, group_of) for path, of_recording in events.items()}


def _rename(events: Iterable[SoundEvent], group_of: Mapping[str, str]) -> list[SoundEvent]:
    return [
        replace(event, event_label=group_of[event.event_label])
        for event in events
        if event.event_label in group_of
    ]
