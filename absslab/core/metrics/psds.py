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
import psutil

from absslab.core.common.parallel import map_in_processes
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.metrics.detection import merge_events

# In the second, each class is compared with each: 100 classes take 2 GB for 40 recordings of 4 s.
MOST_COMPARED_CLASSES = 50
# Of a recording and a class: with fewer, a process costs more than the seconds that it saves.
_PAIRS_PER_PROCESS = 3000
_BYTES_PER_PAIR = 5000  # of classes, in each recording
_PROCESS_MEMORY = 400 << 20  # bytes of a process before it computes
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

    def select_sounding_classes(self) -> "DetectionData":
        """Return the data of the classes that have an event."""
        sounding = {event.event_label for event in chain.from_iterable(self.events.values())}
        indices = [k for k, name in enumerate(self.classes) if name in sounding]
        activities = {name: activity[indices] for name, activity in self.activities.items()}
        return self._replace(
            activities=activities, classes=[self.classes[index] for index in indices]
        )

    def estimate_memory(self) -> int:
        """Return about how many bytes are needed while each class is compared with each."""
        return _BYTES_PER_PAIR * len(self.classes) ** 2 * len(self.activities)


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
    several = [data.select_sounding_classes() for data in several]
    jobs = []
    for scenario, options in reversed(SCENARIOS.items()):  # the longest work first
        most = MOST_COMPARED_CLASSES if "alpha_ct" in options else math.inf
        for number, data in enumerate(several):
            if 2 <= len(data.classes) <= most:
                jobs.append(_Job(number, data, scenario))
    n_workers = _choose_n_workers([job.data for job in jobs], n_workers)
    for number, scenario, score in map_in_processes(_score, jobs, n_workers, finish=False):
        results[number][scenario] = score
    return results


def _choose_n_workers(several: Sequence[DetectionData], n_workers: int) -> int:
    """Return in how many processes scores are computed: those that are worth it, and have memory.

    Args:
        several: the data of each score.
        n_workers: the largest number.
    """
    if not several:
        return 1
    n_pairs = sum(len(data.classes) * len(data.activities) for data in several)
    needed = _PROCESS_MEMORY + max(data.estimate_memory() for data in several)
    n_by_memory = int(psutil.virtual_memory().available / 2 / needed)
    return max(1, min(n_workers, n_pairs // _PAIRS_PER_PROCESS, n_by_memory))


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
    scores = {}
    for recording, activity in data.activities.items():
        edges = (np.arange(activity.shape[1] + 1) - 0.5) * data.hop
        edges[0] = 0.0
        edges[-1] = max(data.durations[recording], edges[-2] + 1e-3)
        columns = np.concatenate([edges[:-1, None], edges[1:, None], activity.T], 1)  # (T, 2 + K)
        scores[recording] = data_frame(columns, columns=["onset", "offset", *data.classes])
    truth = {}
    for name, of_recording in data.events.items():
        merged = merge_events(of_recording)
        truth[name] = [(event.onset, event.offset, event.event_label) for event in merged]
    score, *_ = intersection_based.psds(
        scores, truth, dict(data.durations), max_efpr=100.0, **SCENARIOS[job.scenario]
    )
    return job.number, job.scenario, float(score)
