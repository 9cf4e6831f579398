"""Polyphonic sound detection scores: detection at all thresholds at once.

Axes: K classes, T frames. The scores are those of `sed_scores_eval`, which is optional:
`pip install 'absslab[psds]'`.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import merge_events

# In the second, each class is compared with each: 100 classes take 2 GB for 40 recordings of 4 s.
MOST_COMPARED_CLASSES = 50
# Of DCASE 2021 task 4: the first rewards good localisation, the second few confused classes.
SCENARIOS = {
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
    """Return whether `sed_scores_eval` can be imported."""
    try:
        _import_scorer()
    except Exception:  # any error, such as of a build for other versions: these scores are optional
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
    """Compute PSDS 1 and 2 over the classes that have an event.

    Events of one class that touch each other count as one.

    Args:
        activities: (K, T) per recording; a frame stands for half a hop before and after its centre
            at 0, hop, ….
        events: reference events per recording.
        durations: s, per recording.
        classes: K names.
        hop: s.

    Returns:
        a score per scenario; None if fewer than two classes have an event, since the score is
        not defined then, and PSDS 2 also if more than `MOST_COMPARED_CLASSES` have.

    Raises:
        ImportError: `sed_scores_eval` is missing.

    Source:
        Bilen et al., arXiv 1910.08440; Ebbers et al., arXiv 2201.13148.
    """
    intersection_based, data_frame = _import_scorer()
    sounding = {event.event_label for event in chain.from_iterable(events.values())}
    indices = [k for k, name in enumerate(classes) if name in sounding]
    if len(indices) < 2:
        return dict.fromkeys(SCENARIOS)
    names = [classes[k] for k in indices]
    scores = {}
    for recording, activity in activities.items():
        edges = (np.arange(activity.shape[1] + 1) - 0.5) * hop
        edges[0] = 0.0
        edges[-1] = max(durations[recording], edges[-2] + 1e-3)
        columns = np.concatenate(
            [edges[:-1, None], edges[1:, None], activity[indices].T], 1
        )  # (T, 2 + …)
        scores[recording] = data_frame(columns, columns=["onset", "offset", *names])
    truth = {}
    for name, of_recording in events.items():
        merged = merge_events(of_recording)
        truth[name] = [(event.onset, event.offset, event.event_label) for event in merged]
    result: dict[str, float | None] = dict.fromkeys(SCENARIOS)
    for scenario, options in SCENARIOS.items():
        if "alpha_ct" in options and len(indices) > MOST_COMPARED_CLASSES:
            continue
        score, *_ = intersection_based.psds(
            scores, truth, dict(durations), max_efpr=100.0, **options
        )
        result[scenario] = float(score)
    return result


def _import_scorer() -> Any:
    """Import the module, with data frames that its compiled code can use.

    The arrays of pandas 3 are read-only, which the compiled code can't use.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of its dependencies
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
