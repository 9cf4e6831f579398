"""Read the labels and splits of folders of weakly labelled recordings, in several layouts.

A layout is a function that reads such a folder. To add one, write the function and name it in
`LAYOUTS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.config import Config, look_up, option
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.recordings import check_class_name, compile_pattern, file_within, origin_of
from absslab.core.data.splits import SPLITS, split_origins
from absslab.core.data.weak_labels import (
    LABEL_LISTS_FILE,
    MULTI_HOT_FILE,
    LabelledRow,
    read_multi_hot,
    read_weak_labels,
)

LAYOUT_ALIASES = {"DCASE2013_remixed_data_set": "mixture_folder"}  # the thesis' names
THESIS_SPLITS = {"train": "training", "validation": "development", "test": "validation"}


@dataclass(frozen=True)
class DataConfig(Config):
    """The folder of recordings to use, and how to read it."""

    data_set_type: str = option(
        "mixture_folder",
        "layout of the folder: mixture_folder (which absslab mix writes) or weakly_labelled_folder",
        metavar="NAME",
        value_aliases=LAYOUT_ALIASES,
    )
    data_folder: str = option(
        "", "folder of the recordings and their weak labels", metavar="FOLDER", required=True
    )
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0),
        "train, validation and test, if the folder does not define its split; each class needs an "
        "origin in each split above 0",
        unit="%",
    )
    split_seed: int = option(0, "seed of that split", at_least=0)
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
        "folder of HDF5 files that keep the features of whole recordings, computed once",
        metavar="FOLDER",
    )
    n_loaders: int = option(
        0, "with in_memory False: number of processes that read batches ahead; 0: none", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        find_layout(self.data_set_type)


@dataclass(frozen=True)
class LabelledRecording:
    """A recording and its weak labels."""

    path: str
    labels: frozenset[str]
    origin: str
    split: str = ""


LabelledRecordings = tuple[list[LabelledRecording], list[str]]  # recordings, and all classes
Layout = Callable[[DataConfig, Path], LabelledRecordings]


def read_mixture_folder(config: DataConfig, folder: Path) -> LabelledRecordings:
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
    classes: list[str] = []
    for split, name in _find_split_folders(folder).items():
        if not (folder / name).is_dir():
            continue
        table = folder / name / MULTI_HOT_FILE
        if not table.is_file():
            raise InputError(
                "{path} is missing: the folder is not finished, run the same absslab mix again",
                path=table,
            )
        labels = read_multi_hot(table)
        if classes and set(classes) != set(labels.classes):
            raise InputError(
                f"{{path}} has other classes than the previous split: "
                f"{escape_braces(', '.join(labels.classes))}",
                path=table,
            )
        _check_class_names(labels.classes, table)
        recordings += [_to_recording(row, table, split) for row in labels.rows]
        classes = classes or labels.classes
    return recordings, classes


def _find_split_folders(folder: Path) -> dict[str, str]:
    """Return the name of the sub-folder of each split."""
    if (folder / "train").is_dir():
        if (folder / "manifest.json").exists():
            read_manifest(folder)
        return {split: split for split in SPLITS}
    if (folder / "training").is_dir():
        return THESIS_SPLITS
    tables = [name for name in (MULTI_HOT_FILE, LABEL_LISTS_FILE) if (folder / name).is_file()]
    hint = ""
    if tables:
        hint = f"; since it has {tables[0]}, add --data_set_type weakly_labelled_folder"
    raise InputError(
        "{path} has neither train/ nor training/: expected a folder that absslab mix has written"
        + hint,
        path=folder,
    )


def read_weakly_labelled_folder(config: DataConfig, folder: Path) -> LabelledRecordings:
    """Read a folder of recordings of any length, rate and format with their weak labels.

    ::

        folder/weak_labels.csv   filename,dog,speech,…   0/1, optional columns split and origin
        folder/weak.tsv          filename    event_labels      dog,speech   (the DCASE convention)
        folder/a.wav  b.flac  sub/c.mp3 …

    If the table has a column `split` (train, validation or test in every row), it is used.
    Otherwise the recordings are split by origin, stratified by class.

    Args:
        config: settings of the split and of origins.
        folder: the folder with the table.

    Returns:
        the recordings of all splits, and the classes.

    Raises:
        InputError: there is no table or there are two, a table can't be used, a recording is
            missing, or there are too few recordings for the split.
    """
    tables = [
        folder / name for name in (MULTI_HOT_FILE, LABEL_LISTS_FILE) if (folder / name).is_file()
    ]
    if len(tables) != 1:
        content = (
            f"both {MULTI_HOT_FILE} and {LABEL_LISTS_FILE}"
            if tables
            else f"neither {MULTI_HOT_FILE} nor {LABEL_LISTS_FILE}"
        )
        raise InputError(f"{{path}} has {content}: expected one of them", path=folder)
    (table,) = tables
    labels = read_weak_labels(table)
    _check_class_names(labels.classes, table)
    recordings = [_to_recording(row, table, row.cells.get("split", "")) for row in labels.rows]
    if pattern := compile_pattern(config.origin_pattern):
        recordings = [
            replace(recording, origin=origin_of(Path(recording.path), pattern))
            for recording in recordings
        ]
    by_origin: dict[str, list[LabelledRecording]] = {}
    for recording in recordings:
        by_origin.setdefault(recording.origin, []).append(recording)
    if any(recording.split for recording in recordings):
        _check_given_split(recordings, by_origin)
        return recordings, labels.classes
    labels_by_origin = {}
    for origin, group in by_origin.items():
        labels_by_origin[origin] = sorted(set().union(*(recording.labels for recording in group)))
    splits = split_origins(labels_by_origin, config.split_percentages, config.split_seed)
    recordings = [replace(recording, split=splits[recording.origin]) for recording in recordings]
    return recordings, labels.classes


def _check_given_split(
    recordings: Sequence[LabelledRecording], by_origin: Mapping[str, Sequence[LabelledRecording]]
) -> None:
    """Check that a split that the table defines is complete and keeps each origin in one split."""
    for recording in recordings:
        if not recording.split:
            raise InputError(
                "{path} has no split, but other recordings have one: "
                "fill the column split, or remove it",
                path=recording.path,
            )
    for origin, group in by_origin.items():
        splits = {recording.split for recording in group}
        if len(splits) > 1:
            raise InputError(
                f"origin {origin!r} is in {' and '.join(sorted(splits))}: expected it in one split"
            )


def _check_class_names(classes: Sequence[str], table: Path) -> None:
    for name in classes:
        check_class_name(name, table)


def _to_recording(row: LabelledRow, table: Path, split: str) -> LabelledRecording:
    """Turn a row of a table into a recording with its weak labels."""
    path = file_within(table.parent, row.filename, table)
    if split and split not in SPLITS:
        raise InputError(
            f"{{table}}: {escape_braces(row.filename)} has the split {escape_braces(split)!r}; "
            f"expected one of {', '.join(SPLITS)}",
            table=table,
        )
    origin = row.cells.get("origin") or row.filename
    return LabelledRecording(str(path), frozenset(row.labels), origin, split)


LAYOUTS: dict[str, Layout] = {
    "mixture_folder": read_mixture_folder,
    "weakly_labelled_folder": read_weakly_labelled_folder,
}


def find_layout(name: str) -> Layout:
    """Return the function that reads a layout, given its name or its name in the thesis.

    Raises:
        InputError: there is no such layout; the message lists those that exist.
    """
    layout: Layout = look_up("data set type", LAYOUT_ALIASES.get(name, name), LAYOUTS)
    return layout
