"""Parts that mask networks share.

Axes: B batch, C channels, K classes, J chosen classes, K′ masks (those of classes, and of a
background where masks compete), M bands, T frames.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NetworkSize(NamedTuple):
    """Sizes of what a mask network gets and gives."""

    n_channels: int  # C
    n_bands: int  # M
    n_outputs: int  # K′
    n_classes: int  # K


class ChosenClasses(NamedTuple):
    """Classes whose masks are computed, in place of those of all classes."""

    indices: Tensor  # (J,): of the classes
    weights: Tensor  # (J,): how many classes each stands for


# By the logits of their presence (B, K, T), and the number of frames of each recording that are no
# padding (B,); None: there is no padding.
ChooseClasses = Callable[[Tensor, Tensor | None], ChosenClasses]


class MaskLogits(NamedTuple):
    """Output of a mask network."""

    masks: Tensor  # (B, K′, M, T)
    presence: Tensor | None = None  # (B, K, T): of the class sounding in the frame
    chosen: ChosenClasses | None = None  # whose masks these are; None: those of all classes


def frequency_channel(features: Tensor) -> Tensor:
    """Return each bin's frequency, from −1 to 1: (B, C, M, T) → (B, 1, M, T)."""
    B, _, M, T = features.shape
    return torch.linspace(-1, 1, M, device=features.device, dtype=features.dtype)[:, None].expand(
        B, 1, M, T
    )


def unet_input(features: Tensor) -> Tensor:
    """Pad features to sizes that can be halved three times, and add two channels to them.

    These are each band relative to its mean over time, which removes a steady background, and the
    frequency of each bin.

    Shape:
        (B, C, M, T) → (B, 2 C + 1, M′, T′), multiples of 8.
    """
    M, T = features.shape[-2:]
    # at least two frames at the deepest level: batch norm can't learn from a single value
    n_frames = max(16, T + -T % 8)
    padded = F.pad(features, (0, n_frames - T, 0, -M % 8), mode="replicate")  # (B, C, M′, T′)
    relative = padded - padded.mean(3, keepdim=True)
    return torch.cat([padded, relative, frequency_channel(padded)], 1)  # (B, 2 C + 1, M′, T′)


def n_unet_inputs(n_channels: int) -> int:
    """Return how many channels `unet_input` gives for C channels of features."""
    return 2 * n_channels + 1


def convolution_block(n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU: (B, n_in, M, T) → (B, n_out, M′, T′)."""
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


def real_frames(masks: Tensor, n_frames: Tensor | None) -> Tensor:
    """Find the frames that are not padding: (B, 1, 1, T); a single True if `n_frames` is None."""
    if n_frames is None:
        return torch.ones((), dtype=torch.bool, device=masks.device)
    frames = torch.arange(masks.shape[-1], device=masks.device)
    real = frames < n_frames.to(masks.device)[:, None]  # (B, T)
    return real[:, None, None]
