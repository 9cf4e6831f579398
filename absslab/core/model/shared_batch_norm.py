"""Batch norm over a batch whose recordings are spread over processes.

PyTorch's SyncBatchNorm does this on GPUs alone. Axes: B batch, C channels.
"""

import torch
from torch import Tensor, nn

from absslab.core.common.shared_batch import differentiable_sum, is_batch_shared


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm with mean and variance of the whole batch, of which each process has a part.

    Where a batch is not shared, and outside of training, it is PyTorch's own.

    Shape:
        (B, C, …) → (B, C, …).

    Source: Ioffe, Szegedy, arXiv 1502.03167.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Take one axis, two or none after that of the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return normalised channels."""
        if not self.training or not is_batch_shared():
            return super().forward(input)
        values = input.float()
        axes = [0, *range(2, values.ndim)]
        columns = (1, -1, *[1] * (values.ndim - 2))  # (1, C, 1, …)
        count = torch.full((1,), float(values[:, 0].numel()), device=values.device)
        sums = differentiable_sum(torch.cat([values.sum(axes), count]))  # (C + 1,)
        total = sums[-1].detach()
        mean = sums[:-1] / total  # (C,)
        centred = values - mean.view(columns)
        variance = differentiable_sum(centred.square().sum(axes)) / total  # (C,)
        self._average(mean.detach(), variance.detach(), total)
        normalised = centred * (variance + self.eps).rsqrt().view(columns)
        if self.weight is not None:
            normalised = normalised * self.weight.view(columns) + self.bias.view(columns)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _average(self, mean: Tensor, variance: Tensor, n_values: Tensor) -> None:
        """Move the running averages, as PyTorch's batch norm does."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        weight = self.momentum
        if weight is None:
            weight = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance * n_values / (n_values - 1).clamp_min(1), weight)


def share_batch_norms(module: nn.Module) -> None:
    """Replace all batch norms within a module; weights and running averages stay the same tensors.

    Args:
        module: a network; not a batch norm itself.
    """
    for name, child in module.named_children():
        if not isinstance(child, nn.modules.batchnorm._BatchNorm):
            share_batch_norms(child)
            continue
        shared = SharedBatchNorm(
            child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
        )
        for parameter in ("weight", "bias"):
            setattr(shared, parameter, getattr(child, parameter))
        for buffer in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(shared, buffer, getattr(child, buffer))
        shared.training = child.training
        setattr(module, name, shared)
