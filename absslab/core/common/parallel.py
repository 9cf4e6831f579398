"""Share work between several processes."""

import concurrent.futures
import multiprocessing
import os
import queue
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from absslab.core.common.errors import InputWarning, Reason, WorkError
from absslab.core.common.memory import keep_freed_memory
from absslab.core.common.notices import give_notice, leave_notices_to_parent
from absslab.core.common.signals import defer_interrupts

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_in_processes(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    n_workers: int = 0,
    *,
    finish: bool = True,
) -> Iterator[Result]:
    """Apply a function to each job, in several processes.

    The processes end when their parent ends, and leave Ctrl-C to it. They do not run the script of
    their parent, so that it needs no `if __name__ == "__main__"`. If the system can't share work,
    because /dev/shm is full for example, this process does it alone, and gives a notice.

    Args:
        function: the function of a module; it, its jobs and its results can be pickled.
        jobs: the arguments of the function.
        n_workers: number of processes; 0: one per core, 1: only this process.
        finish: whether jobs that have begun are finished when the work ends early, by Ctrl-C for
            example, or their processes are ended.

    Yields:
        the results in the order in which they are ready.

    Raises:
        Exception: any that the function raises; no further job is started then.
        WorkError: a process was ended from outside.
    """
    n_workers = min(n_workers or count_cores(), len(jobs))
    pool = _open_pool(n_workers) if n_workers > 1 else None
    if pool is None:
        yield from map(function, jobs)
        return
    try:
        with defer_interrupts(), hide_main_module():
            # as_completed would hold the locks of all futures for a moment; Ctrl-C in this moment
            # would leave them locked, and the pool would wait for them for ever
            ready: queue.SimpleQueue[concurrent.futures.Future[Result]] = queue.SimpleQueue()
            for job in jobs:
                pool.submit(function, job).add_done_callback(ready.put)
        for _ in jobs:
            yield ready.get().result()
        finish = True
    except BrokenProcessPool:
        raise WorkError(
            f"one of {n_workers} processes was ended from outside, perhaps because the memory was "
            "full: try fewer processes (n_workers); files that are complete stay"
        ) from None
    finally:
        if not finish:
            # `pool.kill_workers()` from Python 3.14 on; other threads may have other children.
            for process in list((pool._processes or {}).values()):
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_pool(n_workers: int) -> concurrent.futures.ProcessPoolExecutor | None:
    """Return a pool of processes; None if they can share nothing."""
    if not can_share_work():
        return None
    return concurrent.futures.ProcessPoolExecutor(
        n_workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
    )


def can_share_work() -> bool:
    """Tell whether processes can share work; if not, a notice says why, and that one does it all.

    They need a place for semaphores, which a system may not have, and a process that may start
    others: the workers of a pool of `multiprocessing` may not.
    """
    if multiprocessing.current_process().daemon:
        give_notice(
            InputWarning(
                "this is a daemonic process, which can't start others to share work with: it does "
                "it alone, which takes longer"
            )
        )
        return False
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError, NotImplementedError) as error:
        give_notice(
            InputWarning(
                "processes can't share work here ({reason}; is /dev/shm full?): one process does "
                "it alone, which takes longer",
                reason=Reason.of(error),
            )
        )
        os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")  # scikit-learn would say it once more
        return False
    return True


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Let processes that are started in the block not run the script of this process.

    A script that is not written for this would start its work again in each of them, and code from
    standard input can't be found by them.
    """
    main_module = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main_module


def _begin_worker() -> None:
    keep_freed_memory()
    leave_notices_to_parent()
    _end_with_parent()


def _end_with_parent() -> None:
    """End this worker when its parent ends for any reason."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
