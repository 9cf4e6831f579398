"""The gradient of a batch whose recordings are spread over processes.

Each process computes the loss of its recordings as its part of the loss of the whole batch, and
PyTorch's DistributedDataParallel adds the gradients while they are computed. What follows from them
is then the same in all processes, apart from rounding the same as in a single one.
"""

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.process_group import (
    EXCHANGE_TIMEOUT,
    Processes,
    explain_lost_process,
)
from absslab.core.common.shared_batch import largest_over_batch, share_batch
from absslab.core.data.batches import Batch
from absslab.core.model.separation_model import SeparationModel
from absslab.core.training.feature_store import FeatureBatch
from absslab.core.training.objective import BatchLoss, Objective

if TYPE_CHECKING:
    import torch.distributed as dist


# Buffers follow from the whole batch, so that they are the same; the name of the option that leaves
# them as they are depends on PyTorch's version.
_DDP_PARAMETERS = inspect.signature(nn.parallel.DistributedDataParallel).parameters
_OPTION = "forward_sync_buffers"
_DDP_OPTIONS: dict[str, Any] = {
    _OPTION if _OPTION in _DDP_PARAMETERS else "broadcast_buffers": False
}


class BatchPart(NamedTuple):
    """The recordings of a batch that one process has."""

    n_processes: int  # the first ones, which have a recording of the batch each or more
    batch: Batch | FeatureBatch | None  # None: this process has none


class BatchGradient:
    """Computes the gradient of batches; make one with `build_batch_gradient`.

    Args:
        losses: model and objective.
        processes: between which the batches are divided.
        group: of these processes, by which the device communicates; None: there is one process.
        small_group: the processes that have a part of the smallest batch of an epoch, if that has
            fewer recordings than there are processes.
        differ_in_length: whether recordings have several lengths.
    """

    def __init__(
        self,
        losses: "BatchLosses",
        processes: Processes,
        *,
        group: "dist.ProcessGroup | None" = None,
        small_group: "dist.ProcessGroup | None" = None,
        differ_in_length: bool = False,
    ):
        self.losses = losses
        self.processes = processes
        self.group = group
        self.small_group = small_group
        self.differ_in_length = differ_in_length
        self._compute: nn.Module = losses
        if group is not None:
            self._compute = nn.parallel.DistributedDataParallel(
                losses,
                process_group=group,
                gradient_as_bucket_view=True,
                **_DDP_OPTIONS,
            )

    def backward(
        self, part: BatchPart, rng: np.random.Generator, scaler: torch.amp.GradScaler
    ) -> dict[str, Tensor]:
        """Set the gradient of the parameters to that of the whole batch.

        Args:
            part: what this process has of the batch, on the device of the model.
            rng: source of randomness for the augmentation.
            scaler: of the loss.

        Returns:
            the part of the losses that is of these recordings, by name, () each.

        Raises:
            LostProcessError: another process has ended.
        """
        with explain_lost_process(self.processes):
            is_small = part.n_processes < self.processes.size
            group = self.small_group if is_small else self.group
            losses: dict[str, Tensor] = {}
            if part.batch is None:
                scaler.scale(torch.zeros((), device=self.losses.model.device))  # as all others do
            else:
                # DistributedDataParallel needs all processes in each call
                compute = self.losses if is_small else self._compute
                with share_batch(group):
                    batch = (
                        _pad_alike(part.batch) if self.differ_in_length and group else part.batch
                    )
                    losses = compute(batch, rng).losses
                    # Of the gradients it takes the mean, and not the sum.
                    factor = 1 if is_small else self.processes.size
                    scaler.scale(losses["total"] * factor).backward()
            if is_small:
                self._add_small_batch()
        return {name: value.detach() for name, value in losses.items()}

    def _add_small_batch(self) -> None:
        """Give the gradient and the running averages of a small batch to all processes."""
        import torch.distributed as dist

        for parameter in self.losses.parameters():
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad, group=self.group)
        for buffer in self.losses.buffers():
            dist.broadcast(buffer, 0, group=self.group)


class BatchLosses(nn.Module):
    """Computes the losses of a batch, as a module for DistributedDataParallel.

    Args:
        model: the model.
        objective: the losses.
    """

    def __init__(self, model: SeparationModel, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Batch | FeatureBatch, rng: np.random.Generator) -> BatchLoss:
        """Return the losses; see `Objective`."""
        return self.objective(self.model, batch, rng)


def build_batch_gradient(
    model: SeparationModel,
    objective: Objective,
    processes: Processes,
    *,
    n_smallest: int,
    differ_in_length: bool,
) -> BatchGradient:
    """Make what computes the gradient of batches.

    Args:
        model: on its device; its batch norms are replaced if there are several processes.
        objective: the losses.
        processes: between which batches are divided; all of them have to call this.
        n_smallest: number of recordings of the smallest batch of an epoch.
        differ_in_length: whether recordings have several lengths.
    """
    losses = BatchLosses(model, objective)
    if processes.size == 1:
        return BatchGradient(losses, processes)
    import torch.distributed as dist

    uses_nccl = model.device.type == "cuda" and dist.is_nccl_available()
    options: dict[str, Any] = {
        "backend": "nccl" if uses_nccl else "gloo",
        "timeout": EXCHANGE_TIMEOUT,
    }
    group = dist.new_group(**options)
    small_group = None
    if n_smallest < processes.size:
        small_group = dist.new_group(range(n_smallest), **options)
    with explain_lost_process(processes):
        return BatchGradient(
            losses,
            processes,
            group=group,
            small_group=small_group,
            differ_in_length=differ_in_length,
        )


def _pad_alike(batch: Batch | FeatureBatch) -> Batch | FeatureBatch:
    """Pad recordings to the longest one that any process has in this batch."""
    n_samples = batch.n_samples
    if isinstance(batch, FeatureBatch):
        if n_samples is None:
            n_samples = torch.full_like(batch.indices, batch.longest)
        n_frames = _largest(batch.features.shape[-1], batch.features.device)
        features = _pad(batch.features, n_frames)
        longest = _largest(batch.longest, batch.features.device)
        return batch._replace(features=features, n_samples=n_samples, longest=longest)
    if n_samples is None:
        n_samples = torch.full_like(batch.indices, batch.waveforms.shape[1])
    longest = _largest(batch.waveforms.shape[1], batch.waveforms.device)
    references = batch.references
    if references is not None:
        references = references._replace(waveforms=_pad(references.waveforms, longest))
    waveforms = _pad(batch.waveforms, longest)
    return batch._replace(waveforms=waveforms, n_samples=n_samples, references=references)


def _largest(value: int, device: torch.device) -> int:
    return int(largest_over_batch(torch.tensor(value, device=device)))


def _pad(values: Tensor, length: int) -> Tensor:
    """Append zeros to the last axis."""
    return nn.functional.pad(values, (0, length - values.shape[-1]))
