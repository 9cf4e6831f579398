"""Tell which columns of a table with a column per class are classes.

Tables often hold more about each recording than its classes: its fold, its length, who checked it.
A column of such a name is no class, though it may hold 0 and 1 alone. The settings may say which
columns are classes; then those are, whatever they are called.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import Table
from absslab.core.data.class_names import means_no_label, normalise

# Columns that say something else about a recording than its classes.
OTHER_COLUMNS = (
    "filename",
    "split",
    "origin",
)
# Names of other columns, without regard to case, blanks, dashes and underscores.
METADATA = frozenset({
    "index", "idx", "id", "ids", "uid", "uuid", "number", "nr", "fileid", "clipid", "recordingid",
    "itemid", "trackid", "videoid", "ytid",
    "freesoundid", "fsid", "soundid", "datasetid", "classid", "mid", "mids", "target",
    "fold", "folds", "foldid", "split", "splits", "subset", "partition", "set", "usage",
    "duration", "durations", "length", "seconds", "samples", "nsamples", "size", "filesize",
    "frames",
    "start", "starts", "end", "ends", "startseconds", "endseconds", "starttime", "endtime",
    "onset", "offset",
    "samplerate", "samplingrate", "sr", "rate", "channels", "nchannels", "bitdepth", "format",
    "subtype",
    "file", "filepath", "path", "paths", "name", "title", "url", "link", "source", "sourcefile",
    "srcfile", "take",
    "verified", "isverified", "manuallyverified", "manualverification", "validated", "checked",
    "reviewed",
    "annotator", "annotators", "annotatorid", "rater", "confidence", "agreement", "quality",
    "license", "licence", "author", "uploader", "username", "user", "date", "time", "timestamp",
    "year", "month", "day",
    "latitude", "longitude", "lat", "lon", "location", "place", "device", "comment", "comments",
    "note", "notes", "remark", "remarks",
    "description", "md5", "sha1", "sha256", "checksum", "hash",
})  # fmt: skip


def is_metadata(column: str) -> bool:
    """Tell whether a column has a well-known name of something else than a class.

    >>> [is_metadata(name) for name in ("fold", "Is_Verified", "sample rate", "dog")]
    [True, True, True, False]
    """
    return re.sub(r"[\s_.-]", "", column.casefold()) in METADATA


def choose_class_columns(
    table: Table, path: Path, *, chosen: Sequence[str] = (), has_metadata: bool = True
) -> tuple[dict[str, str], list[str]]:
    """Choose the columns that are classes.

    Args:
        table: the table.
        path: its file.
        chosen: the columns that are classes; if there are none, all are that are not known to be
            something else.
        has_metadata: whether columns with names of metadata are left out.

    Returns:
        the class of each column, and what is to be said about columns, a sentence each.

    Raises:
        InputError: a chosen column is not there, or two columns of a name differ.
    """
    wanted = _find_chosen(table.columns, chosen, path)
    classes: dict[str, str] = {}
    metadata = []
    notes = []
    for column in table.columns:
        name = normalise(column)
        if name.casefold() in OTHER_COLUMNS or (wanted and column not in wanted):
            continue
        if means_no_label(name):
            notes.append(f"the column {column!r} is left out: it means that there is no label")
            continue
        if has_metadata and not wanted and is_metadata(name):
            metadata.append(column)
            continue
        if repeated := _find_repeated(column, table, path):
            notes.append(f"the column {column!r} is left out: it repeats {repeated!r}")
            continue
        if name in classes.values():
            notes.append(f"two columns are the class {name!r}, in other Unicode forms: joined")
        classes[column] = name
    if metadata:
        notes.append(_describe_metadata(metadata, path))
    return classes, notes


def _find_chosen(columns: Sequence[str], chosen: Iterable[str], path: Path) -> set[str]:
    by_name = {normalise(column): column for column in columns}
    wanted = set()
    for name in map(normalise, chosen):
        if name not in by_name or name.casefold() in OTHER_COLUMNS:
            others = [column for column in by_name if column.casefold() not in OTHER_COLUMNS]
            hint = escape_braces(f"{name!r}{suggest_nearest(name, others)}")
            raise InputError(f"{{path}} has no class column {hint}", path=path)
        wanted.add(by_name[name])
    return wanted


def _find_repeated(column: str, table: Table, path: Path) -> str:
    """Return the column that another one repeats: pandas calls the second of a name `dog.1`."""
    first = re.sub(r"\.\d+$", "", column)
    if first == column or first not in table.columns:
        return ""
    if any(row.cells[first] != row.cells[column] for row in table.rows):
        raise InputError(
            f"{{path}} has the columns {escape_braces(repr(first))} and "
            f"{escape_braces(repr(column))}, which differ: pandas calls the second of two "
            "equal names so; keep one of them, or give it another name",
            path=path,
        )
    return first


def _describe_metadata(columns: Sequence[str], path: Path) -> str:
    names = ", ".join(map(repr, columns))
    if len(columns) == 1:
        return (
            f"{path.name}: the column {names} is taken for metadata, not for a class; if it is "
            "one, name all columns that are classes with --class_columns"
        )
    return (
        f"{path.name}: the columns {names} are taken for metadata, not for classes; if some are, "
        "name all columns that are classes with --class_columns"
    )
