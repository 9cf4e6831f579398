"""The processes that train one model together, as PyTorch's torchrun starts them.

Each has a copy of the model and a part of every batch; the first one alone writes and prints. A
program that torchrun did not start is a group of one process, for which all of this does nothing.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from absslab.core.common.errors import InputError, Reason, WorkError, escape_braces

if TYPE_CHECKING:  # the command line needs this module, and PyTorch only where it trains
    import torch.distributed as dist
    from torch import Tensor

Value = TypeVar("Value")
_SET_BY_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_JOIN_TIMEOUT = timedelta(minutes=10)
_ENDING = 3.0  # s that a process takes to end after it has said why
# The others wait while the first process reads all recordings, or saves on a slow disk. If one
# ends, they learn it at once, whatever the timeout.
EXCHANGE_TIMEOUT = timedelta(days=7)
_TEXTS_OF_LOST_CONNECTIONS = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited",
)

_store: "dist.Store | None" = None  # what all processes can read and write


class LostProcessError(WorkError):
    """Another process of the group has ended."""


@dataclass(frozen=True)
class Processes:
    """The processes that work together, and which of them this is.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        local_rank: number of this process among those of its machine.
        local_size: number of processes of its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, value: Value) -> Value:
        """Return the value that the first process has.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.size == 1:
            return value
        import torch.distributed as dist

        values = [value]
        with explain_lost_process(self):
            dist.broadcast_object_list(values)
        return values[0]

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        with explain_lost_process(self):
            dist.all_gather_object(values, value)
        return values

    def sum(self, values: "Tensor") -> "Tensor":
        """Return the sum of the tensors that the processes have, of one shape.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.size == 1:
            return values
        import torch.distributed as dist

        total = values.detach().cpu().clone()
        with explain_lost_process(self):
            dist.all_reduce(total)
        return total.to(values.device)

    def copy_from_first(self, tensors: Iterable["Tensor"]) -> None:
        """Set tensors to the values that they have in the first process.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.size == 1:
            return
        import torch
        import torch.distributed as dist

        with explain_lost_process(self):
            for tensor in tensors:
                values = tensor.detach().cpu().contiguous()
                dist.broadcast(values, 0)
                with torch.no_grad():
                    tensor.copy_(values)

    def wait(self) -> float:
        """Wait until all processes have come here, and return how long that took, s.

        Raises:
            LostProcessError: another process has ended.
        """
        if self.size == 1:
            return 0.0
        import torch.distributed as dist

        start = time.perf_counter()
        with explain_lost_process(self):
            dist.barrier()
        return time.perf_counter() - start

    def describe(self) -> str:
        """Return which process this is, in words."""
        return f"process {self.rank} of {self.size} on {socket.gethostname()}"


ALONE = Processes()


def find_processes() -> Processes:
    """Return the group that this process has joined; a group of one if it has not joined any."""
    return ALONE if _store is None else _read_variables(os.environ)


def is_started_by_torchrun() -> bool:
    """Return whether torchrun started this process as one of several."""
    return all(name in os.environ for name in _SET_BY_TORCHRUN) and os.environ["WORLD_SIZE"] != "1"


def may_report(message: str, *, is_failure: bool = False) -> bool:
    """Return whether this process prints a message: of those that have the same one, one does.

    Args:
        message: one line.
        is_failure: whether it says why a process ends.
    """
    if _store is None:
        return True
    try:
        is_first = _store.add(f"message {message}", 1) == 1
        _store.add("failures", int(is_failure))
    except RuntimeError:  # the machine that has the store is gone
        return find_processes().is_first
    return is_first


def wait_for_end_of_others() -> None:
    """Let the process that has failed end before this one, which only follows it.

    The launcher then ends this process, and knows the exit status of the other one. It is the
    connection that is lost first.
    """
    time.sleep(_ENDING)


def has_failure_been_reported() -> bool:
    """Return whether a process of the group has said why it ends."""
    try:
        return _store is not None and _store.add("failures", 0) > 0
    except RuntimeError:
        return False


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the other processes that torchrun started, within the block.

    Raises:
        InputError: the variables of torchrun are not those of a process of a group.
        WorkError: the others can't be found.
    """
    global _store
    if not is_started_by_torchrun():
        yield ALONE
        return
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    processes = _read_variables(os.environ)
    try:
        store, rank, size = next(rendezvous("env://", timeout=_JOIN_TIMEOUT))
        dist.init_process_group(
            "gloo",
            store=dist.PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=EXCHANGE_TIMEOUT,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise WorkError(
            f"{escape_braces(processes.describe())} can't reach the others at "
            f"{escape_braces(os.environ['MASTER_ADDR'])}:{escape_braces(os.environ['MASTER_PORT'])}"
            " ({reason}): check torchrun's --rdzv_endpoint and that the machines reach each other",
            reason=Reason.of(error),
        ) from None
    _store = dist.PrefixStore("absslab", store)
    handler = signal.signal(signal.SIGTERM, lambda *_: _raise_lost_process(processes))
    try:
        yield processes
        dist.destroy_process_group()  # after an error this could wait for what never comes
    finally:
        signal.signal(signal.SIGTERM, handler)
        _store = None


def _read_variables(variables: Mapping[str, str]) -> Processes:
    """Read which process this is from what torchrun sets.

    Raises:
        InputError: they are no numbers of a process in a group.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    values = dict(zip(names, ("0", "1", "0", "1"), strict=True)) | {
        name: variables[name] for name in names if name in variables
    }
    if not all(value.isascii() and value.isdecimal() for value in values.values()) or not (
        int(values["RANK"]) < int(values["WORLD_SIZE"])
    ):
        given = ", ".join(f"{name}={value}" for name, value in values.items())
        raise InputError(
            f"the environment has {given}: expected numbers as torchrun sets them, RANK below "
            "WORLD_SIZE"
        )
    return Processes(*(int(values[name]) for name in names))


@contextmanager
def explain_lost_process(processes: Processes) -> Iterator[None]:
    """Say in words that another process has ended, which PyTorch tells by errors of its network.

    Raises:
        LostProcessError: one has.
    """
    try:
        yield
    except RuntimeError as error:
        texts = _TEXTS_OF_LOST_CONNECTIONS
        if processes.size == 1 or not any(text in str(error) for text in texts):
            raise
        _raise_lost_process(processes)


def _raise_lost_process(processes: Processes) -> NoReturn:
    """Raise the error that ends this process; torchrun's SIGTERM, which may follow, is ignored.

    Raises:
        LostProcessError: always.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise LostProcessError(
        f"another of the {processes.size} processes has ended, or torchrun was asked to end, so "
        "that this one ends too; a training goes on from its last.ckpt"
    ) from None
