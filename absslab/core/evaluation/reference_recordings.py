"""Recordings with their true sources, on which sounds that any system has separated are scored.

They are mixtures that have a folder of sources each, as `absslab mix` writes a split, or the test
split of TUT Rare 2017, whose sources are channels.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from absslab.core.audio import formats, sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.labelled_recordings import EventReader, LabelledRecording, read_event_table
from absslab.core.data.layouts import TUT_RARE, DataConfig, find_table_folder
from absslab.core.data.mixture_folder import part_files, source_files
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import SourceFile
from absslab.core.data.tut_rare import holds_tut_rare
from absslab.core.data.weak_labels import LabelledRow, read_multi_hot

_SPLIT = "test"  # of a data set


@dataclass(frozen=True)
class ReferenceRecording:
    """A recording whose true sources are known.

    Args:
        file: the recording; where it would be, if it is missing.
        parts: the sounds whose sum it is: it alone, or its sources.
        sources: its true sources by class.
        labels: its weak labels, if they are known.
        is_source: whether it is one true source alone, so that nothing is to be separated.
    """

    file: Path
    parts: Sequence[SourceFile]
    sources: Mapping[str, SourceFile]
    labels: LabelledRow | LabelledRecording | None = None
    is_source: bool = False

    @property
    def any_file(self) -> Path:
        """A sound file that is as long as the recording.

        Raises:
            InputError: there is none.
        """
        if not self.parts:
            raise InputError(
                f"{self.file.with_suffix('')} holds no sounds, and there is no {self.file.name} "
                "beside it"
            )
        return self.parts[0].path


@dataclass(frozen=True)
class ReferenceRecordings:
    """Recordings whose true sources are known.

    Args:
        folder: the folder that their names begin from.
        recordings: by the name of the folder with the estimates of each.
        classes: those of the weak labels; empty if there are none.
        place_of_classes: what names these classes, for messages.
        event_reader: what reads their strong labels; None if there are none.
    """

    folder: Path
    recordings: Mapping[str, ReferenceRecording]
    classes: Sequence[str] = ()
    place_of_classes: str = ""
    event_reader: EventReader | None = field(default=None, hash=False)

    def only(self, names: Sequence[str]) -> "ReferenceRecordings":
        """Return some of the recordings."""
        return replace(self, recordings={name: self.recordings[name] for name in names})

    def name(self, recording: ReferenceRecording) -> str:
        """Return the name of a recording in scores: its path from the folder."""
        return os.path.relpath(recording.file, self.folder)

    def read_events(self, classes: Sequence[str]) -> dict[str, list[SoundEvent]] | None:
        """Read the strong labels by the path of the recording; None if there are none.

        Args:
            classes: the classes that may occur.

        Raises:
            InputError: they do not fit the recordings.
        """
        if self.event_reader is None:
            return None
        durations = {
            str(recording.file): sound_files.info(recording.any_file).duration
            for recording in self.recordings.values()
        }
        return self.event_reader(classes, durations)


def find_references(
    folder: Path, *, audio_folder: str | None = None, yaml_file: str | None = None
) -> ReferenceRecordings:
    """Find the recordings of a folder with their true sources.

    Args:
        folder: a folder of mixtures with their sources, or one that holds TUT Rare 2017.
        audio_folder: its `mixed_audio`, if this does not lie beside the features.
        yaml_file: its `mixed_yaml` or a list in it, likewise.

    Raises:
        InputError: the folder holds several splits, no sources, or tables that can't be used.
    """
    if holds_tut_rare(folder):
        data = DataConfig(TUT_RARE, str(folder), audio_folder=audio_folder, yaml_file=yaml_file)
        return _find_in_channels(data)
    for name, value in (("audio_folder", audio_folder), ("yaml_file", yaml_file)):
        if value:
            raise InputError(
                f"{name} is for references of {TUT_RARE}, but {{folder}} holds no training.h5: "
                f"leave --{name} out",
                folder=folder,
            )
    return _find_in_folders(folder)


def _find_in_channels(data: DataConfig) -> ReferenceRecordings:
    """Find the recordings of a data set whose true sources are channels."""
    labelled = read_split(data, _SPLIT)
    recordings: dict[str, ReferenceRecording] = {}
    for item in labelled.recordings:
        path = Path(item.path)
        channels = item.channels or {}
        sources = {name: SourceFile(path, channel) for name, channel in channels.items()}
        recordings[path.stem] = ReferenceRecording(
            path, list(sources.values()), sources, item, item.is_source
        )
    folder = find_table_folder(data, labelled.recordings[0].path)
    reader = labelled.event_reader(_SPLIT)
    return ReferenceRecordings(
        folder, recordings, labelled.classes, data.data_folder, event_reader=reader
    )


def _find_in_folders(folder: Path) -> ReferenceRecordings:
    """Find the mixtures of a folder that have a folder of sources each."""
    names = list_folders(folder)
    table = folder / "weak_labels.csv"
    if _SPLIT in names and (folder / _SPLIT / table.name).is_file():
        raise InputError(
            f"{folder} holds several splits: expected one of them, such as {folder}/{_SPLIT}"
        )
    if not names:
        hint = ""
        if any(folder.glob("*.mix_*")):
            hint = f"; if it is of {TUT_RARE}, pass the folder that holds training.h5"
        raise InputError(f"{folder} holds no folders of sources: expected one per mixture{hint}")
    labels: dict[str, LabelledRow] = {}
    classes: list[str] = []
    if table.is_file():
        content = read_multi_hot(table, has_metadata=False)
        labels = {Path(row.filename).stem: row for row in content.rows}
        classes = content.classes
    recordings: dict[str, ReferenceRecording] = {}
    for name in names:
        candidates = [folder / f"{name}{suffix}" for suffix in formats.SUFFIXES]
        mixture = next((path for path in candidates if path.is_file()), None)
        file = mixture or folder / f"{name}.wav"
        parts = [file] if mixture else part_files(file)
        sources = {label: SourceFile(path) for label, path in source_files(file).items()}
        recordings[name] = ReferenceRecording(
            file, [SourceFile(path) for path in parts], sources, labels.get(name)
        )
    events = folder / "events.tsv"
    reader = partial(read_event_table, events, folder) if events.is_file() else None
    return ReferenceRecordings(folder, recordings, classes, str(table), event_reader=reader)


def list_folders(folder: Path) -> list[str]:
    """List the names of the folders in a folder."""
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
