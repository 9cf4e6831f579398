"""Strong labels of the recordings of a split, for trainings and scores."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.data.labelled_recordings import EventReader, LabelledRecording
from absslab.core.data.strong_labels import SoundEvent, read_events

EVENTS_FILE = "events.tsv"


def read_strong_labels(
    durations: Mapping[str, float],
    classes: Sequence[str],
    table_folder: Path,
    reader: EventReader | None,
    *,
    may_lack_recordings: bool,
) -> dict[str, list[SoundEvent]] | None:
    """Read the strong labels of recordings.

    Args:
        durations: length (s) of each recording, by path.
        classes: the classes that may occur.
        table_folder: folder with the label tables of the recordings.
        reader: what reads the strong labels, if they lie in no events.tsv in that folder.
        may_lack_recordings: whether a table may name recordings that are not there.

    Returns:
        the events of each recording, by path; None if there are no strong labels.
    """
    if reader is not None:
        return reader(classes, durations)
    path = table_folder / EVENTS_FILE
    if not path.is_file():
        return None
    paths = {os.path.relpath(path, table_folder): path for path in durations}
    events = read_events(
        path,
        classes=classes,
        durations={name: durations[path] for name, path in paths.items()},
        may_lack_recordings=may_lack_recordings,
    )
    return {paths[name]: of_recording for name, of_recording in events.items()}


def require_events(
    events: Mapping[str, Sequence[SoundEvent]] | None,
    recordings: Sequence[LabelledRecording],
    table_folder: Path,
) -> Mapping[str, Sequence[SoundEvent]]:
    """Return strong labels that agree with the weak ones; tell where they do not.

    A class that is labelled without an event is known weakly alone. Events of a class that is not
    labelled are left out: weak labels may have been corrected.

    Args:
        events: strong labels of the recordings, by path.
        recordings: the recordings with their weak labels.
        table_folder: folder with the label tables of the recordings.

    Raises:
        InputError: there are no strong labels.
    """
    if not any((events or {}).get(recording.path) for recording in recordings):
        raise InputError(
            "supervision events needs strong labels, and there are none in {table}: add this table "
            "(filename, onset, offset, event_label), or train with --supervision weak",
            table=table_folder / EVENTS_FILE,
        )
    assert events is not None
    agreeing: dict[str, list[SoundEvent]] = {}
    n_without = 0
    n_dropped = 0
    n_events = 0
    for recording in recordings:
        own = events.get(recording.path, ())
        possible = recording.labels | recording.unknown
        kept = [event for event in own if event.event_label in possible]
        n_events += len(own)
        n_dropped += len(own) - len(kept)
        n_without += bool(recording.labels.difference(event.event_label for event in kept))
        agreeing[recording.path] = kept
    if n_without:
        give_notice(
            InputWarning(
                f"{n_without} of {len(recordings)} recordings are labelled with classes of which "
                "{table} has no event: of these classes only the weak labels are used",
                table=table_folder / EVENTS_FILE,
            )
        )
    if n_dropped:
        give_notice(
            InputWarning(
                f"{n_dropped} of {n_events} events in {{table}} are of classes that their "
                "recordings are not labelled with: left out; correct the weak labels, or remove "
                "the events",
                table=table_folder / EVENTS_FILE,
            )
        )
    return agreeing
