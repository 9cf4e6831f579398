"""Connect to a dask scheduler, and check that it and its workers are as this process.

Each question has a limit of time: a machine that hangs is told in one line.
"""

import logging
import re
import time
import types
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from absslab.core.common.cluster_files import ExpectedFiles, find_unseen_path, unseen_path_error
from absslab.core.common.errors import (
    InputError,
    InputWarning,
    Reason,
    escape_braces,
    shorten,
)
from absslab.core.common.notices import give_notice
from absslab.core.common.version import __version__

EXAMPLE = "tcp://host:8786"
_ADDRESS = re.compile(r"((tcp|tls)://)?(\[[0-9a-fA-F:.]+\]|[^\s/:]+):[0-9]{1,5}")
_TIMEOUT = 10.0  # s that a scheduler or a worker may take to answer, and the first worker to come
_PART_FOR_FILES = 0.3  # of this time, for a file to be seen that was just written
_N_TRIES = 3  # to ask workers, of which all have gone before they answered
_N_LISTED = 3  # problems that one line names
_COMPUTING = ("numpy", "scipy", "soundfile", "soxr", "torch")  # they may change the last bits
_MANUAL_OF_TLS = "https://distributed.dask.org/en/stable/tls.html"


@contextmanager
def connect(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler for the time of the block.

    Raises:
        InputError: `distributed` is not installed, or no scheduler answers.
    """
    distributed = _import_distributed()
    with _silence_logs():
        _check_address(scheduler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions are told below, in one line
            try:
                client = distributed.Client(scheduler, timeout=_TIMEOUT, set_as_default=False)
            except OSError:  # it has gone just now
                raise _unreachable_error(scheduler) from None
        try:
            yield client
        finally:
            with suppress(Exception):  # it may have gone
                client.close(timeout=_TIMEOUT)


def check_workers(client: Any, scheduler: str, *, single_threads: bool = False) -> None:
    """Check that there is a worker, and that all are as this process.

    Args:
        client: is connected to the scheduler.
        scheduler: its address.
        single_threads: whether a worker may do only one job at a time.

    Raises:
        InputError: there is no worker, one or the scheduler has other versions, lacks the package
            or does not answer, or one has several threads.
    """
    _check_versions(client, scheduler)
    report = _make_report()
    with _expect_answer(scheduler):
        found = client.run_on_scheduler(report, callback_timeout=_TIMEOUT)
    reports = {"the scheduler": found}
    for address, found in _run_on_workers(client, scheduler, report).items():
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
    _give_notice_of_differences(report(), reports)
    if single_threads:
        for address, n_threads in read_threads(client, scheduler).items():
            check_single_thread(address, n_threads)


def check_single_thread(address: str, n_threads: int) -> None:
    """Check that a worker does one job at a time.

    Raises:
        InputError: it does several.
    """
    if n_threads > 1:
        raise InputError(
            f"the worker {address} has {n_threads} threads, and would train as many models at a "
            "time on its device: start workers with --nthreads 1"
        )


def check_files(client: Any, scheduler: str, expected: ExpectedFiles) -> None:
    """Check that all workers see the files that they share with this process.

    Raises:
        InputError: one does not see them, or does not answer.
    """
    patience = _PART_FOR_FILES * _TIMEOUT
    found = _run_on_workers(client, scheduler, find_unseen_path, expected, patience)
    unseen = {address: path for address, path in found.items() if path}
    for address, path in unseen.items():
        others = f" (and {len(unseen) - 1} more workers)" if len(unseen) > 1 else ""
        raise unseen_path_error(f"the worker {address}{others}", path)


def read_threads(client: Any, scheduler: str) -> Mapping[str, int]:
    """Return the number of threads of each worker by its address.

    Raises:
        InputError: the scheduler does not answer.
    """
    with _expect_answer(scheduler):
        threads: Mapping[str, int] = client.nthreads(callback_timeout=_TIMEOUT)
        return threads


def _import_distributed() -> types.ModuleType:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "scheduler needs the package distributed, which is not installed: "
            'pip install "absslab[cluster]"'
        ) from None
    return distributed


def _check_address(scheduler: str) -> None:
    """Check that a scheduler answers; a client that fails would go on trying."""
    import asyncio

    if not _ADDRESS.fullmatch(scheduler):
        raise InputError(f"scheduler is {scheduler}: expected an address such as {EXAMPLE}")
    secrets = _read_secrets(scheduler)
    try:
        with ThreadPoolExecutor(1) as thread:  # this one may have a loop already, as in Jupyter
            asking = thread.submit(lambda: asyncio.run(_ask_identity(scheduler, secrets)))
            identity = asking.result()
        kind = str(identity["type"])
    except OSError:
        raise _unreachable_error(scheduler) from None
    except Exception as error:
        raise _foreign_error(scheduler, error) from None
    if kind != "Scheduler":
        raise InputError(
            f"{scheduler} is the address of a {kind.lower()}: pass that of the scheduler, which it "
            "printed when it started"
        )


def _read_secrets(scheduler: str) -> dict[str, Any]:
    """Return the certificates of dask's configuration, as a connection needs them."""
    from distributed import Security

    try:
        secrets: dict[str, Any] = Security().get_connection_args("client")
    except (OSError, ValueError) as error:
        raise InputError(
            "the certificates of dask's configuration can't be read ({reason}): see "
            f"{_MANUAL_OF_TLS}",
            reason=Reason.of(error),
        ) from None
    if scheduler.startswith("tls://") and not secrets.get("ssl_context"):
        raise InputError(
            f"scheduler is {scheduler}, but dask's configuration names no certificates here: set "
            f"DASK_DISTRIBUTED__COMM__TLS__CA_FILE and those of the client, see {_MANUAL_OF_TLS}"
        )
    return secrets


async def _ask_identity(scheduler: str, secrets: dict[str, Any]) -> Any:
    import asyncio

    from distributed import rpc

    async with rpc(scheduler, timeout=_TIMEOUT, connection_args=secrets) as other:
        return await asyncio.wait_for(other.identity(), _TIMEOUT)


def _unreachable_error(scheduler: str) -> InputError:
    return InputError(
        f"the scheduler {scheduler} can't be reached within {_TIMEOUT:g} s: is it running "
        "(dask scheduler), and may this machine connect to it?"
    )


def _foreign_error(scheduler: str, error: Exception) -> InputError:
    return InputError(
        f"{escape_braces(scheduler)} does not answer as a dask scheduler ({{reason}}): pass the "
        "address of one of this version of dask",
        reason=Reason(shorten(f"{type(error).__name__}: {error}", 200), type(error).__name__),
    )


def _silent_error(place: str) -> InputError:
    return InputError(
        f"{place} does not answer within {_TIMEOUT:g} s: end it, or wait until its machine has time"
    )


@contextmanager
def _expect_answer(scheduler: str) -> Iterator[None]:
    """Say in one line that a scheduler does not answer what is asked in the block."""
    try:
        yield
    except TimeoutError:
        raise _silent_error(f"the scheduler {scheduler}") from None
    except OSError:
        raise InputError(f"the scheduler {scheduler} has gone: start it again") from None


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


def _wait_for_worker(client: Any, scheduler: str) -> None:
    end = time.monotonic() + _TIMEOUT
    while not read_threads(client, scheduler):
        if time.monotonic() > end:
            raise InputError(
                f"the scheduler {scheduler} has no worker: start one with dask worker {scheduler}"
            )
        time.sleep(0.1)


def _check_versions(client: Any, scheduler: str) -> None:
    """Check that the scheduler and its workers have the versions of this process."""
    from distributed.versions import get_versions

    async def ask(address: str) -> Any:
        message = {"op": "versions", "packages": []}
        answers = await client.scheduler.broadcast(
            msg=message, workers=[address], on_error="ignore"
        )
        if address not in answers:
            raise OSError("it has no connection to the scheduler")
        return answers[address]

    try:
        own = get_versions()["packages"]
        with _expect_answer(scheduler):
            versions = client.sync(
                client.scheduler.versions, packages=[], callback_timeout=_TIMEOUT
            )
        others = {"the scheduler": versions["packages"]}
        for address, found in _ask_workers(client, scheduler, ask).items():
            others[f"the worker {address}"] = found["packages"]
    except (LookupError, TypeError) as error:
        raise _foreign_error(scheduler, error) from None
    problems = [
        f"{place} has {name} {_short(name, packages[name])}, this process {_short(name, own[name])}"
        for place, packages in others.items()
        for name in ("python", "dask", "distributed")
        if _short(name, packages[name]) != _short(name, own[name])
    ]
    _raise_if_any(problems, "install the same versions everywhere")


def _run_on_workers(
    client: Any, scheduler: str, function: Callable[..., Any], *arguments: Any
) -> dict[str, Any]:
    """Call a function on each worker, and return the results by the addresses."""

    async def ask(address: str) -> Any:
        answers = await client.run(
            function, *arguments, workers=[address], on_error="return", asynchronous=True
        )
        if isinstance(answers[address], Exception):
            raise answers[address]
        return answers[address]

    return _ask_workers(client, scheduler, ask)


def _ask_workers(
    client: Any, scheduler: str, ask: Callable[[str], Awaitable[Any]]
) -> dict[str, Any]:
    """Ask all workers at the same time; return the answers of those that have not gone."""
    for _ in range(_N_TRIES):
        _wait_for_worker(client, scheduler)
        answers = _ask_present_workers(client, scheduler, ask)
        if answers:
            return answers
    raise InputError(
        f"the workers of {scheduler} end at once: their logs may say why; start others with dask "
        f"worker {scheduler}"
    )


def _ask_present_workers(
    client: Any, scheduler: str, ask: Callable[[str], Awaitable[Any]]
) -> dict[str, Any]:
    import asyncio

    addresses = list(read_threads(client, scheduler))

    async def ask_all() -> list[Any]:
        asked = [asyncio.wait_for(ask(address), _TIMEOUT) for address in addresses]
        return await asyncio.gather(*asked, return_exceptions=True)

    with _expect_answer(scheduler):
        answers = dict(zip(addresses, client.sync(ask_all), strict=True))
    errors = {
        address: answer for address, answer in answers.items() if isinstance(answer, Exception)
    }
    present = read_threads(client, scheduler) if errors else {}
    for address, error in errors.items():
        del answers[address]
        if address not in present:  # its jobs are done by others
            continue
        if isinstance(error, OSError):
            raise _silent_error(f"the worker {address}")
        raise InputError(
            f"the worker {address} can't be asked what it has ({{reason}}): start it again in the "
            "environment of this process",
            reason=Reason(shorten(f"{type(error).__name__}: {error}", 200), type(error).__name__),
        )
    return answers


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


def _give_notice_of_differences(
    own: Mapping[str, str], reports: Mapping[str, Mapping[str, str]]
) -> None:
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


def _raise_if_any(problems: Sequence[str], hint: str) -> None:
    if problems:
        n_more = len(problems) - _N_LISTED
        more = f"; and {n_more} more" if n_more > 0 else ""
        raise InputError(f"{'; '.join(problems[:_N_LISTED])}{more}: {hint}")
