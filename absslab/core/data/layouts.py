"""Folders of weakly labelled audio as torch datasets.

Axes: B batch, K classes, N samples. Which classes a recording holds is all that is known of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.config import Config, look_up, option
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.recordings import compile_pattern, file_within, origin_of
from absslab.core.data.splits import SPLITS, split_origins
from absslab.core.data.weak_labels import _checked, read_lists, read_one_hot

THESIS_SPLITS = {"train": "training", "validation": "development", "test": "validation"}


@dataclass(frozen=True)
class DataConfig(Config):
    """Which recordings, and how they are read."""

    data_set_type: str = option(
        "DCASE2013_remixed_data_set",
        "layout of the folder: DCASE2013_remixed_data_set (as absslab mix writes) or weakly_labelled_folder",
    )
    data_folder: str = option("", "the folder with the recordings and their weak labels")
    split_percentages: tuple[float, float, float] = option(
        (80.0, 10.0, 10.0),
        "train, validation and test, where the folder has no split of its own",
        unit="%",
    )
    split_seed: int = option(0, "of that split", at_least=0)
    origin_pattern: str | None = option(
        None, "regular expression that finds the origin in a file name"
    )
    clip_length: float = option(
        60.0,
        "longer recordings are cut into equal pieces up to this, for training and validation",
        unit="s",
        above=0,
    )
    in_memory: bool = option(
        True, "keep decoded recordings in memory, rather than read them for each batch"
    )
    feature_store: str | None = option(
        None, "folder of HDF5 files that keep the features of whole recordings, computed once"
    )
    n_loaders: int = option(
        0, "with in_memory False: processes that read batches ahead; 0: none", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        find_data_set(self.data_set_type)


@dataclass(frozen=True)
class LabelledRecording:
    """A recording and its weak labels."""

    path: str
    labels: frozenset[str]
    origin: str
    split: str = ""


def DCASE2013_remixed_data_set(
    config: DataConfig, folder: Path
) -> tuple[list[LabelledRecording], list[str]]:
    """A folder of mixtures, as `absslab mix` writes, or as the thesis' generator did.

    ::

        folder/train/ validation/ test/              (the thesis: training/ development/ validation/)
            weak_labels.csv                          filename,alert,clearthroat,…   0/1
            000000.wav …
    """
    names = {split: split for split in SPLITS}
    if not (folder / "train").is_dir():
        if not (folder / "training").is_dir():
            tables = [name for name in ("weak_labels.csv", "weak.tsv") if (folder / name).is_file()]
            hint = (
                f"; since it has {tables[0]}, add --data_set_type weakly_labelled_folder"
                if tables
                else ""
            )
            raise InputError(
                f"{folder} has neither train/ nor training/: expected a folder that absslab mix wrote{hint}"
            )
        names = THESIS_SPLITS
    elif (folder / "manifest.json").exists():
        read_manifest(folder)
    items: list[LabelledRecording] = []
    classes: list[str] | None = None
    for split, name in names.items():
        if not (folder / name).is_dir():
            continue
        labels = folder / name / "weak_labels.csv"
        if not labels.is_file():
            raise InputError(
                f"{labels} is missing: the folder is not finished, run the same absslab mix once more"
            )
        of_split, of_classes = _read_one_hot(labels, split)
        if classes is not None and set(classes) != set(of_classes):
            raise InputError(
                f"{labels} has other classes than the split before it: {', '.join(of_classes)}"
            )
        items, classes = items + of_split, classes or of_classes
    return items, classes or []


def weakly_labelled_folder(
    config: DataConfig, folder: Path
) -> tuple[list[LabelledRecording], list[str]]:
    """A folder of recordings of any length, rate and format with their weak labels.

    ::

        folder/weak_labels.csv   filename,dog,speech,…   0/1;   or columns split and origin besides
        folder/weak.tsv          filename    event_labels      dog,speech     (the DCASE convention)
        folder/a.wav  b.flac  sub/c.mp3 …

    A column `split` (train, validation, test), filled for all, is followed; without it the folder is split by origin and
    stratified.
    """
    one_hot, lists = folder / "weak_labels.csv", folder / "weak.tsv"
    if one_hot.is_file() == lists.is_file():
        which = (
            "both weak_labels.csv and weak.tsv"
            if one_hot.is_file()
            else "neither weak_labels.csv nor weak.tsv"
        )
        raise InputError(f"{folder} has {which}: expected one of them")
    items, classes = _read_one_hot(one_hot) if one_hot.is_file() else _read_lists(lists)
    if pattern := compile_pattern(config.origin_pattern):
        items = [replace(item, origin=origin_of(Path(item.path), pattern)) for item in items]
    by_origin: dict[str, list[LabelledRecording]] = {}
    for item in items:
        by_origin.setdefault(item.origin, []).append(item)
    if any(item.split for item in items):
        _check_split(items, by_origin)
        return items, classes
    labels = {
        origin: sorted(set().union(*(item.labels for item in group)))
        for origin, group in by_origin.items()
    }
    dealt = split_origins(labels, config.split_percentages, config.split_seed)
    return [replace(item, split=dealt[item.origin]) for item in items], classes


def _check_split(
    items: Sequence[LabelledRecording], by_origin: Mapping[str, Sequence[LabelledRecording]]
) -> None:
    """See that a split of the user's own is whole and keeps origins on one side."""
    for item in items:
        if not item.split:
            raise InputError(
                f"{item.path} has no split, but others do: fill the column split, or remove it"
            )
    for origin, group in by_origin.items():
        sides = {item.split for item in group}
        if len(sides) > 1:
            raise InputError(
                f"origin {origin!r} is in {' and '.join(sorted(sides))}: expected it on one side"
            )


def _read_one_hot(path: Path, split: str = "") -> tuple[list[LabelledRecording], list[str]]:
    labelled, classes = read_one_hot(path)
    return [_labelled(path, row, labels, split) for row, labels in labelled], _checked(
        classes, path
    )


def _read_lists(path: Path) -> tuple[list[LabelledRecording], list[str]]:
    labelled, classes = read_lists(path)
    return [_labelled(path, row, labels) for row, labels in labelled], _checked(classes, path)


def _labelled(
    table: Path, row: dict[str, str], labels: Sequence[str], split: str = ""
) -> LabelledRecording:
    path = file_within(table.parent, row["filename"], table)
    split = split or row.get("split", "")
    if split and split not in SPLITS:
        raise InputError(
            f"{table}: {row['filename']} has the split {split!r}; expected one of {', '.join(SPLITS)}"
        )
    return LabelledRecording(
        str(path), frozenset(labels), row.get("origin") or row["filename"], split
    )


DATA_SETS: dict[str, Callable[[DataConfig, Path], tuple[list[LabelledRecording], list[str]]]] = {
    "DCASE2013_remixed_data_set": DCASE2013_remixed_data_set,
    "weakly_labelled_folder": weakly_labelled_folder,
}


def find_data_set(
    name: str,
) -> Callable[[DataConfig, Path], tuple[list[LabelledRecording], list[str]]]:
    """What reads a folder of one layout."""
    return look_up("data set type", name, DATA_SETS)
