"""Batch norm whose mean and variance are those of frames that are not padding.

Axes: B batch, M bands, T frames.
"""

import torch
from torch import Tensor, nn

from absslab.core.common.shared_batch import differentiable_sum, sum_over_batch


class UnpaddedNorm(nn.Module):
    """Subtracts the mean of a batch and divides by its deviation; has no weights.

    Outside of training, running averages take the place of these moments. They are means over all
    batches at first, so that a few batches are enough, and follow the latest ones later.

    Args:
        n_bands: M, if each band has moments of its own; 1, if all have the same.
        momentum: weight of a batch in the running averages, later.
        eps: added to the variance.

    Shape:
        (B, M, T), counts (B,) of frames that are not padding, or None → (B, M, T).

    Source: Ioffe, Szegedy, arXiv 1502.03167.
    """

    def __init__(self, n_bands: int, *, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.mean: Tensor
        self.variance: Tensor
        self.n_batches: Tensor
        self.register_buffer("mean", torch.zeros(n_bands, 1))
        self.register_buffer("variance", torch.ones(n_bands, 1))
        self.register_buffer("n_batches", torch.tensor(0))

    def forward(self, features: Tensor, counts: Tensor | None) -> Tensor:
        """Return normalised features."""
        mean, variance = self.mean, self.variance
        if self.training:
            mean, variance = self._moments(features, counts)
            self._average(mean.detach(), variance.detach())
        return (features - mean) * (variance + self.eps).rsqrt()

    def invert(self, features: Tensor) -> Tensor:
        """Undo what it does outside of training: (B, M, T) → (B, M, T)."""
        return features * (self.variance + self.eps).sqrt() + self.mean

    def _moments(self, features: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and variance: (M, 1) or (1, 1) each."""
        is_recording = torch.ones_like(features[:, :1])  # (B, 1, T)
        if counts is not None:
            frames = torch.arange(features.shape[-1], device=features.device)  # (T,)
            is_recording = (frames < counts.to(features.device)[:, None, None]).to(features)
        axes = (0, 2) if len(self.mean) > 1 else (0, 1, 2)
        weights = is_recording.expand_as(features)  # (B, M, T)
        total = sum_over_batch(weights.sum(axes).reshape(-1, 1))
        mean = differentiable_sum((features * weights).sum(axes).reshape(-1, 1)) / total
        deviations = (features - mean).square() * weights
        variance = differentiable_sum(deviations.sum(axes).reshape(-1, 1)) / total
        return mean, variance

    @torch.no_grad()
    def _average(self, mean: Tensor, variance: Tensor) -> None:
        self.n_batches += 1
        weight = (1 / self.n_batches).clamp_min(self.momentum)
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)
