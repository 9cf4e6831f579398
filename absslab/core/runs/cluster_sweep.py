"""Do the trainings of a sweep on the workers of a cluster, one at a time on each.

A training is a process, as on one machine: it outlives a worker that is killed. Who gets its job
then follows it, or resumes it if it has ended as well.
"""

import multiprocessing
import os
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from absslab.core.common.cluster import map_on_cluster, name_worker
from absslab.core.common.cluster_files import SharedFiles, can_be_opened, mark_folder
from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.parallel import count_cores
from absslab.core.runs.sweep_job import Sweep, SweepRun, describe_failure
from absslab.core.runs.sweep_results import SweepFailure, SweepRow
from absslab.core.training.run_directory import request_stop
from absslab.core.training.settings import Settings

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_INTERVAL = 0.5  # s between two looks at a training


@dataclass(frozen=True)
class _Job:
    index: int
    run: SweepRun
    split: str
    device: str
    working_folder: str
    mark: str  # a file that exists as long as the sweep goes on


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
    working_folder = os.getcwd()
    waiting = dict(enumerate(runs))
    shared = SharedFiles(folder, [_find_examples(runs)])
    try:
        with mark_folder(folder) as mark:
            jobs = [
                _Job(index, _with_absolute_path(run), split, device, working_folder, mark)
                for index, run in waiting.items()
            ]
            outcomes = map_on_cluster(
                _train_and_score, jobs, scheduler, shared, single_threads=True
            )
            with closing(outcomes):
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
    """Find a file of each folder that the trainings read."""
    for path in {path: None for run in runs for path in _find_inputs(run.settings)}:
        files = [path] if path.is_file() else path.rglob("*")
        example = next((file for file in files if file.is_file()), None)
        if example is not None:
            yield example


def _find_inputs(settings: Settings) -> Iterator[Path]:
    """Yield the files and folders that a training reads."""
    data = settings.data
    weights = settings.training.initial_weights
    for name in (data.data_folder, data.audio_folder, data.yaml_file, data.labels, weights):
        if name:
            yield Path(name)


def find_user_environment() -> dict[str, str]:
    """Return the environment of this worker, with as many threads as its user has set.

    dask lets a worker compute with one thread, by OMP_NUM_THREADS and others. The process that
    starts it, and starts it again when it ends (its nanny), has them as the user has set them.
    Where they are not set, the workers of a machine share its cores.
    """
    from distributed import get_worker

    environment = dict(os.environ)
    parent = multiprocessing.parent_process()
    if not get_worker().nanny or parent is None:
        return environment
    try:
        of_user = psutil.Process(parent.pid).environ()
    except psutil.Error:
        return environment
    for name in _THREADS:
        environment.pop(name, None)
        if name in of_user:
            environment[name] = of_user[name]
    n_workers = _count_neighbours()
    if n_workers > 1:
        share = max(1, (os.cpu_count() or 1) // n_workers)  # a worker may have cores of its own
        environment.setdefault("OMP_NUM_THREADS", str(min(count_cores(), share)))
    return environment


def _count_neighbours() -> int:
    """Return the number of workers on the machine of this one, itself included."""
    from distributed import get_client, get_worker

    workers = get_client().scheduler_info(n_workers=-1)["workers"]
    own = workers.get(get_worker().address)
    if own is None:
        return 1
    return sum(worker["host"] == own["host"] for worker in workers.values())


def _train_and_score(job: _Job) -> tuple[int, SweepRow | SweepFailure]:
    """Train and score on a worker."""
    if not os.path.isdir(job.working_folder):
        raise name_worker(
            InputError(
                "it does not see {path}, in which the sweep was started: start it in a folder "
                "that all machines share",
                path=job.working_folder,
            )
        )
    is_wanted = partial(can_be_opened, job.mark)
    work = Sweep(job.split, job.working_folder, find_user_environment(), is_wanted)
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
