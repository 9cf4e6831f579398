"""Read published corpora as they are unpacked, with their own splits.

Each function takes the settings and the folder of the corpus, and returns recordings with weak
labels. Two recordings that were cut from one longer recording, such as one upload to Freesound or
one video, have one origin, and an origin is in one split only: what a split shares with a later one
of train, validation, test is left out of it, and counted.

Corpora that name clips which may be gone from their sources (AudioSet, DESED) are used without
them; how many are missing is said, and left_out.csv names them.
"""

from collections.abc import Callable, Mapping, Sequence
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
from absslab.core.common.left_out import LeftOutFile
from absslab.core.common.notices import give_notice
from absslab.core.common.tables import open_table
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.corpus_reading import (
    FoldSplit,
    FoundRecordings,
    add_available,
    describe_unavailable,
    draw_validation,
    find_audio_folder,
    find_corpus_folder,
    open_corpus_table,
    read_display_names,
    to_labelled_folder,
)
from absslab.core.data.jams_files import read_jams
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
    SplitSettings,
    read_event_table,
)
from absslab.core.data.strong_labels import EventFitter, SoundEvent
from absslab.core.data.video_clips import find_clip, index_videos
from absslab.core.data.weak_labels import read_label_table


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
    return _read_folds(
        settings,
        folder,
        "meta/esc50.csv",
        name="filename",
        label="category",
        source="src_file",
    )


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
    return _read_folds(
        settings,
        folder,
        "metadata/UrbanSound8K.csv",
        name="slice_file_name",
        label="class",
        source="fsID",
        has_fold_folders=True,
    )


def _read_folds(
    settings: SplitSettings,
    folder: Path,
    place: str,
    *,
    name: str,
    label: str,
    source: str,
    has_fold_folders: bool = False,
) -> LabelledFolder:
    """Read a corpus with one table, which says the class and the fold of each clip of Freesound.

    Args:
        settings: `test_fold` is tested, the fold before it validates.
        folder: the corpus.
        place: path of the table in it.
        name: column of the names of clips.
        label: column of their classes.
        source: column of the sounds of Freesound that they were cut from.
        has_fold_folders: whether the clips of a fold are in a folder of their own.

    Raises:
        InputError: the corpus is not complete.
    """
    table = open_corpus_table(folder, place, (name, source, "fold", label), key=name)
    finder = AudioFinder(find_corpus_folder(folder, "audio"), folder / place)
    folds = FoldSplit.of(table, settings.test_fold, folder)
    found = FoundRecordings()
    for row in table.rows:
        cells = row.cells
        file = f"fold{cells['fold']}/{cells[name]}" if has_fold_folders else cells[name]
        origin = f"freesound {cells[source]}"
        found.find_and_add(finder, file, [cells[label]], origin, folds.split_of(cells["fold"]))
    return to_labelled_folder(found.recordings, folder, finder.notes, found.missing)


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
    found = FoundRecordings()
    notes: list[str] = []
    for name, columns in {"dev": ("fname", "labels", "split"), "eval": ("fname", "labels")}.items():
        place = f"FSD50K.ground_truth/{name}.csv"
        table = open_corpus_table(folder, place, columns, key="fname")
        finder = AudioFinder(find_corpus_folder(folder, f"FSD50K.{name}_audio"), folder / place)
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
            found.find_and_add(finder, name, cells["labels"].split(","), origin, split)
        notes += finder.notes
    return to_labelled_folder(found.recordings, folder, notes, found.missing)


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
    names = read_display_names(folder)
    by_video = index_videos(folder)
    found = FoundRecordings()
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
                error = MissingRecordingError(
                    f"{{table}} names {escape_braces(segment)}, of which {{folder}} holds no file",
                    table=folder / name,
                    folder=folder,
                )
                found.unavailable.append(LeftOutFile(segment, error))
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
            found.add_once(recording, folder / name, segment)
    notes = [*describe_unavailable(found.unavailable, n_named, folder), *found.notes]
    recordings = draw_validation(found.recordings, settings)
    return to_labelled_folder(recordings, folder, notes, found.missing, found.unavailable)


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
    metadata = find_corpus_folder(root, "metadata")
    has_eval = any((metadata / "eval").rglob("*.tsv"))
    splits = {
        "train": "train",
        "validation": "validation" if has_eval else "test",
        "eval": "test",
    }
    found = FoundRecordings()
    notes: list[str] = []
    events: dict[str, list[tuple[Path, Path]]] = {}
    n_named = 0
    for part, split in splits.items():
        for path in sorted((metadata / part).rglob("*.tsv")):
            audio = find_audio_folder(root, path.relative_to(metadata))
            if audio is None:
                notes.append(f"{path.name} is left out: there is no folder of its recordings")
                continue
            if path.name.startswith("unlabel"):
                notes.append(f"{path.name} is left out: it has no labels")
                continue
            labels = read_label_table(path)
            finder = AudioFinder(audio, path)
            add_available(found, labels.rows, finder, split)
            n_named += len(labels.rows)
            notes += [*labels.notes, *finder.notes]
            if labels.kind == "strong":
                events.setdefault(split, []).append((path, audio))
    notes += [*describe_unavailable(found.unavailable, n_named, folder), *found.notes]
    recordings = found.recordings
    if not has_eval:
        recordings = draw_validation(recordings, settings)
    readers = {split: partial(_read_tables, tables) for split, tables in events.items()}
    labelled = to_labelled_folder(recordings, folder, notes, found.missing, found.unavailable)
    return replace(labelled, events=readers)


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
    annotations = find_corpus_folder(folder, "annotations")
    audio = find_corpus_folder(folder, "audio")
    found = FoundRecordings()
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
            sound = found.find_and_add(finder, f"{path.stem}.wav", labels, path.stem, split)
            events.setdefault(split, {})[sound] = of_recording
        notes += finder.notes
    readers: dict[str, EventReader] = {
        split: partial(_fit_events, of_split) for split, of_split in events.items()
    }
    return replace(
        to_labelled_folder(found.recordings, folder, notes, found.missing), events=readers
    )


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


CorpusReader = Callable[[SplitSettings, Path], LabelledFolder]

CORPORA: dict[str, CorpusReader] = {
    "desed": read_desed,
    "audioset": read_audioset,
    "fsd50k": read_fsd50k,
    "esc50": read_esc50,
    "urbansound8k": read_urbansound8k,
    "urban_sed": read_urban_sed,
}
