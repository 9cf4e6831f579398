"""Read TUT Rare Sound Events 2017, as Kong's code of 2017 mixed and packed it.

::

    folder/packed_features/logmel/training.h5   na_list, y, x; and testing.h5
           mixed_audio/training/0000.mix_0db.wav …          and testing/
           mixed_yaml/training.csv              event_name, event_type, event_segment, …

A mixture is the sum of its two channels, the background and an event. Beside it lie the background
and the event alone, as 0000.bg.wav and 0000.event.wav. An event stands in the middle of its
recording; event_segment says where it lies (s) in the file that it was cut from.

Source:
    Kong, Xu, Wang, Plumbley, A joint separation-classification model for sound event detection of
    weakly labelled data, ICASSP 2018, arXiv:1711.03037.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from absslab.core.common.errors import InputError, describe_value, escape_braces
from absslab.core.common.yaml_files import read_yaml
from absslab.core.data.audio_finder import AudioFinder
from absslab.core.data.corpus_reading import (
    FoundRecordings,
    draw_validation,
    to_labelled_folder,
)
from absslab.core.data.hdf5_files import open_hdf5, read_labels, read_names
from absslab.core.data.labelled_recordings import (
    EventReader,
    LabelledFolder,
    LabelledRecording,
    SplitSettings,
)
from absslab.core.data.splits import SPLITS
from absslab.core.data.strong_labels import SoundEvent

CLASSES = ("babycry", "glassbreak", "gunshot", "background")  # in the order of the columns of y
_BACKGROUND = CLASSES[-1]
_CHANNELS = (0, 1)  # of the background and of the event
_PARTS = {"training": "train", "testing": "test"}
_PLACES = (".", "logmel", "packed_features/logmel")  # of the HDF5 files, from the given folder
_N_ABOVE = 3  # folders above these files in which the other folders are looked for
_NEEDED = ("event_name", "event_type", "bg_name")  # of each mixture in a list
_SEGMENT = "event_segment"
_LONGEST_FILE = 1e6  # s


@dataclass(frozen=True)
class ListedMixture:
    """What a list says of a mixture.

    Args:
        event_name: file that the event was cut from.
        event_type: class of the event.
        event_length: s; None if the list does not tell it.
    """

    event_name: str
    event_type: str
    event_length: float | None = None


def read_tut_rare(
    settings: SplitSettings, folder: Path, audio_folder: str | None, yaml_file: str | None
) -> LabelledFolder:
    """Read TUT Rare Sound Events 2017; see above.

    Validation recordings are drawn from those of training, by event file; testing is the test
    split. In each split the mixtures come first, then their events and backgrounds alone.

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
    mixtures = FoundRecordings()
    single_sounds = FoundRecordings()
    lengths: dict[str, float | None] = {}  # s, of the event of each recording
    notes: list[str] = []
    for part, split in _PARTS.items():
        table = features / f"{part}.h5"
        names, labels = _read_packed(table)
        listed = read_mixture_list(lists / f"{part}.csv")
        if not (audio / part).is_dir():
            raise InputError(
                "{path} is not a directory: expected the sounds that {table} names; pass the "
                "folder mixed_audio as --audio_folder",
                path=audio / part,
                table=table,
            )
        finder = AudioFinder(audio / part, table)
        for name, own in zip(names, labels, strict=True):
            mixture = _find_listed(name, own, listed, table, lists / f"{part}.csv")
            found = mixtures if len(own) > 1 else single_sounds
            path = found.find_and_add(finder, name, own, f"event {mixture.event_name}", split)
            lengths[path] = mixture.event_length
        notes += finder.notes
    recordings = draw_validation(mixtures.recordings, settings)
    split_of = {recording.origin: recording.split for recording in recordings}
    for recording in single_sounds.recordings:
        own_split = split_of.get(recording.origin, recording.split)
        recordings.append(replace(recording, split=own_split))
    labelled = to_labelled_folder(
        [replace(item, channels=_find_channels(item.labels)) for item in recordings],
        folder,
        notes,
        mixtures.missing | single_sounds.missing,
    )
    return replace(labelled, events=_find_event_readers(labelled.recordings, lengths))


def _find_channels(labels: frozenset[str]) -> dict[str, int]:
    """Return the channel of each class; a sound that is alone has one channel."""
    if len(labels) == 1:
        return dict.fromkeys(labels, 0)
    return {name: _CHANNELS[int(name != _BACKGROUND)] for name in labels}


def _find_event_readers(
    recordings: Sequence[LabelledRecording], lengths: Mapping[str, float | None]
) -> dict[str, EventReader]:
    """Return what reads the strong labels of each split in which all events have a length.

    Args:
        recordings: those of all splits.
        lengths: of the event of each recording (s), by path.
    """
    readers: dict[str, EventReader] = {}
    for split in SPLITS:
        labels = {item.path: item.labels for item in recordings if item.split == split}
        known = {path: length for path in labels if (length := lengths[path]) is not None}
        if len(known) == len(labels):
            readers[split] = partial(_place_events, labels, known)
    return readers


def _place_events(
    labels: Mapping[str, frozenset[str]],
    lengths: Mapping[str, float],
    classes: Sequence[str],
    durations: Mapping[str, float],
) -> dict[str, list[SoundEvent]]:
    """Return when each class sounds: an event in the middle, the background all the time.

    Args:
        labels: of each recording, by path.
        lengths: of its event (s).
        classes: the classes that may occur.
        durations: length (s) of each recording whose events are wanted.
    """
    events: dict[str, list[SoundEvent]] = {}
    for path, duration in durations.items():
        events[path] = []
        for name in sorted(labels[path].intersection(classes)):
            # Longer events were cut at their end.
            length = duration if name == _BACKGROUND else min(lengths[path], duration)
            onset = (duration - length) / 2
            events[path].append(SoundEvent(name, onset, onset + length))
    return events


def holds_tut_rare(folder: Path) -> bool:
    """Tell whether a folder holds the HDF5 files of TUT Rare 2017, or is above them."""
    return _look_for_features(folder) is not None


def _look_for_features(folder: Path) -> Path | None:
    """Return the folder of the HDF5 files; None if there is none."""
    places = [folder / place for place in _PLACES]
    return next((place for place in places if (place / "training.h5").is_file()), None)


def _find_features(folder: Path) -> Path:
    """Find the folder of the HDF5 files.

    Raises:
        InputError: there is none.
    """
    features = _look_for_features(folder)
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


def _find_listed(
    name: str,
    labels: frozenset[str],
    mixtures: Sequence[ListedMixture],
    table: Path,
    path: Path,
) -> ListedMixture:
    """Return the mixture that a sound is, or that it belongs to.

    Args:
        name: of the sound, which begins with the number of the mixture in the list.
        labels: of the sound.
        mixtures: the list.
        table: the file that has the name and the labels.
        path: the file that has the list.

    Raises:
        InputError: the list has no such mixture, or another event.
    """
    number, _, kind = name.partition(".")
    if not (number.isascii() and number.isdecimal() and int(number) < len(mixtures)):
        raise InputError(
            f"{{table}} names {escape_braces(name)}: expected a name that begins with the number "
            f"of one of the {len(mixtures)} mixtures in {{path}}",
            table=table,
            path=path,
        )
    mixture = mixtures[int(number)]
    expected = {
        "mix": {mixture.event_type, _BACKGROUND},
        "event": {mixture.event_type},
        "bg": {_BACKGROUND},
    }.get(kind.partition(".")[0].partition("_")[0])
    if expected is None:
        raise InputError(
            f"{{table}} names {escape_braces(name)}: expected a mixture as in "
            f"{number}.mix_0db.wav, or one sound of it as in {number}.event.wav or {number}.bg.wav",
            table=table,
        )
    if labels != expected:
        raise InputError(
            f"{{table}} labels {escape_braces(name)} with "
            f"{', '.join(sorted(labels)) or 'nothing'}, but {{path}} has the event "
            f"{escape_braces(mixture.event_type)}: expected "
            f"{escape_braces(' and '.join(sorted(expected)))}; both files must be of one run of "
            "the mixing",
            table=table,
            path=path,
        )
    return mixture


def read_mixture_list(path: Path) -> list[ListedMixture]:
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
    mixtures = [_read_mixture(path, number, entry) for number, entry in enumerate(content)]
    lacking = [n for n, mixture in enumerate(mixtures) if mixture.event_length is None]
    if 0 < len(lacking) < len(mixtures):
        raise InputError(
            f"{{path}}: mixture {lacking[0]} has no {_SEGMENT}, but others have one: expected it "
            "in each mixture, or in none",
            path=path,
        )
    return mixtures


def _read_mixture(path: Path, number: int, entry: object) -> ListedMixture:
    """Check an entry of a list of mixtures.

    Args:
        path: the list.
        number: of the mixture.
        entry: what the list says of it.

    Raises:
        InputError: it lacks a name, or its event has no length.
    """
    values = entry if isinstance(entry, Mapping) else {}
    lacking = [
        name for name in _NEEDED if not isinstance(values.get(name), str) or not values[name]
    ]
    if lacking:
        raise InputError(
            f"{{path}}: mixture {number} lacks {', '.join(lacking)}: expected the names of "
            "its event and its background",
            path=path,
        )
    length = None
    if values.get(_SEGMENT) is not None:
        length = _measure_segment(values[_SEGMENT])
        if length is None:
            raise InputError(
                f"{{path}}: mixture {number} has the {_SEGMENT} "
                f"{escape_braces(describe_value(values[_SEGMENT]))}: expected the seconds at which "
                "the event begins and ends in its file, such as [0.5, 1.25]",
                path=path,
            )
    return ListedMixture(str(values["event_name"]), str(values["event_type"]), length)


def _measure_segment(segment: object) -> float | None:
    """Return the length of a segment (s); None if it is no beginning and a later end."""
    if not isinstance(segment, list) or len(segment) != 2:
        return None
    if not all(type(time) in (int, float) for time in segment):
        return None
    start, stop = segment
    return float(stop - start) if 0 <= start < stop < _LONGEST_FILE else None
