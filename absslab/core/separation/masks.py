"""Refine and shape the masks of a model before they are applied.

Axes: K classes, J of them, M bands, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from absslab.core.common.config import Config, option

IN_LIN = "in_lin"  # masks of the spectrum
IN_LOG = "in_log"  # masks of the normalised features
_BINARY_THRESHOLD = 0.5


@dataclass(frozen=True)
class SeparationConfig(Config):
    """Changes to the masks before they are applied.

    `smoothing` and `tag_exponent` have an effect only on competing masks.
    """

    separation_method: str = option(
        IN_LIN,
        "what masks are applied to; in_lin: the spectrum; in_log: the normalised features, which "
        "are then turned back to a spectrum, worse, as one could choose in the thesis' code",
        choices=(IN_LIN, IN_LOG),
    )
    smoothing: float = option(
        0.0,
        "divide each bin among the classes by how strongly they are present within this duration; "
        "0: off",
        unit="s",
        at_least=0,
    )
    tag_exponent: float = option(
        0.25,
        "how strongly classes that are probably not in the recording lose their share of each bin "
        "to the others; 0: off",
        at_least=0,
    )
    mask_power: float = option(
        1.0, "exponent of the masks; above 1, small values become smaller", at_least=0
    )
    mask_threshold: float = option(0.0, "mask values below this become 0", at_least=0, at_most=1)
    wiener: float = option(
        0.0,
        "exponent of a Wiener-style division of each bin among the classes and the rest; 0: off",
        at_least=0,
    )
    binary_masks: bool = option(
        False,
        "whether masks become 1 above mask_threshold (or above 0.5, if that is 0), and 0 elsewhere",
    )
    mask_floor: float = option(
        0.0, "smallest value of a mask: share of the mixture in each source", at_least=0, at_most=1
    )


class Masks(NamedTuple):
    """Masks of a recording or a segment, with the values that are needed to refine them."""

    masks: Tensor  # (K, M, T)
    probabilities: Tensor  # (K,), probability that each class is present
    power: Tensor  # (M, T), power of the mixture


def postprocess(
    predicted: Masks,
    config: SeparationConfig,
    *,
    competing: bool,
    hop: float,
    tags: Tensor | None = None,
    found: Sequence[int] | None = None,
) -> Masks:
    """Refine competing masks, then shape masks of either kind.

    Args:
        predicted: masks as the model predicts them.
        config: the changes to make.
        competing: whether the masks compete.
        hop: time from one frame to the next, s.
        tags: (K,) presence of the classes, if it is known better than from the model.
        found: the classes whose masks (J, M, T) are returned; None: all.
    """
    if found is not None and config.wiener:  # the masks of all classes take part in the division
        masks = postprocess(predicted, config, competing=competing, hop=hop, tags=tags).masks
        return predicted._replace(masks=masks[list(found)])
    if competing:
        presence = predicted.probabilities if tags is None else tags
        masks = refine_masks(predicted.masks, predicted.power, presence, config, hop, found)
    else:
        masks = predicted.masks if found is None else predicted.masks[list(found)]
    return predicted._replace(masks=shape_masks(masks, config))


def refine_masks(
    masks: Tensor,
    power: Tensor,
    probabilities: Tensor,
    config: SeparationConfig,
    hop: float,
    found: Sequence[int] | None = None,
) -> Tensor:
    """Divide bins again, in favour of classes that sound around that time and are in the recording.

    The sum of all masks in a bin does not change, only its division among the classes.

    Args:
        masks: masks of the classes.
        power: power of the mixture.
        probabilities: probability that each class is present.
        config: settings, of which `smoothing` and `tag_exponent` are used.
        hop: time from one frame to the next, s.
        found: the classes whose masks are returned; None: all.

    Shape:
        masks (K, M, T), power (M, T), probabilities (K,) → (J, M, T).
    """
    weights = torch.ones_like(probabilities)[:, None]  # (K, 1)
    if config.smoothing:
        n_frames = round(config.smoothing / hop) // 2 * 2 + 1
        n_frames = min(n_frames, 2 * masks.shape[-1] + 1)  # which is all of them, for each frame
        presence = (masks * power.clamp_min(0) ** 0.25).sum(1)  # (K, T)
        presence = F.avg_pool1d(
            presence[None], n_frames, 1, n_frames // 2, count_include_pad=False
        )[0]  # (K, T)
        weights = presence / presence.sum(0).clamp_min(1e-9)  # (K, T)
    if config.tag_exponent:
        weights = weights * (probabilities + 1e-3)[:, None] ** config.tag_exponent
    # Masks of many classes are large: the sums over classes are products with a vector, and a new
    # tensor is made of the returned ones alone.
    total = masks.sum(0)  # (M, T)
    if weights.shape[1] == 1:
        claimed = (weights[:, 0] @ masks.flatten(1)).view_as(total)  # (M, T)
    else:
        claimed = torch.einsum("kmt,kt->mt", masks, weights)  # (M, T)
    if found is not None:
        masks = masks[list(found)]  # (J, M, T)
        weights = weights[list(found)]  # (J, 1) or (J, T)
    return masks * weights[:, None] * (total / claimed.clamp_min(1e-12))


def shape_masks(masks: Tensor, config: SeparationConfig) -> Tensor:
    """Apply power, threshold, Wiener-style division, binary masks and floor, in this order.

    With the default settings the masks do not change. The division gives a class the share
    mᵖ / (Σ mᵖ + rᵖ) of a bin, where the rest r = max(0, 1 − Σ m) belongs to no class.

    Shape:
        (K, M, T) → (K, M, T).
    """
    if config.mask_power != 1:
        masks = masks**config.mask_power
    if config.mask_threshold:
        masks = masks * (masks >= config.mask_threshold)
    if config.wiener:
        rest = (1 - masks.sum(0, keepdim=True)).clamp_min(0)  # (1, M, T)
        claims = torch.cat([masks, rest])  # (K + 1, M, T)
        # Relative to the largest claim, so that a high exponent does not make all of them 0.
        claims = (claims / claims.amax(0)) ** config.wiener
        masks = (claims / claims.sum(0))[:-1]  # (K, M, T)
    if config.binary_masks:
        masks = (masks > (config.mask_threshold or _BINARY_THRESHOLD)).to(masks.dtype)
    if config.mask_floor:
        masks = config.mask_floor + (1 - config.mask_floor) * masks
    return masks
