"""Read published corpora as they are unpacked, with their own splits.

Each function takes the settings and the folder of the corpus, and returns recordings with weak
labels. Two recordings that were cut from one longer recording, such as one upload to Freesound or
one video, have one origin, and an origin is in one split only: what a split shares with a later one
of train, validation, test is left out of it, and counted.

Corpora that name clips which may be gone from their sources (AudioSet, DESED) are used without
them; how many are missing is said, and which the first of them are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from absslab.core.common.errors import (
    InputError,
    InputWarning,
    MissingRecordingError,
    describe_value,
    escape_braces,
)
from absslab.core.common.notices import give_notice
from absslab.core.common.tables import Table, open_table
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.class_names import check_class_names, normalise
from absslab.core.data.jams_files import read_jams
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
    SplitSettings,
    divide,
    read_event_table,
)
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import EventFitter, SoundEvent
from absslab.core.data.video_clips import find_clip, index_videos, video_of
from absslab.core.data.weak_labels import LabelledRow, read_label_table

_N_LISTED = 10  # names that one line lists


def read_esc50(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read ESC-50: 2000 clips of 50 classes in five folds, from Freesound.

    ::

        folder/meta/esc50.csv    filename,fold,target,category,esc10,src_file,take
               audio/1-100032-A-0.wav …

    Args:
        settings: `test_fold` is tested, the fold before it validates.
        folder: the corpus.

    Raises:
        InputError: it is not complete.
    """
    columns = ("filename", "fold", "category", "src_file")
    table = _open(folder, "meta/esc50.csv", columns, key="filename")
    finder = AudioFinder(_find_folder(folder, "audio"), folder / "meta" / "esc50.csv")
    folds = _FoldSplit.of(table, settings.test_fold, folder)
    found = _Found()
    for row in table.rows:
        cells = row.cells
        origin = f"freesound {cells['src_file']}"
        split = folds.split_of(cells["fold"])
        found.add(finder, cells["filename"], [cells["category"]], origin, split)
    return _finish(found.recordings, folder, finder.notes, found.missing)


def read_urbansound8k(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read UrbanSound8K: 8732 clips of ten classes in ten folds, from Freesound.

    ::

        folder/metadata/UrbanSound8K.csv    slice_file_name,fsID,…,fold,classID,class
               audio/fold1/101415-3-0-2.wav …

    Args:
        settings: `test_fold` is tested, the fold before it validates.
        folder: the corpus.

    Raises:
        InputError: it is not complete.
    """
    columns = ("slice_file_name", "fsID", "fold", "class")
    table = _open(folder, "metadata/UrbanSound8K.csv", columns, key="slice_file_name")
    finder = AudioFinder(_find_folder(folder, "audio"), folder / "metadata" / "UrbanSound8K.csv")
    folds = _FoldSplit.of(table, settings.test_fold, folder)
    found = _Found()
    for row in table.rows:
        cells = row.cells
        name = f"fold{cells['fold']}/{cells['slice_file_name']}"
        split = folds.split_of(cells["fold"])
        found.add(finder, name, [cells["class"]], f"freesound {cells['fsID']}", split)
    return _finish(found.recordings, folder, finder.notes, found.missing)


def read_fsd50k(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read FSD50K: 51,197 clips with labels of 200 classes, from Freesound.

    ::

        folder/FSD50K.ground_truth/dev.csv     fname,labels,mids,split   (train and val)
                                   eval.csv    fname,labels,mids
               FSD50K.dev_audio/64760.wav …
               FSD50K.eval_audio/37199.wav …

    Args:
        settings: not used; the corpus has its own splits.
        folder: the corpus.

    Raises:
        InputError: it is not complete.
    """
    found = _Found()
    notes: list[str] = []
    for name, columns in {"dev": ("fname", "labels", "split"), "eval": ("fname", "labels")}.items():
        place = f"FSD50K.ground_truth/{name}.csv"
        table = _open(folder, place, columns, key="fname")
        finder = AudioFinder(_find_folder(folder, f"FSD50K.{name}_audio"), folder / place)
        for row in table.rows:
            cells = row.cells
            # The table names clips by their numbers alone, so this is no other spelling.
            name = f"{cells['fname']}.wav"
            split = "test" if "split" not in cells else _FSD50K_SPLITS.get(cells["split"])
            if split is None:
                raise InputError(
                    f"{{table}}, line {row.line}: split is {describe_value(cells['split'])}: "
                    "expected train or val",
                    table=folder / place,
                )
            origin = f"freesound {cells['fname']}"
            found.add(finder, name, cells["labels"].split(","), origin, split)
        notes += finder.notes
    return _finish(found.recordings, folder, notes, found.missing)


_FSD50K_SPLITS = {"train": "train", "val": "validation"}


def read_audioset(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read AudioSet, or a part of it: clips of ten seconds from videos.

    ::

        folder/balanced_train_segments.csv    # YTID, start_seconds, end_seconds, positive_labels
               unbalanced_train_segments.csv  (optional)
               eval_segments.csv              the test split
               class_labels_indices.csv       index,mid,display_name
               …/<YTID>.wav                   anywhere below; also Y<YTID>.wav, <YTID>_30.000.wav, …

    Validation recordings are drawn from those of training, by video. The classes are those of the
    clips that are there.

    Args:
        settings: the share and the seed of the validation split.
        folder: the corpus.

    Raises:
        InputError: a table is missing, or no clip is there.
    """
    names = _read_display_names(folder)
    by_video = index_videos(folder)
    found = _Found()
    n_named = 0
    tables = {
        "balanced_train_segments.csv": "train",
        "unbalanced_train_segments.csv": "train",
        "eval_segments.csv": "test",
    }
    existing = {name: split for name, split in tables.items() if (folder / name).is_file()}
    if not existing:
        raise InputError(
            f"{{path}} has neither of {', '.join(tables)}: expected the tables of AudioSet",
            path=folder,
        )
    for name, split in existing.items():
        table = open_table(
            folder / name,
            required=(),
            header=("YTID", "start_seconds", "end_seconds", "positive_labels"),
            comment="#",
            key=None,
        )
        for row in table.rows:
            n_named += 1
            video = row.cells["YTID"]
            segment = f"{video}_{row.cells['start_seconds']}"
            path = find_clip(by_video, video, row.cells["start_seconds"])
            if path is None:
                found.gone.append(segment)
                continue
            mids = [mid.strip() for mid in row.cells["positive_labels"].split(",")]
            unknown = [mid for mid in mids if mid not in names]
            if unknown:
                raise InputError(
                    f"{{path}}, line {row.line}: {escape_braces(unknown[0])} is no class of "
                    "class_labels_indices.csv",
                    path=folder / name,
                )
            labels = frozenset(names[mid] for mid in mids)
            recording = LabelledRecording(str(path), labels, f"youtube {video}", split)
            found.keep(recording, folder / name, segment)
    notes = [*_note_gone(found.gone, n_named, folder), *found.notes]
    recordings = _draw_validation(found.recordings, settings)
    return _finish(recordings, folder, notes, found.missing)


def read_desed(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read DESED: weak labels of videos, synthetic soundscapes and strong labels for tests.

    ::

        folder/metadata/train/weak.tsv                 audio/train/weak/…
               metadata/train/<name>/soundscapes.tsv   audio/train/<name>/soundscapes/…
               metadata/validation/validation.tsv      audio/validation/validation/…
               metadata/eval/public.tsv                audio/eval/public/…

    Each table of metadata/ belongs to the folder of audio/ in the same place. eval is the test
    split; without it, validation is, and validation recordings are drawn from those of training.

    Args:
        settings: the share and the seed of a validation split that is drawn.
        folder: the corpus, or its folder `dataset`.

    Raises:
        InputError: there are no tables, or no clip is there.
    """
    root = folder / "dataset" if (folder / "dataset" / "metadata").is_dir() else folder
    metadata = _find_folder(root, "metadata")
    has_eval = any((metadata / "eval").rglob("*.tsv"))
    splits = {
        "train": "train",
        "validation": "validation" if has_eval else "test",
        "eval": "test",
    }
    found = _Found()
    notes: list[str] = []
    events: dict[str, list[tuple[Path, Path]]] = {}
    n_named = 0
    for part, split in splits.items():
        for path in sorted((metadata / part).rglob("*.tsv")):
            audio = _find_audio(root, path.relative_to(metadata))
            if audio is None:
                notes.append(f"{path.name} is left out: there is no folder of its recordings")
                continue
            if path.name.startswith("unlabel"):
                notes.append(f"{path.name} is left out: it has no labels")
                continue
            labels = read_label_table(path)
            finder = AudioFinder(audio, path)
            _add_existing(found, labels.rows, finder, split)
            n_named += len(labels.rows)
            notes += [*labels.notes, *finder.notes]
            if labels.kind == "strong":
                events.setdefault(split, []).append((path, audio))
    notes += [*_note_gone(found.gone, n_named, folder), *found.notes]
    recordings = found.recordings
    if not has_eval:
        recordings = _draw_validation(recordings, settings)
    readers = {split: partial(_read_tables, tables) for split, tables in events.items()}
    return replace(_finish(recordings, folder, notes, found.missing), events=readers)


def read_urban_sed(settings: SplitSettings, folder: Path) -> LabelledFolder:
    """Read URBAN-SED: synthetic soundscapes of ten classes, with strong labels as JAMS.

    ::

        folder/annotations/train/soundscape_train_uniform0.jams …   and validate/, test/
               audio/train/soundscape_train_uniform0.wav …

    Args:
        settings: not used; the corpus has its own splits.
        folder: the corpus.

    Raises:
        InputError: it is not complete.
    """
    annotations = _find_folder(folder, "annotations")
    audio = _find_folder(folder, "audio")
    found = _Found()
    notes: list[str] = []
    events: dict[str, dict[str, list[SoundEvent]]] = {}
    for part, split in {"train": "train", "validate": "validation", "test": "test"}.items():
        finder = AudioFinder(audio / part, annotations / part)
        for path in sorted((annotations / part).glob("*.jams")):
            try:
                of_recording = read_jams(path)
            except InputError as error:
                found.missing[str(path)] = error
                continue
            labels = [event.event_label for event in of_recording]
            sound = found.add(finder, f"{path.stem}.wav", labels, path.stem, split)
            events.setdefault(split, {})[sound] = of_recording
        notes += finder.notes
    readers: dict[str, EventReader] = {
        split: partial(_fit_events, of_split) for split, of_split in events.items()
    }
    return replace(_finish(found.recordings, folder, notes, found.missing), events=readers)


def _fit_events(
    events: Mapping[str, Sequence[SoundEvent]],
    classes: Sequence[str],
    durations: Mapping[str, float],
) -> dict[str, list[SoundEvent]]:
    """Fit events into their recordings, and say what was left out or cut."""
    fitter = EventFitter()
    fitted: dict[str, list[SoundEvent]] = {}
    for path, duration in durations.items():
        fitted[path] = []
        for event in events.get(path, ()):
            if event.event_label not in classes:
                raise InputError(
                    f"{{path}} has an event of the class {escape_braces(event.event_label)!r}, "
                    "which the model does not know",
                    path=path,
                )
            fitting = fitter.fit(event, duration, Path(path).name)
            if fitting is not None:
                fitted[path].append(fitting)
    for note in fitter.notes():
        give_notice(InputWarning(note))
    return fitted


def _read_tables(
    tables: Sequence[tuple[Path, Path]], classes: Sequence[str], durations: Mapping[str, float]
) -> dict[str, list[SoundEvent]]:
    """Read the strong labels of a split from its tables, each with the folder of its audio."""
    events: dict[str, list[SoundEvent]] = {}
    for table, audio in tables:
        own = {
            path: length for path, length in durations.items() if Path(path).is_relative_to(audio)
        }
        if own:
            events |= read_event_table(table, audio, classes, own, may_lack_recordings=True)
    return {path: events.get(path, []) for path in durations}


class _Found:
    """The recordings of a corpus that are there, and the errors of those that are missing."""

    def __init__(self) -> None:
        self.recordings: list[LabelledRecording] = []
        self.missing: dict[str, InputError] = {}
        self.gone: list[str] = []  # names of clips that may be gone from their sources
        self.repeated: list[str] = []  # names of recordings that several tables describe alike
        self._kept: dict[str, LabelledRecording] = {}

    @property
    def notes(self) -> list[str]:
        """What is to be said about recordings that are named again."""
        if not self.repeated:
            return []
        rows = "1 row names" if len(self.repeated) == 1 else f"{len(self.repeated)} rows name"
        return [f"{rows} a recording again with the same labels, read once: {self.repeated[0]}"]

    def keep(self, recording: LabelledRecording, table: Path, name: str) -> None:
        """Add a recording, unless its file is there already: then the row is a missing one.

        Args:
            recording: what a row of a table says.
            table: the table.
            name: what the row calls the recording.
        """
        other = self._kept.setdefault(recording.path, recording)
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

    def add(
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


class _FoldSplit:
    """Which split each fold of a cross-validation is in.

    Args:
        names: the folds.
        test: the fold that is tested.
    """

    def __init__(self, names: Sequence[str], test: str):
        self.names = names
        self.test = test

    @classmethod
    def of(cls, table: Table, test_fold: int, folder: Path) -> "_FoldSplit":
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


def _open(folder: Path, place: str, columns: Sequence[str], *, key: str) -> Table:
    path = folder / place
    if not path.is_file():
        raise InputError(
            "{path} is missing: expected the folder of the unpacked corpus, which holds it",
            path=path,
        )
    return open_table(path, required=columns, key=key)


def _find_folder(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_dir():
        raise InputError(
            "{path} is missing: expected the folder of the unpacked corpus, which holds it",
            path=path,
        )
    return path


def _find_audio(root: Path, table: Path) -> Path | None:
    """Find the recordings of a table of DESED, given its path from metadata/."""
    places = (table.with_suffix(""), table.parent)
    return next(
        (root / "audio" / place for place in places if (root / "audio" / place).is_dir()), None
    )


def _add_existing(
    found: _Found, rows: Iterable[LabelledRow], finder: AudioFinder, split: str
) -> None:
    """Add the recordings of a table whose clips may be gone from their sources."""
    for row in rows:
        try:
            path = finder.find(row.filename)
        except MissingRecordingError:
            found.gone.append(row.filename)
            continue
        except InputError as error:
            found.missing[str(finder.folder / row.filename)] = error
            continue
        video = video_of(path)
        origin = f"youtube {video}" if video else path.name
        recording = LabelledRecording(str(path), frozenset(row.labels), origin, split)
        found.keep(recording, finder.table, row.filename)


def _read_display_names(folder: Path) -> dict[str, str]:
    """Return the names of AudioSet's classes by their identifiers."""
    table = _open(folder, "class_labels_indices.csv", ("mid", "display_name"), key="mid")
    return {row.cells["mid"]: normalise(row.cells["display_name"]) for row in table.rows}


def _note_gone(gone: Sequence[str], n_named: int, folder: Path) -> list[str]:
    if len(gone) == n_named:
        raise InputError(
            f"{{path}} holds none of the {n_named} recordings that its tables name: "
            "expected sound files below it",
            path=folder,
        )
    if not gone:
        return []
    more = f" and {len(gone) - _N_LISTED} more" if len(gone) > _N_LISTED else ""
    return [
        f"{len(gone)} of {n_named} recordings that the tables name are not there: left out "
        f"({', '.join(gone[:_N_LISTED])}{more})"
    ]


def _draw_validation(
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
    divided = divide(reduced, percentages, settings.seed)
    drawn = [
        replace(recording, split=other.split)
        for recording, other in zip(train, divided, strict=True)
    ]
    return [*drawn, *others]


def _finish(
    recordings: Sequence[LabelledRecording],
    folder: Path,
    notes: Sequence[str],
    missing: Mapping[str, InputError] | None = None,
) -> LabelledFolder:
    """Keep each origin in one split, and collect the classes.

    Raises:
        InputError: there are no recordings, or names of classes can't be used.
    """
    missing = missing or {}
    if not recordings and missing:
        raise next(iter(missing.values()))
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
    return LabelledFolder(kept, classes, notes, missing=missing)


CorpusReader = Callable[[SplitSettings, Path], LabelledFolder]
CORPORA: dict[str, CorpusReader] = {
    "desed": read_desed,
    "audioset": read_audioset,
    "fsd50k": read_fsd50k,
    "esc50": read_esc50,
    "urbansound8k": read_urbansound8k,
    "urban_sed": read_urban_sed,
}
