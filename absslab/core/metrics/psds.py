"""Polyphonic sound detection scores: detection at all thresholds at once.

Axes: K classes, T frames. The scores are those of `sed_scores_eval`, which is optional:
`pip install 'absslab[psds]'`.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from absslab.core.common.parallel import map_in_processes
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import merge_events

# In the second, each class is compared with each: 100 classes take 2 GB for 40 recordings of 4 s.
MOST_COMPARED_CLASSES = 50
# Of a recording and a class, both scores: below, a process costs more than it saves (some seconds).
_PAIRS_PER_PROCESS = 3000
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


class DetectionData(NamedTuple):
    """What PSDS compares.

    Args:
        activities: (K, T) per recording; a frame stands for half a hop before and after its centre
            at 0, hop, ….
        events: reference events per recording; those of one class that touch each other count as
            one.
        durations: s, per recording.
        classes: K names.
        hop: s.
    """

    activities: Mapping[str, np.ndarray]
    events: Mapping[str, Sequence[SoundEvent]]
    durations: Mapping[str, float]
    classes: Sequence[str]
    hop: float

    def find_sounding_classes(self) -> list[int]:
        """Return the indices of the classes that have an event."""
        sounding = {event.event_label for event in chain.from_iterable(self.events.values())}
        return [k for k, name in enumerate(self.classes) if name in sounding]


class _Job(NamedTuple):
    number: int  # of the data
    data: DetectionData
    scenario: str


def psds(several: Sequence[DetectionData], *, n_workers: int = 1) -> list[dict[str, float | None]]:
    """Compute PSDS 1 and 2 over the classes that have an event.

    Args:
        several: activities and events.
        n_workers: largest number of processes; little work is done in one.

    Returns:
        a score per scenario for each of the data; None if fewer than two classes have an event,
        since the score is not defined then, and PSDS 2 also if more than `MOST_COMPARED_CLASSES`
        have.

    Raises:
        ImportError: `sed_scores_eval` is missing.
        WorkError: a process was ended from outside.

    Source:
        Bilen et al., arXiv 1910.08440; Ebbers et al., arXiv 2201.13148.
    """
    results: list[dict[str, float | None]] = [dict.fromkeys(SCENARIOS) for _ in several]
    jobs = []
    n_pairs = 0
    for scenario, options in reversed(SCENARIOS.items()):  # the longest work first
        most = MOST_COMPARED_CLASSES if "alpha_ct" in options else math.inf
        for number, data in enumerate(several):
            n_classes = len(data.find_sounding_classes())
            if 2 <= n_classes <= most:
                jobs.append(_Job(number, data, scenario))
                n_pairs += n_classes * len(data.activities)
    n_workers = max(1, min(n_workers, n_pairs // _PAIRS_PER_PROCESS))
    for number, scenario, score in map_in_processes(_score, jobs, n_workers):
        results[number][scenario] = score
    return results


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


def _score(job: _Job) -> tuple[int, str, float]:
    """Compute one score; return it with the number of the data and the scenario."""
    intersection_based, data_frame = _import_scorer()
    data = job.data
    indices = data.find_sounding_classes()
    names = [data.classes[k] for k in indices]
    scores = {}
    for recording, activity in data.activities.items():
        edges = (np.arange(activity.shape[1] + 1) - 0.5) * data.hop
        edges[0] = 0.0
        edges[-1] = max(data.durations[recording], edges[-2] + 1e-3)
        columns = np.concatenate(
            [edges[:-1, None], edges[1:, None], activity[indices].T], 1
        )  # (T, 2 + …)
        scores[recording] = data_frame(columns, columns=["onset", "offset", *names])
    truth = {}
    for name, of_recording in data.events.items():
        merged = merge_events(of_recording)
        truth[name] = [(event.onset, event.offset, event.event_label) for event in merged]
    score, *_ = intersection_based.psds(
        scores, truth, dict(data.durations), max_efpr=100.0, **SCENARIOS[job.scenario]
    )
    return job.number, job.scenario, float(score)
