"""Pool an artificial mask: its probability and gradient, and how the mask learns from a label.

The mask shows one event. Axes: M bands, T frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.config import Config, from_flags, option
from absslab.core.model.learned_pooling import MaskSize
from absslab.core.model.pooling import POOLINGS

HOP = 0.032  # s
LENGTH = 4.0  # s
N_BANDS = 32
_MARGIN = 1e-3  # distance of the mask's values from 0 and 1, where the gradient vanishes
_LARGEST_STEP = 0.5  # largest change of a logit in one step


@dataclass(frozen=True)
class HandDrawnMaskConfig(Config):
    """Settings of a mask of 4 s by 32 bands that shows one event."""

    duration: float = option(1.0, "length of the event", unit="s", at_least=HOP, at_most=LENGTH)
    bandwidth: int = option(
        12, "number of bands of the event", unit="bands", at_least=1, at_most=N_BANDS
    )
    height: float = option(0.6, "value of the mask within the event", at_least=0, at_most=1)
    noise: float = option(0.1, "mean value of the mask elsewhere", at_least=0, at_most=0.5)
    n_stray: int = option(
        3, "number of single bins elsewhere where the mask is 1", unit="bins", at_least=0
    )
    seed: int = option(0, "random seed of the noise and of the stray bins", at_least=0)


class HandDrawnMask(NamedTuple):
    """A mask, and the bins that the event covers."""

    values: np.ndarray  # (M, T) in [0, 1]
    event: np.ndarray  # (M, T) bool


def make_hand_drawn_mask(config: HandDrawnMaskConfig) -> HandDrawnMask:
    """Make a mask; the same settings give the same mask."""
    rng = np.random.default_rng(config.seed)
    n_frames = round(LENGTH / HOP)
    values = rng.uniform(0, 2 * config.noise, (N_BANDS, n_frames))
    n_event_bands = config.bandwidth
    n_event_frames = min(n_frames, max(1, round(config.duration / HOP)))
    lowest = (N_BANDS - n_event_bands) // 2
    start = (n_frames - n_event_frames) // 2
    event = np.zeros(values.shape, bool)
    event[lowest : lowest + n_event_bands, start : start + n_event_frames] = True
    values[event] = config.height + 0.1 * rng.uniform(-1, 1, event.sum())
    elsewhere = rng.permutation(np.flatnonzero(~event))[: config.n_stray]
    values.flat[elsewhere] = 1.0
    return HandDrawnMask(values.clip(_MARGIN, 1 - _MARGIN), event)


class Pooled(NamedTuple):
    """The result of pooling a mask, and of letting the mask learn."""

    probability: float
    gradient: np.ndarray  # (M, T): derivative of the probability with respect to each bin
    learned: np.ndarray  # (M, T): the mask after learning
    probability_after: float  # after learning

    @property
    def n_trained_bins(self) -> int:
        """The smallest number of bins that together have nine tenths of the gradient."""
        sizes = np.sort(np.abs(self.gradient), axis=None)[::-1].cumsum()
        return int(np.searchsorted(sizes, 0.9 * sizes[-1])) + 1 if sizes[-1] else 0

    def share(self, where: np.ndarray) -> float:
        """Return the share of the gradient, from 0 to 1, that falls on some bins (M, T)."""
        sizes = np.abs(self.gradient)
        return float(sizes[where].sum() / sizes.sum()) if sizes.any() else 0.0


def build_poolings(settings: Mapping[str, Any], n_bands: int) -> dict[str, nn.Module]:
    """Build every pooling that needs no training, by name, for one class.

    Args:
        settings: values of any fields of their configs, by name: decay, pseudocount, sharpness, ….
        n_bands: M.

    Raises:
        InputError: a pooling does not allow a value.
    """
    size = MaskSize(n_classes=1, n_bands=n_bands)
    return {
        name: kind.build(from_flags(kind.config, settings), size)
        for name, kind in POOLINGS.items()
        if not kind.needs_training
    }


def pool(pooling: nn.Module, mask: np.ndarray, *, label: int = 1, n_steps: int = 0) -> Pooled:
    """Pool a mask, and let its bins learn from the label.

    Each step follows the gradient of the probability with respect to the logits of the bins,
    upwards for the label 1 and downwards for 0. It is scaled so that the logit with the largest
    gradient changes by 0.5. In a real training the loss scales this gradient, and the network
    shares its weights between bins; the steps here show only the direction that the pooling gives.

    Args:
        pooling: masks (1, 1, M, T) → (1, 1).
        mask: (M, T) in (0, 1).
        label: 1 if the class is present, 0 if it is not.
        n_steps: number of steps.
    """
    values = torch.from_numpy(mask).float()
    probability, gradient = _compute_gradient(pooling, values)
    logits = values.logit()
    for _ in range(n_steps):
        current = logits.sigmoid()
        gradient_of_mask = _compute_gradient(pooling, current)[1]  # (M, T)
        slope = gradient_of_mask * current * (1 - current)  # (M, T), with respect to the logits
        direction = 1 if label else -1
        step = _LARGEST_STEP * slope / slope.abs().max().clamp_min(1e-12)  # (M, T)
        logits = logits + direction * step
    learned = logits.sigmoid()
    return Pooled(
        probability, gradient.numpy(), learned.numpy(), _compute_gradient(pooling, learned)[0]
    )


class PoolingComparison(NamedTuple):
    """A mask, and the result of each pooling."""

    mask: HandDrawnMask
    pooled: dict[str, Pooled]  # by pooling
    n_steps: int


def compare_poolings(settings: Mapping[str, Any], label: int, n_steps: int) -> PoolingComparison:
    """Make a mask, and pool it with each pooling.

    Args:
        settings: settings of the mask and of the poolings, by name.
        label: 1 if the class is present, 0 if it is not.
        n_steps: number of steps in which the mask learns.

    Raises:
        InputError: the mask or a pooling does not allow a value.
    """
    mask = make_hand_drawn_mask(from_flags(HandDrawnMaskConfig, settings))
    pooled = {
        name: pool(pooling, mask.values, label=label, n_steps=n_steps)
        for name, pooling in build_poolings(settings, len(mask.values)).items()
    }
    return PoolingComparison(mask, pooled, n_steps)


def _compute_gradient(pooling: nn.Module, mask: Tensor) -> tuple[float, Tensor]:
    """Compute the probability, and its gradient (M, T) with respect to the mask."""
    mask = mask.detach().requires_grad_()
    probability = pooling(mask[None, None])[0, 0]
    (gradient,) = torch.autograd.grad(probability, mask)
    return float(probability.detach()), gradient
