"""Choose the thresholds of events for the best model of a training, on its validation recordings.

Strong labels of validation recordings, where there are any, tell nothing to the weights of a model
that is trained with weak labels; but the thresholds of its events are then chosen with them. If
`choose_thresholds` is tags, none are used.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError, InputWarning, Reason
from absslab.core.common.notices import give_notice
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.data.clip_events import read_strong_labels
from absslab.core.data.labelled_recordings import EventReader, LabelledRecording
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.data.true_sources import find_sources
from absslab.core.model.checkpoint import load_checkpoint, save_checkpoint
from absslab.core.separation.detection import DetectionConfig, frame_activity
from absslab.core.separation.separator import Separator
from absslab.core.separation.threshold_choice import (
    CHOSEN_ACTIVITIES,
    DetectedRecording,
    choose_by_events,
    choose_by_tags,
    default_activity,
)
from absslab.core.separation.true_events import find_sounding_events
from absslab.core.training.run_directory import RunWriter
from absslab.core.training.settings import Settings
from absslab.core.training.supervision import table_folder
from absslab.core.training.trainer import Trainer


def threshold_steps(
    settings: Settings, trainer: Trainer, writer: RunWriter, reader: EventReader | None
) -> Steps[None]:
    """Choose the thresholds of the best model's events, and save them with it.

    Args:
        settings: of the training.
        trainer: whose validation recordings are used.
        writer: of the run, whose log says how they were chosen.
        reader: what reads the strong labels of these recordings, if they lie in no events.tsv.

    Yields:
        how many of these recordings have been separated.
    """
    choice = settings.run.choose_thresholds
    checkpoint = writer.save_path
    if choice == "none" or not checkpoint.is_file():
        return
    validation = trainer.data.validation
    folder = table_folder(settings, validation.recordings)
    events = None if choice == "tags" else _read_events(validation, folder, reader)
    if events is None and choice == "events":
        give_notice(
            InputWarning(
                "thresholds of events are chosen by weak labels alone: the validation recordings "
                "have no strong labels in {folder}",
                folder=folder,
            )
        )
    loaded = load_checkpoint(checkpoint, trainer.model.device)
    separator = Separator(loaded.model)
    config = DetectionConfig()
    recordings = []
    try:
        for n_done, item in enumerate(validation.recordings):
            yield Progress(n_done, len(validation))
            known = (events or {}).get(item.path)
            recordings.append(detect_recording(separator, item, known, config))
    except (InputError, OSError, MemoryError) as error:  # the training itself is over and saved
        reason = Reason.of(error)
        if not reason.text:  # of a memory error
            reason = Reason("the memory is full", "the memory is full")
        give_notice(InputWarning("no thresholds of events were chosen: {reason}", reason=reason))
        return
    classes = separator.classes
    activity = default_activity(loaded.model.competing)
    if events is None:
        chosen = choose_by_tags(recordings, classes, activity)
    else:
        chosen = choose_by_events(recordings, classes, separator.hop, config, activity)
    loaded.model.event_thresholds = chosen
    save_checkpoint(checkpoint, loaded.model, loaded.configs, loaded.made)
    kept = "" if chosen.per_class else ": none is clearly better than the fixed ones, which stay"
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
) -> DetectedRecording:
    """Compute the activity of a recording, and find when its labelled events sound."""
    rate = separator.model.front_end.config.sampling_rate
    waveform = sound_files.load(recording.path, rate)  # (N,)
    parts = list(separator.stream([waveform[None]], rate, len(waveform), with_sources=False))
    activities = {}
    for kind in CHOSEN_ACTIVITIES:
        of_kind = replace(config, activity=kind)
        curves = [
            frame_activity(part.masks, part.power, part.probabilities, separator.hop, of_kind)
            for part in parts
        ]
        activities[kind] = np.concatenate(curves, -1)  # (K, T)
    if events:
        files = find_sources(recording.path, separator.classes) or {}
        sources = {separator.classes[k]: sound_files.load(file, rate) for k, file in files.items()}
        events = find_sounding_events(events, sources, rate).events
    return DetectedRecording(
        activities,
        frozenset(recording.labels),
        frozenset(recording.unknown),
        len(waveform) / rate,
        events,
    )
