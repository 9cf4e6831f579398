"""Read the events of JAMS files, as scaper writes them; they are plain JSON."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import read_json
from absslab.core.common.tables import is_missing
from absslab.core.data.class_names import normalise
from absslab.core.data.strong_labels import SoundEvent

_NAMESPACES = ("scaper", "sound_event", "segment_open", "tag_open")


def read_jams(path: Path) -> list[SoundEvent]:
    """Read the events of a JAMS file: those of its annotations of sound events.

    The background of a soundscape is left out. Annotations of several people, or of several kinds,
    are read together; what they have in common is one event.

    Raises:
        InputError: it is not JSON, has no annotation of sound events, or an event has no label or
            impossible times.
    """
    content = read_json(path)
    try:
        annotations = [
            annotation
            for annotation in content["annotations"]
            if annotation["namespace"] in _NAMESPACES
        ]
        if not annotations:
            raise ValueError(f"none has the namespace {' or '.join(_NAMESPACES)}")
        events: list[SoundEvent] = []
        for annotation in annotations:
            items = _list_observations(annotation["data"])
            observed = [_read_observation(item, path) for item in items]
            earlier = set(events)
            events += [event for event in observed if event is not None and event not in earlier]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{{path}} holds no annotation of sound events as JAMS writes it "
            f"({type(error).__name__}: {escape_braces(error)})",
            path=path,
        ) from None
    return events


def _list_observations(data: Any) -> list[Mapping[str, Any]]:
    """Return the observations of an annotation; earlier versions of JAMS wrote them as columns."""
    if isinstance(data, Mapping):
        columns = zip(data["time"], data["duration"], data["value"], strict=True)
        return [
            {"time": time, "duration": duration, "value": value}
            for time, duration, value in columns
        ]
    return list(data)


def _read_observation(item: Mapping[str, Any], path: Path) -> SoundEvent | None:
    """Return the event of an observation; None for a background."""
    value = item["value"]
    if isinstance(value, Mapping):
        if value.get("role") == "background":
            return None
        value = value["label"]
    label = normalise(str(value))
    onset = float(item["time"])
    duration = float(item["duration"])
    if is_missing(label):
        raise InputError(
            f"{{path}} has an event without a label at {onset:g} s: name its class, or remove it",
            path=path,
        )
    if not (math.isfinite(onset) and math.isfinite(duration) and onset >= 0 and duration >= 0):
        raise InputError(
            f"{{path}} has an event of the class {escape_braces(repr(label))} with the time "
            f"{onset:g} and the duration {duration:g}: expected seconds of at least 0",
            path=path,
        )
    return SoundEvent(label, onset, onset + duration)
