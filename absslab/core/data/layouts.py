"""Read the labels and splits of folders of weakly labelled recordings, in several layouts.

A layout is a function that reads such a folder. To add one, write the function and name it in
`LAYOUTS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from absslab.core.common.config import Config, look_up, option
from absslab.core.common.errors import InputError, escape_braces, join_errors
from absslab.core.common.left_out import FILE_NAME
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.class_groups import UNGROUPED, group_classes
from absslab.core.data.corpora import CORPORA, CorpusReader
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
    SplitSettings,
    check_given_split,
    divide_into_splits,
    find_origins,
    none_found_error,
    read_event_table,
)
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.segment_files import PACKED_FILES
from absslab.core.data.splits import SPLITS
from absslab.core.data.tut_rare import read_tut_rare
from absslab.core.data.weak_labels import (
    LABEL_LISTS_FILE,
    MULTI_HOT_FILE,
    LabelledRow,
    read_label_table,
    read_multi_hot,
    read_weak_labels,
)

_N_LISTED = 10  # number of missing recordings that one line names
_TABLE_SUFFIXES = (".csv", ".tsv")
_BOOK_SUFFIXES = (".xlsx", ".xls", ".ods")
TUT_RARE = "TUT_rare_2017"
SHARDS = "weakly_labelled_shards"
LAYOUT_ALIASES = {  # the thesis' names
    "DCASE2013_remixed_data_set": "mixture_folder",
    "DCASE2013RemixedDataSet": "mixture_folder",
    "ICASSP2018JointSeparationClassificationDataSet": TUT_RARE,
}
THESIS_SPLITS = {"train": "training", "validation": "development", "test": "validation"}


def audio_folder_option(when: str = "") -> Any:
    """Declare the field `audio_folder` of a config.

    Args:
        when: the condition in which it counts, which begins its help.
    """
    return option(
        None,
        f"{when}folder of the sounds, with TUT_rare_2017 its mixed_audio, if this does not lie "
        "beside the features; otherwise another name of data_folder",
        metavar="FOLDER",
    )


def yaml_file_option(when: str = "") -> Any:
    """Declare the field `yaml_file` of a config; see `audio_folder_option`."""
    return option(
        None,
        f"{when}with TUT_rare_2017, its mixed_yaml or a list in it, if this does not lie beside "
        "the features",
        metavar="PATH",
    )


@dataclass(frozen=True)
class DataConfig(Config):
    """The folder of recordings to use, and how to read it."""

    data_set_type: str = option(
        "mixture_folder",
        "layout of the folder: mixture_folder (which absslab mix writes), weakly_labelled_folder, "
        "weakly_labelled_shards (which absslab pack writes), "
        f"TUT_rare_2017 (as Kong's code of 2017 mixed it), or a corpus as it is unpacked: "
        f"{', '.join(CORPORA)}",
        metavar="NAME",
        value_aliases=LAYOUT_ALIASES,
    )
    data_folder: str = option(
        "",
        "folder of the recordings and their weak labels; of shards also a URL, or pipe: and a "
        "command with {name} in the place of a shard's name",
        metavar="FOLDER",
        required=True,
    )
    audio_folder: str | None = audio_folder_option()
    yaml_file: str | None = yaml_file_option()
    labels: str | None = option(
        None,
        "table of weak or strong labels, if it does not lie in the folder of the recordings; the "
        "layout is then weakly_labelled_folder",
        metavar="FILE",
    )
    class_columns: tuple[str, ...] | None = option(
        None,
        "of a table with a column of 0 and 1 per class, the columns that are classes; by default "
        "all but those of metadata, such as fold and duration",
        metavar="NAME",
    )
    class_categories: tuple[str, ...] | None = option(
        None,
        "groups of classes, such as speech.laughter cough: each is one class, whose label is that "
        "of any member; classes in no group are left out",
        metavar="GROUP",
        aliases=("categories",),
    )
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0),
        "train, validation and test, if the folder does not define its split; each class needs an "
        "origin in each split above 0",
        unit="%",
    )
    split_seed: int = option(0, "seed of that split", at_least=0)
    test_fold: int = option(
        0,
        "of a corpus with folds (esc50, urbansound8k), the fold of the test split; the fold "
        "before it is the validation split; 0: the last",
        at_least=0,
    )
    origin_pattern: str | None = option(
        None,
        "regular expression that finds the origin (the longer recording) in a file name",
        metavar="PATTERN",
    )
    clip_length: float = option(
        60.0,
        "for training and validation, cut longer recordings into equal clips up to this long",
        unit="s",
        above=0,
    )
    in_memory: bool = option(
        True, "keep decoded recordings in memory instead of reading them for each batch"
    )
    feature_store: str | None = option(
        None,
        "folder of files that keep the features of whole recordings, computed once",
        metavar="FOLDER",
    )
    n_loaders: int = option(
        0,
        "with in_memory False, and of shards: number of processes that read batches ahead; 0: none",
        at_least=0,
    )
    shuffle_buffer: int = option(
        1000,
        "of shards: number of recordings that wait, not decoded, to be drawn in random order; "
        "those of all processes together",
        at_least=1,
    )
    shard_timeout: float = option(
        60.0,
        "of shards behind a URL or a command: time without a byte after which reading is tried "
        "again",
        unit="s",
        above=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        find_layout(self.data_set_type)
        if self.labels and self.data_set_type == DataConfig.data_set_type:
            # The default layout has its labels in the folder.
            object.__setattr__(self, "data_set_type", "weakly_labelled_folder")
        data_folder, audio_folder = _join_folders(
            self.data_set_type, self.data_folder, self.audio_folder
        )
        object.__setattr__(self, "data_folder", data_folder)
        object.__setattr__(self, "audio_folder", audio_folder)
        words = self.class_categories or ()
        if len(words) == 1 and words[0] in UNGROUPED:
            object.__setattr__(self, "class_categories", None)

    def move(
        self,
        folder: str | None,
        *,
        audio_folder: str | None = None,
        yaml_file: str | None = None,
        data_set_type: str | None = None,
    ) -> "DataConfig":
        """Return the config of the same data in another folder.

        What belongs to the data, and lay elsewhere, is then found beside them, unless it is said
        where it is now.

        Args:
            folder: where the data are now; none or empty: they were not moved.
            audio_folder: where their sounds are, if this is said.
            yaml_file: where their list is, if this is said.
            data_set_type: the layout of the folder, if it is another one.

        Raises:
            InputError: folder and audio_folder are two, but the layout has one.
        """
        layout = data_set_type or self.data_set_type
        folder, audio_folder = _join_folders(layout, folder or "", audio_folder)
        is_there = not folder or Path(folder).resolve() == Path(self.data_folder).resolve()
        if is_there:
            folder = self.data_folder
        if is_there and layout == self.data_set_type:
            audio_folder = audio_folder or self.audio_folder
            yaml_file = yaml_file or self.yaml_file
        return replace(
            self,
            data_set_type=layout,
            data_folder=folder,
            audio_folder=audio_folder,
            yaml_file=yaml_file,
        )


def _join_folders(
    data_set_type: str, data_folder: str, audio_folder: str | None
) -> tuple[str, str | None]:
    """Return data_folder and audio_folder, which are one but with TUT Rare 2017.

    Raises:
        InputError: they are two with another layout.
    """
    if not audio_folder or data_set_type == TUT_RARE:
        return data_folder, audio_folder
    if data_folder not in ("", audio_folder):
        raise InputError(
            "data_folder and audio_folder are two folders: expected one, but with "
            f"--data_set_type {TUT_RARE}"
        )
    return audio_folder, None


Layout = Callable[[DataConfig, Path], LabelledFolder]


def read_mixture_folder(config: DataConfig, folder: Path) -> LabelledFolder:
    """Read a folder of mixtures, as `absslab mix` or the generator of the thesis writes it.

    ::

        folder/train/ validation/ test/        (thesis: training/ development/ validation/)
            weak_labels.csv                    filename,alert,clearthroat,…   0/1
            000000.wav …

    Args:
        config: not used; the folder defines everything.
        folder: the folder of mixtures.

    Returns:
        the recordings of all splits, and the classes.

    Raises:
        InputError: the folder has another layout, or is not complete.
    """
    recordings: list[LabelledRecording] = []
    missing: dict[int, InputError] = {}
    classes: list[str] = []
    notes: list[str] = []
    for split, name in _find_split_folders(folder).items():
        if not (folder / name).is_dir():
            continue
        table = folder / name / MULTI_HOT_FILE
        if not table.is_file():
            raise InputError(
                "{path} is missing: the folder is not finished, run the same absslab mix again",
                path=table,
            )
        labels = read_multi_hot(table, has_metadata=False)
        if classes and set(classes) != set(labels.classes):
            raise InputError(
                f"{{path}} has other classes than the previous split: "
                f"{escape_braces(', '.join(labels.classes))}",
                path=table,
            )
        finder = AudioFinder(table.parent, table)
        for row in labels.rows:
            recordings.append(_to_recording(row, finder, split, missing, len(recordings)))
        notes += [f"{name}: {note}" for note in (*labels.notes, *finder.notes)]
        classes = classes or labels.classes
    if recordings and len(missing) == len(recordings):
        raise none_found_error(list(missing.values()))
    return _without_missing(LabelledFolder(recordings, classes, notes), missing)


def _has_split(folder: Path) -> bool:
    """Tell whether a folder has any split: absslab mix may write some of them alone."""
    return any((folder / split).is_dir() for split in SPLITS)


def _find_split_folders(folder: Path) -> dict[str, str]:
    """Return the name of the sub-folder of each split."""
    has_manifest = (folder / "manifest.json").exists()
    if (folder / "train").is_dir() or (has_manifest and _has_split(folder)):
        if has_manifest:
            read_manifest(folder)
        return {split: split for split in SPLITS}
    if (folder / "training").is_dir():
        return THESIS_SPLITS
    tables = [name for name in (MULTI_HOT_FILE, LABEL_LISTS_FILE) if (folder / name).is_file()]
    hint = ""
    if tables:
        hint = f"; since it has {tables[0]}, add --data_set_type weakly_labelled_folder"
    elif (folder / "training.h5").is_file():
        hint = f"; since it has training.h5, add --data_set_type {TUT_RARE}"
    elif others := sorted(path.name for path in folder.glob("*.[ct]sv")):
        table = escape_braces(others[0])
        hint = f"; it has {table}; if it is a table of labels, pass it as --labels"
    raise InputError(
        "{path} has neither train/ nor training/: expected a folder that absslab mix has written"
        + hint,
        path=folder,
    )


def read_weakly_labelled_folder(config: DataConfig, folder: Path) -> LabelledFolder:
    """Read a folder of recordings of any length, rate and format with their weak labels.

    ::

        folder/weak_labels.csv   filename,dog,speech,…   0/1, optional columns split and origin
        folder/weak.tsv          filename    event_labels      dog,speech   (the DCASE convention)
        folder/a.wav  b.flac  sub/c.mp3 …

    With `--labels` the table lies elsewhere and has any name. It may then also be a table of strong
    labels (filename, onset, offset, event_label).

    If the table has a column `split` (train, validation or test in every row), it is used.
    Otherwise the recordings are split by origin, stratified by class.

    Args:
        config: settings of the split and of origins.
        folder: the folder of the recordings.

    Returns:
        the recordings of all splits, and the classes.

    Raises:
        InputError: there is no table or there are two, a table can't be used, or there are too few
            recordings for the split.
    """
    table = Path(config.labels) if config.labels else _find_table(folder)
    read = read_label_table if config.labels else read_weak_labels
    labels = read(table, config.class_columns or ())
    finder = AudioFinder(folder, table)
    missing: dict[int, InputError] = {}
    recordings = [
        _to_recording(row, finder, row.cells.get("split", ""), missing, number)
        for number, row in enumerate(labels.rows)
    ]
    if recordings and len(missing) == len(recordings):
        raise none_found_error(list(missing.values()))
    has_own_splits = any(recording.split for recording in recordings)
    try:
        recordings = _split(recordings, config)
    except InputError as error:
        # Recordings without a file may be why; they are told in the same line.
        raise join_errors([*list(missing.values())[:_N_LISTED], error]) from None
    events: dict[str, EventReader] = {}
    if labels.kind == "strong":
        reader = partial(read_event_table, table, folder, may_lack_recordings=bool(missing))
        events = dict.fromkeys(SPLITS, reader)
    # Missing recordings have their place in the split, so that the others keep theirs.
    notes = [*labels.notes, *finder.notes, *finder.note_unnamed()]
    labelled = LabelledFolder(
        recordings, labels.classes, notes, events, has_own_splits=has_own_splits
    )
    return _without_missing(labelled, missing)


def _split(recordings: list[LabelledRecording], config: DataConfig) -> list[LabelledRecording]:
    """Return the recordings with their splits: the given ones, or those that the config says."""
    recordings = find_origins(recordings, config.origin_pattern)
    if any(recording.split for recording in recordings):
        check_given_split(recordings)
        return recordings
    if config.split_percentages[0] == 100:
        return [replace(recording, split="train") for recording in recordings]
    return divide_into_splits(recordings, config.split_percentages, config.split_seed)


def _without_missing(folder: LabelledFolder, missing: Mapping[int, InputError]) -> LabelledFolder:
    """Leave out the recordings of which there is no file.

    Args:
        folder: all recordings that the labels name.
        missing: the errors of those that are missing, by their number.
    """
    recordings = [item for number, item in enumerate(folder.recordings) if number not in missing]
    errors = {folder.recordings[number].path: error for number, error in missing.items()}
    return replace(folder, recordings=recordings, missing=errors)


def _find_table(folder: Path) -> Path:
    """Find the table of a folder of weakly labelled recordings.

    Raises:
        InputError: there is no table, or there are two.
    """
    names = (MULTI_HOT_FILE, LABEL_LISTS_FILE)
    tables = [folder / name for name in names if (folder / name).is_file()]
    if len(tables) != 1:
        content = f"both {names[0]} and {names[1]}" if tables else f"neither {' nor '.join(names)}"
        hint = "" if tables else f", or --labels with a table in another place{_hint(folder)}"
        raise InputError(f"{{path}} has {content}: expected one of them{hint}", path=folder)
    return tables[0]


def _hint(folder: Path) -> str:
    """Say which files in a folder may be the table that is looked for."""
    others = sorted(path.name for path in folder.iterdir() if path.is_file())
    tables = [name for name in others if Path(name).suffix.lower() in _TABLE_SUFFIXES]
    tables = [name for name in tables if name not in (FILE_NAME, "corrections.csv")]
    if any(name in others for name in PACKED_FILES):
        return "; if these are AudioSet segments of the thesis, begin with absslab convert-segments"
    books = [name for name in others if Path(name).suffix.lower() in _BOOK_SUFFIXES]
    if tables:
        return f"; there is {escape_braces(' and '.join(tables[:3]))}: pass it with --labels"
    if books:
        return f"; there is {escape_braces(books[0])}: save it as {MULTI_HOT_FILE} (CSV UTF-8)"
    return ""


def _to_recording(
    row: LabelledRow, finder: AudioFinder, split: str, missing: dict[int, InputError], number: int
) -> LabelledRecording:
    """Turn a row of a table into a recording with its weak labels.

    Args:
        row: the row.
        finder: finds the file.
        split: of the recording.
        missing: gets the error under the recording's number if there is no such file.
        number: the recording's number.
    """
    try:
        path = finder.find(row.filename)
    except InputError as error:
        path = finder.folder / row.filename
        missing[number] = error
    split = split.lower()
    if split and split not in SPLITS:
        raise InputError(
            f"{{table}}: {escape_braces(row.filename)} has the split {escape_braces(split)!r}; "
            f"expected one of {', '.join(SPLITS)}",
            table=finder.table,
        )
    origin = row.cells.get("origin") or row.filename
    unknown = frozenset(row.unknown)
    return LabelledRecording(str(path), frozenset(row.labels), origin, split, unknown)


def _read_corpus(reader: CorpusReader, config: DataConfig, folder: Path) -> LabelledFolder:
    """Read a published corpus; see `corpora`."""
    settings = SplitSettings(config.split_percentages, config.split_seed, config.test_fold)
    return reader(settings, folder)


def _read_tut_rare(config: DataConfig, folder: Path) -> LabelledFolder:
    """Read TUT Rare Sound Events 2017; see `tut_rare`."""
    settings = SplitSettings(config.split_percentages, config.split_seed)
    return read_tut_rare(settings, folder, config.audio_folder, config.yaml_file)


def _refuse_shards(_config: DataConfig, folder: Path) -> LabelledFolder:
    """Say what can be done with shards, whose recordings are no files.

    Raises:
        InputError: always.
    """
    raise InputError(
        "{path} has shards, which absslab train and absslab evaluate read in sequence: for all "
        "else pass files; tar -xf writes those of a shard",
        path=folder,
    )


LAYOUTS: dict[str, Layout] = {
    "mixture_folder": read_mixture_folder,
    "weakly_labelled_folder": read_weakly_labelled_folder,
    SHARDS: _refuse_shards,
    TUT_RARE: _read_tut_rare,
    **{name: partial(_read_corpus, reader) for name, reader in CORPORA.items()},
}


def find_table_folder(config: DataConfig, path: str | Path) -> Path:
    """Return the folder that names of recordings begin from, where their events.tsv would lie.

    Args:
        config: of the data set.
        path: of one of its recordings.
    """
    if config.data_set_type == SHARDS:
        return Path()  # names begin with that of the shard
    if config.data_set_type == "mixture_folder":
        return Path(path).parent  # each split has its own tables
    if config.data_set_type == TUT_RARE:
        return Path(path).parents[1]  # the sounds may lie far from the features
    return Path(config.data_folder)


def find_layout(name: str) -> Layout:
    """Return the function that reads a layout, given its name or its name in the thesis.

    The function also groups classes, if its config says so.

    Raises:
        InputError: there is no such layout; the message lists those that exist.
    """
    layout: Layout = look_up("data set type", LAYOUT_ALIASES.get(name, name), _WITH_GROUPS)
    return layout


def _read_grouped(layout: Layout, config: DataConfig, folder: Path) -> LabelledFolder:
    labelled = layout(config, folder)
    if not config.class_categories:
        return labelled
    return group_classes(labelled, config.class_categories, folder)


_WITH_GROUPS: dict[str, Layout] = {
    name: partial(_read_grouped, layout) for name, layout in LAYOUTS.items()
}
