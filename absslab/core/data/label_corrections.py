"""Correct wrong weak labels in the table that holds them.

The next training uses the corrected labels.

::

    folder/weak_labels.csv             (or weak.tsv) with the corrections
           weak_labels.original.csv    the table before the first correction
           corrections.csv             time,filename,event_label,from,to   0/1; one line each;
                                    from is empty where the label was not known
           .corrections.lock           lock, so that only one correction is made at a time
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import atomic_write, file_lock, fold_name, write_bytes
from absslab.core.common.tables import original_path, read_table, table_text
from absslab.core.data.label_lists import join_labels
from absslab.core.data.weak_labels import (
    LABEL_LISTS_FILE,
    MULTI_HOT_FILE,
    LabelledRow,
    WeakLabels,
    read_weak_labels,
)

CORRECTIONS = ("time", "filename", "event_label", "from", "to")  # columns of corrections.csv


@dataclass(frozen=True)
class RecordingLabels:
    """The weak labels of a recording, and all corrections of them."""

    table: Path
    filename: str  # as in the table
    labels: dict[str, bool]  # for every class of the table
    corrections: list[dict[str, str]]  # rows of corrections.csv, oldest first
    unknown: frozenset[str] = frozenset()  # the classes that it may have or not


def labels_table(recording: str | Path) -> Path:
    """Find the table that holds a recording's weak labels: next to it, or in a folder above.

    In it the recording is called `Path(recording).relative_to(table.parent).as_posix()`.

    Raises:
        InputError: there is no such table, or a table on the way up can't be read.
    """
    path = Path(recording).absolute()
    for folder in path.parents:
        filename = path.relative_to(folder).as_posix()
        for table in (folder / MULTI_HOT_FILE, folder / LABEL_LISTS_FILE):
            if not table.is_file():
                continue
            if any(_is_named(row, filename) for row in read_weak_labels(table).rows):
                return table
    raise InputError(
        f"no {MULTI_HOT_FILE} or {LABEL_LISTS_FILE} next to {{path}} or in a folder above names "
        "it: it has no labels to correct",
        path=recording,
    )


def read_labels(table: str | Path, filename: str) -> dict[str, bool]:
    """Read the weak labels of a recording from a table.

    Args:
        table: weak_labels.csv or weak.tsv.
        filename: name of the recording in the table.

    Returns:
        for every class of the table, whether the recording is labelled with it.

    Raises:
        InputError: the table can't be read, or does not name the file.
    """
    classes, row = _read_row(Path(table), filename)
    return {name: name in row.labels for name in classes}


def read_recording_labels(recording: str | Path) -> RecordingLabels:
    """Read the weak labels of a recording, and the earlier corrections of them.

    Args:
        recording: the sound file.

    Raises:
        InputError: no table names the recording, or a table can't be read.
    """
    table = labels_table(recording)
    filename = Path(recording).absolute().relative_to(table.parent).as_posix()
    notes = _read_notes(table.with_name("corrections.csv"))
    corrections = [note for note in notes if note["filename"] == filename]
    classes, row = _read_row(table, filename)
    labels = {name: name in row.labels for name in classes}
    return RecordingLabels(table, filename, labels, corrections, frozenset(row.unknown))


def correct_label(table: str | Path, filename: str, event_label: str, present: bool) -> bool:
    """Change whether a recording is labelled with a class.

    The table before the first correction is kept next to it, and every correction is recorded in
    corrections.csv. Both files are changed, or neither. Corrections by several panels or processes
    are made one after the other.

    Args:
        table: weak_labels.csv or weak.tsv.
        filename: name of the recording in the table.
        event_label: a class of the table.
        present: whether the class occurs in the recording.

    Returns:
        whether the label was changed; if it was right already, nothing is written.

    Raises:
        InputError: the table, recording or class does not exist, or this would remove the last
            label of a class from a weak.tsv, where a class without labels does not exist.
        OSError: the folder can't be written.
    """
    table = Path(table)
    read_weak_labels(table)  # do not make a lock beside a file that is not a table
    with file_lock(table.with_name(".corrections.lock")):
        return _correct_locked(table, filename, event_label, present)


def _correct_locked(table: Path, filename: str, event_label: str, present: bool) -> bool:
    weak_labels = read_weak_labels(table)
    if weak_labels.kind == "strong":
        raise InputError(
            "{path} holds strong labels, which say when a class sounds: change them there",
            path=table,
        )
    index = _find_row(weak_labels.rows, filename, table)
    if event_label not in weak_labels.classes:
        hint = suggest_nearest(event_label, weak_labels.classes)
        raise InputError(
            f"{{path}} has no class {escape_braces(repr(event_label) + hint)}", path=table
        )
    row = weak_labels.rows[index]
    is_known = event_label not in row.unknown
    if is_known and (event_label in row.labels) == present:
        return False
    cells = [_write_cells(row, weak_labels.kind) for row in weak_labels.rows]
    cells[index] = cells[index] | _correct_cells(table, weak_labels, index, event_label, present)
    if not original_path(table).exists():
        write_bytes(original_path(table), table.read_bytes())
    notes = table.with_name("corrections.csv")
    texts = {
        notes: _add_note(notes, filename, event_label, present, is_known),
        table: table_text(list(cells[index]), cells, delimiter=weak_labels.delimiter),
    }
    with ExitStack() as files:  # both files are complete before either is replaced
        for path, text in texts.items():
            files.enter_context(atomic_write(path)).write_bytes(text.encode())
    return True


def _correct_cells(
    table: Path, weak_labels: WeakLabels, index: int, event_label: str, present: bool
) -> dict[str, str]:
    """Return the cells of a row that a correction changes."""
    if table.name == MULTI_HOT_FILE:
        return {event_label: str(int(present))}
    row = weak_labels.rows[index]
    n_labelled = sum(event_label in other.labels for other in weak_labels.rows)
    if not present and n_labelled == 1:
        raise InputError(
            f"{escape_braces(row.filename)} is the only recording in {{path}} "
            f"with {escape_braces(event_label)}: "
            "without it the class would not exist; label another recording with it first",
            path=table,
        )
    labels = [name for name in row.labels if name != event_label]
    if present:
        labels.append(event_label)
    return {"event_labels": join_labels(labels)}


def _write_cells(row: LabelledRow, kind: str) -> dict[str, str]:
    """Return the cells of a row with its list of classes as `join_labels` writes it."""
    if kind == "multi_hot" or row.cells["event_labels"].split(",") == row.labels:
        return row.cells
    return row.cells | {"event_labels": join_labels(row.labels)}


def _read_row(table: Path, filename: str) -> tuple[list[str], LabelledRow]:
    """Read the classes of a table, and the row of a recording."""
    weak_labels = read_weak_labels(table)
    return weak_labels.classes, weak_labels.rows[_find_row(weak_labels.rows, filename, table)]


def _is_named(row: LabelledRow, filename: str) -> bool:
    """Tell whether a row is that of a recording, however its path is written."""
    name = fold_name(row.filename.replace("\\", "/"))
    path = PurePosixPath(fold_name(filename))
    return row.filename == filename or name in (str(path), str(path.with_suffix("")))


def _find_row(rows: list[LabelledRow], filename: str, table: Path) -> int:
    names = [row.filename for row in rows]
    matches = [index for index, row in enumerate(rows) if _is_named(row, filename)]
    if filename not in names and len(matches) == 1:
        return matches[0]
    if filename not in names:
        hint = suggest_nearest(filename, names)
        if len(hint) >= 200:  # the list of all recordings
            hint = ""
        raise InputError(
            f"{{path}} has no recording {escape_braces(repr(filename) + hint)}", path=table
        )
    return names.index(filename)


def _add_note(path: Path, filename: str, event_label: str, present: bool, was_known: bool) -> str:
    """Return the text of corrections.csv with one more correction."""
    note = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "filename": filename,
        "event_label": event_label,
        "from": str(int(not present)) if was_known else "",
        "to": str(int(present)),
    }
    return table_text(CORRECTIONS, [*_read_notes(path), note])


def _read_notes(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    return read_table(path, required=CORRECTIONS, key=None, may_be_empty=True)
