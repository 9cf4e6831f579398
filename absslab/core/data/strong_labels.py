"""Read and write strong labels (when each class sounds) as tables in the DCASE convention."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import read_table, write_table

EVENT_COLUMNS = ("filename", "onset", "offset", "event_label")
# s: an annotation may end this much after its recording, since times are often rounded
_TOLERANCE = 0.1


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
    path: str | Path, *, classes: Sequence[str], durations: Mapping[str, float]
) -> dict[str, list[SoundEvent]]:
    """Read strong labels, as `write_events` writes them.

    Args:
        path: the file. A row with only a filename means that the recording has no events.
        classes: the classes that may occur.
        durations: length (s) of each recording whose events are wanted; rows of other recordings
            are skipped if these exist.

    Returns:
        the events of each of these recordings; an empty list if the file has none of a recording.

    Raises:
        InputError: times are not numbers, negative, in the wrong order or after the end of the
            recording; a class is unknown; a recording does not exist.
    """
    events: dict[str, list[SoundEvent]] = {name: [] for name in durations}
    rows = read_table(path, required=EVENT_COLUMNS, delimiter="\t", key=None, may_be_empty=True)
    n_known = 0
    for number, row in enumerate(rows, start=2):
        name = os.path.normpath(row["filename"] or " ").strip()
        if name not in durations:
            _check_recording_exists(Path(path), number, name, durations)
            continue
        n_known += 1
        if row["onset"] or row["offset"] or row["event_label"]:
            event = _read_event(row, Path(path), number, classes, durations[name], name)
            if event.onset < durations[name]:
                offset = min(event.offset, durations[name])
                events[name].append(SoundEvent(event.event_label, event.onset, offset))
    if rows and not n_known:
        example = next(iter(durations), "none")
        raise InputError(
            f"{{path}} names only other recordings: expected recordings "
            f"such as {escape_braces(example)}",
            path=path,
        )
    return events


def _check_recording_exists(
    path: Path, number: int, name: str, durations: Mapping[str, float]
) -> None:
    if (path.parent / name).is_file():
        return
    hint = suggest_nearest(name, durations)
    if "did you mean" not in hint:
        hint = ": expected the name of a recording next to the table"
    raise InputError(
        f"{{path}}, row {number}: there is no recording {escape_braces(repr(name) + hint)}",
        path=path,
    )


def _read_event(
    row: Mapping[str, str],
    path: Path,
    number: int,
    classes: Sequence[str],
    duration: float,
    name: str,
) -> SoundEvent:
    """Read and check the event of a row."""
    onset, offset = (_read_seconds(row, column, path, number) for column in ("onset", "offset"))
    label = row["event_label"]
    problem = ""
    if offset <= onset:
        problem = f"the event ends at {offset:g} s, not after its onset at {onset:g} s"
    elif label not in classes:
        problem = f"unknown class {label!r}{suggest_nearest(label, classes)}"
    elif offset > duration + _TOLERANCE:
        problem = f"the event ends at {offset:g} s, but {name} has {duration:g} s"
    if problem:
        raise InputError(f"{{path}}, row {number}: {escape_braces(problem)}", path=path)
    return SoundEvent(label, onset, offset)


def _read_seconds(row: Mapping[str, str], column: str, path: Path, number: int) -> float:
    try:
        seconds = float(row[column])
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(
            f"{{path}}, row {number}: {column} is {escape_braces(row[column])!r}: "
            "expected seconds from the beginning of the recording",
            path=path,
        )
    return seconds
