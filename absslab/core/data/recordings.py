"""Isolated event recordings: index a folder, find each one's class and origin, split them before anything is mixed."""

import glob
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress
from absslab.core.common.tables import read_table
from absslab.core.data.splits import SPLITS, Percentages, split_origins

RESERVED = (
    "background",
    "mixture",
    "residual",
    "remix",
    "filename",
)  # stand beside the classes in folders, tables


@dataclass(frozen=True)
class Recording:
    """One isolated sound."""

    path: str
    event_label: str  # its class
    origin: str  # the source recording it was cut from
    duration: float  # s


@dataclass
class Indexing:
    """Finds the recordings of a folder and the class of each; iterate over `run`, then take `recordings`.

    Three layouts are understood::

        folder/alert01.wav                 the class is the name without its trailing digits
        folder/alert/anything.wav          the class is the sub-folder
        a CSV with columns filename, event_label and, if known, origin (filenames relative to `folder`)

    Args:
        folder: holds .wav, .flac, .ogg or .mp3 files of any rate and channel count.
        csv: the CSV of the third layout.
        origin_pattern: a regular expression searched in the file's name; its first group (or whole match) is the origin.
            Without it, and without an origin in the CSV, every file is its own origin.
        pass_over: bad files are passed over, and what is wrong with each kept in `problems`.
    """

    folder: str | Path
    csv: str | Path | None = None
    origin_pattern: str | None = None
    pass_over: bool = False
    recordings: list[Recording] = field(default_factory=list)  # in the order of their paths
    problems: list[str] = field(default_factory=list)

    def run(self) -> Iterator[Progress]:
        """Decode the files, one at a time.

        Raises:
            InputError: no folder, no audio in it, a layout that can't be told or is none of recordings, a class name that
                can't name a file, a file that is unreadable, truncated, silent or holds NaN, a CSV with missing columns,
                files or values.
        """
        folder = Path(self.folder)
        found = _from_csv(folder, Path(self.csv)) if self.csv else _from_names(folder)
        for path, label, _ in found:
            check_class_name(label, path)
        self.recordings, self.problems = [], []
        for done, (path, label, origin) in enumerate(
            _with_origins(folder, found, self.origin_pattern)
        ):
            yield Progress(done, len(found))
            try:
                self.recordings.append(
                    Recording(str(path), label, origin, sound_files.check(path).duration)
                )
            except InputError as error:
                if not self.pass_over:
                    raise
                self.problems.append(str(error))
        yield Progress(len(found), len(found))

    def all(self) -> list[Recording]:
        """The recordings, without a stop on the way."""
        for _ in self.run():
            pass
        return self.recordings


def index_recordings(
    folder: str | Path, *, csv: str | Path | None = None, origin_pattern: str | None = None
) -> list[Recording]:
    """Find the recordings of a folder and the class of each, in the order of their paths: see `Indexing`."""
    return Indexing(folder, csv, origin_pattern).all()


def index_backgrounds(folder: str | Path, *, origin_pattern: str | None = None) -> list[Recording]:
    """Find the recordings of a folder and its sub-folders, whatever their names: all of the class 'background'.

    Raises:
        InputError: as `Indexing`.
    """
    folder = Path(folder)
    found = _with_origins(
        folder, [(path, "background", "") for path in _audio_below(folder)], origin_pattern
    )
    return [
        Recording(str(path), label, origin, sound_files.check(path).duration)
        for path, label, origin in found
    ]


def _with_origins(
    folder: Path, found: list[tuple[Path, str, str]], origin_pattern: str | None
) -> list[tuple[Path, str, str]]:
    """What was found, (path, class, origin), in order and with the origins that were not known."""
    pattern = compile_pattern(origin_pattern)
    return [
        (
            path,
            label,
            origin
            or (origin_of(path, pattern) if pattern else path.relative_to(folder).as_posix()),
        )
        for path, label, origin in sorted(found)
    ]


def class_of(path: str | Path) -> str:
    """The class that a file name says: the name without its trailing digits and what joins them.

    >>> class_of("keys03.wav"), class_of("keyboard_12.flac")
    ('keys', 'keyboard')
    """
    label = re.sub(r"[\s_.-]*\d+$", "", Path(path).stem)
    if not label:
        raise InputError(
            f"{path} names no class: expected a class and a number, as in speech01.wav"
        )
    return label


def check_class_name(name: str, where: object) -> None:
    """See that a class can name a file and a column.

    Raises:
        InputError: it can't.
    """
    if (
        not name
        or name != name.strip()
        or name.startswith(".")
        or re.search(r"[/\\,\x00-\x1f]", name)
    ):
        raise InputError(
            f"{where}: {name!r} can't be a class: expected a name without slashes, commas and leading dots"
        )
    if name in RESERVED:
        raise InputError(
            f"{where}: a class can't be called {name!r}, which ABSSLab uses itself; rename it"
        )


def classes_of(recordings: Iterable[Recording]) -> list[str]:
    """The classes, sorted: the order of masks and columns everywhere."""
    return sorted({recording.event_label for recording in recordings})


@dataclass(frozen=True)
class ClassSummary:
    """What there is of a class."""

    event_label: str
    n_recordings: int
    n_origins: int
    total: float  # s
    shortest: float  # s
    longest: float  # s
    in_split: dict[str, int]  # recordings of each split


def summarise_recordings(
    recordings: Iterable[Recording], split: Mapping[str, Iterable[Recording]]
) -> list[ClassSummary]:
    """How much there is of each class, in the order of the classes.

    Args:
        recordings: of `index_recordings`.
        split: of `split_recordings`; nothing where they can't be split.
    """
    by_class: dict[str, list[Recording]] = {}
    for one in recordings:
        by_class.setdefault(one.event_label, []).append(one)
    counts = {name: Counter(one.event_label for one in part) for name, part in split.items()}
    found = []
    for name in sorted(by_class):
        durations = [one.duration for one in by_class[name]]
        n_origins = len({one.origin for one in by_class[name]})
        in_split = {split_name: counts[split_name][name] for split_name in counts}
        found.append(
            ClassSummary(
                name,
                len(durations),
                n_origins,
                sum(durations),
                min(durations),
                max(durations),
                in_split,
            )
        )
    return found


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
    return sorted(
        path for path in Path(folder).iterdir() if path.is_file() and sound_files.is_audio(path)
    )


def _audio_below(folder: Path) -> list[Path]:
    """The sound files in a folder and its sub-folders, but for hidden ones."""
    _check_folder(folder)
    below = [folder / name for name in glob.glob("**", root_dir=folder, recursive=True)]
    found = sorted(path for path in below if path.is_file() and sound_files.is_audio(path))
    if not found:
        holds = "no sound file" if any(folder.iterdir()) else "nothing"
        raise InputError(
            f"{folder} holds {holds}: expected recordings ({', '.join(sound_files.SUFFIXES)})"
        )
    return found


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: expected one with recordings")


def _refuse_mixtures(folder: Path) -> None:
    """Sub-folders of mixtures look like classes: they must not be taken for such."""
    tables = [folder / name for name in ("weak_labels.csv", "weak.tsv")]
    tables += [folder / split / "weak_labels.csv" for split in (*SPLITS, "training", "development")]
    told = [path for path in tables if path.is_file()]
    if told or (
        (folder / "manifest.json").is_file() and any((folder / split).is_dir() for split in SPLITS)
    ):
        what = (
            "a folder of mixtures"
            if not told or told[0].parent != folder
            else "weakly labelled audio"
        )
        raise InputError(
            f"{folder} is {what} (it has {(told or [folder / 'manifest.json'])[0].relative_to(folder)}), which models are "
            "trained on: expected recordings of one sound each; say which with a CSV if it holds such all the same"
        )


def _from_names(folder: Path) -> list[tuple[Path, str, str]]:
    _check_folder(folder)
    _refuse_mixtures(folder)
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
        raise InputError(
            f"origin pattern {pattern.pattern!r} does not match {path.name}: expected it in every file name"
        )
    return origin
