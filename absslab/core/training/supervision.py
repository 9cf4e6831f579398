"""What a training knows of its recordings besides weak labels: strong labels, or true sources."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.data.clip_events import EVENTS_FILE, read_strong_labels, require_events
from absslab.core.data.labelled_recordings import EventReader, LabelledRecording
from absslab.core.data.layouts import find_table_folder
from absslab.core.data.true_sources import check_sources
from absslab.core.training.settings import Settings


def check_supervision(settings: Settings) -> None:
    """Check that a loss uses what the supervision gives.

    Raises:
        InputError: none does, or stored features are to be used, which have no waveforms.
    """
    training = settings.training
    if settings.data.feature_store and (
        settings.augmentation.needs_waveforms
        or training.share_weight
        or training.supervision != "weak"
    ):
        raise InputError(
            "feature_store keeps features, but augmentation, share_weight and supervision need "
            "waveforms: leave it out, or set pair_probability, equaliser, gain_range and "
            "share_weight to 0, roll to False and supervision to weak"
        )
    is_competing = settings.model.masks == "competing"
    weight = "share_weight" if is_competing else "l1_weight"
    if training.supervision == "sources" and not getattr(training, weight):
        raise InputError(
            f"{weight} is 0, but it is the weight of the loss on true sources with "
            f"{settings.model.masks} masks: expected more, or --supervision weak"
        )


def check_truth(
    settings: Settings,
    recordings: Sequence[LabelledRecording],
    classes: Sequence[str],
    reader: EventReader | None,
) -> None:
    """Check that there is what the supervision needs, before a recording is opened.

    Args:
        settings: of the training.
        recordings: of a split.
        classes: all classes.
        reader: what reads the strong labels, if they lie in no events.tsv.

    Raises:
        InputError: sources of a recording were not saved, or there are no strong labels.
    """
    if settings.training.supervision == "sources":
        check_sources(recordings, classes, settings.data.data_folder)
    if settings.training.supervision == "events" and reader is None:
        folder = table_folder(settings, recordings)
        if not (folder / EVENTS_FILE).is_file():
            require_events(None, recordings, folder)


def add_truth(
    data_set: AudioDataSet, settings: Settings, reader: EventReader | None, *, is_whole: bool
) -> AudioDataSet:
    """Return a data set whose batches have what the supervision needs.

    Args:
        data_set: the recordings of a split.
        settings: of the training.
        reader: what reads the strong labels, if they lie in no events.tsv.
        is_whole: whether no recording was left out.

    Raises:
        InputError: strong labels can't be read.
    """
    if settings.training.supervision == "sources":
        return replace(data_set, has_sources=True)
    if settings.training.supervision == "events" and data_set.recordings:  # else all are left out
        folder = table_folder(settings, data_set.recordings)
        events = read_strong_labels(
            data_set.durations,
            data_set.classes,
            folder,
            reader,
            may_lack_recordings=not is_whole,
        )
        return replace(data_set, events=require_events(events, data_set.recordings, folder))
    return data_set


def table_folder(settings: Settings, recordings: Sequence[LabelledRecording]) -> Path:
    """Return the folder with the label tables of a split."""
    return find_table_folder(settings.data, recordings[0].path)
