"""Read and write strong labels (when each class sounds) as tables in the DCASE convention."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.notices import give_notice
from absslab.core.common.tables import (
    Table,
    TableRow,
    is_missing,
    open_table,
    read_text,
    write_table,
)
from absslab.core.data.audio_finder import AudioFinder, NameFinder
from absslab.core.data.class_names import means_no_label, normalise

EVENT_COLUMNS = ("filename", "onset", "offset", "event_label")
# s: an annotation may end this much after its recording, since times are often rounded
_TOLERANCE = 0.1
_ANY_TIME = r"-?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class SoundEvent:
    """A sound of a class, with its onset and offset."""

    event_label: str
    onset: float  # s
    offset: float  # s


def write_events(path: str | Path, events: Iterable[tuple[str, float, float, str]]) -> None:
    """Write strong labels as a tab-separated table.

    Args:
        path: the file.
        events: filename, onset (s), offset (s) and event_label of each event.
    """
    rows = []
    for name, onset, offset, label in events:
        cells = (name, f"{onset:.6f}", f"{offset:.6f}", label)
        rows.append(dict(zip(EVENT_COLUMNS, cells, strict=True)))
    write_table(path, EVENT_COLUMNS, rows, delimiter="\t")


def read_events(
    path: str | Path,
    *,
    classes: Sequence[str],
    durations: Mapping[str, float],
    folder: str | Path | None = None,
    may_lack_recordings: bool = False,
) -> dict[str, list[SoundEvent]]:
    """Read strong labels, as `write_events` and others write them.

    Times may have decimal commas. Events are fitted into their recordings, see `EventFitter`.

    Args:
        path: the file. A row with only a filename, or NaN for the rest, means that the recording
            has no events.
        classes: the classes that may occur.
        durations: length (s) of each recording whose events are wanted; rows of other recordings
            are skipped if these exist.
        folder: the folder that the names of recordings begin from; by default that of the file.
        may_lack_recordings: whether rows may name recordings that are not there; they are skipped.

    Returns:
        the events of each of these recordings; an empty list if the file has none of a recording.

    Raises:
        InputError: times are not numbers, negative, or in the wrong order; a class is unknown; a
            recording does not exist.
    """
    path = Path(path)
    table = open_events(path)
    folder = path.parent if folder is None else Path(folder)
    names = NameFinder(durations)
    has_points = any(
        "." in row.cells[column] for row in table.rows for column in ("onset", "offset")
    )
    reader = _EventReader(path, classes, has_points)
    events: dict[str, list[SoundEvent]] = {name: [] for name in durations}
    n_known = 0
    for row in table.rows:
        name = names.find(row.cells["filename"])
        if name is None and may_lack_recordings:
            continue
        if name is None:
            _check_recording_exists(path, row, folder, durations)
            continue
        n_known += 1
        event = reader.read(row, durations[name], name)
        if event is not None:
            events[name].append(event)
    if table.rows and not n_known:
        example = next(iter(durations), "none")
        raise InputError(
            f"{{path}} names only other recordings: expected recordings "
            f"such as {escape_braces(example)}",
            path=path,
        )
    for note in table.notes:
        give_notice(InputWarning(note))
    reader.give_notices()
    return events


def open_events(path: Path) -> Table:
    """Open a table of events; rows may have a filename alone.

    Raises:
        InputError: it is no such table; other programs' formats are named.
    """
    try:
        return open_table(
            path,
            required=EVENT_COLUMNS,
            aliases={"filename": ("file", "file_name", "fname"), "event_label": ("event_labels",)},
            delimiter="\t",
            key=None,
            may_be_empty=True,
            may_be_short=True,
        )
    except InputError as error:
        program = name_other_format(path)
        if not program:
            raise
        raise error.wrap(
            f"{{path}} is {program}: make a table of events of it with absslab labels convert",
            path=path,
        ) from None


def name_other_format(path: Path) -> str:
    """Return which other program has written a file of events; empty if none that is known.

    Raises:
        InputError: the file is missing, or no text.
    """
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    if lines and re.match(rf"{_ANY_TIME}\t{_ANY_TIME}(\t|$)", lines[0], re.IGNORECASE):
        return "a label track of Audacity"
    if lines and {"Begin Time (s)", "End Time (s)"} <= set(lines[0].split("\t")):
        return "a selection table of Raven"
    return ""


def _check_recording_exists(
    path: Path, row: TableRow, folder: Path, durations: Mapping[str, float]
) -> None:
    name = os.path.normpath(row.cells["filename"] or " ").strip()
    try:
        AudioFinder(folder, path).find(row.cells["filename"])
        return
    except InputError:
        hint = suggest_nearest(name, durations)
    if "did you mean" not in hint:
        hint = ": expected the name of a recording next to the table"
    raise InputError(
        f"{{path}}, row {row.line}: there is no recording {escape_braces(repr(name) + hint)}",
        path=path,
    )


class EventFitter:
    """Fits events into their recordings, and counts what it leaves out or cuts.

    Events without length, and those behind the end of a recording, are left out; what is longer
    than the recording is cut off. All is counted but cuts of up to 0.1 s, since times are often
    rounded.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}  # where it was done first, by kind

    def fit(self, event: SoundEvent, duration: float, place: str) -> SoundEvent | None:
        """Return the part of an event that lies in its recording; None if there is none.

        Args:
            event: its offset is not before its onset.
            duration: of the recording (s).
            place: where the event stands, such as line 3.
        """
        if event.offset == event.onset:
            self.count("without length, left out", place)
            return None
        if event.onset >= duration:
            self.count("behind the end of the recording, left out", place)
            return None
        if event.offset > duration + _TOLERANCE:
            self.count("cut at the end of the recording", place)
        return replace(event, offset=min(event.offset, duration))

    def notes(self) -> list[str]:
        """Return a line for each kind: how many events were left out or cut."""
        notes = []
        for kind, count in self.counts.items():
            events = "1 event" if count == 1 else f"{count} events"
            first = "in" if count == 1 else "the first in"
            notes.append(f"{events} {kind}, {first} {self.first[kind]}")
        return notes

    def count(self, kind: str, place: str) -> None:
        """Count what was done to an event.

        Args:
            kind: what it was, and what was done.
            place: where the event stands.
        """
        self.counts[kind] += 1
        self.first.setdefault(kind, place)


class _EventReader:
    """Reads the events of the rows of a table, and counts what it leaves out.

    Args:
        path: the table.
        classes: the classes that may occur.
        has_points: whether times have decimal points; commas are then refused.
    """

    def __init__(self, path: Path, classes: Sequence[str], has_points: bool):
        self.path = path
        self.classes = classes
        self.has_points = has_points
        self.fitter = EventFitter()

    def read(self, row: TableRow, duration: float, name: str) -> SoundEvent | None:
        """Read and check the event of a row; None if there is none."""
        cells = row.cells
        if all(is_missing(cells[column]) for column in EVENT_COLUMNS[1:]):
            return None
        onset = self._read_seconds(row, "onset")
        offset = self._read_seconds(row, "offset")
        label = normalise(cells["event_label"])
        if label and means_no_label(label):
            self.fitter.count("without a label, left out", f"line {row.line}")
            return None
        problem = ""
        if offset < onset:
            problem = f"the event ends at {offset:g} s, not after its onset at {onset:g} s"
        elif label not in self.classes:
            problem = f"unknown class {label!r}{suggest_nearest(label, self.classes)}"
        if problem:
            raise InputError(f"{{path}}, row {row.line}: {escape_braces(problem)}", path=self.path)
        return self.fitter.fit(SoundEvent(label, onset, offset), duration, f"line {row.line}")

    def give_notices(self) -> None:
        """Say in a line for each kind how many events were left out or cut."""
        for note in self.fitter.notes():
            give_notice(InputWarning(f"{{path}}: {escape_braces(note)}", path=self.path))

    def _read_seconds(self, row: TableRow, column: str) -> float:
        text = row.cells[column]
        has_comma = re.fullmatch(r"\d*,\d+|\d+,", text) is not None
        number = text.replace(",", ".") if has_comma and not self.has_points else text
        seconds = float(number) if _NUMBER.fullmatch(number) else math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            hint = ", with decimal points as in other rows" if has_comma else ""
            raise InputError(
                f"{{path}}, row {row.line}: {column} is {escape_braces(text)!r}: "
                f"expected seconds from the beginning of the recording{hint}",
                path=self.path,
            )
        return seconds
