"""Read the AudioSet segments of the thesis: magnitudes and phases of spectra in HDF5 files.

::

    folder/train_data.hdf5 dev_data.hdf5 test_data.hdf5    stft_magnitudes (n, F, T), stft_phases,
           config.json                                     labels (n, K), filenames (n)

    folder/T_<name>.hdf5 D_<name>.hdf5 V_<name>.hdf5       magnitude (T, F), phase (T, F),
           metadata.json                                   labels (K, T)

T, D and V stand for training, development and validation, which are train, validation and test.

Axes: F STFT bins, T frames, K classes, n segments.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import list_folder, read_json
from absslab.core.data.hdf5_files import find_array, open_hdf5, read_labels, read_names

PACKED_FILES = {"train_data.hdf5": "train", "dev_data.hdf5": "validation", "test_data.hdf5": "test"}
_PREFIXES = {"T": "train", "D": "validation", "V": "test"}
_SINGLE = re.compile(r"([TDV])_(.+)\.(?:h5|hdf5)", re.IGNORECASE)


@dataclass(frozen=True)
class Segment:
    """A segment of a recording.

    Args:
        name: the name that its file or list gives it.
        split: train, validation or test.
        labels: its classes.
        read: reads its spectrum, complex (F, T).
        path: the file that holds it.
        full_scale: what spectra are divided by if nothing else is known: 1 where they are floats,
            of samples between −1 and 1; where they are whole numbers, the range of these.
    """

    name: str
    split: str
    labels: frozenset[str]
    read: Callable[[], np.ndarray]
    path: Path
    full_scale: float = 1.0


@dataclass(frozen=True)
class SegmentFolder:
    """A folder of segments.

    Args:
        path: the folder.
        is_packed: whether all segments of a split are in one file.
        settings: what config.json or metadata.json says.
    """

    path: Path
    is_packed: bool
    settings: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> "SegmentFolder":
        """Find out which of the two layouts a folder has.

        Raises:
            InputError: it has none, or is not complete.
        """
        if not path.is_dir():
            raise InputError("{path} is not a directory: expected one of HDF5 files", path=path)
        present = [name for name in PACKED_FILES if (path / name).is_file()]
        if present and len(present) < len(PACKED_FILES):
            lacking = [name for name in PACKED_FILES if name not in present]
            raise InputError(
                f"{{path}} has {', '.join(present)}, but not {', '.join(lacking)}: expected all",
                path=path,
            )
        if not present and not _single_files(path):
            raise InputError(
                f"{{path}} has neither {', '.join(PACKED_FILES)} nor HDF5 files whose names "
                "begin with T_, D_ or V_: expected AudioSet segments of the thesis",
                path=path,
            )
        about = path / ("config.json" if present else "metadata.json")
        settings = read_json(about) if about.is_file() else {}
        if not isinstance(settings, Mapping):
            raise InputError("{path} holds no settings: expected an object", path=about)
        return cls(path, bool(present), settings)

    def classes(self, given: Sequence[str]) -> list[str]:
        """Return the names of the classes: those that are given, else those of the settings.

        Raises:
            InputError: neither says them.
        """
        names = given or self.settings.get("classes")
        is_list = isinstance(names, list | tuple) and all(isinstance(x, str) for x in names)
        if not names or not is_list:
            raise InputError(
                "{path} does not say the names of its classes: pass them in their order after "
                "--classes",
                path=self.path,
            )
        return list(names)

    def segments(self, classes: Sequence[str]) -> Iterator[Segment]:
        """Yield all segments; each can be read as long as the next is not asked for.

        Args:
            classes: those of the labels, in their order.

        Raises:
            InputError: a file can't be read, or its parts do not fit each other.
        """
        if not self.is_packed:
            for path, split, name in _single_files(self.path):
                yield _open_single(path, split, name, classes)
            return
        for name, split in PACKED_FILES.items():
            yield from _packed_segments(self.path / name, split, classes)


def _packed_segments(path: Path, split: str, classes: Sequence[str]) -> Iterator[Segment]:
    with open_hdf5(path) as file:
        names = read_names(file, path, "filenames")
        labels = read_labels(file, path, "labels", classes, len(names))
        magnitudes, phases = (
            find_array(file, path, name, n_axes=3, n_rows=len(names))
            for name in ("stft_magnitudes", "stft_phases")
        )
        _check_same_shape(path, magnitudes, phases)
        full_scale = _full_scale_of(magnitudes.dtype)
        for number, (name, own) in enumerate(zip(names, labels, strict=True)):
            read = partial(_read_row, magnitudes, phases, number, path, name)
            yield Segment(name, split, own, read, path, full_scale)


def _open_single(path: Path, split: str, name: str, classes: Sequence[str]) -> Segment:
    with open_hdf5(path) as file:
        magnitudes, phases = (
            find_array(file, path, part, n_axes=2) for part in ("magnitude", "phase")
        )
        _check_same_shape(path, magnitudes, phases)
        full_scale = _full_scale_of(magnitudes.dtype)
        table = find_array(file, path, "labels", n_axes=2, n_rows=len(classes))[:]  # (K, T)
    if not np.isin(table, (0, 1)).all():
        raise InputError("{path}: labels holds other values than 0 and 1", path=path)
    present = table.any(axis=1)  # (K,)
    labels = frozenset(label for label, value in zip(classes, present, strict=True) if value)
    return Segment(name, split, labels, partial(_read_single, path, name), path, full_scale)


def _full_scale_of(kind: np.dtype[Any]) -> float:
    """Return the number that numbers of a type are divided by: 32768 for those of 16 bits.

    >>> _full_scale_of(np.dtype("int16")), _full_scale_of(np.dtype("float32"))
    (32768.0, 1.0)
    """
    return float(np.iinfo(kind).max) + 1 if np.issubdtype(kind, np.integer) else 1.0


def _read_single(path: Path, name: str) -> np.ndarray:
    with open_hdf5(path) as file:
        magnitudes, phases = (file[part][:].T for part in ("magnitude", "phase"))  # (F, T)
    return _join(magnitudes, phases, path, name)


def _read_row(magnitudes: Any, phases: Any, number: int, path: Path, name: str) -> np.ndarray:
    return _join(magnitudes[number], phases[number], path, name)


def _join(magnitude: np.ndarray, phase: np.ndarray, path: Path, name: str) -> np.ndarray:
    """Return a spectrum; a phase is an angle, or a complex number of magnitude 1."""
    factors = phase if np.iscomplexobj(phase) else np.exp(1j * phase)
    spectrum = magnitude * factors
    if not np.isfinite(spectrum).all():
        raise InputError(
            f"{{path}}: the spectrum of {escape_braces(name)} holds NaN or infinite values",
            path=path,
        )
    return np.asarray(spectrum, dtype=np.complex128)


def _check_same_shape(path: Path, magnitudes: Any, phases: Any) -> None:
    if magnitudes.shape != phases.shape or 0 in magnitudes.shape[1:]:
        raise InputError(
            f"{{path}}: magnitudes have the shape {tuple(magnitudes.shape)}, phases "
            f"{tuple(phases.shape)}: expected the same, with bins and frames",
            path=path,
        )


def _single_files(folder: Path) -> list[tuple[Path, str, str]]:
    """Return the files that hold a segment each, with its split and its name."""
    matches = [(path, _SINGLE.fullmatch(path.name)) for path in list_folder(folder)]
    return [(path, _PREFIXES[match[1].upper()], match[2]) for path, match in matches if match]
