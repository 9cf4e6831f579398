"""Start real schedulers and workers of dask on this machine, and functions for them to apply."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice

_ROOT = Path(__file__).parents[2]


@dataclass
class Cluster:
    """A scheduler and its workers, as processes."""

    folder: Path
    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start_worker(
        self,
        *,
        before: tuple[str, ...] = (),
        site: str = "",
        n_threads: int = 1,
        has_nanny: bool = False,
        **environment: str,
    ) -> "subprocess.Popen[bytes]":
        """Start a worker.

        Args:
            before: a command that starts it.
            site: Python that it runs first.
            n_threads: number of its threads.
            has_nanny: whether a process starts it again when it ends, as by default.
            environment: variables of its environment.
        """
        name = f"worker-{len(self.workers)}"
        sites = self.folder / f"site-{name}"
        sites.mkdir()
        (sites / "sitecustomize.py").write_text(site)
        arguments = [self.address, "--host", "127.0.0.1", "--name", name]
        arguments += ["--no-dashboard", "--local-directory", str(self.folder)]
        arguments += ["--nthreads", str(n_threads), "--nanny" if has_nanny else "--no-nanny"]
        process = _start(
            "distributed.cli.dask_worker",
            arguments,
            self.folder / f"{name}.txt",
            before,
            environment | {"PYTHONPATH": f"{sites}{os.pathsep}{_python_path()}"},
        )
        self.workers.append(process)
        return process

    def wait(self, n_workers: int) -> None:
        """Wait until so many workers have come."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(n_workers, timeout=60)

    def end_workers(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


@contextmanager
def start_cluster(folder: Path, n_workers: int = 2, **environment: str) -> Iterator[Cluster]:
    """Start a scheduler with workers for the time of the block."""
    folder.mkdir(parents=True)
    file = folder / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    with ExitStack() as stack:
        scheduler = _start(
            "distributed.cli.dask_scheduler",
            [str(argument) for argument in arguments],
            folder / "scheduler.txt",
            (),
            environment | {"PYTHONPATH": _python_path()},
        )
        stack.callback(scheduler.wait)
        stack.callback(scheduler.kill)
        cluster = Cluster(folder, "", scheduler)
        stack.callback(cluster.end_workers)
        while not cluster.address:
            assert scheduler.poll() is None, (folder / "scheduler.txt").read_text()
            time.sleep(0.05)
            with suppress(OSError, ValueError):  # it is not there, or not whole
                cluster.address = json.loads(file.read_text())["address"]
        for _ in range(n_workers):
            cluster.start_worker()
        if n_workers:
            cluster.wait(n_workers)
        yield cluster


def _python_path() -> str:
    given = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_ROOT), str(Path(__file__).parent), *filter(None, [given])])


def _start(
    module: str,
    arguments: list[str],
    log: Path,
    before: tuple[str, ...],
    environment: dict[str, str],
) -> "subprocess.Popen[bytes]":
    with open(log, "wb") as output:
        return subprocess.Popen(
            [*before, sys.executable, "-m", module, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=os.environ | environment,
        )


def double(number: int) -> tuple[int, int]:
    """Return twice the number, and who has computed it; the slow worker takes its time."""
    time.sleep(float(os.environ.get("DELAY", "0")))
    return 2 * number, os.getpid()


def refuse(job: tuple[int, str]) -> int:
    """Write a file; refuse the number 3, and take some time for the others."""
    number, path = job
    Path(path).write_bytes(b"")
    if number == 3:
        raise InputError("{path} can't be used", path="/data/3.wav")
    time.sleep(0.2)
    return number


def time_out(number: int) -> int:
    """Fail as a shared disk does that does not answer."""
    raise TimeoutError(errno.ETIMEDOUT, "the disk does not answer")


def lose(name: str) -> str:
    """Give a notice."""
    give_notice(InputWarning("{path} lacks its end", path=f"/data/{name}.wav"))
    return name


def record(path: str) -> str:
    """Write a file, and take some time."""
    Path(path).write_bytes(b"")
    time.sleep(0.2)
    return path


def count(folder: str) -> tuple[str, int]:
    """Leave a file each time that this is done, and return who has done it."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / uuid.uuid4().hex).write_bytes(b"")
    time.sleep(0.05)
    return folder, os.getpid()


def tell_threads(job: int) -> tuple[str | None, str | None]:
    """Return how many threads this worker has, and how many those have that train for it."""
    from absslab.core.runs.cluster_sweep import find_user_environment

    name = "OMP_NUM_THREADS"
    return os.environ.get(name), find_user_environment().get(name)


def die_once(path: str) -> str:
    """Kill the worker, unless the file is there already."""
    if not Path(path).exists():
        Path(path).write_bytes(b"")
        os.kill(os.getpid(), signal.SIGKILL)
    return path


def die(number: int) -> int:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number
