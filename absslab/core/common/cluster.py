"""Share work between the workers of a dask scheduler, on one machine or on many.

All machines see the same folders under the same paths. A job is done again on another worker when
its worker ends, and may then be done twice: jobs write files that appear complete or not at all.
Jobs hold absolute paths, since workers have working folders of their own.
"""

import pickle
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from absslab.core.common.cluster_client import (
    EXAMPLE,
    check_files,
    check_single_thread,
    check_workers,
    connect,
    read_threads,
)
from absslab.core.common.cluster_files import (
    ExpectedFiles,
    SentPaths,
    SharedFiles,
    find_unseen_path,
    mark_folder,
    measure_files,
    unseen_path_error,
)
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError, InputWarning, WorkError
from absslab.core.common.notices import collect_notices, give_notice
from absslab.core.common.parallel import map_in_processes

Job = TypeVar("Job")
Result = TypeVar("Result")

_PATIENCE = 60.0  # s to wait for another worker when the last one has gone
_RETURN_TIME = 60.0  # s that a result takes at most, unless its job is done again
_NO_PATHS = SentPaths()  # nothing is sent by it
_INTERVAL = 0.5  # s between two looks at a scheduler that returns nothing


@dataclass(frozen=True)
class ClusterConfig(Config):
    """Where work is done."""

    scheduler: str = option(
        "",
        f"address of a dask scheduler whose workers do the work, such as {EXAMPLE}; by default "
        "this machine does it",
        metavar="ADDRESS",
    )


class _Requirements(NamedTuple):
    """What a worker must be before it does the first job of a call."""

    token: str  # of the call
    expected: ExpectedFiles
    single_threads: bool


def map_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    n_workers: int = 0,
    scheduler: str = "",
    shared: SharedFiles = SharedFiles(),
    paths: SentPaths = _NO_PATHS,
) -> Generator[Result, None, None]:
    """Apply a function to each job: on the workers of a scheduler, or in processes of this machine.

    Args:
        function: see `map_in_processes` and `map_on_cluster`.
        jobs: the arguments of the function.
        n_workers: number of processes of this machine.
        scheduler: address of a scheduler; empty: none.
        shared: what its workers must see.
        paths: see `map_on_cluster`.

    Returns:
        the results in the order in which they are ready.

    Raises:
        Exception: see `map_in_processes` and `map_on_cluster`.
    """
    if scheduler:
        return map_on_cluster(function, jobs, scheduler, shared, paths=paths)
    return _map_here(function, jobs, n_workers, paths)


def _map_here(
    function: Callable[[Job], Result], jobs: Sequence[Job], n_workers: int, paths: SentPaths
) -> Generator[Result, None, None]:
    apply = partial(_apply_and_collect, function)
    outcomes = map_in_processes(apply, jobs, n_workers)
    # closed with this generator, which then waits for its processes
    with closing(outcomes), _restore_paths_of_errors(paths):  # type: ignore[type-var]
        for notices, result in outcomes:
            for notice in notices:
                give_notice(notice.change_paths(paths.restore))
            yield result


def _apply_and_collect(
    function: Callable[[Job], Result], job: Job
) -> tuple[list[InputWarning], Result]:
    """Do a job, and return the notices that it gave, and its result."""
    with collect_notices() as notices:
        result = function(job)
    return notices, result


@contextmanager
def _restore_paths_of_errors(paths: SentPaths) -> Iterator[None]:
    """Let errors of the block name paths as the caller gave them."""
    try:
        yield
    except (InputError, WorkError) as error:
        raise error.change_paths(paths.restore) from None
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = paths.restore(error.filename)
        raise


def map_on_cluster(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    scheduler: str,
    shared: SharedFiles = SharedFiles(),
    *,
    paths: SentPaths = _NO_PATHS,
    single_threads: bool = False,
) -> Generator[Result, None, None]:
    """Apply a function to each job, on the workers of a dask scheduler.

    Notices that a job gives are given here. When this is closed or interrupted, jobs that wait
    are cancelled; those that a worker does already are done to their end.

    Args:
        function: the function of a module; it, its jobs and its results can be pickled. It may be
            applied to a job twice.
        jobs: the arguments of the function.
        scheduler: its address.
        shared: files that the workers must see.
        paths: has made paths of the jobs absolute; errors and notices name them as before.
        single_threads: whether a worker may do only one job at a time.

    Yields:
        the results in the order in which they are ready.

    Raises:
        InputError: `distributed` is not installed, the scheduler can't be reached, its workers or
            it have other versions, or a worker lacks the package or the files, does not answer,
            or has too many threads.
        WorkError: the scheduler or all of its workers have gone, or several workers ended at the
            same job.
        Exception: any that the function raises; no further job is started then.
    """
    if not jobs:
        return
    with connect(scheduler) as client, mark_folder(shared.written) as mark:
        check_workers(client, scheduler, single_threads=single_threads)
        expected = ExpectedFiles(mark, measure_files(shared.read))
        check_files(client, scheduler, expected)
        required = _Requirements(uuid.uuid4().hex, expected, single_threads)
        payloads = [pickle.dumps((required, function, job)) for job in jobs]
        # What is not held here any more is not done again when the worker that has it ends.
        pending = {future.key: future for future in client.map(_run_job, payloads, pure=False)}
        try:
            yield from _collect(client, pending, scheduler, paths)
        finally:
            if client.status == "running":
                client.cancel(list(pending.values()))


def check_scheduler(scheduler: str, *, n_workers: int = 0, single_threads: bool = False) -> None:
    """Check, before long work, that a scheduler and its workers can be used.

    Args:
        scheduler: its address; empty: there is none.
        n_workers: number of processes of this machine that is asked for; 0: none is.
        single_threads: whether a worker may do only one job at a time.

    Raises:
        InputError: both are asked for; see also `map_on_cluster`.
    """
    if scheduler:
        if n_workers:
            raise InputError(
                "n_workers is for processes of this machine, scheduler for those of a cluster: "
                "pass one of them"
            )
        with connect(scheduler) as client:
            check_workers(client, scheduler, single_threads=single_threads)


def _collect(
    client: Any, pending: dict[str, Any], scheduler: str, paths: SentPaths
) -> Iterator[Any]:
    """Yield the results of jobs as they are ready, and look after the scheduler meanwhile.

    Args:
        client: is connected to the scheduler.
        pending: the futures of the jobs by their keys; each is released when it has ended.
        scheduler: its address.
        paths: see `map_on_cluster`.
    """
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in pending.values():
        future.add_done_callback(ready.put)
    answered_at = had_workers_at = time.monotonic()
    while pending:
        try:
            future = ready.get(timeout=_INTERVAL)
        except queue.Empty:
            if client.status != "running":
                raise _lost_error(scheduler) from None
            try:
                has_workers = bool(read_threads(client, scheduler))
                answered_at = time.monotonic()
            except InputError as error:
                if time.monotonic() - answered_at > _PATIENCE:
                    raise WorkError(f"{error}; what is complete stays") from None
                continue
            if has_workers:
                had_workers_at = time.monotonic()
            elif time.monotonic() - had_workers_at > _PATIENCE:
                raise WorkError(
                    f"no worker is left at the scheduler {scheduler}: start some "
                    f"(dask worker {scheduler}); what is complete stays, and the "
                    "same command goes on"
                ) from None
            continue
        with _restore_paths_of_errors(paths):
            outcome = _take_outcome(client, future, scheduler)
        if outcome is None:  # its worker has ended before it was fetched: the job is done again
            future.add_done_callback(ready.put)
            continue
        pending.pop(future.key).release()
        notices, result = outcome
        for notice in notices:
            give_notice(notice.change_paths(paths.restore))
        yield result
        had_workers_at = time.monotonic()


def _take_outcome(
    client: Any, future: Any, scheduler: str
) -> tuple[list[InputWarning], Any] | None:
    """Return the notices and the result of a job that has ended; None: it can't be had yet."""
    from distributed.scheduler import KilledWorker

    try:
        outcome: tuple[list[InputWarning], Any] = future.result(timeout=_RETURN_TIME)
        return outcome
    except KilledWorker as error:
        raise WorkError(
            f"workers of {scheduler} ended again and again at the same job, the "
            f"last one {error.last_worker.address}, perhaps because the memory was "
            "full: its log may say why; what is complete stays"
        ) from None
    except CancelledError:
        if client.status == "running":
            raise WorkError(
                f"the scheduler {scheduler} has dropped the jobs, since somebody "
                "has cancelled them or restarted its workers: what is complete stays, and the same "
                "command goes on"
            ) from None
        raise _lost_error(scheduler) from None
    except TimeoutError:
        if future.status == "error":  # the job has raised it
            raise
        if client.status != "running":
            raise _lost_error(scheduler) from None
        return None


def _lost_error(scheduler: str) -> WorkError:
    return WorkError(
        f"the scheduler {scheduler} has gone: what is complete stays; start it "
        "and its workers again, and the same command goes on"
    )


def name_worker(error: InputError) -> InputError:
    """Return an error of this worker, rather than of its job, with the name of the worker."""
    from distributed import get_worker

    return error.wrap(f"the worker {get_worker().address}: {{error}}")


_accepted_calls: set[str] = set()  # tokens of the calls that this worker is fit for
_lock = threading.Lock()


def _run_job(payload: bytes) -> tuple[list[InputWarning], Any]:
    """Do a job on a worker, and return the notices that it gave, and its result."""
    required, function, job = pickle.loads(payload)
    _check_this_worker(required)
    return _apply_and_collect(function, job)


def _check_this_worker(required: _Requirements) -> None:
    """Check once for each call a worker that may have come after its begin."""
    from distributed import get_worker

    with _lock:
        if required.token in _accepted_calls:
            return
    worker = get_worker()
    if required.single_threads:
        check_single_thread(worker.address, worker.state.nthreads)
    path = find_unseen_path(required.expected)
    if path:
        raise unseen_path_error(f"the worker {worker.address}", path)
    with _lock:
        _accepted_calls.add(required.token)
