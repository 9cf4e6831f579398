"""Index a folder of isolated recordings, with the class and origin of each, and split them.

Recordings are split before anything is mixed, so that no sound is in two splits.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from absslab.core.audio import formats, sound_files
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.files import list_folder
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.common.tables import open_table
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.class_names import (
    check_class_name,
    check_class_names,
    class_of_stem,
    normalise,
)
from absslab.core.data.identical_files import find_copies, split_copies_together
from absslab.core.data.recording_listing import (
    check_folder,
    list_sounds,
    tell_folders_without_sounds,
)
from absslab.core.data.splits import SPLITS, Percentages, split_origins

# Takes of clips from Freesound, as ESC-50 names them: fold, clip, take, and number of the class, as
# in 1-17367-A-10.wav; or with the class before it, as in rain_1-17367-A.ogg.
_FREESOUND_TAKE = re.compile(r"(?:^|_)[1-5]-(\d+)-[A-Z](?:-\d+)?$")
_FREESOUND_CLIP = "freesound:"  # beginning of the origin of such takes


@dataclass(frozen=True)
class Recording:
    """One isolated sound."""

    path: str
    event_label: str  # its class
    origin: str  # the longer recording that it was cut from
    duration: float  # s


@dataclass(frozen=True)
class IndexedFolder:
    """The recordings of a folder."""

    recordings: list[Recording]  # in the order of their paths
    left_out: LeftOut = field(default_factory=lambda: LeftOut("mix"))  # what can't be used
    lost_classes: list[str] = field(default_factory=list)  # all of whose files were left out


class _EventFile(NamedTuple):
    """A sound file before it is decoded."""

    path: Path
    event_label: str
    origin: str  # empty if not yet known


def indexing_steps(
    folder: str | Path,
    *,
    csv: str | Path | None = None,
    origin_pattern: str | None = None,
    left_out: LeftOut | None = None,
) -> Steps[IndexedFolder]:
    """Find the recordings of a folder and the class of each, and decode them one at a time.

    The files are listed in the call itself, before the first step, so that the call raises if the
    folder can't be used.

    A folder may have one of three layouts::

        folder/alert01.wav                 the class is the name without its trailing digits
        folder/alert/anything.wav          the class is the sub-folder
        a CSV with columns filename, event_label and optionally origin
                                           (filenames relative to `folder`)

    Args:
        folder: holds sound files of any rate and channel count.
        csv: the CSV of the third layout.
        origin_pattern: a regular expression that is searched in the file's name; its first group
            (or the whole match) is the origin. Without it, and without an origin in the CSV, every
            file is its own origin; but takes of one clip from Freesound, named as in ESC-50
            (1-17367-A-10.wav, rain_1-17367-A.ogg), are of one origin.
        left_out: collects files that can't be used: unreadable, truncated or silent ones, those
            that hold NaN, whose class or origin can't be told, or that the CSV names but the folder
            lacks. By default they are one error at the end.

    Yields:
        how many files have been decoded.

    Returns:
        the recordings, and what was left out.

    Raises:
        InputError: the folder is missing, holds no audio, has an ambiguous layout or holds
            mixtures; the CSV lacks columns or values; see also `left_out`.
    """
    folder = Path(folder)
    collected = LeftOut("mix", on_error="stop") if left_out is None else left_out
    classes: set[str] = set()
    if csv:
        files = _list_from_csv(folder, Path(csv), collected)
    else:
        files, classes = _list_from_names(folder, collected)
    check_class_names({file.event_label: None for file in files}, folder)
    files = _add_origins(folder, files, origin_pattern, collected)
    return _decode(files, collected, classes, is_strict=left_out is None)


def index_recordings(
    folder: str | Path, *, csv: str | Path | None = None, origin_pattern: str | None = None
) -> list[Recording]:
    """Find the recordings of a folder and the class of each; see `indexing_steps`."""
    return run_to_end(indexing_steps(folder, csv=csv, origin_pattern=origin_pattern)).recordings


def background_steps(
    folder: str | Path,
    *,
    origin_pattern: str | None = None,
    left_out: LeftOut | None = None,
    events: Sequence[Recording] = (),
) -> Steps[list[Recording]]:
    """Find the recordings of a folder and its sub-folders, with the class 'background' for all.

    Args:
        folder: a folder of sound files with any names.
        origin_pattern: see `indexing_steps`.
        left_out: see `indexing_steps`.
        events: recordings of classes, which can't be backgrounds as well.

    Yields:
        how many files have been decoded.

    Returns:
        the recordings in the order of their paths.

    Raises:
        InputError: see `indexing_steps`.
    """
    folder = Path(folder)
    collected = LeftOut("mix", on_error="stop") if left_out is None else left_out
    paths = list_sounds(folder, collected).sounds
    files = [_EventFile(path, "background", "") for path in paths]
    files = _add_origins(folder, files, origin_pattern, collected)
    indexed = yield from _decode(files, collected, set(), is_strict=left_out is None)
    backgrounds = _leave_out_events(indexed.recordings, events, collected)
    if left_out is None and collected:
        raise collected.to_error()
    return backgrounds


def _leave_out_events(
    backgrounds: Sequence[Recording], events: Sequence[Recording], left_out: LeftOut
) -> list[Recording]:
    """Leave out backgrounds that hold the sound of an event.

    In mixtures their class would sound without its label, and on any side of the split. They hold
    the same bytes as a recording of a class, or are takes of the same clip from Freesound.
    """
    same = {item.path: item for item in events}  # by the paths of the files with these bytes
    for group in find_copies([*same, *(item.path for item in backgrounds)]):
        known = [same[path] for path in group if path in same]
        if known:
            same |= dict.fromkeys(group, known[0])
    clips = {item.origin: item for item in events if item.origin.startswith(_FREESOUND_CLIP)}
    kept = []
    for item in backgrounds:
        event = same.get(item.path) or clips.get(item.origin)
        if event is None:
            kept.append(item)
            continue
        what = "the same sound as" if item.path in same else "a take of the same clip as"
        if os.path.samefile(item.path, event.path):
            what = "in the event folder as well:"
        error = InputError(
            f"{{path}} is {what} {{event}}, so class {escape_braces(event.event_label)} would "
            "sound in backgrounds without its label: remove it from one of the two folders",
            path=item.path,
            event=event.path,
        )
        left_out.add(item.path, error)
    return kept


def index_backgrounds(folder: str | Path, *, origin_pattern: str | None = None) -> list[Recording]:
    """Find the background recordings of a folder; see `background_steps`."""
    return run_to_end(background_steps(folder, origin_pattern=origin_pattern))


def _decode(
    files: Sequence[_EventFile], left_out: LeftOut, classes: set[str], *, is_strict: bool
) -> Steps[IndexedFolder]:
    """Decode files.

    Args:
        files: the files.
        left_out: collects those that can't be used.
        classes: of what was left out before.
        is_strict: whether what can't be used is an error at the end.
    """
    recordings: list[Recording] = []
    for n_done, file in enumerate(files):
        yield Progress(n_done, len(files))
        with left_out.file(file.path):
            duration = sound_files.check(file.path).duration
            recordings.append(Recording(str(file.path), file.event_label, file.origin, duration))
    yield Progress(len(files), len(files))
    if is_strict and left_out:
        raise left_out.to_error()
    lost_classes = classes.union(file.event_label for file in files) - set(classes_of(recordings))
    return IndexedFolder(recordings, left_out, sorted(lost_classes))


def _add_origins(
    folder: Path, files: Iterable[_EventFile], origin_pattern: str | None, left_out: LeftOut
) -> list[_EventFile]:
    """Sort files, and add the origins that are not known yet."""
    pattern = compile_pattern(origin_pattern)
    complete = []
    for file in sorted(files):
        origin = file.origin
        with left_out.file(file.path):
            if not origin and pattern:
                origin = origin_of(file.path, pattern)
            origin = origin or _guess_origin(file.path, folder)
            complete.append(file._replace(origin=origin))
    return complete


def _guess_origin(path: Path, folder: Path) -> str:
    """Return the clip from Freesound that a file is a take of, by its name; else the file."""
    take = _FREESOUND_TAKE.search(path.stem)
    return f"{_FREESOUND_CLIP}{take[1]}" if take else path.relative_to(folder).as_posix()


def class_of(path: str | Path) -> str:
    """Return the class that a file is named after: its name without trailing digits.

    A space, underscore, dot or hyphen before the digits is removed as well, and so is the clip from
    Freesound that it is a take of.

    Examples:
        >>> class_of("keys03.wav"), class_of("keyboard_12.flac"), class_of("rain_1-17367-A.ogg")
        ('keys', 'keyboard', 'rain')
    """
    stem = Path(path).stem
    take = _FREESOUND_TAKE.search(stem)
    if take and take.start():
        stem = stem[: take.start()]
    label = normalise(class_of_stem(re.sub(r"[\s_.-]*\d+$", "", stem)))
    if not label:
        raise InputError(
            "{path} names no class: expected a class and a number, as in speech01.wav", path=path
        )
    return label


def classes_of(recordings: Iterable[Recording]) -> list[str]:
    """Return the classes, sorted: the order of masks and columns everywhere."""
    return sorted({recording.event_label for recording in recordings})


@dataclass(frozen=True)
class ClassSummary:
    """Number and lengths of the recordings of a class."""

    event_label: str
    n_recordings: int
    n_origins: int
    total: float  # s
    shortest: float  # s
    longest: float  # s
    in_split: dict[str, int]  # number of recordings in each split


def summarise_recordings(
    recordings: Iterable[Recording], split: Mapping[str, Iterable[Recording]]
) -> list[ClassSummary]:
    """Summarise the recordings of each class, in the order of the classes.

    Args:
        recordings: the result of `index_recordings`.
        split: the result of `split_recordings`; empty if they can't be split.
    """
    by_class: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_class.setdefault(recording.event_label, []).append(recording)
    counts = {}
    for split_name, part in split.items():
        counts[split_name] = Counter(recording.event_label for recording in part)
    return [
        _summarise_class(
            event_label,
            by_class[event_label],
            {split_name: count[event_label] for split_name, count in counts.items()},
        )
        for event_label in sorted(by_class)
    ]


def _summarise_class(
    event_label: str, recordings: Sequence[Recording], in_split: dict[str, int]
) -> ClassSummary:
    durations = [recording.duration for recording in recordings]
    return ClassSummary(
        event_label=event_label,
        n_recordings=len(recordings),
        n_origins=len({recording.origin for recording in recordings}),
        total=sum(durations),
        shortest=min(durations),
        longest=max(durations),
        in_split=in_split,
    )


def split_recordings(
    recordings: Iterable[Recording], *, percentages: Percentages = (80, 10, 10), seed: int = 0
) -> dict[str, list[Recording]]:
    """Split recordings by origin, stratified by class; files with the same bytes are of one origin.

    Args:
        recordings: the result of `index_recordings`.
        percentages: those of train, validation and test.
        seed: seed of the shuffling.

    Returns:
        the recordings of train, validation and test, in the given order; a split of 0 % is empty.

    Raises:
        InputError: a class has too few origins; the message names it.
    """
    recordings = list(recordings)

    def split(origins: Mapping[str, str]) -> dict[str, list[Recording]]:
        joined = [replace(recording, origin=origins[recording.path]) for recording in recordings]
        labels: dict[str, list[str]] = {}
        for recording in joined:
            labels.setdefault(recording.origin, []).append(recording.event_label)
        split_of_origin = split_origins(labels, percentages, seed)
        parts: dict[str, list[Recording]] = {name: [] for name in SPLITS}
        for recording in joined:
            parts[split_of_origin[recording.origin]].append(recording)
        return parts

    return split_copies_together({item.path: item.origin for item in recordings}, split)


def audio_files(folder: str | Path) -> list[Path]:
    """List the sound files directly in a folder, sorted; links that lead nowhere are among them.

    Raises:
        InputError: the folder can't be read.
    """
    return [
        path for path in list_folder(folder) if formats.is_audio(path) and not os.path.isdir(path)
    ]


def _check_holds_no_mixtures(folder: Path) -> None:
    """Check that a folder does not hold mixtures: its sub-folders would be taken for classes."""
    tables = [folder / name for name in ("weak_labels.csv", "weak.tsv")]
    tables += [folder / split / "weak_labels.csv" for split in (*SPLITS, "training", "development")]
    evidence = [path for path in tables if path.is_file()]
    manifest = folder / "manifest.json"
    if manifest.is_file() and any((folder / split).is_dir() for split in SPLITS):
        evidence.append(manifest)
    if not evidence:
        return
    is_flat = evidence[0].parent == folder and evidence[0] != manifest
    kind = "weakly labelled audio" if is_flat else "a folder of mixtures"
    raise InputError(
        f"{{path}} is {kind} (it has {evidence[0].relative_to(folder)}), which models are trained "
        "on: expected recordings of one sound each; if it holds such recordings nevertheless, "
        "name them in a CSV",
        path=folder,
    )


def _list_from_names(folder: Path, left_out: LeftOut) -> tuple[list[_EventFile], set[str]]:
    """List the sound files of the first two layouts, and the classes of what can't be used."""
    check_folder(folder)
    _check_holds_no_mixtures(folder)
    paths, unusable, loops = list_sounds(folder, left_out)
    flat = [path for path in paths if path.parent == folder]
    nested = [path for path in paths if path.parent != folder]
    if flat and nested:
        raise InputError(
            f"{{path}} holds recordings both directly ({escape_braces(flat[0].name)}) "
            f"and in sub-folders ({escape_braces(nested[0].relative_to(folder))}): "
            "expected one or the other; say which with a CSV",
            path=folder,
        )
    if nested:
        used = {folder / path.relative_to(folder).parts[0] for path in (*paths, *unusable)}
        tell_folders_without_sounds(folder, used.union(loops))
    files = []
    for path in paths:
        with left_out.file(path):
            event_label = class_of(path) if flat else _class_of_folder(path, folder)
            check_class_name(event_label, path)
            files.append(_EventFile(path, event_label, ""))
    lost = [path for path in unusable if nested and (path.parent != folder or path.is_dir())]
    return files, {_class_of_folder(path, folder) for path in lost}


def _class_of_folder(path: Path, folder: Path) -> str:
    """Return the class that the first sub-folder on the way to a file is named after."""
    return normalise(class_of_stem(path.relative_to(folder).parts[0]))


def _list_from_csv(folder: Path, csv: Path, left_out: LeftOut) -> list[_EventFile]:
    """List the sound files of the third layout."""
    check_folder(folder)
    table = open_table(csv, required=("filename", "event_label"), optional=("origin",))
    rows = [row.cells for row in table.rows]
    left_out.n_files += len(rows)
    files = []
    finder = AudioFinder(folder, csv)
    for row in rows:
        with left_out.file(row["filename"]):
            path = finder.find(row["filename"])
            event_label = normalise(row["event_label"])
            check_class_name(event_label, path)
            files.append(_EventFile(path, event_label, row.get("origin", "")))
    for note in (*table.notes, *finder.notes):
        give_notice(InputWarning(note))
    return files


def compile_pattern(pattern: str | None) -> re.Pattern[str] | None:
    """Compile a regular expression that finds origins.

    Raises:
        InputError: the pattern is not a regular expression.
    """
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise InputError(
            f"origin pattern {pattern!r} is not a regular expression ({error})"
        ) from None


def origin_of(path: Path, pattern: re.Pattern[str]) -> str:
    """Return the origin that a pattern finds in a file's name.

    Raises:
        InputError: the pattern finds no origin.
    """
    match = pattern.search(path.name)
    group = 1 if pattern.groups else 0
    origin = match[group] if match else None
    if not origin:
        raise InputError(
            f"origin pattern {pattern.pattern!r} does not match {path.name}: "
            "it must match every file name"
        )
    return origin
