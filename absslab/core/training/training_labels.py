"""Which recordings a training has, and their labels, read without opening a recording."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from absslab.core.audio import sound_files
from absslab.core.common.config import fingerprint
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.left_out import LeftOut
from absslab.core.common.process_group import Processes
from absslab.core.common.version import __version__
from absslab.core.data.audio_data_set import AudioDataSet, read_split
from absslab.core.data.labelled_recordings import (
    CountedLabels,
    EventReader,
    LabelledRecording,
    warn_about_classes_without_recordings,
)
from absslab.core.data.true_sources import check_recording
from absslab.core.training.resumption import PLACES_OF_DATA
from absslab.core.training.settings import Settings
from absslab.core.training.supervision import check_truth
from absslab.core.training.training_source import TrainingRecordings


@dataclass(frozen=True)
class Labels:
    """The recordings of a training and their labels, read without opening a recording."""

    classes: Sequence[str]
    train: Sequence[LabelledRecording]
    validation: Sequence[LabelledRecording]
    event_readers: Mapping[str, EventReader | None]  # of the splits

    @property
    def n_recordings(self) -> int:
        """Number of recordings to train and to validate on."""
        return len(self.train) + len(self.validation)

    def fingerprint(self) -> str:
        """Return a fingerprint of the names and labels of all recordings."""
        return fingerprint_of([*self.train, *self.validation])


def fingerprint_of(recordings: Sequence[LabelledRecording]) -> str:
    """Return a fingerprint that differs if recordings have other names or labels."""
    content = []
    for item in recordings:
        unknown = [sorted(item.unknown)] if item.unknown else []  # earlier versions have no unknown
        content.append([Path(item.path).name, sorted(item.labels), *unknown])
    return fingerprint(content)


def read_labels(
    settings: Settings, checkpoint: Mapping[str, Any] | None, left_out: LeftOut
) -> Labels:
    """Read which recordings there are, and check their labels against the settings.

    Args:
        settings: of the training.
        checkpoint: content of the `last.ckpt` of a run that is resumed.
        left_out: collects recordings that can't be used.

    Raises:
        InputError: labels that can't be used, or others than the run began with.
    """
    known = None if checkpoint is None else checkpoint["classes"]
    train = read_split(settings.data, "train", classes=known, left_out=left_out)
    classes = train.classes
    validation = read_split(settings.data, "validation", classes=classes, left_out=left_out)
    if checkpoint is None:
        counts = (CountedLabels.of(classes, split.recordings) for split in (train, validation))
        warn_about_classes_without_recordings(classes, *counts)
    readers = {
        "train": train.event_reader("train"),
        "validation": validation.event_reader("validation"),
    }
    labels = Labels(classes, train.recordings, validation.recordings, readers)
    if checkpoint:
        labels = _leave_out_again(labels, settings, checkpoint, left_out)
    elif left_out and left_out.on_error == "stop":
        # What else can't be used is told in the same line: all headers, then the samples.
        recordings = (*labels.train, *labels.validation)
        for recording in recordings:
            with left_out.file(recording.path):
                sound_files.info(recording.path)
        left_out.check_rest_and_stop(
            (item.path, partial(check_recording, item)) for item in recordings
        )
    if checkpoint and checkpoint["resume"]["data"] != fingerprint_of(labels.train):
        raise InputError(
            "{data_folder} has other recordings or labels than the run began with: start a new run",
            data_folder=settings.data.data_folder,
        )
    for split, reader in readers.items():
        check_truth(settings, getattr(labels, split), classes, reader)
    n_thresholds = len(settings.training.thresholds)
    if n_thresholds not in (1, len(classes)):
        raise InputError(
            f"thresholds has {n_thresholds} values: expected 1, or {len(classes)}, one per class"
        )
    return labels


def check_alike(
    processes: Processes,
    settings: Settings,
    checkpoint: Mapping[str, Any] | None,
    recordings: TrainingRecordings,
) -> None:
    """Check that all processes train the same model on the same recordings.

    Args:
        processes: all of them have to call this.
        settings: of the training.
        checkpoint: content of the `last.ckpt` of a run that is resumed.
        recordings: to train and to validate on.

    Raises:
        InputError: a process has another version, other settings, recordings or labels, another
            checkpoint, or another kind of device.
    """
    sections = {name: values for name, values in settings.to_json().items() if name != "run"}
    sections["data"] = {
        name: value for name, value in sections["data"].items() if name not in PLACES_OF_DATA
    }
    device = choose_device(settings.run.device, processes)
    resumed = {} if checkpoint is None else checkpoint["resume"]
    epoch = resumed.get("epoch", 0)
    step = resumed.get("place", {}).get("n_steps", 0)
    _compare(
        processes,
        {
            "ABSSLab {}": __version__,
            "the settings {}: start all with the same command": fingerprint(sections),
            "{} recordings: let all see the same data_folder": recordings.n_recordings,
            "recordings of the fingerprint {}: let all see the same labels": (
                recordings.fingerprint()
            ),
            "a last.ckpt of epoch {}: give all the same": epoch,
            "a last.ckpt of step {} in its epoch: give all the same": step,
            "a device of the kind {}: let all have GPUs, or pass --device cpu": device.type,
        },
    )


def check_clips_alike(processes: Processes, data_sets: Sequence[AudioDataSet]) -> None:
    """Check that all processes have the same clips, now that their recordings have been read.

    Args:
        processes: all of them have to call this.
        data_sets: those of the training.

    Raises:
        InputError: a process has others.
    """
    clips = [[list(data_set.lengths), data_set.labels.tolist()] for data_set in data_sets]
    what = "clips of the fingerprint {}: let all see the same sound files"
    _compare(processes, {what: fingerprint(clips) if processes.size > 1 else ""})


def _compare(processes: Processes, own: Mapping[str, object]) -> None:
    """Compare what each process has with what the first one has.

    Args:
        processes: all of them have to call this.
        own: what this process has, by a text with a place for it.

    Raises:
        InputError: a process has something else.
    """
    (first, expected), *others = processes.gather((processes.describe(), own))
    for process, values in others:
        for text, value in values.items():
            if value != expected[text]:
                has, _, advice = text.partition(": ")
                message = f"{process} has {has.format(value)}, but {first} {expected[text]}"
                raise InputError(f"{message}: {advice or 'install one version'}")


def _leave_out_again(
    labels: Labels, settings: Settings, checkpoint: Mapping[str, Any], left_out: LeftOut
) -> Labels:
    """Leave out the recordings that the run was begun without.

    Raises:
        InputError: others are missing.
    """
    begun_without: Mapping[str, str] = checkpoint["resume"].get("left_out", {})
    folder = settings.data.data_folder
    newly_missing = LeftOut("train", on_error="stop")
    for item in left_out.files:
        if os.path.relpath(item.file, folder) not in begun_without:
            newly_missing.add(item.file, item.error)
    if newly_missing:
        raise newly_missing.to_error("; the run began with what is missing: put it back")
    for name, reason in begun_without.items():
        path = os.path.normpath(os.path.join(folder, name))  # the name may begin with ..
        left_out.add(path, InputError(escape_braces(reason)))

    def keep(recordings: Sequence[LabelledRecording]) -> list[LabelledRecording]:
        return [
            item for item in recordings if os.path.relpath(item.path, folder) not in begun_without
        ]

    return replace(labels, train=keep(labels.train), validation=keep(labels.validation))


def check_remaining(
    labels: Labels, train: AudioDataSet, validation: AudioDataSet, left_out: LeftOut
) -> None:
    """Check that enough is left to train on, if recordings were left out.

    Raises:
        InputError: there is no recording, or none of a class that had some, in train or none at
            all in validation.
    """
    if not left_out:
        return
    if not len(train) or not len(validation):
        raise left_out.to_error()
    before = set().union(*(recording.labels for recording in labels.train))
    lost = before - set().union(*(recording.labels for recording in train.recordings))
    if lost:
        names = escape_braces(", ".join(sorted(lost)))
        raise left_out.to_error(f"; no training recording of {names} is left")
