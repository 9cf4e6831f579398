"""Show recordings on disk with their sources and events, if these are known."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.audio_finder import NameFinder
from absslab.core.data.class_names import normalise
from absslab.core.data.strong_labels import SoundEvent, open_events, read_events
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.tracks import mixture_tracks
from absslab.widgets.ui.error_line import error_line


def show_recording(
    view: RecordingView, path: Path, classes: Sequence[str], *, caption: str
) -> None:
    """Show a recording, its saved sources, and its events on a timeline.

    Args:
        view: the view that shows it.
        path: the sound file.
        classes: classes that the recording may contain.
        caption: plain text; a line is added if the events can't be read.

    Raises:
        InputError: if the recording can't be read.
    """
    tracks = mixture_tracks(path)
    events = None
    try:
        events = read_known_events(path)
    except InputError as error:
        caption = f"{caption}\nno timeline: {error_line(error)}"
    present = {event.event_label for event in events or ()}
    rows = [name for name in classes if name in present]
    view.show(tracks, caption=caption, title=path.name, events=events, classes=rows)


def read_known_events(path: Path) -> list[SoundEvent] | None:
    """Read the events of a recording from the events.tsv beside it.

    Returns:
        the events; None if there is no such table, or it does not name the recording.

    Raises:
        InputError: if the table can't be read, or does not fit the recording.
    """
    table = path.parent / "events.tsv"
    if not table.is_file():
        return None
    rows = [row.cells for row in open_events(table).rows]
    names = NameFinder([path.name])
    if all(names.find(row["filename"]) is None for row in rows):
        return None
    # The classes of the table, because a model or a table of scores may know others.
    classes = sorted({normalise(row["event_label"]) for row in rows})
    durations = {path.name: sound_files.info(path).duration}
    return read_events(table, classes=classes, durations=durations)[path.name]
