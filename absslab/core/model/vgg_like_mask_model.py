"""The mask network of the thesis, with every setting that its code had.

Axes: B batch, C channels, K′ masks, M bands, T frames; M′ and T′ where strides, pooling or missing
padding leave fewer of them.
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from absslab.core.common.errors import InputError
from absslab.core.model.convolution_blocks import (
    Block,
    BlockConfig,
    BlocksConfig,
    fewest_frames,
    make_blocks_config,
    size_after,
)
from absslab.core.model.network_parts import MaskLogits, NetworkSize


class VGGLikeMaskModel(nn.Module):
    """Blocks of padding, convolution, batch norm, dropout, activation and pooling.

    The last block makes the masks: it has as many channels as there are masks, no dropout, no
    pooling, and its activation is that of the masks. Masks may be coarser than the features; they
    are pooled to tags as they are.

    Args:
        blocks: of the network; the first has C inputs, the last K′ outputs.

    Shape:
        (B, C, M, T) → `MaskLogits` (B, K′, M′, T′).

    Source: the public code of the thesis *Neural Network based Audio Blind source Separation for
    Noise Suppression*, EPFL 2018; after Kong et al., arXiv 1804.04715.
    """

    def __init__(self, blocks: Sequence[BlockConfig]):
        super().__init__()
        last = len(blocks) - 1
        self.blocks = nn.Sequential(
            *(Block(block, is_linear=index == last) for index, block in enumerate(blocks))
        )
        self._blocks = tuple(blocks)
        self._fewest_frames = fewest_frames(blocks)

    @property
    def to_masks(self) -> nn.Module:
        """The layer whose bias is added to the logits of the masks."""
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return last.norm if isinstance(last.norm, nn.BatchNorm2d) else last.convolution

    def mask_size(self, n_bands: int, n_frames: int | None) -> tuple[int, int | None]:
        """Return the number of bands and of frames (None: any) of masks."""
        size = size_after(self._blocks, (n_bands, n_frames or self._fewest_frames))
        return size[0], None if n_frames is None else size[1]

    def forward(self, features: Tensor) -> MaskLogits:
        """Compute the logits of masks.

        Raises:
            InputError: there are too few frames for the kernels.
        """
        n_frames = features.shape[-1]
        if n_frames < self._fewest_frames:
            raise InputError(
                f"a recording has {n_frames} frames: the mask network needs "
                f"{self._fewest_frames} for its kernels, strides and paddings over time; leave it "
                "out, or train with smaller ones"
            )
        return MaskLogits(self.blocks(features))


VGGLikeMaskModelConfig = make_blocks_config(
    __name__,
    "VGGLikeMaskModelConfig",
    "mask_",
    """VGGLikeMaskModel: the thesis' network; give one value per block, or one for all.

    The last block makes the masks: it has one channel per mask, no dropout and no pooling, and the
    activation that --masks names, whatever is given for it.
    """,
    {
        "n_blocks": 6,
        "conv_o_c": (64,),
        "conv_k_f": (3,),
        "conv_k_t": (3,),
        "conv_s_f": (1,),
        "conv_s_t": (1,),
        "conv_pad_type": "zero",
        "conv_p_f": (1,),
        "conv_p_t": (1,),
        "conv_groups": (1,),
        "pooling_type": "none",
        "pool_k_f": (0,),
        "pool_k_t": (0,),
        "pool_s_f": (0,),
        "pool_s_t": (0,),
        "pool_pad_type": "reflection",
        "pool_p_f": (0,),
        "pool_p_t": (0,),
        "dropout_type": "1D",
        "dropout_probs": (0.3,),
        "use_batch_norm": True,
        "activations": ("lr",),
        "freq_coord_conv": False,
    },
    unused_at_last=("conv_o_c", "dropout_probs", "activations")
    + tuple(f"pool_{part}_{axis}" for part in "ksp" for axis in "ft"),
)


def network_blocks(config: BlocksConfig, size: NetworkSize) -> list[BlockConfig]:
    """Return the blocks of a network; the last has no pooling."""
    blocks = config.blocks(size.n_channels, size.n_outputs)
    return [*blocks[:-1], replace(blocks[-1], pooling=None)]


def build_vgg_like_mask_model(config: BlocksConfig, size: NetworkSize) -> VGGLikeMaskModel:
    """Build the network.

    Raises:
        InputError: the groups don't divide the channels, or there are too few bands.
    """
    blocks = network_blocks(config, size)
    size_after(blocks, (size.n_bands, fewest_frames(blocks)))
    return VGGLikeMaskModel(blocks)
