"""A sum over the processes that share a batch, through which gradients pass."""

from typing import Any

import torch
from torch import Tensor

from absslab.core.common.process_group import is_batch_shared, sum_over_batch


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


def differentiable_sum(part: Tensor) -> Tensor:
    """Add the parts of the processes, as `sum_over_batch` does; gradients pass.

    The gradient has to be computed where the batch is still shared.
    """
    return _DifferentiableSum.apply(part) if is_batch_shared() else part
