"""Polyphonic sound detection scores: detection at all thresholds at once. Axes: K classes, T frames.

The scores are those of `sed_scores_eval`, which is optional: `pip install 'absslab[psds]'`.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from absslab.core.data.strong_labels import SoundEvent

SCENARIOS = {  # of DCASE 2021 task 4: 1 wants events located well, 2 wants classes told apart
    "psds1": {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_st": 1.0},
    "psds2": {
        "dtc_threshold": 0.1,
        "gtc_threshold": 0.1,
        "cttc_threshold": 0.3,
        "alpha_ct": 0.5,
        "alpha_st": 1.0,
    },
}


def is_available() -> bool:
    """Whether `sed_scores_eval` is there and can be imported."""
    try:
        _import()
    except Exception:  # also one that was built for other versions: scores can do without
        return False
    return True


def psds(
    activities: Mapping[str, np.ndarray],
    events: Mapping[str, Sequence[SoundEvent]],
    durations: Mapping[str, float],
    classes: Sequence[str],
    *,
    hop: float,
) -> dict[str, float | None]:
    """PSDS 1 and 2 over the classes that have an event; None where fewer than two have, of which it is not defined.

    Events of one class that touch each other count as one.

    Args:
        activities: (K, T) per recording; a frame stands for half a hop before and behind its centre at 0, hop, ….
        events: what sounds when, per recording.
        durations: s, per recording.
        classes: K names.
        hop: s.

    Raises:
        ImportError: `sed_scores_eval` is missing.

    Source: Bilen et al., arXiv 1910.08440; Ebbers et al., arXiv 2201.13148.
    """
    intersection_based, data_frame = _import()
    sounding = {event.event_label for of_one in events.values() for event in of_one}
    chosen = [k for k, name in enumerate(classes) if name in sounding]
    if len(chosen) < 2:
        return dict.fromkeys(SCENARIOS)
    names = [classes[k] for k in chosen]
    scores = {}
    for recording, activity in activities.items():
        edges = (np.arange(activity.shape[1] + 1) - 0.5) * hop
        edges[0] = 0.0
        edges[-1] = max(durations[recording], edges[-2] + 1e-3)
        columns = np.concatenate([edges[:-1, None], edges[1:, None], activity[chosen].T], 1)
        scores[recording] = data_frame(columns, columns=["onset", "offset", *names])
    truth = {name: _apart(of_one) for name, of_one in events.items()}
    return {
        scenario: float(
            intersection_based.psds(scores, truth, dict(durations), max_efpr=100.0, **options)[0]
        )
        for scenario, options in SCENARIOS.items()
    }


def _apart(events: Sequence[SoundEvent]) -> list[tuple[float, float, str]]:
    """(onset, offset, event_label), those of one class that overlap or touch taken together."""
    merged: list[tuple[float, float, str]] = []
    for event in sorted(events, key=lambda event: (event.event_label, event.onset)):
        if merged and merged[-1][2] == event.event_label and event.onset <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], event.offset), event.event_label)
        else:
            merged.append((event.onset, event.offset, event.event_label))
    return merged


def _import() -> Any:
    """The module, and data frames as its compiled curves need them: pandas 3 hands out arrays that can't be written to."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        from sed_scores_eval import intersection_based

    class Column(pd.Series):
        def to_numpy(self, *arguments: Any, **options: Any) -> np.ndarray:
            return np.array(super().to_numpy(*arguments, **options))

    class WritableFrame(pd.DataFrame):
        @property
        def _constructor(self) -> Any:
            return WritableFrame

        @property
        def _constructor_sliced(self) -> Any:
            return Column

        def to_numpy(self, *arguments: Any, **options: Any) -> np.ndarray:
            return np.array(super().to_numpy(*arguments, **options))

    return intersection_based, WritableFrame
