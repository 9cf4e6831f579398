"""Recordings on disk, with what is known of them, in something to see and to hear."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.tables import read_table
from absslab.core.data.strong_labels import COLUMNS, SoundEvent, read_events
from absslab.widgets.listening.listening import Listening
from absslab.widgets.player.tracks import mixture_tracks


def listen_to(listening: Listening, path: Path, classes: Sequence[str], *, caption: str) -> None:
    """Show a recording, the sources that were saved with it, and on a timeline when they sound.

    Args:
        listening: where.
        path: the sound file.
        classes: that it may hold.
        caption: what it is; words are added where its events can't be read.

    Raises:
        InputError: the recording can't be read.
    """
    tracks = mixture_tracks(path)
    try:
        events = events_of(path)
    except InputError as error:
        events, caption = None, f"{caption}\nno timeline: {error}"
    named = {event.event_label for event in events or ()}
    rows = [name for name in classes if name in named]
    listening.show(tracks, caption=caption, title=path.name, events=events, classes=rows)


def events_of(path: Path) -> list[SoundEvent] | None:
    """When what sounds in a recording, by the events.tsv beside it; None where there is none, or it does not name it.

    Raises:
        InputError: the table can't be read, or does not fit the recording.
    """
    table = path.parent / "events.tsv"
    if not table.is_file():
        return None
    rows = read_table(table, required=COLUMNS, delimiter="\t", key=None, may_be_empty=True)
    if path.name not in {row["filename"] for row in rows}:
        return None
    classes = sorted({row["event_label"] for row in rows})  # a model, or scores, may know others
    return read_events(
        table, classes=classes, durations={path.name: sound_files.info(path).duration}
    )[path.name]
