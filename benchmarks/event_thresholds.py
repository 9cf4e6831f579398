"""Measure how much it helps to choose the kind of activity and the thresholds of events.

They are chosen on the validation split and scored on the test split, and the other way round, so
that what is due to few recordings is seen.

python benchmarks/event_thresholds.py --checkpoint_path R.ckpt --data_folder MIXTURES
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from absslab.core.data.audio_data_set import open_split
from absslab.core.data.clip_events import read_strong_labels
from absslab.core.data.layouts import DataConfig
from absslab.core.metrics.detection import Counts, detection_scores, event_counts, merge_events
from absslab.core.model.event_thresholds import MAGNITUDE, EventThresholds
from absslab.core.separation.detection import DetectionConfig, find_events
from absslab.core.separation.separator import Separator
from absslab.core.separation.threshold_choice import (
    DetectedRecording,
    choose_by_events,
    choose_by_tags,
    default_activity,
)
from absslab.core.training.event_thresholds import detect_recording

CONFIG = DetectionConfig()


def detect_split(separator: Separator, folder: Path, split: str) -> list[DetectedRecording]:
    """Compute the activity of all recordings of a split, and find their true events."""
    rate = separator.model.front_end.config.sampling_rate
    data = replace(DataConfig(), data_folder=str(folder), data_set_type="mixture_folder")
    data_set = open_split(data, split, sampling_rate=rate, classes=separator.classes)
    events = read_strong_labels(
        data_set.durations, separator.classes, folder / split, None, may_lack_recordings=False
    )
    assert events is not None, "the recordings have no strong labels"
    return [
        detect_recording(separator, item, events[item.path], CONFIG) for item in data_set.recordings
    ]


def score(
    separator: Separator, recordings: Sequence[DetectedRecording], chosen: EventThresholds | None
) -> float:
    """Compute the event F1 with chosen thresholds; None: those without any choice."""
    kind = CONFIG.choose_activity(chosen)
    counts = Counts(np.zeros((3, len(separator.classes)), int))
    for item in recordings:
        found = find_events(
            item.activities[kind],
            separator.hop,
            separator.classes,
            CONFIG,
            length=item.length,
            chosen=chosen,
        )
        pair = (merge_events(item.events or ()), merge_events(found))
        counts += event_counts(*pair, separator.classes)
    return detection_scores(counts)["f1"] or 0.0


def keep_activity(recordings: Sequence[DetectedRecording], kind: str) -> list[DetectedRecording]:
    """Return recordings with one kind of activity alone."""
    return [replace(item, activities={kind: item.activities[kind]}) for item in recordings]


def main() -> None:
    """Print a table in Markdown: event F1 by how the thresholds were chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_path", required=True)
    parser.add_argument("--data_folder", required=True)
    arguments = parser.parse_args()
    separator = Separator.from_checkpoint(arguments.checkpoint_path)
    splits = {
        split: detect_split(separator, Path(arguments.data_folder), split)
        for split in ("validation", "test")
    }
    print(
        "| chosen on | scored on | not chosen | thresholds of magnitude by strong labels "
        "| by strong labels | by weak labels |"
    )
    print("|---|---|---|---|---|---|")
    for first, second in (("validation", "test"), ("test", "validation")):
        activity = default_activity(separator.model.competing)
        by_events = choose_by_events(
            splits[first], separator.classes, separator.hop, CONFIG, activity
        )
        of_magnitude = choose_by_events(
            keep_activity(splits[first], MAGNITUDE), separator.classes, separator.hop, CONFIG
        )
        by_tags = choose_by_tags(splits[first], separator.classes, activity)
        cells = [
            f"{score(separator, splits[second], chosen):.3f}"
            for chosen in (None, of_magnitude, by_events, by_tags)
        ]
        cells[2] += f" ({by_events.activity})"
        print(f"| {first} | {second} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
