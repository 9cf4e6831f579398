"""Do the trainings of a sweep on the workers of a cluster, one at a time on each.

A training is a process, as on one machine: it outlives a worker that is killed. Who gets its job
then follows it, or resumes it if it has ended as well.
"""

import os
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from absslab.core.common.cluster import map_on_cluster
from absslab.core.common.cluster_files import SharedFiles
from absslab.core.common.errors import InputError, WorkError
from absslab.core.runs.sweep_job import Sweep, SweepRun, describe_failure
from absslab.core.runs.sweep_results import SweepFailure, SweepRow
from absslab.core.training.run_directory import request_stop

_INTERVAL = 0.5  # s between two looks at a training


@dataclass(frozen=True)
class _Job:
    index: int
    run: SweepRun
    split: str
    device: str
    working_folder: str


def train_on_cluster(
    runs: Sequence[SweepRun], folder: Path, split: str, device: str, scheduler: str
) -> Generator[tuple[SweepRun, SweepRow | SweepFailure], None, None]:
    """Train and score on the workers of a scheduler, as far as this has not been done.

    When this is closed or interrupted, trainings that have begun are asked to stop.

    Args:
        runs: the trainings.
        folder: the folder of the sweep.
        split: the split whose recordings are scored.
        device: each worker trains on; auto: its GPU, or its CPU if it has none.
        scheduler: its address.

    Yields:
        each training with its result, or with the reason why it has none.

    Raises:
        InputError: see `map_on_cluster`; a worker does not see the working folder.
        WorkError: see `map_on_cluster`.
    """
    here = os.getcwd()
    jobs = [
        _Job(index, _with_absolute_path(run), split, device, here) for index, run in enumerate(runs)
    ]
    waiting = dict(enumerate(runs))
    shared = SharedFiles(folder, [_find_examples(runs)])
    try:
        with closing(map_on_cluster(_train_and_score, jobs, scheduler, shared)) as outcomes:
            for index, result in outcomes:
                yield waiting.pop(index), result
    finally:
        work = Sweep(split)
        for run in waiting.values():
            if work.is_live(run):
                request_stop(run.folder)


def _with_absolute_path(run: SweepRun) -> SweepRun:
    """Return a training whose run directory is found from any working folder."""
    save_path = os.path.abspath(run.settings.run.save_path)
    own = replace(run.settings.run, save_path=save_path)
    return replace(run, settings=replace(run.settings, run=own))


def _find_examples(runs: Sequence[SweepRun]) -> Iterator[Path]:
    """Find a file of each folder of recordings."""
    for name in {run.settings.data.data_folder for run in runs}:
        for path in Path(name).rglob("*"):
            if path.is_file():
                yield path
                break


def _train_and_score(job: _Job) -> tuple[int, SweepRow | SweepFailure]:
    """Train and score on a worker."""
    if not os.path.isdir(job.working_folder):
        raise InputError(
            "a worker does not see {path}, in which the sweep was started: start it in a folder "
            "that all machines share",
            path=job.working_folder,
        )
    work = Sweep(job.split, job.working_folder)
    with closing(work.run(job.run, job.device)) as steps:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                row: SweepRow = end.value
                return job.index, row
            except (InputError, WorkError) as error:
                return job.index, describe_failure(job.run, error)
            time.sleep(_INTERVAL)
