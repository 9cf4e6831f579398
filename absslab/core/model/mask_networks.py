"""Mask networks: features (B, C, M, T) → `MaskLogits`, of the same resolution or a coarser one.

Each has a layer `to_masks`, whose bias sets the masks of an untrained network.

Axes: B batch, C channels, K′ outputs (classes, and a background where masks compete), M bands,
T frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.common.config import Config, look_up, option
from absslab.core.common.errors import InputError
from absslab.core.model.network_parts import (
    MaskLogits,
    NetworkSize,
    convolution_block,
    frequency_channel,
    n_unet_inputs,
    unet_input,
)
from absslab.core.model.presence_unet import PresenceUNet
from absslab.core.model.vgg_like_mask_model import (
    VGGLikeMaskModelConfig,
    build_vgg_like_mask_model,
)


class VGGLikeCNN(nn.Module):
    """Plain blocks of convolution → batch norm → dropout → ReLU, then a 1 × 1 convolution.

    A block with a stride makes the masks coarser; they are interpolated back to the features'
    resolution.

    Args:
        n_outputs: K′.
        channels: output channels of each block.
        kernel_sizes: kernel size of each block.
        strides: stride of each block.
        paddings: padding of each block.
        drop_out_probs: probability of dropout in each block.
        use_batch_norm: whether convolutions are followed by batch norm (they then have no bias).
        use_coordinates: whether one more input channel holds each bin's frequency, from −1 to 1.
        n_channels: C.

    Shape:
        (B, C, M, T) → `MaskLogits`.

    Source: Kong et al., arXiv 1804.04715.
    """

    def __init__(
        self,
        *,
        n_outputs: int,
        channels: Sequence[int] = (64,) * 6,
        kernel_sizes: Sequence[int] = (3,) * 6,
        strides: Sequence[int] = (1,) * 6,
        paddings: Sequence[int] = (1,) * 6,
        drop_out_probs: Sequence[float] = (0.0,) * 6,
        use_batch_norm: bool = True,
        use_coordinates: bool = False,
        n_channels: int = 1,
    ):
        super().__init__()
        self.use_coordinates = use_coordinates
        blocks: list[nn.Module] = []
        n_in = n_channels + use_coordinates
        for n_out, kernel, stride, padding, p in zip(
            channels, kernel_sizes, strides, paddings, drop_out_probs, strict=True
        ):
            blocks.append(nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=not use_batch_norm))
            if use_batch_norm:
                blocks.append(nn.BatchNorm2d(n_out))
            blocks += [nn.Dropout(p), nn.ReLU()] if p else [nn.ReLU()]
            n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.to_masks = nn.Conv2d(n_in, n_outputs, 1)

    def forward(self, features: Tensor) -> MaskLogits:
        """Compute the logits of masks."""
        M, T = features.shape[-2:]
        x = features
        if self.use_coordinates:
            x = torch.cat([features, frequency_channel(features)], 1)  # (B, C + 1, M, T)
        logits = self.to_masks(self.blocks(x))  # (B, K′, M′, T′)
        if logits.shape[-2:] != (M, T):
            logits = F.interpolate(logits, size=(M, T))  # (B, K′, M, T)
        return MaskLogits(logits)


class UNet(nn.Module):
    """A U-Net at half resolution around a recurrent layer that sees all frequencies at once.

    The class of an event is recognised by its whole spectrum and how it changes over time, its
    place in time and frequency by the single bins. So the deepest level is flattened over frequency
    and passed through a bidirectional GRU, which finds the classes over time; skip connections add
    the detail again. Full resolution, where convolutions are most expensive, has only a few
    channels, which sharpen the masks.

    Besides the features, the network gets each band relative to its mean over time (which removes a
    steady background) and the frequency of each bin.

    Args:
        n_outputs: K′.
        n_bands: M.
        n_channels: C.
        channels: channels of the three levels, at 1/2, 1/4 and 1/8 of the resolution.
        fine_channels: channels at full resolution.
        context: number of units of the GRU in each direction.
        drop_out: probability of dropout at the deepest level.

    Shape:
        (B, C, M, T) → `MaskLogits`.

    Source: Ronneberger et al., arXiv 1505.04597 (U-Net); Çakır et al., arXiv 1702.06286
    (convolutional recurrent).
    """

    def __init__(
        self,
        *,
        n_outputs: int,
        n_bands: int,
        n_channels: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        fine_channels: int = 16,
        context: int = 128,
        drop_out: float = 0.1,
    ):
        super().__init__()
        c1, c2, c3 = channels
        n_in = n_unet_inputs(n_channels)
        self.depth = -(-n_bands // 8)  # bands of the deepest level
        self.down1 = nn.Sequential(
            convolution_block(n_in, c1, kernel=5, stride=2), convolution_block(c1, c1)
        )
        self.down2 = nn.Sequential(convolution_block(c1, c2), convolution_block(c2, c2))
        self.down3 = nn.Sequential(
            convolution_block(c2, c3), convolution_block(c3, c3), nn.Dropout2d(drop_out)
        )
        self.to_context = nn.Sequential(
            nn.Conv1d(c3 * self.depth, 2 * context, 1, bias=False),
            nn.BatchNorm1d(2 * context),
            nn.ReLU(),
            nn.Dropout(drop_out),
        )
        self.context = nn.GRU(2 * context, context, bidirectional=True, batch_first=True)
        self.from_context = nn.Conv1d(2 * context, c3 * self.depth, 1)
        self.up2 = nn.Sequential(convolution_block(c3 + c2, c2), convolution_block(c2, c2))
        self.up1 = nn.Sequential(convolution_block(c2 + c1, c1), convolution_block(c1, c1))
        self.to_masks = nn.Conv2d(c1, n_outputs, 1)
        self.fine_from_coarse = nn.Conv2d(c1, fine_channels, 1, bias=False)
        self.fine_from_input = nn.Conv2d(n_in, fine_channels, 3, padding=1, bias=False)
        self.sharpen = nn.Sequential(
            nn.BatchNorm2d(fine_channels),
            nn.ReLU(),
            convolution_block(fine_channels, fine_channels),
            nn.Conv2d(fine_channels, n_outputs, 1),
        )

    def forward(self, features: Tensor) -> MaskLogits:
        """Compute the logits of masks."""
        M, T = features.shape[-2:]
        x = unet_input(features)  # (B, 2 C + 1, M′, T′)
        half = self.down1(x)  # (B, c1, M′/2, T′/2)
        quarter = self.down2(F.max_pool2d(half, 2))  # (B, c2, M′/4, T′/4)
        eighth = self.down3(F.max_pool2d(quarter, 2))  # (B, c3, M′/8, T′/8)
        eighth = eighth + self._context(eighth)
        up = torch.cat([F.interpolate(eighth, scale_factor=2), quarter], 1)
        up = self.up2(up)  # (B, c2, M′/4, T′/4)
        up = torch.cat([F.interpolate(up, scale_factor=2), half], 1)
        up = self.up1(up)  # (B, c1, M′/2, T′/2)
        coarse = F.interpolate(self.fine_from_coarse(up), scale_factor=2)
        fine = coarse + self.fine_from_input(x)  # (B, fine, M′, T′)
        coarse_logits = F.interpolate(self.to_masks(up), scale_factor=2)
        logits = coarse_logits + self.sharpen(fine)  # (B, K′, M′, T′)
        return MaskLogits(logits[..., :M, :T])

    def _context(self, x: Tensor) -> Tensor:
        frames = self.to_context(x.flatten(1, 2))  # (B, 2·context, T′/8)
        # on a CPU a GRU is slower in bfloat16 than in float32
        with torch.autocast(x.device.type, enabled=False):
            frames = frames.float().transpose(1, 2)  # (B, T′/8, 2·context)
            frames = frames + self.context(frames)[0]
        context = self.from_context(frames.transpose(1, 2))  # (B, c3 · M′/8, T′/8)
        return context.unflatten(1, (-1, self.depth))  # (B, c3, M′/8, T′/8)


@dataclass(frozen=True)
class VGGLikeCNNConfig(Config):
    """VGG_like_CNN: plain convolution blocks; give one value per block, or one for all."""

    channels: tuple[int, ...] = option((64,) * 6, "channels of each block", at_least=1)
    kernel_sizes: tuple[int, ...] = option(
        (3,), "kernel size of each block", unit="bins", at_least=1
    )
    strides: tuple[int, ...] = option((1,), "stride of each block", unit="bins", at_least=1)
    paddings: tuple[int, ...] | None = option(
        None, "padding of each block; by default half the kernel", unit="bins", at_least=0
    )
    drop_out_probs: tuple[float, ...] = option(
        (0.0,), "drop-out probability of each block", at_least=0, at_most=0.99
    )
    use_batch_norm: bool = option(True, "use batch norm after each convolution")
    use_coordinates: bool = option(False, "give the network the frequency of each bin as an input")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channels:
            raise InputError("channels is empty: expected one value per block, at least one")
        for name in ("kernel_sizes", "strides", "paddings", "drop_out_probs"):
            values = getattr(self, name)
            if values is not None and len(values) not in (1, len(self.channels)):
                raise InputError(
                    f"{name} has {len(values)} values: expected {len(self.channels)}, "
                    f"one per block (channels has {len(self.channels)}), or one for all"
                )

    def per_block(self, name: str) -> tuple[Any, ...]:
        """Return a setting with as many values as there are blocks."""
        values = getattr(self, name)
        if values is None:
            return tuple(kernel // 2 for kernel in self.per_block("kernel_sizes"))
        return values * len(self.channels) if len(values) == 1 else values


@dataclass(frozen=True)
class UNetConfig(Config):
    """U_Net: convolutions at three resolutions around a recurrent layer."""

    unet_channels: tuple[int, int, int] = option(
        (32, 64, 128), "channels at 1/2, 1/4 and 1/8 of the resolution", at_least=1
    )
    fine_channels: int = option(16, "channels at full resolution", at_least=1)
    context: int = option(
        128, "number of units of the recurrent layer in each direction", at_least=1
    )
    drop_out: float = option(
        0.1, "drop-out probability at the lowest resolution", at_least=0, at_most=0.99
    )


@dataclass(frozen=True)
class PresenceUNetConfig(Config):
    """Presence_U_Net: a U-Net that also tells which classes sound in each frame."""

    presence_channels: tuple[int, int, int] = option(
        (32, 64, 128), "channels at 1/2, 1/4 and 1/8 of the resolution", at_least=1
    )
    presence_context: int = option(
        128, "number of units of the recurrent layer in each direction", at_least=1
    )
    presence_drop_out: float = option(
        0.1, "drop-out probability at the lowest resolution", at_least=0, at_most=0.99
    )


def _build_vgg(config: VGGLikeCNNConfig, size: NetworkSize) -> VGGLikeCNN:
    names = ("kernel_sizes", "strides", "paddings", "drop_out_probs")
    return VGGLikeCNN(
        n_channels=size.n_channels,
        n_outputs=size.n_outputs,
        channels=config.channels,
        use_batch_norm=config.use_batch_norm,
        use_coordinates=config.use_coordinates,
        **{name: config.per_block(name) for name in names},
    )


def _build_unet(config: UNetConfig, size: NetworkSize) -> UNet:
    return UNet(
        n_channels=size.n_channels,
        n_outputs=size.n_outputs,
        n_bands=size.n_bands,
        channels=config.unet_channels,
        fine_channels=config.fine_channels,
        context=config.context,
        drop_out=config.drop_out,
    )


def _build_presence_unet(config: PresenceUNetConfig, size: NetworkSize) -> PresenceUNet:
    return PresenceUNet(
        n_channels=size.n_channels,
        n_outputs=size.n_outputs,
        n_classes=size.n_classes,
        n_bands=size.n_bands,
        channels=config.presence_channels,
        context=config.presence_context,
        drop_out=config.presence_drop_out,
    )


class MaskNetKind(NamedTuple):
    """A mask network: its settings, and the function that builds it from them."""

    config: type[Config]
    build: Callable[[Any, NetworkSize], nn.Module]


MASK_NETS = {
    "VGG_like_CNN": MaskNetKind(VGGLikeCNNConfig, _build_vgg),
    "U_Net": MaskNetKind(UNetConfig, _build_unet),
    "Presence_U_Net": MaskNetKind(PresenceUNetConfig, _build_presence_unet),
    "VGGLikeMaskModel": MaskNetKind(VGGLikeMaskModelConfig, build_vgg_like_mask_model),
}


def find_mask_net(name: str) -> MaskNetKind:
    """Return a mask network by its name."""
    kind: MaskNetKind = look_up("model type", name, MASK_NETS)
    return kind
