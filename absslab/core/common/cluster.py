"""Share work between the workers of a dask scheduler, on one machine or on many.

All machines see the same folders under the same paths. A job is done again on another worker when
its worker ends, and may then be done twice: jobs write files that appear complete or not at all.
Jobs hold absolute paths, since workers have working folders of their own.
"""

import asyncio
import logging
import os
import pickle
import queue
import re
import threading
import time
import types
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from absslab.core.common.config import Config, option
from absslab.core.common.errors import (
    InputError,
    InputWarning,
    Reason,
    WorkError,
    escape_braces,
    shorten,
)
from absslab.core.common.files import temporary_sibling
from absslab.core.common.notices import collect_notices, give_notice
from absslab.core.common.parallel import map_in_processes
from absslab.core.common.version import __version__

Job = TypeVar("Job")
Result = TypeVar("Result")

_EXAMPLE = "tcp://host:8786"
_ADDRESS = re.compile(r"((tcp|tls)://)?(\[[0-9a-fA-F:.]+\]|[^\s/:]+):[0-9]{1,5}")
_TIMEOUT = 10.0  # s to reach a scheduler, and to wait for its first worker
_PATIENCE = 60.0  # s to wait for another worker when the last one has gone
_INTERVAL = 0.5  # s between two looks at a scheduler that returns nothing
_N_EXAMINED = 10  # files of which each worker tells the size
_N_LISTED = 3  # problems that one line names
_COMPUTING = ("numpy", "scipy", "soundfile", "soxr", "torch")  # they may change the last bits


@dataclass(frozen=True)
class ClusterConfig(Config):
    """Where work is done."""

    scheduler: str = option(
        "",
        f"address of a dask scheduler whose workers do the work, such as {_EXAMPLE}; by default "
        "this machine does it",
        metavar="ADDRESS",
    )


@dataclass(frozen=True)
class SharedFiles:
    """Files that the workers of a cluster must see as this machine does.

    Args:
        written: a folder that the jobs write to; None: they write nothing.
        read: files that the jobs read; some are compared.
    """

    written: Path | None = None
    read: Sequence[str | Path] = ()


class _Contact(NamedTuple):
    """What a worker must see before it does the first job of a call."""

    token: str  # of the call
    mark: str  # a file in the folder that is written; empty: none
    sizes: tuple[tuple[str, int], ...]  # files with their sizes, bytes


def map_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    n_workers: int = 0,
    scheduler: str = "",
    shared: SharedFiles = SharedFiles(),
) -> Iterator[Result]:
    """Apply a function to each job: on the workers of a scheduler, or in processes of this machine.

    Args:
        function: see `map_in_processes` and `map_on_cluster`.
        jobs: the arguments of the function.
        n_workers: number of processes of this machine.
        scheduler: address of a scheduler; empty: none.
        shared: what its workers must see.

    Returns:
        the results in the order in which they are ready.
    """
    if scheduler:
        return map_on_cluster(function, jobs, scheduler, shared)
    return map_in_processes(function, jobs, n_workers)


def map_on_cluster(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    scheduler: str,
    shared: SharedFiles = SharedFiles(),
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

    Yields:
        the results in the order in which they are ready.

    Raises:
        InputError: `distributed` is not installed, the scheduler can't be reached, its workers or
            it have other versions, or a worker lacks the package or the files.
        WorkError: the scheduler or all of its workers have gone, or several workers ended at the
            same job.
        Exception: any that the function raises; no further job is started then.
    """
    if not jobs:
        return
    with _connect(scheduler) as client, _mark(shared.written) as mark:
        _check_versions(client, scheduler)
        contact = _Contact(uuid.uuid4().hex, mark, _measure(shared.read))
        _check_sight(client, contact)
        payloads = [pickle.dumps((contact, function, job)) for job in jobs]
        futures = client.map(_run_job, payloads, pure=False)
        try:
            yield from _collect(client, futures, scheduler)
        finally:
            if client.status == "running":
                client.cancel(futures)


def check_scheduler(scheduler: str) -> None:
    """Check, before long work, that a scheduler and its workers can be used.

    Args:
        scheduler: its address; empty: there is none.

    Raises:
        InputError: see `map_on_cluster`.
    """
    if scheduler:
        with _connect(scheduler) as client:
            _check_versions(client, scheduler)


def _import_distributed() -> types.ModuleType:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "scheduler needs the package distributed, which is not installed: "
            'pip install "absslab[cluster]"'
        ) from None
    return distributed


@contextmanager
def _connect(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler for the time of the block."""
    distributed = _import_distributed()
    with _silence_logs():
        _check_address(scheduler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions are told below, in one line
            client = distributed.Client(scheduler, timeout=_TIMEOUT, set_as_default=False)
        try:
            yield client
        finally:
            with suppress(Exception):  # it may have gone
                client.close(timeout=_TIMEOUT)


def _check_address(scheduler: str) -> None:
    """Check that a scheduler answers; a client that fails would go on trying."""
    if not _ADDRESS.fullmatch(scheduler):
        raise InputError(f"scheduler is {scheduler}: expected an address such as {_EXAMPLE}")
    try:
        with ThreadPoolExecutor(1) as thread:  # this one may have a loop already, as in Jupyter
            identity = thread.submit(lambda: asyncio.run(_ask_identity(scheduler))).result()
        if identity["type"] != "Scheduler":
            raise InputError(
                f"{scheduler} is the address of a {str(identity['type']).lower()}: pass that of "
                "the scheduler, which it printed when it started"
            )
    except OSError:
        raise InputError(
            f"the scheduler {scheduler} can't be reached within {_TIMEOUT:g} s: is it running "
            "(dask scheduler), and may this machine connect to it?"
        ) from None
    except InputError:
        raise
    except Exception as error:
        raise _foreign_error(scheduler, error) from None


async def _ask_identity(scheduler: str) -> Any:
    from distributed import Security, rpc

    secrets = Security().get_connection_args("client")
    async with rpc(scheduler, timeout=_TIMEOUT, connection_args=secrets) as other:
        return await asyncio.wait_for(other.identity(), _TIMEOUT)


def _foreign_error(scheduler: str, error: Exception) -> InputError:
    return InputError(
        f"{escape_braces(scheduler)} does not answer as a dask scheduler ({{reason}}): pass the "
        "address of one of this version of dask",
        reason=Reason(shorten(f"{type(error).__name__}: {error}", 200), type(error).__name__),
    )


@contextmanager
def _silence_logs() -> Iterator[None]:
    """Let errors say what the library would log as well."""
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.split(".")[0] in ("distributed", "tornado", "asyncio")
    ]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


@contextmanager
def _mark(folder: Path | None) -> Iterator[str]:
    """Put a file into a folder for the time of the block, and give its path; empty: no folder."""
    if folder is None:
        yield ""
        return
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = temporary_sibling(folder / f"cluster-{uuid.uuid4().hex[:8]}")
    path.write_bytes(b"")
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def _measure(files: Iterable[str | Path]) -> tuple[tuple[str, int], ...]:
    """Return the sizes of some files: one of each folder."""
    by_folder: dict[str, str] = {}
    for file in files:
        path = os.path.abspath(file)
        by_folder.setdefault(os.path.dirname(path), path)
    sizes = []
    for path in by_folder.values():
        with suppress(OSError):  # the job says what is wrong with it
            sizes.append((path, os.stat(path).st_size))
    return tuple(sizes[:_N_EXAMINED])


def _check_versions(client: Any, scheduler: str) -> None:
    """Check that there is a worker, and that all have the versions of this process."""
    try:
        client.wait_for_workers(1, timeout=_TIMEOUT)
    except TimeoutError:
        raise InputError(
            f"the scheduler {scheduler} has no worker: start one with dask worker {scheduler}"
        ) from None
    try:
        versions = client.get_versions(check=False)
        own = versions["client"]["packages"]
        others = {"the scheduler": versions["scheduler"]["packages"]}
        for address, found in versions["workers"].items():
            others[f"the worker {address}"] = found["packages"]
    except (OSError, LookupError, TypeError) as error:
        raise _foreign_error(scheduler, error) from None
    problems = [
        f"{place} has {name} {_short(name, packages[name])}, this process {_short(name, own[name])}"
        for place, packages in others.items()
        for name in ("python", "dask", "distributed")
        if _short(name, packages[name]) != _short(name, own[name])
    ]
    _raise_if_any(problems, "install the same versions everywhere")
    report = _make_report()
    reports = {"the scheduler": client.run_on_scheduler(report)}
    for address, found in client.run(report).items():
        reports[f"the worker {address}"] = found
    lacking = [
        f"{place} can't import absslab ({found['error']})"
        for place, found in reports.items()
        if "error" in found
    ]
    _raise_if_any(lacking, "install absslab in the environment in which it was started")
    problems = [
        f"{place} has absslab {found['absslab']}, this process {__version__}"
        for place, found in reports.items()
        if found["absslab"] != __version__
    ]
    _raise_if_any(problems, "install the same version everywhere")
    _tell_differences(report(), reports)


def _short(package: str, version: str | None) -> str:
    """Return a version as far as it must be the same: of Python the first two numbers."""
    version = version or "of no version"
    return ".".join(version.split(".")[:2]) if package == "python" else version


def _make_report() -> Callable[[], dict[str, str]]:
    """Return a function that tells the versions of packages.

    It is made here, and needs nothing of this module, because it is then sent as it is: a worker
    that lacks the package can call it.
    """
    names = _COMPUTING

    def report() -> dict[str, str]:
        import importlib.metadata

        try:
            from absslab.core.common import version
        except ImportError as error:
            return {"error": str(error)}
        found = {"absslab": version.__version__}
        for name in names:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    return report


def _tell_differences(own: Mapping[str, str], reports: Mapping[str, Mapping[str, str]]) -> None:
    """Tell which worker computes with other versions of the packages that compute."""
    for place, found in reports.items():
        others = [
            f"{name} {found[name]} instead of {own[name]}"
            for name in _COMPUTING
            if place != "the scheduler" and found.get(name, own.get(name)) != own.get(name)
        ]
        if others:
            give_notice(
                InputWarning(
                    f"{place} has {', '.join(others)}: what it computes may differ in the last bits"
                )
            )


def _check_sight(client: Any, contact: _Contact) -> None:
    """Check that all workers see the files that they share with this process."""
    found = client.run(_find_blindness, contact)
    problems = [path for path in found.values() if path]
    for address, path in found.items():
        if path:
            others = f" (and {len(problems) - 1} more workers)" if len(problems) > 1 else ""
            raise _blindness_error(f"the worker {address}{others}", path)


def _blindness_error(place: str, path: str) -> InputError:
    return InputError(
        f"{place} does not see {{path}} as this machine does, or may not write it: let all "
        "machines share this folder under the same path, for the same user",
        path=path,
    )


def _find_blindness(contact: _Contact, patience: float = 3.0) -> str:
    """Return the first file or folder that this process does not see; empty: it sees all.

    Args:
        contact: what is to be seen.
        patience: how long to wait for a file that was written just now on another machine, s.
    """
    end = time.monotonic() + patience
    while contact.mark and not os.path.exists(contact.mark):
        if time.monotonic() > end:
            return os.path.dirname(contact.mark)
        time.sleep(0.1)
    if contact.mark and not os.access(os.path.dirname(contact.mark), os.W_OK | os.X_OK):
        return os.path.dirname(contact.mark)
    for path, size in contact.sizes:
        try:
            if os.stat(path).st_size != size:
                return path
        except OSError:
            return path
    return ""


def _raise_if_any(problems: Sequence[str], hint: str) -> None:
    if problems:
        n_more = len(problems) - _N_LISTED
        more = f"; and {n_more} more" if n_more > 0 else ""
        raise InputError(f"{'; '.join(problems[:_N_LISTED])}{more}: {hint}")


def _collect(client: Any, futures: Sequence[Any], scheduler: str) -> Iterator[Any]:
    """Yield the results of jobs as they are ready, and look after the scheduler meanwhile."""
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pending = {future.key: future for future in futures}
    for future in futures:
        future.add_done_callback(ready.put)
    had_workers_at = time.monotonic()
    while pending:
        try:
            future = ready.get(timeout=_INTERVAL)
        except queue.Empty:
            if client.status != "running":
                raise _lost_error(scheduler) from None
            if client.nthreads():
                had_workers_at = time.monotonic()
            elif time.monotonic() - had_workers_at > _PATIENCE:
                raise WorkError(
                    f"no worker is left at the scheduler {scheduler}: start some "
                    f"(dask worker {scheduler}); what is complete stays, and the "
                    "same command goes on"
                ) from None
            continue
        notices, result = _take_result(client, future, scheduler)
        del pending[future.key]  # the scheduler need not keep it any more
        for notice in notices:
            give_notice(notice)
        yield result
        had_workers_at = time.monotonic()


def _take_result(client: Any, future: Any, scheduler: str) -> tuple[list[InputWarning], Any]:
    """Return the notices and the result of a job that has ended."""
    from distributed.scheduler import KilledWorker

    try:
        outcome: tuple[list[InputWarning], Any] = future.result(timeout=_PATIENCE)
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
        if client.status == "running":
            raise
        raise _lost_error(scheduler) from None


def _lost_error(scheduler: str) -> WorkError:
    return WorkError(
        f"the scheduler {scheduler} has gone: what is complete stays; start it "
        "again, and the same command goes on"
    )


_seen_by_this_worker: set[str] = set()  # tokens of the calls whose files are seen
_lock = threading.Lock()


def _run_job(payload: bytes) -> tuple[list[InputWarning], Any]:
    """Do a job on a worker, and return the notices that it gave, and its result."""
    contact, function, job = pickle.loads(payload)
    _check_own_sight(contact)
    with collect_notices() as notices:
        result = function(job)
    return notices, result


def _check_own_sight(contact: _Contact) -> None:
    """Check once for each call what a worker sees that has come after its begin."""
    with _lock:
        if contact.token in _seen_by_this_worker:
            return
    path = _find_blindness(contact)
    if path:
        from distributed import get_worker

        raise _blindness_error(f"the worker {get_worker().address}", path)
    with _lock:
        _seen_by_this_worker.add(contact.token)
