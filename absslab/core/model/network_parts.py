"""Parts that mask networks share.

Axes: B batch, C channels, K classes, K′ masks (classes, and a background where masks compete),
M bands, T frames.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class MaskLogits(NamedTuple):
    """Output of a mask network."""

    masks: Tensor  # (B, K′, M, T)
    presence: Tensor | None = None  # (B, K, T): of the class sounding in the frame


def frequency_channel(features: Tensor) -> Tensor:
    """Return each bin's frequency, from −1 to 1: (B, C, M, T) → (B, 1, M, T)."""
    B, _, M, T = features.shape
    return torch.linspace(-1, 1, M, device=features.device, dtype=features.dtype)[:, None].expand(
        B, 1, M, T
    )


def convolution_block(n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU: (B, n_in, M, T) → (B, n_out, M′, T′)."""
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))
