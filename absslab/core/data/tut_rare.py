"""Read TUT Rare Sound Events 2017, as Kong's code of 2017 mixed and packed it.

::

    folder/packed_features/logmel/training.h5   na_list, y, x; and testing.h5
           mixed_audio/training/0000.mix_0db.wav …          and testing/
           mixed_yaml/training.csv              event_name, event_type, bg_name, …

A mixture is the sum of its two channels, the background and an event.

Source:
    Kong, Xu, Wang, Plumbley, A joint separation-classification model for sound event detection of
    weakly labelled data, ICASSP 2018, arXiv:1711.03037.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, describe_value, escape_braces
from absslab.core.common.yaml_files import read_yaml
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.corpus_reading import (
    FoundRecordings,
    draw_validation,
    to_labelled_folder,
)
from absslab.core.data.hdf5_files import open_hdf5, read_labels, read_names
from absslab.core.data.labelled_recordings import LabelledFolder, SplitSettings

CLASSES = ("babycry", "glassbreak", "gunshot", "background")  # in the order of the columns of y
_BACKGROUND = CLASSES[-1]
_CHANNELS = (0, 1)  # of the background and of the event
_PARTS = {"training": "train", "testing": "test"}
_PLACES = (".", "logmel", "packed_features/logmel")  # of the HDF5 files, from the given folder
_N_ABOVE = 3  # folders above these files in which the other folders are looked for
_MIXTURE = ".mix_"  # in the names of mixtures; others are single sounds


def read_tut_rare(
    settings: SplitSettings, folder: Path, audio_folder: str | None, yaml_file: str | None
) -> LabelledFolder:
    """Read the mixtures of TUT Rare Sound Events 2017; see above.

    Validation recordings are drawn from those of training, by event file; testing is the test
    split.

    Args:
        settings: the share and the seed of the validation split.
        folder: of the HDF5 files, or above it.
        audio_folder: `mixed_audio`; None: it is looked for beside the features.
        yaml_file: `mixed_yaml`, or one of the two files in it; None: likewise.

    Raises:
        InputError: a file is missing, or does not fit the others.
    """
    features = _find_features(folder)
    audio = Path(audio_folder) if audio_folder else _find_beside(features, "mixed_audio")
    lists = Path(yaml_file) if yaml_file else _find_beside(features, "mixed_yaml")
    if lists.is_file():
        lists = lists.parent
    found = FoundRecordings()
    notes: list[str] = []
    for part, split in _PARTS.items():
        table = features / f"{part}.h5"
        names, labels = _read_packed(table)
        mixtures = read_mixture_list(lists / f"{part}.csv")
        finder = AudioFinder(audio / part, table)
        for name, own in zip(names, labels, strict=True):
            if _MIXTURE not in name:
                continue
            event_name = _find_event(name, own, mixtures, table, lists / f"{part}.csv")
            found.find_and_add(finder, name, own, f"event {event_name}", split)
        notes += finder.notes
    drawn = [
        replace(item, channels={name: _CHANNELS[int(name != _BACKGROUND)] for name in item.labels})
        for item in draw_validation(found.recordings, settings)
    ]
    return to_labelled_folder(drawn, folder, notes, found.missing)


def _find_features(folder: Path) -> Path:
    """Find the folder of the HDF5 files.

    Raises:
        InputError: there is none.
    """
    places = [folder / place for place in _PLACES]
    features = next((place for place in places if (place / "training.h5").is_file()), None)
    if features is None:
        raise InputError(
            "{path} has no training.h5: expected the folder packed_features/logmel of TUT Rare "
            "2017, or a folder that holds it",
            path=folder,
        )
    return features


def _find_beside(features: Path, name: str) -> Path:
    """Find a folder of the data set in one of the folders above the HDF5 files.

    Raises:
        InputError: there is none.
    """
    above = [features, *features.resolve().parents[:_N_ABOVE]]
    path = next((place / name for place in above if (place / name).is_dir()), None)
    if path is None:
        flag = "audio_folder" if name == "mixed_audio" else "yaml_file"
        raise InputError(
            f"there is no folder {name} beside {{path}}: pass --{flag}",
            path=features,
        )
    return path


def _read_packed(path: Path) -> tuple[list[str], list[frozenset[str]]]:
    """Read names and labels of sounds from an HDF5 file; its features are not used."""
    with open_hdf5(path) as file:
        names = read_names(file, path, "na_list")
        return names, read_labels(file, path, "y", CLASSES, len(names))


def _find_event(
    name: str,
    labels: frozenset[str],
    mixtures: Sequence[Mapping[str, Any]],
    table: Path,
    path: Path,
) -> str:
    """Return the event file of a mixture.

    Args:
        name: of the mixture, which begins with its number in the list.
        labels: of the mixture.
        mixtures: the list.
        table: the file that has the name and the labels.
        path: the file that has the list.

    Raises:
        InputError: the list has no such mixture, or another event.
    """
    number = name.partition(".")[0]
    if not (number.isascii() and number.isdecimal() and int(number) < len(mixtures)):
        raise InputError(
            f"{{table}} names {escape_braces(name)}: expected a name that begins with the number "
            f"of one of the {len(mixtures)} mixtures in {{path}}",
            table=table,
            path=path,
        )
    mixture = mixtures[int(number)]
    if labels != {mixture["event_type"], _BACKGROUND}:
        raise InputError(
            f"{{table}} labels {escape_braces(name)} with "
            f"{', '.join(sorted(labels)) or 'nothing'}, but {{path}} has the event "
            f"{escape_braces(str(mixture['event_type']))}: expected this event and {_BACKGROUND}; "
            "both files must be of one run of the mixing",
            table=table,
            path=path,
        )
    return str(mixture["event_name"])


def read_mixture_list(path: Path) -> list[Mapping[str, Any]]:
    """Read the list of mixtures, a YAML file, without running anything that it names.

    Raises:
        InputError: it is missing, no YAML of plain data, or no list of mixtures.
    """
    if not path.exists():
        raise InputError(
            "{path} does not exist: expected the list of mixtures; pass --yaml_file", path=path
        )
    content = read_yaml(path, "a list of mixtures")
    if not isinstance(content, list):
        raise InputError(
            f"{{path}} holds {escape_braces(describe_value(content))}: expected a list of mixtures",
            path=path,
        )
    for number, mixture in enumerate(content):
        needed = ("event_name", "event_type", "bg_name")
        lacking = [
            name for name in needed if not isinstance(mixture, Mapping) or name not in mixture
        ]
        if lacking:
            raise InputError(
                f"{{path}}: mixture {number} lacks {', '.join(lacking)}: expected the names of "
                "its event and its background",
                path=path,
            )
    return content
