"""Isolated event recordings: index a folder, find each one's class and origin, split them before anything is mixed."""

import glob
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from absslab.core import audio
from absslab.core.errors import InputError
from absslab.core.splits import SPLITS, Percentages, split_origins
from absslab.core.tables import read_table

RESERVED = ("background", "mixture", "residual", "remix", "filename")  # stand beside the classes in folders, tables


@dataclass(frozen=True)
class Recording:
    """One isolated sound."""

    path: str
    event_label: str  # its class
    origin: str  # the source recording it was cut from
    duration: float  # s


def index_recordings(
    folder: str | Path, *, csv: str | Path | None = None, origin_pattern: str | None = None
) -> list[Recording]:
    """Find the recordings of a folder and the class of each.

    Three layouts are understood::

        folder/alert01.wav                 the class is the name without its trailing digits
        folder/alert/anything.wav          the class is the sub-folder
        a CSV with columns filename, event_label and, if known, origin (filenames relative to `folder`)

    Args:
        folder: holds .wav, .flac, .ogg or .mp3 files of any rate and channel count.
        csv: the CSV of the third layout.
        origin_pattern: a regular expression searched in the file's name; its first group (or whole match) is the origin.
            Without it, and without an origin in the CSV, every file is its own origin.

    Returns:
        the recordings, in the order of their paths.

    Raises:
        InputError: no folder, no audio in it, a layout that can't be told, a class name that can't name a file, a file
            that is unreadable, truncated, silent or holds NaN, a CSV with missing columns, files or values.
    """
    folder = Path(folder)
    found = _from_csv(folder, Path(csv)) if csv else _from_names(folder)
    for path, label, _ in found:
        check_class_name(label, path)
    return _read(folder, found, origin_pattern)


def index_backgrounds(folder: str | Path, *, origin_pattern: str | None = None) -> list[Recording]:
    """Find the recordings of a folder and its sub-folders, whatever their names: all of the class 'background'.

    Raises:
        InputError: as `index_recordings`.
    """
    folder = Path(folder)
    return _read(folder, [(path, "background", "") for path in _audio_below(folder)], origin_pattern)


def _read(folder: Path, found: list[tuple[Path, str, str]], origin_pattern: str | None) -> list[Recording]:
    """Decode what was found, (path, class, origin if known), and complete it."""
    pattern = compile_pattern(origin_pattern)
    recordings = []
    for path, label, origin in sorted(found):
        if not origin:
            origin = origin_of(path, pattern) if pattern else path.relative_to(folder).as_posix()
        recordings.append(Recording(str(path), label, origin, audio.check(path).duration))
    return recordings


def class_of(path: str | Path) -> str:
    """The class that a file name says: the name without its trailing digits and what joins them.

    >>> class_of("keys03.wav"), class_of("keyboard_12.flac")
    ('keys', 'keyboard')
    """
    label = re.sub(r"[\s_.-]*\d+$", "", Path(path).stem)
    if not label:
        raise InputError(f"{path} names no class: expected a class and a number, as in speech01.wav")
    return label


def check_class_name(name: str, where: object) -> None:
    """See that a class can name a file and a column.

    Raises:
        InputError: it can't.
    """
    if not name or name != name.strip() or name.startswith(".") or re.search(r"[/\\,\x00-\x1f]", name):
        raise InputError(f"{where}: {name!r} can't be a class: expected a name without slashes, commas and leading dots")
    if name in RESERVED:
        raise InputError(f"{where}: a class can't be called {name!r}, which ABSSLab uses itself; rename it")


def classes_of(recordings: Iterable[Recording]) -> list[str]:
    """The classes, sorted: the order of masks and columns everywhere."""
    return sorted({recording.event_label for recording in recordings})


def split_recordings(
    recordings: Iterable[Recording], *, percentages: Percentages = (80, 10, 10), seed: int = 0
) -> dict[str, list[Recording]]:
    """Split recordings by origin, stratified by class.

    Args:
        recordings: of `index_recordings`.
        percentages: of train, validation and test.
        seed: of the shuffling.

    Returns:
        train, validation and test, disjoint, each in the order given; a split of 0 % is empty.

    Raises:
        InputError: a class has too few origins; the message names it.
    """
    recordings = list(recordings)
    labels: dict[str, list[str]] = {}
    for recording in recordings:
        labels.setdefault(recording.origin, []).append(recording.event_label)
    dealt = split_origins(labels, percentages, seed)
    return {split: [one for one in recordings if dealt[one.origin] == split] for split in SPLITS}


def file_within(folder: Path, name: str, table: Path) -> Path:
    """The file in a folder, or below it, that a table names.

    Raises:
        InputError: there is none, or the name leads out of the folder.
    """
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file():
        raise InputError(f"{table} names {name}, which is not in {folder}")
    return path


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def audio_files(folder: str | Path) -> list[Path]:
    """The sound files directly in a folder, sorted."""
    return sorted(path for path in Path(folder).iterdir() if path.is_file() and audio.is_audio(path))


def _audio_below(folder: Path) -> list[Path]:
    """The sound files in a folder and its sub-folders, but for hidden ones."""
    _check_folder(folder)
    below = [folder / name for name in glob.glob("**", root_dir=folder, recursive=True)]
    found = sorted(path for path in below if path.is_file() and audio.is_audio(path))
    if not found:
        holds = "no sound file" if any(folder.iterdir()) else "nothing"
        raise InputError(f"{folder} holds {holds}: expected recordings ({', '.join(audio.SUFFIXES)})")
    return found


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: expected one with recordings")


def _from_names(folder: Path) -> list[tuple[Path, str, str]]:
    found = _audio_below(folder)
    flat = [path for path in found if path.parent == folder]
    nested = [path for path in found if path.parent != folder]
    if flat and nested:
        raise InputError(
            f"{folder} holds recordings both directly ({flat[0].name}) and in sub-folders "
            f"({nested[0].relative_to(folder)}): expected one or the other; say which with a CSV"
        )
    return [(path, class_of(path), "") for path in flat] or [
        (path, path.relative_to(folder).parts[0], "") for path in nested
    ]


def _from_csv(folder: Path, csv: Path) -> list[tuple[Path, str, str]]:
    _check_folder(folder)
    table = read_table(csv, required=("filename", "event_label"), optional=("origin",))
    found = []
    for row in table:
        path = file_within(folder, row["filename"], csv)
        found.append((path, row["event_label"], row.get("origin", "")))
    return found


def compile_pattern(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise InputError(f"origin pattern {pattern!r} is no regular expression ({error})") from None


def origin_of(path: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.search(path.name)
    origin = match[1 if pattern.groups else 0] if match else None
    if not origin:
        raise InputError(f"origin pattern {pattern.pattern!r} does not match {path.name}: expected it in every file name")
    return origin
