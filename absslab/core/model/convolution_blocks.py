"""Blocks of padding, convolution, batch norm, dropout, activation and pooling, and their settings.

The thesis built its mask network and one of its classifiers of them.

Axes: B batch, C channels, M bands, T frames; M′ and T′ where strides, pooling or missing padding
leave fewer of them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError

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


@dataclass(frozen=True)
class BlockConfig:
    """A block of the network; pairs are (over bands, over frames)."""

    n_inputs: int
    n_outputs: int
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
        """Return the smallest number of bands (axis 0) or frames (axis 1) that leaves `size`."""
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
        config: the block.
        is_linear: it ends with batch norm: it has no dropout, activation and pooling.

    Shape:
        (B, n_inputs, M, T) → (B, n_outputs, M′, T′).
    """

    def __init__(self, config: BlockConfig, *, is_linear: bool = False):
        super().__init__()
        self.config = config
        self.convolution = nn.Conv2d(
            config.n_inputs + config.use_coordinates,
            config.n_outputs,
            config.kernel,
            config.stride,
            groups=config.groups,
        )
        activation = None if is_linear else config.activation
        nn.init.kaiming_normal_(
            self.convolution.weight,
            nonlinearity="relu" if activation in _RECTIFIERS else "linear",
        )
        self.norm = nn.BatchNorm2d(config.n_outputs) if config.use_batch_norm else nn.Identity()
        self.drop_out: nn.Module = nn.Identity()
        if not is_linear:
            self.drop_out = DROPOUTS[config.drop_out_type](config.drop_out)
        self.activation = nn.Identity() if activation is None else ACTIVATIONS[activation]()
        self.pool = None
        if config.pooling is not None and not is_linear:
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


def fewest_frames(blocks: Sequence[BlockConfig]) -> int:
    """Return the smallest number of frames that blocks after each other can compute."""
    frames = 1
    for block in reversed(blocks):
        frames = block.fewest(frames, axis=1)
    return frames


def size_after(blocks: Sequence[BlockConfig], size: tuple[int, int]) -> tuple[int, int]:
    """Return how many bands and frames blocks after each other leave.

    Raises:
        InputError: none of one of them.
    """
    M, T = size
    for block in blocks:
        for axis, (name, n) in enumerate((("bands", M), ("frames", T))):
            if n < block.fewest(1, axis=axis):
                raise InputError(
                    f"the convolutions leave no {name} of {size[axis]}: their kernels, strides, "
                    "poolings or reflected paddings are too large; choose smaller ones"
                )
        M, T = block.size_after(M, axis=0), block.size_after(T, axis=1)
    return M, T


@dataclass(frozen=True)
class BlocksConfig(Config):
    """The base of configs of blocks, whose settings begin with `prefix`; see `block_options`."""

    prefix: ClassVar[str] = ""
    unused_at_last: ClassVar[tuple[str, ...]] = ()  # settings that the last block does not use

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.prefix:  # the base itself, which has no settings
            return
        n_blocks = self.get("n_blocks")
        for name in _PER_BLOCK:
            values = self.get(name)
            if values is not None and len(values) not in (1, n_blocks):
                raise InputError(
                    f"{self.prefix}{name} has {len(values)} values: expected {n_blocks}, one per "
                    f"block ({self.prefix}n_blocks), or one for all"
                )
        self._shorten_lists()
        pooling = self.get("pooling_type")
        if pooling == "none":
            return
        for name in ("pool_k_f", "pool_k_t", "pool_s_f", "pool_s_t"):
            if 0 in self.per_block(name):
                raise InputError(
                    f"{self.prefix}{name} is 0 with {self.prefix}pooling_type {pooling}: "
                    f"expected at least 1, or {self.prefix}pooling_type none"
                )

    def _shorten_lists(self) -> None:
        """Write settings that are the same for all blocks that use them as one value."""
        for name in _PER_BLOCK:
            values = self.get(name)
            if values is None or len(values) == 1:
                continue
            used = values[:-1] if name in self.unused_at_last else values
            if len(set(used)) == 1:
                object.__setattr__(self, self.prefix + name, used[:1])

    def get(self, name: str) -> Any:
        """Return a setting by its name without the prefix; None if there is none."""
        return getattr(self, self.prefix + name, None)

    def per_block(self, name: str) -> tuple[Any, ...]:
        """Return a setting with as many values as there are blocks."""
        values = self.get(name)
        return values * self.get("n_blocks") if len(values) == 1 else values

    def blocks(self, n_inputs: int, n_outputs: int, *, n_groups: int = 0) -> list[BlockConfig]:
        """Return the blocks one by one.

        Args:
            n_inputs: channels of the input of the first block.
            n_outputs: channels of the last block.
            n_groups: channels of all blocks, each of which is computed alone; 0: the settings say
                how many channels and groups there are.

        Raises:
            InputError: groups do not divide the channels.
        """
        per_block = {name: self.per_block(name) for name in _PER_BLOCK if self.get(name)}

        def pair(name: str, block: int) -> tuple[int, int]:
            return per_block[f"{name}_f"][block], per_block[f"{name}_t"][block]

        blocks = []
        last = self.get("n_blocks") - 1
        for block in range(last + 1):
            is_last = block == last
            pooling = self.get("pooling_type")
            config = BlockConfig(
                n_inputs=n_inputs,
                n_outputs=n_outputs if is_last or n_groups else per_block["conv_o_c"][block],
                kernel=pair("conv_k", block),
                stride=pair("conv_s", block),
                padding=pair("conv_p", block),
                padding_type=self.get("conv_pad_type"),
                groups=n_groups or per_block["conv_groups"][block],
                drop_out=per_block["dropout_probs"][block],
                drop_out_type=self.get("dropout_type"),
                use_batch_norm=self.get("use_batch_norm"),
                activation=per_block["activations"][block],
                use_coordinates=bool(self.get("freq_coord_conv")),
                pooling=None if pooling == "none" else pooling,
                pool_kernel=pair("pool_k", block),
                pool_stride=pair("pool_s", block),
                pool_padding=pair("pool_p", block),
                pool_padding_type=self.get("pool_pad_type"),
            )
            for n_channels in (config.n_inputs + config.use_coordinates, config.n_outputs):
                if n_channels % config.groups:
                    raise InputError(
                        f"{self.prefix}conv_groups is {config.groups} in block {block + 1}, which "
                        f"has {n_channels} channels: expected a divisor of it"
                    )
            n_inputs = config.n_outputs
            blocks.append(config)
        return blocks


_PER_BLOCK = (
    "conv_o_c",
    "conv_k_f",
    "conv_k_t",
    "conv_s_f",
    "conv_s_t",
    "conv_p_f",
    "conv_p_t",
    "conv_groups",
    "pool_k_f",
    "pool_k_t",
    "pool_s_f",
    "pool_s_t",
    "pool_p_f",
    "pool_p_t",
    "dropout_probs",
    "activations",
)


def make_blocks_config(
    module: str,
    name: str,
    prefix: str,
    description: str,
    defaults: Mapping[str, Any],
    *,
    unused_at_last: tuple[str, ...] = (),
    **more: Any,
) -> type[BlocksConfig]:
    """Make the config class of a network of blocks.

    Args:
        module: that the class belongs to.
        name: of the class.
        prefix: of the names of its settings.
        description: its docstring.
        defaults: of the settings by their names without the prefix; a setting of `_OPTIONS` that
            has no default here is left out.
        unused_at_last: settings without the prefix that the last block does not use.
        more: further fields, each a type and what `option` returned.
    """
    fields: list[Any] = [
        (prefix + key, hint, option(defaults[key], help, **limits))
        for key, (hint, help, limits) in _OPTIONS.items()
        if key in defaults
    ]
    fields += [(key, hint, field) for key, (hint, field) in more.items()]
    return dataclasses.make_dataclass(
        name,
        fields,
        bases=(BlocksConfig,),
        frozen=True,
        namespace={
            "__doc__": description,
            "__module__": module,
            "prefix": prefix,
            "unused_at_last": unused_at_last,
        },
    )


_Numbers = tuple[int, ...]
_OPTIONS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "n_blocks": (int, "number of blocks", {"at_least": 1, "at_most": 64}),
    "conv_o_c": (_Numbers, "channels of each block", {"at_least": 1}),
    "conv_k_f": (_Numbers, "size of kernels over frequency", {"unit": "bands", "at_least": 1}),
    "conv_k_t": (_Numbers, "size of kernels over time", {"unit": "frames", "at_least": 1}),
    "conv_s_f": (_Numbers, "stride over frequency", {"unit": "bands", "at_least": 1}),
    "conv_s_t": (_Numbers, "stride over time", {"unit": "frames", "at_least": 1}),
    "conv_pad_type": (str, "values of the padding", {"choices": PADDINGS}),
    "conv_p_f": (_Numbers, "padding above and below", {"unit": "bands", "at_least": 0}),
    "conv_p_t": (_Numbers, "padding before and behind", {"unit": "frames", "at_least": 0}),
    "conv_groups": (_Numbers, "groups of channels that are computed apart", {"at_least": 1}),
    "pooling_type": (str, "pooling at the end of each block", {"choices": ("none", *POOLS)}),
    "pool_k_f": (_Numbers, "size of pooling over frequency", {"unit": "bands", "at_least": 0}),
    "pool_k_t": (_Numbers, "size of pooling over time", {"unit": "frames", "at_least": 0}),
    "pool_s_f": (_Numbers, "stride of pooling over frequency", {"unit": "bands", "at_least": 0}),
    "pool_s_t": (_Numbers, "stride of pooling over time", {"unit": "frames", "at_least": 0}),
    "pool_pad_type": (str, "values of the padding before pooling", {"choices": PADDINGS}),
    "pool_p_f": (
        _Numbers,
        "padding above and below before pooling",
        {"unit": "bands", "at_least": 0},
    ),
    "pool_p_t": (
        _Numbers,
        "padding before and behind before pooling",
        {"unit": "frames", "at_least": 0},
    ),
    "dropout_type": (str, "1D: dropout of single values; 2D: of channels", {"choices": DROPOUTS}),
    "dropout_probs": (
        tuple[float, ...],
        "probability of dropout",
        {"at_least": 0, "at_most": 0.99},
    ),
    "use_batch_norm": (bool, "use batch norm after each convolution", {}),
    "activations": (
        tuple[str, ...],
        "relu, lr (leaky ReLU, 0.01), sig or softmax (over channels)",
        {"choices": ACTIVATIONS},
    ),
    "freq_coord_conv": (
        bool,
        "give each convolution the place of each band as one more channel",
        {},
    ),
}
