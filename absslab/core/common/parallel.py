"""Share work between several processes, and release memory after large work."""

import concurrent.futures
import ctypes
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from absslab.core.common.signals import defer_interrupts

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], n_workers: int = 0
) -> Iterator[Result]:
    """Apply a function to each job, in several processes.

    The processes end when their parent ends, and leave Ctrl-C to it.

    Args:
        function: the function; it, its jobs and its results can be pickled.
        jobs: the arguments of the function.
        n_workers: number of processes; 0: one per core, 1: only this process.

    Yields:
        the results in the order in which they are ready.

    Raises:
        Exception: any that the function raises; no further job is started then.
    """
    n_workers = min(n_workers or os.cpu_count() or 1, len(jobs))
    if n_workers <= 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        n_workers, mp_context=context, initializer=_end_with_parent
    )
    try:
        with defer_interrupts():
            futures = [pool.submit(function, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def release_memory() -> None:
    """Return freed memory to the system, if the C library can do so.

    Large arrays of changing sizes leave holes behind.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # the C library is not glibc
        return


def _end_with_parent() -> None:
    """End this worker when its parent ends for any reason."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
