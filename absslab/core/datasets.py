"""Folders of weakly labelled audio as torch datasets.

Axes: B batch, K classes, N samples. Which classes a recording holds is all that is known of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from absslab.core import audio
from absslab.core.config import Config, find, option
from absslab.core.errors import InputError
from absslab.core.mixture_folder import read_manifest
from absslab.core.recordings import check_class_name, compile_pattern, file_within, origin_of
from absslab.core.splits import SPLITS, split_origins
from absslab.core.tables import read_table

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
        (80.0, 10.0, 10.0), "train, validation and test, where the folder has no split of its own", unit="%"
    )
    split_seed: int = option(0, "of that split", at_least=0)
    origin_pattern: str | None = option(None, "regular expression that finds the origin in a file name")
    clip_length: float = option(
        60.0, "longer recordings are cut into equal pieces up to this, for training and validation", unit="s", above=0
    )
    in_memory: bool = option(True, "keep decoded recordings in memory, rather than read them for each batch")
    feature_store: str | None = option(
        None, "folder of HDF5 files that keep the features of whole recordings, computed once"
    )
    n_loaders: int = option(0, "with in_memory False: processes that read batches ahead; 0: none", at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        find_data_set(self.data_set_type)


class EmptySplitError(InputError):
    """A folder that can be used, but has no recordings in a split."""


@dataclass(frozen=True)
class Labelled:
    """A recording and its weak labels."""

    path: str
    labels: frozenset[str]
    origin: str
    split: str = ""


class Batch(NamedTuple):
    """Recordings padded to the longest."""

    waveforms: Tensor  # (B, N)
    n_samples: Tensor | None  # (B,): length without padding; None: none is padded
    labels: Tensor  # (B, K)
    indices: Tensor  # (B,): which recordings


@dataclass
class AudioDataSet(Dataset[Tensor]):
    """Recordings of one split as mono waveforms (N,) at one rate.

    Args:
        items: the recordings.
        classes: the order of the label's columns.
        sampling_rate: Hz; recordings of other rates are resampled.
        in_memory: keep what was decoded.
        clip_length: cut longer recordings into equal pieces of up to this many seconds, which inherit the labels.

    Raises:
        InputError: a recording is missing or cut short; when it is read, also: it can't be decoded, holds NaN, or is
            silent although it has a label.
    """

    items: Sequence[Labelled]
    classes: Sequence[str]
    sampling_rate: int
    in_memory: bool = True
    clip_length: float | None = None
    pieces: list[tuple[int, int, int]] = field(init=False)  # (item, start, length), at the file's own rate
    lengths: list[int] = field(init=False)  # of the pieces, at sampling_rate
    _kept: dict[int, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pieces, self.lengths = [], []
        for index, item in enumerate(self.items):
            about = audio.info(item.path)
            n_pieces = max(1, int(np.ceil(about.duration / self.clip_length))) if self.clip_length else 1
            edges = np.linspace(0, about.n_samples, n_pieces + 1).round().astype(int)
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                self.pieces.append((index, int(start), int(stop - start)))
                self.lengths.append(max(1, round(int(stop - start) * self.sampling_rate / about.sampling_rate)))

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def labels(self) -> np.ndarray:
        """(number of pieces, K), 0 or 1."""
        table = [[name in item.labels for name in self.classes] for item in self.items]
        return np.array(table, dtype=np.float32).reshape(-1, len(self.classes))[[index for index, _, _ in self.pieces]]

    def per_recording(self, of_pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the whole recordings (n, K), and of values of their pieces (number of pieces, K) the highest (n, K)."""
        labels = np.array([[name in item.labels for name in self.classes] for item in self.items], dtype=np.float32)
        highest = np.zeros_like(labels)
        np.maximum.at(highest, [index for index, _, _ in self.pieces], of_pieces)
        return labels, highest

    def path(self, index: int) -> Path:
        """The file that an item comes from."""
        return Path(self.items[self.pieces[index][0]].path)

    def __getitem__(self, index: int) -> Tensor:
        if index in self._kept:
            return _as_float(self._kept[index])
        item, start, length = self.pieces[index]
        whole = self.items[item].path
        waveform = audio.load(whole, self.sampling_rate, start=start, n_samples=length)
        is_whole = sum(of == item for of, _, _ in self.pieces[max(0, index - 1) : index + 2]) == 1
        if self.items[item].labels and is_whole and not waveform.any():
            labels = ", ".join(sorted(self.items[item].labels))
            raise InputError(f"{whole} is silent but labelled {labels}: replace it or remove it from the labels")
        if self.in_memory:
            self._kept[index] = _compact(waveform)
        return torch.from_numpy(waveform)

    def batches(self, batch_size: int, *, rng: np.random.Generator | None = None, n_loaders: int = 0) -> Iterator[Batch]:
        """Batches in order, or shuffled where a generator is given; `n_loaders` processes read ahead, unless in memory."""
        labels = torch.from_numpy(self.labels)
        loader: DataLoader[Any] = DataLoader(
            _Indexed(self),
            batch_sampler=self.groups(batch_size, rng=rng),
            num_workers=0 if self.in_memory else n_loaders,
            collate_fn=_padded,
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            waveforms, n_samples, indices = batch
            yield Batch(waveforms, n_samples, labels[indices], indices)

    def groups(self, batch_size: int, *, rng: np.random.Generator | None = None) -> list[list[int]]:
        """Which recordings meet in a batch: in order, or shuffled; where lengths differ, those of similar length."""
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        if len(set(self.lengths)) > 1:
            pool = 50 * batch_size
            order = np.concatenate(
                [sorted(order[at : at + pool], key=self.lengths.__getitem__) for at in range(0, len(order), pool)]
            )
        groups = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]
        if rng is not None:
            rng.shuffle(groups)
        return groups


class _Indexed(Dataset[tuple[int, Tensor | InputError]]):
    """A data set whose items tell their index, or what is wrong with them: raised in a loader, it would be no one line."""

    def __init__(self, data_set: AudioDataSet):
        self.data_set = data_set

    def __getitem__(self, index: int) -> tuple[int, Tensor | InputError]:
        try:
            return index, self.data_set[index]
        except InputError as error:
            return index, error


def _padded(items: list[tuple[int, Tensor | InputError]]) -> tuple[Tensor, Tensor | None, Tensor] | InputError:
    waveforms: list[Tensor] = []
    for _, waveform in items:
        if isinstance(waveform, InputError):
            return waveform
        waveforms.append(waveform)
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)  # (B, N)
    return padded, None if bool((lengths == lengths[0]).all()) else lengths, torch.tensor([index for index, _ in items])


def _compact(waveform: np.ndarray) -> np.ndarray:
    """16-bit integers where they hold the waveform exactly."""
    scaled = waveform * 32768
    fits = np.abs(scaled).max(initial=0) < 32768 and np.array_equal(scaled, np.round(scaled))
    return scaled.astype(np.int16) if fits else waveform


def _as_float(kept: np.ndarray) -> Tensor:
    waveform = torch.from_numpy(kept)
    return waveform / 32768 if waveform.dtype == torch.int16 else waveform


def open_split(
    config: DataConfig,
    split: str,
    *,
    sampling_rate: int,
    classes: Sequence[str] | None = None,
    whole: bool = True,
) -> AudioDataSet:
    """The recordings of one split.

    Args:
        config: which folder, and how it is read.
        split: train, validation or test.
        sampling_rate: Hz.
        classes: those of a model: the folder must have the same ones; the model's order is used.
        whole: do not cut long recordings, as scores ask for.

    Raises:
        InputError: no such folder or split, labels that can't be used, classes other than the model's.
    """
    if not config.data_folder:
        raise InputError("data_folder is missing: say it with --data_folder")
    folder = Path(config.data_folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: expected one with recordings and their weak labels")
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}: expected one of {', '.join(SPLITS)}")
    items, own_classes = find_data_set(config.data_set_type)(config, folder)
    if classes is not None and set(classes) != set(own_classes):
        missing, foreign = set(classes) - set(own_classes), set(own_classes) - set(classes)
        differ = [f"lacks {', '.join(sorted(missing))}"] * bool(missing) + [f"adds {', '.join(sorted(foreign))}"] * bool(
            foreign
        )
        raise InputError(f"the classes of {folder} are not the model's: it {' and '.join(differ)}")
    chosen = [item for item in items if item.split == split]
    if not chosen:
        raise EmptySplitError(f"{folder} has no recordings in its {split} split: it needs more of them")
    clip_length = None if whole else config.clip_length
    return AudioDataSet(chosen, classes or own_classes, sampling_rate, config.in_memory, clip_length)


def DCASE2013_remixed_data_set(config: DataConfig, folder: Path) -> tuple[list[Labelled], list[str]]:
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
            hint = f"; since it has {tables[0]}, add --data_set_type weakly_labelled_folder" if tables else ""
            raise InputError(f"{folder} has neither train/ nor training/: expected a folder that absslab mix wrote{hint}")
        names = THESIS_SPLITS
    elif (folder / "manifest.json").exists():
        read_manifest(folder)
    items: list[Labelled] = []
    classes: list[str] | None = None
    for split, name in names.items():
        if not (folder / name).is_dir():
            continue
        labels = folder / name / "weak_labels.csv"
        if not labels.is_file():
            raise InputError(f"{labels} is missing: the folder is not finished, run the same absslab mix once more")
        of_split, of_classes = _read_one_hot(labels, split)
        if classes is not None and set(classes) != set(of_classes):
            raise InputError(f"{labels} has other classes than the split before it: {', '.join(of_classes)}")
        items, classes = items + of_split, classes or of_classes
    return items, classes or []


def weakly_labelled_folder(config: DataConfig, folder: Path) -> tuple[list[Labelled], list[str]]:
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
        which = "both weak_labels.csv and weak.tsv" if one_hot.is_file() else "neither weak_labels.csv nor weak.tsv"
        raise InputError(f"{folder} has {which}: expected one of them")
    items, classes = _read_one_hot(one_hot) if one_hot.is_file() else _read_lists(lists)
    if pattern := compile_pattern(config.origin_pattern):
        items = [replace(item, origin=origin_of(Path(item.path), pattern)) for item in items]
    by_origin: dict[str, list[Labelled]] = {}
    for item in items:
        by_origin.setdefault(item.origin, []).append(item)
    if any(item.split for item in items):
        _check_split(items, by_origin)
        return items, classes
    labels = {origin: sorted(set().union(*(item.labels for item in group))) for origin, group in by_origin.items()}
    dealt = split_origins(labels, config.split_percentages, config.split_seed)
    return [replace(item, split=dealt[item.origin]) for item in items], classes


def _check_split(items: Sequence[Labelled], by_origin: Mapping[str, Sequence[Labelled]]) -> None:
    """See that a split of the user's own is whole and keeps origins on one side."""
    for item in items:
        if not item.split:
            raise InputError(f"{item.path} has no split, but others do: fill the column split, or remove it")
    for origin, group in by_origin.items():
        sides = {item.split for item in group}
        if len(sides) > 1:
            raise InputError(f"origin {origin!r} is in {' and '.join(sorted(sides))}: expected it on one side")


def _read_one_hot(path: Path, split: str = "") -> tuple[list[Labelled], list[str]]:
    labelled, classes = read_one_hot(path)
    return [_labelled(path, row, labels, split) for row, labels in labelled], _checked(classes, path)


def read_one_hot(path: Path) -> tuple[list[tuple[dict[str, str], list[str]]], list[str]]:
    """Read a table of weak labels: its rows, each with the classes that it names, and all classes.

    Raises:
        InputError: a file that can't be read, no class, a cell that is neither 0 nor 1.
    """
    rows = read_table(path, required=("filename",))
    classes = [name for name in rows[0] if name not in ("filename", "split", "origin")]
    if not classes:
        raise InputError(f"{path} has no class columns: expected filename and a column of 0 and 1 per class")
    for number, row in enumerate(rows, start=2):
        for name in classes:
            if row[name] not in ("0", "1"):
                raise InputError(f"{path}, row {number}: {name} is {row[name]!r}; expected 0 or 1")
    return [(row, [name for name in classes if row[name] == "1"]) for row in rows], classes


def _read_lists(path: Path) -> tuple[list[Labelled], list[str]]:
    labelled, classes = read_lists(path)
    return [_labelled(path, row, labels) for row, labels in labelled], _checked(classes, path)


def read_lists(path: Path) -> tuple[list[tuple[dict[str, str], list[str]]], list[str]]:
    """Read a table of lists of weak labels: as `read_one_hot` does.

    Raises:
        InputError: a file that can't be read, no class in any row.
    """
    rows = read_table(path, required=("filename", "event_labels"), delimiter="\t")
    labels = [[name.strip() for name in row["event_labels"].split(",") if name.strip()] for row in rows]
    classes = sorted({name for names in labels for name in names})
    if not classes:
        raise InputError(f"{path} labels nothing: expected comma-separated classes in the column event_labels")
    return list(zip(rows, labels, strict=True)), classes


def _labelled(table: Path, row: dict[str, str], labels: Sequence[str], split: str = "") -> Labelled:
    path = file_within(table.parent, row["filename"], table)
    split = split or row.get("split", "")
    if split and split not in SPLITS:
        raise InputError(f"{table}: {row['filename']} has the split {split!r}; expected one of {', '.join(SPLITS)}")
    return Labelled(str(path), frozenset(labels), row.get("origin") or row["filename"], split)


def _checked(classes: list[str], path: Path) -> list[str]:
    for name in classes:
        check_class_name(name, path)
    return classes


DATA_SETS: dict[str, Callable[[DataConfig, Path], tuple[list[Labelled], list[str]]]] = {
    "DCASE2013_remixed_data_set": DCASE2013_remixed_data_set,
    "weakly_labelled_folder": weakly_labelled_folder,
}


def find_data_set(name: str) -> Callable[[DataConfig, Path], tuple[list[Labelled], list[str]]]:
    """What reads a folder of one layout."""
    return find("data set type", name, DATA_SETS)
