"""Choose how the best model of a training finds events, on its validation recordings.

Strong labels of validation recordings, where there are any, tell nothing to the weights of a model
that is trained with weak labels; but the thresholds of its events are then chosen with them. If
`choose_thresholds` is tags, none are used.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from absslab.core.common.errors import InputError, InputWarning, Reason, WorkError
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import LongWork, Progress, Steps
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.data.clip_events import read_strong_labels
from absslab.core.data.labelled_recordings import EventReader, LabelledRecording
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import find_sources, load_recording, load_source
from absslab.core.model.checkpoint import load_checkpoint, save_checkpoint
from absslab.core.separation.detection import ActivityCurves, DetectionConfig
from absslab.core.separation.separator import Separator
from absslab.core.separation.threshold_choice import (
    CANDIDATE_ACTIVITIES,
    DetectedRecording,
    choice_steps,
    choose_by_tags,
    default_activity,
)
from absslab.core.separation.true_events import find_sounding_events
from absslab.core.training.run_directory import RunWriter
from absslab.core.training.settings import Settings
from absslab.core.training.trainer import Trainer


def threshold_steps(
    settings: Settings, trainer: Trainer, writer: RunWriter, reader: EventReader | None
) -> Steps[None]:
    """Choose the activity and the thresholds of the best model's events, and save them with it.

    Args:
        settings: of the training.
        trainer: whose validation recordings are used.
        writer: of the run, whose log says how they were chosen.
        reader: what reads the strong labels of these recordings, if they lie in no events.tsv.

    Yields:
        how many of these recordings have been separated, and then that all have, while the
        thresholds are chosen.
    """
    choice = settings.run.choose_thresholds
    checkpoint = writer.save_path
    if choice == "none" or not checkpoint.is_file():
        return
    validation = trainer.data.validation
    folder = trainer.data.strong_label_folder
    events = None
    if choice != "tags" and isinstance(validation, AudioDataSet) and folder is not None:
        events = _read_events(validation, folder, reader)
    if events is None and choice == "events":
        give_notice(
            InputWarning(
                "thresholds of events are chosen by weak labels alone: the validation recordings "
                "have no strong labels in {folder}",
                folder=folder or settings.data.data_folder,
            )
        )
    loaded = load_checkpoint(checkpoint, trainer.model.device)
    separator = Separator(loaded.model)
    config = DetectionConfig()
    activity = default_activity(loaded.model.competing)
    kinds = (activity,) if events is None else CANDIDATE_ACTIVITIES
    recordings = []
    try:
        rate = loaded.model.front_end.config.sampling_rate
        for n_done, (item, waveform) in enumerate(trainer.data.validation_sounds(rate)):
            yield Progress(n_done, len(validation))
            known = (events or {}).get(item.path)
            recordings.append(detect_recording(separator, item, known, config, kinds, waveform))
    except (
        InputError,
        WorkError,
        OSError,
        MemoryError,
    ) as error:  # the training itself is over and saved
        reason = Reason.of(error)
        if not reason.text:  # of a memory error
            reason = Reason("the memory is full", "the memory is full")
        give_notice(InputWarning("no thresholds of events were chosen: {reason}", reason=reason))
        return
    classes = separator.classes
    if events is None:
        chosen = choose_by_tags(recordings, classes, activity)
    else:
        work = LongWork(choice_steps(recordings, classes, separator.hop, config, activity))
        for _ in work:
            yield Progress(len(validation), len(validation))
        chosen = work.result
    loaded.model.event_thresholds = chosen
    save_checkpoint(checkpoint, loaded.model, loaded.configs, loaded.made)
    is_kept = not chosen.per_class and chosen.activity == activity
    kept = ": none is clearly better than the fixed ones, which stay" if is_kept else ""
    writer.log(f"thresholds of events, of {chosen.activity}: chosen by {chosen.describe()}{kept}")


def _read_events(
    validation: AudioDataSet, table_folder: Path, reader: EventReader | None
) -> dict[str, list[SoundEvent]] | None:
    """Read the strong labels by path; None if there are none, or they can't be used."""
    try:
        events = read_strong_labels(
            validation.durations,
            validation.classes,
            table_folder,
            reader,
            may_lack_recordings=True,
        )
    except InputError as error:  # which ends no training that does not need them
        give_notice(
            InputWarning(
                "strong labels of the validation recordings can't be used to choose thresholds of "
                "events: {reason}",
                reason=Reason.of(error),
            )
        )
        return None
    return events if events and any(events.values()) else None


def detect_recording(
    separator: Separator,
    recording: LabelledRecording,
    events: list[SoundEvent] | None,
    config: DetectionConfig,
    activities: Sequence[str] = CANDIDATE_ACTIVITIES,
    waveform: np.ndarray | None = None,
) -> DetectedRecording:
    """Compute the activity of a recording, and find when its labelled events sound.

    Args:
        separator: of the model.
        recording: the recording.
        events: its strong labels, if they are known.
        config: how its classes are tagged.
        activities: kinds of activity to compute.
        waveform: of the recording at the model's rate (N,), if it has been read.
    """
    rate = separator.model.front_end.config.sampling_rate
    if waveform is None:
        waveform = load_recording(recording, rate)
    curves = {
        kind: ActivityCurves(separator.hop, replace(config, activity=kind)) for kind in activities
    }
    for part in separator.stream([waveform[None]], rate, len(waveform), with_sources=False):
        for curve in curves.values():
            curve.add(part.masks, part.power, part.probabilities)
    if events:
        found = find_sources(recording, separator.classes) or {}
        sources = {separator.classes[k]: load_source(files, rate) for k, files in found.items()}
        events = find_sounding_events(events, sources, rate).events
    return DetectedRecording(
        {kind: curve.gated() for kind, curve in curves.items()},
        frozenset(recording.labels),
        frozenset(recording.unknown),
        len(waveform) / rate,
        events,
    )
