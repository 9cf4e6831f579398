"""The mask network of the thesis, with every setting that its code had.

Axes: B batch, C channels, K′ masks, M bands, T frames; M′ and T′ where strides, pooling or missing
padding leave fewer of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.model.network_parts import MaskLogits

_LEAK = 0.01  # slope of a leaky ReLU below 0

ACTIVATIONS: dict[str, Any] = {
    "relu": nn.ReLU,
    "lr": lambda: nn.LeakyReLU(_LEAK),
    "sig": nn.Sigmoid,
    "softmax": lambda: nn.Softmax2d(),
}
_RECTIFIERS = ("relu", "lr")
DROPOUTS = {"1D": nn.Dropout, "2D": nn.Dropout2d}
POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
PADDINGS = {"zero": "constant", "reflection": "reflect"}


class VGGLikeMaskModel(nn.Module):
    """Blocks of padding, convolution, batch norm, dropout, activation and pooling.

    The last block makes the masks: it has as many channels as there are masks, no dropout, no
    pooling, and its activation is that of the masks. Masks may be coarser than the features; they
    are pooled to tags as they are.

    Args:
        n_inputs: C, channels of the features.
        n_outputs: K′.
        blocks: of the network; the channels of the last one are n_outputs.

    Shape:
        (B, C, M, T) → `MaskLogits` (B, K′, M′, T′).

    Source: the public code of the thesis *Neural Network based Audio Blind source Separation for
    Noise Suppression*, EPFL 2018; after Kong et al., arXiv 1804.04715.
    """

    def __init__(self, *, n_inputs: int, n_outputs: int, blocks: Sequence["BlockConfig"]):
        super().__init__()
        channels = [n_inputs, *(block.channels for block in blocks[:-1]), n_outputs]
        self.blocks = nn.Sequential(
            *(
                Block(n_in, n_out, block, makes_masks=index == len(blocks) - 1)
                for index, (n_in, n_out, block) in enumerate(
                    zip(channels, channels[1:], blocks, strict=False)
                )
            )
        )

    @property
    def to_masks(self) -> nn.Module:
        """The layer whose bias is added to the logits of the masks."""
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return last.norm if isinstance(last.norm, nn.BatchNorm2d) else last.convolution

    def forward(self, features: Tensor) -> MaskLogits:
        """Compute the logits of masks.

        Raises:
            InputError: there are too few frames for the kernels.
        """
        try:
            return MaskLogits(self.blocks(features))
        except RuntimeError as error:
            if features.shape[-1] >= self.fewest_frames():
                raise
            raise InputError(
                f"a recording has {features.shape[-1]} frames: the mask network needs "
                f"{self.fewest_frames()} for its kernels and paddings; leave it out, or train "
                "with more padding (mask_conv_p_t)"
            ) from error

    def fewest_frames(self) -> int:
        """Return the smallest number of frames that the network can compute."""
        frames = 1
        for block in reversed(self.blocks):
            assert isinstance(block, Block)
            frames = block.config.fewest(frames, axis=1)
        return frames

    def n_bands(self, n_bands: int) -> int:
        """Return the number of bands M′ of the masks; less than 1: there are too few bands."""
        for block in self.blocks:
            assert isinstance(block, Block)
            if n_bands < block.config.fewest(1, axis=0):
                return 0
            n_bands = block.config.size_after(n_bands, axis=0)
        return n_bands


@dataclass(frozen=True)
class BlockConfig:
    """A block of the network; pairs are (over bands, over frames)."""

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    padding_type: str  # of PADDINGS
    groups: int
    drop_out: float
    drop_out_type: str  # of DROPOUTS
    use_batch_norm: bool
    activation: str  # of ACTIVATIONS
    use_coordinates: bool
    pooling: str | None  # of POOLS
    pool_kernel: tuple[int, int]
    pool_stride: tuple[int, int]
    pool_padding: tuple[int, int]
    pool_padding_type: str

    def size_after(self, size: int, *, axis: int) -> int:
        """Return how many bands (axis 0) or frames (axis 1) are left of `size`."""
        size = (size + 2 * self.padding[axis] - self.kernel[axis]) // self.stride[axis] + 1
        if self.pooling is not None:
            size += 2 * self.pool_padding[axis] - self.pool_kernel[axis]
            size = size // self.pool_stride[axis] + 1
        return size

    def fewest(self, size: int, *, axis: int) -> int:
        """Return of how many bands (axis 0) or frames (axis 1) at least `size` are left."""
        if self.pooling is not None:
            size = (size - 1) * self.pool_stride[axis] + self.pool_kernel[axis]
            size -= 2 * self.pool_padding[axis]
            if self.pool_padding_type == "reflection":
                size = max(size, self.pool_padding[axis] + 1)
            size = max(size, 1)
        size = (size - 1) * self.stride[axis] + self.kernel[axis] - 2 * self.padding[axis]
        if self.padding_type == "reflection":
            size = max(size, self.padding[axis] + 1)
        return max(size, 1)


class Block(nn.Module):
    """A block of the network.

    Args:
        n_inputs: channels of its input.
        n_outputs: channels of its output.
        config: the block.
        makes_masks: it is the last: without dropout, activation and pooling.

    Shape:
        (B, n_inputs, M, T) → (B, n_outputs, M′, T′).
    """

    def __init__(self, n_inputs: int, n_outputs: int, config: BlockConfig, *, makes_masks: bool):
        super().__init__()
        self.config = config
        self.convolution = nn.Conv2d(
            n_inputs + config.use_coordinates,
            n_outputs,
            config.kernel,
            config.stride,
            groups=config.groups,
        )
        activation = None if makes_masks else config.activation
        nn.init.kaiming_normal_(
            self.convolution.weight,
            nonlinearity="relu" if activation in _RECTIFIERS else "linear",
        )
        self.norm = nn.BatchNorm2d(n_outputs) if config.use_batch_norm else nn.Identity()
        self.drop_out = (
            nn.Identity() if makes_masks else DROPOUTS[config.drop_out_type](config.drop_out)
        )
        self.activation = nn.Identity() if activation is None else ACTIVATIONS[activation]()
        self.pool = None
        if config.pooling is not None and not makes_masks:
            self.pool = POOLS[config.pooling](config.pool_kernel, config.pool_stride)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block."""
        x = _pad(x, self.config.padding, self.config.padding_type)
        if self.config.use_coordinates:
            x = torch.cat([x, _coordinates(x)], 1)  # (B, C + 1, M + 2 p, T + 2 p)
        x = self.activation(self.drop_out(self.norm(self.convolution(x))))  # (B, C′, M′, T′)
        if self.pool is not None:
            x = self.pool(_pad(x, self.config.pool_padding, self.config.pool_padding_type))
        return x


def _pad(x: Tensor, padding: tuple[int, int], kind: str) -> Tensor:
    if padding == (0, 0):
        return x
    bands, frames = padding
    return F.pad(x, (frames, frames, bands, bands), mode=PADDINGS[kind])


def _coordinates(x: Tensor) -> Tensor:
    """Return the place of each band, from 0 to just below 1: (B, C, M, T) → (B, 1, M, T)."""
    B, _, M, T = x.shape
    places = torch.arange(M, device=x.device, dtype=x.dtype) / M
    return places[:, None].expand(B, 1, M, T)


_PER_BLOCK = (
    "mask_conv_o_c",
    "mask_conv_k_f",
    "mask_conv_k_t",
    "mask_conv_s_f",
    "mask_conv_s_t",
    "mask_conv_p_f",
    "mask_conv_p_t",
    "mask_conv_groups",
    "mask_pool_k_f",
    "mask_pool_k_t",
    "mask_pool_s_f",
    "mask_pool_s_t",
    "mask_pool_p_f",
    "mask_pool_p_t",
    "mask_dropout_probs",
    "mask_activations",
)


@dataclass(frozen=True)
class VGGLikeMaskModelConfig(Config):
    """VGGLikeMaskModel: the thesis' network; give one value per block, or one for all.

    The last block makes the masks: it has one channel per mask, no dropout and no pooling, and the
    activation that --masks names, whatever is given for it.
    """

    mask_n_blocks: int = option(6, "number of blocks", at_least=1, at_most=64)
    mask_conv_o_c: tuple[int, ...] = option((64,), "channels of each block", at_least=1)
    mask_conv_k_f: tuple[int, ...] = option(
        (3,), "size of the kernels over frequency", unit="bands", at_least=1
    )
    mask_conv_k_t: tuple[int, ...] = option(
        (3,), "size of the kernels over time", unit="frames", at_least=1
    )
    mask_conv_s_f: tuple[int, ...] = option((1,), "stride over frequency", unit="bands", at_least=1)
    mask_conv_s_t: tuple[int, ...] = option((1,), "stride over time", unit="frames", at_least=1)
    mask_conv_pad_type: str = option("zero", "what is padded", choices=PADDINGS)
    mask_conv_p_f: tuple[int, ...] = option(
        (1,), "padding above and below", unit="bands", at_least=0
    )
    mask_conv_p_t: tuple[int, ...] = option(
        (1,), "padding before and behind", unit="frames", at_least=0
    )
    mask_conv_groups: tuple[int, ...] = option(
        (1,), "groups of channels that are computed apart", at_least=1
    )
    mask_pooling_type: str = option(
        "none", "pooling at the end of each block", choices=("none", *POOLS)
    )
    mask_pool_k_f: tuple[int, ...] = option(
        (0,), "size of the pooling over frequency", unit="bands", at_least=0
    )
    mask_pool_k_t: tuple[int, ...] = option(
        (0,), "size of the pooling over time", unit="frames", at_least=0
    )
    mask_pool_s_f: tuple[int, ...] = option(
        (0,), "stride of the pooling over frequency", unit="bands", at_least=0
    )
    mask_pool_s_t: tuple[int, ...] = option(
        (0,), "stride of the pooling over time", unit="frames", at_least=0
    )
    mask_pool_pad_type: str = option(
        "reflection", "what is padded before the pooling", choices=PADDINGS
    )
    mask_pool_p_f: tuple[int, ...] = option(
        (0,), "padding above and below before the pooling", unit="bands", at_least=0
    )
    mask_pool_p_t: tuple[int, ...] = option(
        (0,), "padding before and behind before the pooling", unit="frames", at_least=0
    )
    mask_dropout_type: str = option(
        "1D", "1D: dropout of single values; 2D: of whole channels", choices=DROPOUTS
    )
    mask_dropout_probs: tuple[float, ...] = option(
        (0.3,), "probability of dropout", at_least=0, at_most=0.99
    )
    mask_use_batch_norm: bool = option(True, "use batch norm, on the logits of the masks as well")
    mask_activations: tuple[str, ...] = option(
        ("lr",), "relu, lr (leaky ReLU, 0.01), sig or softmax over channels", choices=ACTIVATIONS
    )
    mask_freq_coord_conv: bool = option(
        False, "give each convolution the place of each band as one more channel"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _PER_BLOCK:
            n_values = len(getattr(self, name))
            if n_values not in (1, self.mask_n_blocks):
                raise InputError(
                    f"{name} has {n_values} values: expected {self.mask_n_blocks}, one per block "
                    "(mask_n_blocks), or one for all"
                )
        if self.mask_pooling_type != "none":
            for name in ("mask_pool_k_f", "mask_pool_k_t", "mask_pool_s_f", "mask_pool_s_t"):
                if 0 in self.per_block(name)[:-1]:
                    raise InputError(
                        f"{name} is 0 with mask_pooling_type {self.mask_pooling_type}: "
                        "expected at least 1, or mask_pooling_type none"
                    )

    def per_block(self, name: str) -> tuple[Any, ...]:
        """Return a setting with as many values as there are blocks."""
        values = getattr(self, name)
        return values * self.mask_n_blocks if len(values) == 1 else values

    def blocks(self) -> list[BlockConfig]:
        """Return the blocks one by one."""
        values = {name: self.per_block(name) for name in _PER_BLOCK}

        def pair(name: str, block: int) -> tuple[int, int]:
            return values[f"{name}_f"][block], values[f"{name}_t"][block]

        last = self.mask_n_blocks - 1
        is_pooled = self.mask_pooling_type != "none"
        return [
            BlockConfig(
                channels=values["mask_conv_o_c"][block],
                kernel=pair("mask_conv_k", block),
                stride=pair("mask_conv_s", block),
                padding=pair("mask_conv_p", block),
                padding_type=self.mask_conv_pad_type,
                groups=values["mask_conv_groups"][block],
                drop_out=values["mask_dropout_probs"][block],
                drop_out_type=self.mask_dropout_type,
                use_batch_norm=self.mask_use_batch_norm,
                activation=values["mask_activations"][block],
                use_coordinates=self.mask_freq_coord_conv,
                pooling=self.mask_pooling_type if is_pooled and block < last else None,
                pool_kernel=pair("mask_pool_k", block),
                pool_stride=pair("mask_pool_s", block),
                pool_padding=pair("mask_pool_p", block),
                pool_padding_type=self.mask_pool_pad_type,
            )
            for block in range(self.mask_n_blocks)
        ]


def build_vgg_like_mask_model(
    config: VGGLikeMaskModelConfig, n_bands: int, n_outputs: int, n_classes: int
) -> VGGLikeMaskModel:
    """Build the network.

    Raises:
        InputError: the groups don't divide the channels, or there are too few bands.
    """
    blocks = config.blocks()
    n_inputs = 1
    for index, block in enumerate(blocks):
        n_block_outputs = n_outputs if index == len(blocks) - 1 else block.channels
        for n_channels in (n_inputs + block.use_coordinates, n_block_outputs):
            if n_channels % block.groups:
                raise InputError(
                    f"mask_conv_groups is {block.groups} in block {index + 1}, which has "
                    f"{n_channels} channels: expected a divisor of it"
                )
        n_inputs = n_block_outputs
    network = VGGLikeMaskModel(n_inputs=1, n_outputs=n_outputs, blocks=blocks)
    if network.n_bands(n_bands) < 1:
        raise InputError(
            f"the mask network leaves no bands of {n_bands}: its kernels, strides and poolings "
            "are too large; choose smaller ones, more padding, or more bands (n_mels)"
        )
    return network
