"""Read the events of JAMS files, as scaper writes them; they are plain JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import read_json
from absslab.core.data.class_names import normalise
from absslab.core.data.strong_labels import SoundEvent


def read_jams(path: Path) -> list[SoundEvent]:
    """Read the events of a JAMS file: those of its annotations of sound events.

    The background of a soundscape is left out.

    Raises:
        InputError: it is not JSON, or has no annotation of sound events.
    """
    content = read_json(path)
    try:
        annotations = [
            annotation
            for annotation in content["annotations"]
            if annotation["namespace"] in ("scaper", "sound_event", "segment_open", "tag_open")
        ]
        found = annotations[0]
        events = [_read_observation(item) for item in _list_observations(found["data"])]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{{path}} holds no annotation of sound events as JAMS writes it "
            f"({type(error).__name__}: {escape_braces(error)})",
            path=path,
        ) from None
    return [event for event in events if event is not None]


def _list_observations(data: Any) -> list[Mapping[str, Any]]:
    """Return the observations of an annotation; earlier versions of JAMS wrote them as columns."""
    if isinstance(data, Mapping):
        columns = zip(data["time"], data["duration"], data["value"], strict=True)
        return [
            {"time": time, "duration": duration, "value": value}
            for time, duration, value in columns
        ]
    return list(data)


def _read_observation(item: Mapping[str, Any]) -> SoundEvent | None:
    """Return the event of an observation; None for a background."""
    value = item["value"]
    if isinstance(value, Mapping):
        if value.get("role") == "background":
            return None
        label = value["label"]
    else:
        label = value
    onset = float(item["time"])
    return SoundEvent(normalise(str(label)), onset, onset + float(item["duration"]))
