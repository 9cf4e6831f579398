"""What sounds when: strong labels, as tables in the DCASE convention."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError
from absslab.core.common.tables import read_table, write_table

COLUMNS = ("filename", "onset", "offset", "event_label")
_TOLERANCE = 0.1  # s that an annotation may end behind its file: people round


@dataclass(frozen=True)
class SoundEvent:
    """A class and when it sounds."""

    event_label: str
    onset: float  # s
    offset: float  # s


def write_events(path: str | Path, events: Iterable[tuple[str, float, float, str]]) -> None:
    """Write strong labels as DCASE does: filename, onset, offset (seconds) and event_label, tab-separated.

    Args:
        path: the file.
        events: in that order.
    """
    rows = [(name, f"{onset:.6f}", f"{offset:.6f}", label) for name, onset, offset, label in events]
    write_table(
        path, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in rows], delimiter="\t"
    )


def read_events(
    path: str | Path, *, classes: Sequence[str], durations: Mapping[str, float]
) -> dict[str, list[SoundEvent]]:
    """Read strong labels, as `write_events` writes them.

    Args:
        path: the file. A row with a filename alone says that nothing sounds there.
        classes: the labels that may be there.
        durations: s, of the recordings that are asked for; rows of other recordings are skipped if those exist.

    Returns:
        the events of each of these recordings; none where the file names none.

    Raises:
        InputError: times that are no numbers, negative, in the wrong order or beyond the recording; an unknown class; a
            recording that is not there.
    """
    events: dict[str, list[SoundEvent]] = {name: [] for name in durations}
    rows = read_table(path, required=COLUMNS, delimiter="\t", key=None, may_be_empty=True)
    n_known = 0
    for number, row in enumerate(rows, start=2):
        where, name = f"{path}, row {number}", os.path.normpath(row["filename"] or " ").strip()
        label = row["event_label"]
        if name not in durations:
            if not (Path(path).parent / name).is_file():
                hint = suggest_nearest(name, durations)
                meant = (
                    hint
                    if "did you mean" in hint
                    else ": expected the name of a recording beside the table"
                )
                raise InputError(f"{where}: there is no recording {name!r}{meant}")
            continue
        n_known += 1
        if not (row["onset"] or row["offset"] or label):
            continue
        onset, offset = (
            _seconds(row[column], f"{where}: {column}") for column in ("onset", "offset")
        )
        if offset <= onset:
            raise InputError(
                f"{where}: the event ends at {offset:g} s, not behind its onset at {onset:g} s"
            )
        if label not in classes:
            raise InputError(f"{where}: unknown class {label!r}{suggest_nearest(label, classes)}")
        if offset > durations[name] + _TOLERANCE:
            raise InputError(
                f"{where}: the event ends at {offset:g} s, but {name} has {durations[name]:g} s"
            )
        if onset < durations[name]:
            events[name].append(SoundEvent(label, onset, min(offset, durations[name])))
    if rows and not n_known:
        raise InputError(
            f"{path} speaks of other recordings only: expected some such as {next(iter(durations), 'none')}"
        )
    return events


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(
            f"{where} is {text!r}: expected seconds from the beginning of the recording"
        )
    return seconds
