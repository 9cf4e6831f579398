"""What the readers of published corpora share: tables, folders, found recordings, splits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from absslab.core.common.errors import (
    InputError,
    MissingRecordingError,
    escape_braces,
)
from absslab.core.common.left_out import LeftOutFile
from absslab.core.common.tables import Table, open_table
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.class_names import check_class_names, normalise
from absslab.core.data.labelled_recordings import (
    LabelledFolder,
    LabelledRecording,
    SplitSettings,
    divide_into_splits,
    none_found_error,
)
from absslab.core.data.splits import SPLITS
from absslab.core.data.video_clips import video_of
from absslab.core.data.weak_labels import LabelledRow

_N_LISTED = 10  # names that one line lists


class FoundRecordings:
    """The recordings of a corpus that are there, and the errors of those that are missing."""

    def __init__(self) -> None:
        self.recordings: list[LabelledRecording] = []
        self.missing: dict[str, InputError] = {}
        self.unavailable: list[LeftOutFile] = []  # clips that their sources may have lost
        self.repeated: list[str] = []  # names of recordings that several tables describe alike
        self._by_path: dict[str, LabelledRecording] = {}

    @property
    def notes(self) -> list[str]:
        """What is to be said about recordings that are named again."""
        if not self.repeated:
            return []
        rows = "1 row names" if len(self.repeated) == 1 else f"{len(self.repeated)} rows name"
        return [f"{rows} a recording again with the same labels, read once: {self.repeated[0]}"]

    def add_once(self, recording: LabelledRecording, table: Path, name: str) -> None:
        """Add a recording, unless its file is there already: then the row is a missing one.

        Args:
            recording: what a row of a table says.
            table: the table.
            name: what the row calls the recording.
        """
        other = self._by_path.setdefault(recording.path, recording)
        if other is recording:
            self.recordings.append(recording)
        elif other == recording:
            self.repeated.append(name)
        else:
            labels = [", ".join(sorted(item.labels)) for item in (recording, other)]
            splits = f"{recording.split} and {other.split}"
            differ = splits if labels[0] == labels[1] else " and ".join(labels)
            self.missing[f"{name} ({table.name})"] = InputError(
                f"{{table}} names {escape_braces(name)}, but its file {{path}} is that of an "
                f"earlier row ({escape_braces(differ)}): name a file for each, or keep one row",
                table=table,
                path=recording.path,
            )

    def find_and_add(
        self, finder: AudioFinder, name: str, labels: Iterable[str], origin: str, split: str
    ) -> str:
        """Add the recording that a table names, and return its path.

        Args:
            finder: finds it.
            name: its name in the table.
            labels: its classes.
            origin: the longer recording that it was cut from.
            split: train, validation or test.
        """
        try:
            path = str(finder.find(name))
        except InputError as error:
            path = str(finder.folder / name)
            self.missing[path] = error
            return path
        names = frozenset(normalise(label) for label in labels)
        self.recordings.append(LabelledRecording(path, names, origin, split))
        return path


class FoldSplit:
    """Which split each fold of a cross-validation is in.

    Args:
        names: the folds.
        test: the fold that is tested.
    """

    def __init__(self, names: Sequence[str], test: str):
        self.names = names
        self.test = test

    @classmethod
    def of(cls, table: Table, test_fold: int, folder: Path) -> "FoldSplit":
        """Return the split of the folds of a table.

        Args:
            table: has a column fold.
            test_fold: the fold that is tested; 0: the last one.
            folder: the corpus.

        Raises:
            InputError: there is no such fold.
        """
        folds = sorted(
            {row.cells["fold"] for row in table.rows}, key=lambda fold: (len(fold), fold)
        )
        test = str(test_fold) if test_fold else folds[-1]
        if test not in folds or len(folds) < len(SPLITS):
            raise InputError(
                f"{{path}} has the folds {escape_braces(', '.join(folds))}, test_fold is {test}: "
                "expected one of at least three folds",
                path=folder,
            )
        return cls(folds, test)

    def split_of(self, fold: str) -> str:
        """Return the split of a fold; the fold before that of the test validates."""
        if fold == self.test:
            return "test"
        before = self.names[self.names.index(self.test) - 1]
        return "validation" if fold == before else "train"


def open_corpus_table(folder: Path, place: str, columns: Sequence[str], *, key: str) -> Table:
    """Open a table of a corpus.

    Args:
        folder: the corpus.
        place: path of the table in it.
        columns: that it must have.
        key: the column that names recordings.

    Raises:
        InputError: it is not there, or lacks a column.
    """
    path = folder / place
    if not path.is_file():
        raise InputError(
            "{path} is missing: expected the folder of the unpacked corpus, which holds it",
            path=path,
        )
    return open_table(path, required=columns, key=key)


def find_corpus_folder(folder: Path, name: str) -> Path:
    """Return a folder of a corpus.

    Raises:
        InputError: it is not there.
    """
    path = folder / name
    if not path.is_dir():
        raise InputError(
            "{path} is missing: expected the folder of the unpacked corpus, which holds it",
            path=path,
        )
    return path


def find_audio_folder(root: Path, table: Path) -> Path | None:
    """Find the recordings of a table of DESED, given its path from metadata/."""
    places = (table.with_suffix(""), table.parent)
    return next(
        (root / "audio" / place for place in places if (root / "audio" / place).is_dir()), None
    )


def add_available(
    found: FoundRecordings, rows: Iterable[LabelledRow], finder: AudioFinder, split: str
) -> None:
    """Add the recordings of a table whose clips may be gone from their sources."""
    for row in rows:
        try:
            path = finder.find(row.filename)
        except MissingRecordingError as error:
            found.unavailable.append(LeftOutFile(str(finder.folder / row.filename), error))
            continue
        except InputError as error:
            found.missing[str(finder.folder / row.filename)] = error
            continue
        video = video_of(path)
        origin = f"youtube {video}" if video else path.name
        recording = LabelledRecording(str(path), frozenset(row.labels), origin, split)
        found.add_once(recording, finder.table, row.filename)


def read_display_names(folder: Path) -> dict[str, str]:
    """Return the names of AudioSet's classes by their identifiers."""
    table = open_corpus_table(
        folder, "class_labels_indices.csv", ("mid", "display_name"), key="mid"
    )
    return {row.cells["mid"]: normalise(row.cells["display_name"]) for row in table.rows}


def describe_unavailable(
    unavailable: Sequence[LeftOutFile], n_named: int, folder: Path
) -> list[str]:
    """Say which clips are not there, if any.

    Args:
        unavailable: these clips.
        n_named: number of clips that the tables name.
        folder: the corpus.

    Raises:
        InputError: none is there.
    """
    if len(unavailable) == n_named:
        raise InputError(
            f"{{path}} holds none of the {n_named} recordings that its tables name: "
            "expected sound files below it",
            path=folder,
        )
    if not unavailable:
        return []
    more = f" and {len(unavailable) - _N_LISTED} more" if len(unavailable) > _N_LISTED else ""
    names = [Path(clip.file).name for clip in unavailable[:_N_LISTED]]
    return [
        f"{len(unavailable)} of {n_named} recordings that the tables name are not there: left out "
        f"({', '.join(names)}{more})"
    ]


def draw_validation(
    recordings: Sequence[LabelledRecording], settings: SplitSettings
) -> list[LabelledRecording]:
    """Move some recordings from train to validation, by origin and stratified by class.

    Classes with one origin in train stay there.
    """
    train = [recording for recording in recordings if recording.split == "train"]
    others = [recording for recording in recordings if recording.split != "train"]
    share = settings.percentages[0] + settings.percentages[1]
    if not train or not settings.percentages[1]:
        return list(recordings)
    origins: dict[str, set[str]] = {}
    for recording in train:
        for label in recording.labels:
            origins.setdefault(label, set()).add(recording.origin)
    common = {label for label, of_label in origins.items() if len(of_label) > 1}
    percentages = (
        100 * settings.percentages[0] / share,
        100 * settings.percentages[1] / share,
        0.0,
    )
    reduced = [replace(recording, labels=recording.labels & common) for recording in train]
    divided = divide_into_splits(reduced, percentages, settings.seed)
    drawn = [
        replace(recording, split=other.split)
        for recording, other in zip(train, divided, strict=True)
    ]
    return [*drawn, *others]


def to_labelled_folder(
    recordings: Sequence[LabelledRecording],
    folder: Path,
    notes: Sequence[str],
    missing: Mapping[str, InputError] | None = None,
    unavailable: Sequence[LeftOutFile] = (),
) -> LabelledFolder:
    """Keep each origin in one split, and collect the classes.

    Raises:
        InputError: there are no recordings, or names of classes can't be used.
    """
    missing = missing or {}
    if not recordings and missing:
        raise none_found_error(list(missing.values()))
    if not recordings:
        raise InputError("{path} holds no labelled recordings", path=folder)
    split_of: dict[str, str] = {}
    for recording in recordings:
        other = split_of.setdefault(recording.origin, recording.split)
        split_of[recording.origin] = max(other, recording.split, key=SPLITS.index)
    kept = [recording for recording in recordings if recording.split == split_of[recording.origin]]
    notes = list(notes)
    if len(kept) < len(recordings):
        notes.append(
            f"{len(recordings) - len(kept)} recordings are left out, since a later split holds "
            "others of the same origin"
        )
    classes = sorted(set().union(*(recording.labels for recording in kept)))
    check_class_names(classes, folder)
    return LabelledFolder(kept, classes, notes, missing=missing, unavailable=unavailable)
