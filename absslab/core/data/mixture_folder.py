"""Read a folder of mixtures.

::

    output_folder/manifest.json       format version, config, seed, classes, recordings, split
    output_folder/left_out.csv        recordings that could not be used, if there are any
    output_folder/train/ validation/ test/
        000000.wav                    the mixture
        000000/speech.flac …          the sources that sound in it, and background.flac; see
                                      class_names.py for the names of these files
        weak_labels.csv               filename,alert,clearthroat,…   0/1
        events.tsv                    filename onset offset event_label
        mixtures.jsonl                one MixtureSpec per line
        000000.silent_events.json     events that 16 bits round to silence, if there are any: they
                                      are in none of the tables

The tables are written last, so a split that has them is complete. Sources are written as FLAC
because silence takes almost no space in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absslab.core.audio import formats
from absslab.core.common.documents import SavedDocument
from absslab.core.common.errors import InputError
from absslab.core.common.files import list_folder
from absslab.core.common.tables import read_table
from absslab.core.data.class_names import BACKGROUND_STEM, class_of_stem
from absslab.core.data.mixing import MixtureSpec


@dataclass(frozen=True)
class MixedRecording:
    """A recording that mixtures are made of.

    Args:
        path: from the folder of the recordings, with slashes.
        event_label: its class; "background" if it is a background.
        origin: the longer recording that it was cut from.
        duration: s.
        sha256: of the file, in hexadecimal.
    """

    path: str
    event_label: str
    origin: str
    duration: float
    sha256: str


@dataclass(frozen=True)
class Manifest(SavedDocument):
    """The settings and recordings from which a folder of mixtures was made.

    Args:
        config: the settings of `MixingConfig` and `MixtureFolderConfig` by their names, without the
            output folder and the number of processes.
        seed: seed of the split and of the mixtures.
        classes: classes, sorted.
        n_mixtures: number of mixtures of each split that has any.
        recordings: recordings of each split, from which its mixtures are drawn.
        backgrounds: background recordings of each split; empty if backgrounds are noise.
        left_out: why files of these folders were left out, by their paths in them.
        cut_events: number of events that do not fit into their mixtures and were cut, by the path
            of their recording.
        repeated_events: number of events that are repeated to fill their mixtures, likewise.
        repeated_backgrounds: number of backgrounds that are, likewise.
    """

    FORMAT = "absslab mixtures"
    VERSION = 1

    config: Mapping[str, object]
    seed: int
    classes: list[str]
    n_mixtures: dict[str, int]
    recordings: dict[str, list[MixedRecording]]
    backgrounds: dict[str, list[MixedRecording]]
    left_out: dict[str, str] = field(default_factory=dict)
    cut_events: dict[str, int] = field(default_factory=dict)
    repeated_events: dict[str, int] = field(default_factory=dict)
    repeated_backgrounds: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain data."""
        content = super().to_json()
        for name in ("left_out", "cut_events", "repeated_events", "repeated_backgrounds"):
            if not content[name]:  # earlier versions do not know these fields
                del content[name]
        return content


def read_manifest(folder: str | Path) -> Manifest:
    """Read the manifest of a folder of mixtures.

    Raises:
        InputError: it is missing or damaged, was not written by ABSSLab, or has a newer version.
    """
    return Manifest.read(Path(folder) / "manifest.json", "absslab mix")


def read_specs(folder: str | Path, split: str) -> list[MixtureSpec]:
    """Read the specifications of the mixtures of a split, in order."""
    lines = (Path(folder) / split / "mixtures.jsonl").read_text(encoding="utf-8").splitlines()
    return [MixtureSpec.from_json(json.loads(line)) for line in lines]


def mixture_names(folder: str | Path, split: str) -> list[str]:
    """List the files of a split's mixtures, as its table of weak labels names them.

    Raises:
        InputError: there is no such table: the folder does not hold mixtures, is not finished, or
            has no such split.
    """
    path = Path(folder) / split / "weak_labels.csv"
    if not path.is_file():
        raise InputError(
            "{path} does not exist: expected a folder that absslab mix has finished, "
            "and one of its splits",
            path=path,
        )
    return [row["filename"] for row in read_table(path, required=("filename",))]


def source_files(mixture: str | Path) -> dict[str, Path]:
    """Find the saved sources of a mixture by class; the background is none.

    Returns:
        the files; empty if no sources were saved, or none sounds.

    Raises:
        InputError: the folder of the sources can't be read.
    """
    files = [path for path in _list_sounds(mixture) if path.stem != BACKGROUND_STEM]
    return {class_of_stem(path.stem): path for path in files}


def background_file(mixture: str | Path) -> Path | None:
    """Find the saved background of a mixture, what belongs to no class; None if there is none.

    Raises:
        InputError: the folder of the sources can't be read.
    """
    files = (path for path in _list_sounds(mixture) if path.stem == BACKGROUND_STEM)
    return next(files, None)


def part_files(mixture: str | Path) -> list[Path]:
    """Find all saved parts of a mixture: its sources and its background, whose sum it is.

    Raises:
        InputError: the folder of the sources can't be read.
    """
    background = background_file(mixture)
    return [*source_files(mixture).values(), *([background] if background else [])]


def _list_sounds(mixture: str | Path) -> list[Path]:
    """List the sound files in the folder of a mixture's sources."""
    folder = Path(mixture).with_suffix("")
    if not folder.is_dir():
        return []
    return [path for path in list_folder(folder) if formats.is_audio(path)]
