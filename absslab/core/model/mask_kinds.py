"""The kinds of masks: how the logits of a mask network become masks.

Axes: B batch, K classes, K′ outputs of the network, M bands, T frames.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def _make_independent(logits: Tensor) -> tuple[Tensor, Tensor]:
    log_no_class = F.logsigmoid(-logits)
    return logits.sigmoid(), log_no_class.sum(1)  # (B, K, M, T), (B, M, T): log of "in no class"


def _make_competing(logits: Tensor) -> tuple[Tensor, Tensor]:
    if not logits.requires_grad:
        # one tensor of this size less, which counts where there are hundreds of classes
        masks = logits.movedim(1, -1).softmax(-1)  # (B, M, T, K′)
        smallest = torch.finfo(masks.dtype).tiny
        log_rest = masks[..., -1].clamp_min(smallest).log()  # (B, M, T)
        return masks[..., :-1].movedim(-1, 1), log_rest
    # the gradient of two slices would be two tensors of this size, added up
    log_masks, log_rest = logits.log_softmax(1).split([logits.shape[1] - 1, 1], 1)
    return log_masks.exp(), log_rest[:, 0]  # (B, K, M, T), (B, M, T)


def _make_softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    nothing = torch.full_like(logits[:, 0], -torch.inf)  # (B, M, T): log of 0
    return logits.softmax(1), nothing


def _make_complement(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Give the background what the masks of the classes leave of 1, or nothing.

    Source: Kong et al., arXiv 1711.03037.
    """
    masks = logits.sigmoid()  # (B, K, M, T)
    smallest = torch.finfo(masks.dtype).tiny  # the gradient of the logarithm of 0 is NaN
    return masks, (1 - masks.sum(1)).clamp_min(smallest).log()  # (B, M, T)


class MaskKind(NamedTuple):
    """How logits become masks.

    Shape:
        activate: (B, K′, M, T) → masks (B, K, M, T), logarithm of the background's (B, M, T).
    """

    activate: Callable[[Tensor], tuple[Tensor, Tensor]]
    has_background: bool  # the network computes a mask of the background, after the classes


MASK_KINDS = {
    "independent": MaskKind(_make_independent, has_background=False),
    "competing": MaskKind(_make_competing, has_background=True),
    "softmax": MaskKind(_make_softmax, has_background=False),
    "complement": MaskKind(_make_complement, has_background=False),
}
