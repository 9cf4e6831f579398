"""Sums over a batch whose recordings are spread over processes.

Without other processes a sum over the recordings of this one is the sum over the batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import torch.distributed as dist

_group: "dist.ProcessGroup | None" = None  # the processes that have a part of the batch


@contextmanager
def share_batch(group: "dist.ProcessGroup | None") -> Iterator[None]:
    """Let the functions below add over the processes of a group, within the block.

    Args:
        group: the processes that have a part of the batch; None: this one has all of it.
    """
    global _group
    before = _group
    _group = group
    try:
        yield
    finally:
        _group = before


def is_batch_shared() -> bool:
    """Return whether other processes have parts of the batch that is being computed."""
    return _group is not None


def sum_over_batch(part: Tensor) -> Tensor:
    """Add what the processes computed from their parts of a batch; no gradient passes.

    Args:
        part: a sum over the recordings that this process has.
    """
    return part if _group is None else _exchange(part, "SUM")


def count_over_batch(part: Tensor) -> Tensor | int:
    """Count the values of a tensor in the parts that all processes have of a batch."""
    if _group is None:
        return part.numel()
    return sum_over_batch(torch.tensor(part.numel(), device=part.device))


def largest_over_batch(part: Tensor) -> Tensor:
    """Return the largest value that a process has of its part of a batch."""
    return part if _group is None else _exchange(part, "MAX")


def differentiable_sum(part: Tensor) -> Tensor:
    """Add the parts of the processes, as `sum_over_batch` does; gradients pass.

    The gradient has to be computed where the batch is still shared.
    """
    return part if _group is None else _DifferentiableSum.apply(part)


class _DifferentiableSum(torch.autograd.Function):
    """`sum_over_batch`, through which gradients pass.

    The losses of all processes depend on the sum, so that the gradient is the sum of theirs.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        """Return the sum."""
        return sum_over_batch(part)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient of the losses of all processes."""
        return sum_over_batch(gradient.contiguous())


def _exchange(part: Tensor, operation: str) -> Tensor:
    import torch.distributed as dist

    total = part.clone()
    dist.all_reduce(total, op=getattr(dist.ReduceOp, operation), group=_group)
    return total
