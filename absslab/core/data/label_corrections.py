"""Weak labels that turn out to be wrong: corrected in their table, so that the next training learns from the right ones.

::

    folder/weak_labels.csv             (or weak.tsv) with the corrections
           weak_labels.original.csv    as it was before the first of them
           corrections.csv             time,filename,event_label,from,to   0/1; a line per correction
           .corrections.lock           so that one is done after the other
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError
from absslab.core.common.files import atomic_write, file_lock, write_bytes
from absslab.core.common.tables import original_path, read_table, table_text
from absslab.core.data.weak_labels import read_lists, read_one_hot

ONE_HOT, LISTS = "weak_labels.csv", "weak.tsv"
CORRECTIONS = ("time", "filename", "event_label", "from", "to")  # columns of corrections.csv


def labels_table(recording: str | Path) -> Path:
    """The table that holds a recording's weak labels: beside it, or in a folder above that names it.

    In it the recording is called `Path(recording).relative_to(table.parent).as_posix()`.

    Raises:
        InputError: there is none, or one on the way can't be read.
    """
    path = Path(recording).absolute()
    for folder in path.parents:
        for table in (folder / ONE_HOT, folder / LISTS):
            if table.is_file() and any(
                row["filename"] == path.relative_to(folder).as_posix() for row, _ in _read(table)[0]
            ):
                return table
    raise InputError(
        f"no {ONE_HOT} or {LISTS} beside {recording} or in a folder above names it: it has no labels to correct"
    )


def read_labels(table: str | Path, filename: str) -> dict[str, bool]:
    """Which classes a recording is said to hold.

    Args:
        table: weak_labels.csv or weak.tsv.
        filename: as the table has it.

    Returns:
        of every class of the table whether it is there.

    Raises:
        InputError: the table can't be read, or does not name the file.
    """
    labelled, classes = _read(Path(table))
    names = labelled[_row(labelled, filename, Path(table))][1]
    return {name: name in names for name in classes}


def correct_label(table: str | Path, filename: str, event_label: str, present: bool) -> bool:
    """Say of a recording that it holds a class, or does not.

    The table as it was before the first correction is kept beside it, and every correction is noted in corrections.csv:
    both are changed, or neither. Corrections of several panels or processes wait for each other.

    Args:
        table: weak_labels.csv or weak.tsv.
        filename: as the table has it.
        event_label: a class of the table.
        present: whether the recording holds it.

    Returns:
        whether that is another label than before; if not, nothing is written.

    Raises:
        InputError: no such table, file or class; the last label of a class in a weak.tsv, whose classes are those that it
            names.
        OSError: the folder can't be written.
    """
    table = Path(table)
    _read(table)  # what is no table gets no lock
    with file_lock(table.with_name(".corrections.lock")):
        return _correct(table, filename, event_label, present)


def _correct(table: Path, filename: str, event_label: str, present: bool) -> bool:
    labelled, classes = _read(table)
    index = _row(labelled, filename, table)
    if event_label not in classes:
        raise InputError(
            f"{table} has no class {event_label!r}{suggest_nearest(event_label, classes)}"
        )
    row, names = labelled[index]
    if (event_label in names) == present:
        return False
    if table.suffix == ".csv":
        corrected = {event_label: str(int(present))}
    else:
        if not present and sum(event_label in others for _, others in labelled) == 1:
            raise InputError(
                f"{filename} is the only recording in {table} with {event_label}: without it the class would be gone; "
                "label another one first"
            )
        corrected = {
            "event_labels": ",".join(
                [*names, event_label] if present else [one for one in names if one != event_label]
            )
        }
    rows = [one for one, _ in labelled]
    rows[index] = row | corrected
    if not original_path(table).exists():
        write_bytes(original_path(table), table.read_bytes())
    notes = table.with_name("corrections.csv")
    texts = {
        notes: _noted(notes, filename, event_label, present),
        table: table_text(list(row), rows, delimiter="," if table.suffix == ".csv" else "\t"),
    }
    with ExitStack() as both:  # both are written before either appears
        for path, text in texts.items():
            both.enter_context(atomic_write(path)).write_bytes(text.encode())
    return True


def _read(table: Path) -> tuple[list[tuple[dict[str, str], list[str]]], list[str]]:
    """Rows, each with the classes that it names, and all classes."""
    if table.name not in (ONE_HOT, LISTS):
        raise InputError(f"{table} is no table of weak labels: expected {ONE_HOT} or {LISTS}")
    return read_one_hot(table) if table.name == ONE_HOT else read_lists(table)


def _row(labelled: list[tuple[dict[str, str], list[str]]], filename: str, table: Path) -> int:
    names = [row["filename"] for row, _ in labelled]
    if filename not in names:
        hint = suggest_nearest(filename, names)
        raise InputError(f"{table} has no recording {filename!r}{hint if len(hint) < 200 else ''}")
    return names.index(filename)


def _noted(path: Path, filename: str, event_label: str, present: bool) -> str:
    """The notes with one more."""
    noted = (
        read_table(path, required=CORRECTIONS, key=None, may_be_empty=True) if path.exists() else []
    )
    values = (
        datetime.now(UTC).isoformat(timespec="seconds"),
        filename,
        event_label,
        int(not present),
        int(present),
    )
    return table_text(CORRECTIONS, [*noted, dict(zip(CORRECTIONS, values, strict=True))])


@dataclass(frozen=True)
class RecordingLabels:
    """The weak labels of a recording, and how they were corrected."""

    table: Path
    filename: str  # as in the table
    labels: dict[str, bool]  # of every class of the table
    corrections: list[dict[str, str]]  # rows of corrections.csv, the earliest first


def read_recording_labels(recording: str | Path) -> RecordingLabels:
    """Read the weak labels of a recording, and how they were corrected before.

    Args:
        recording: the sound file.

    Raises:
        InputError: no table names the recording, or a table can't be read.
    """
    table = labels_table(recording)
    filename = Path(recording).absolute().relative_to(table.parent).as_posix()
    notes = table.with_name("corrections.csv")
    rows = []
    if notes.exists():
        rows = read_table(notes, required=CORRECTIONS, key=None, may_be_empty=True)
    corrections = [row for row in rows if row["filename"] == filename]
    return RecordingLabels(table, filename, read_labels(table, filename), corrections)
