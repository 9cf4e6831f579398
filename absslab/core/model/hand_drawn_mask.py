"""A mask that is shaped by hand, and what poolings do to it: probability, gradient and learning.

Axes: M bands, T frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.common.config import Config, from_flags, option
from absslab.core.model.pooling import POOLINGS

HOP, LENGTH, N_BANDS = 0.032, 4.0, 32  # s, s, bands
_MARGIN = 1e-3  # of the mask's values to 0 and 1: at these nothing is learned
_LARGEST_STEP = 0.5  # of a logit


@dataclass(frozen=True)
class HandDrawnMaskConfig(Config):
    """A mask of one event of 4 s by 32 bands."""

    duration: float = option(1.0, "how long the event is", unit="s", at_least=HOP, at_most=LENGTH)
    bandwidth: int = option(
        12, "how many bands it covers", unit="bands", at_least=1, at_most=N_BANDS
    )
    height: float = option(0.6, "the mask within the event", at_least=0, at_most=1)
    noise: float = option(0.1, "the mask elsewhere, on average", at_least=0, at_most=0.5)
    n_stray: int = option(
        3, "single bins elsewhere that the mask takes for sure", unit="bins", at_least=0
    )
    seed: int = option(0, "of noise and stray bins", at_least=0)


class HandDrawnMask(NamedTuple):
    """A mask, and where the event really is."""

    values: np.ndarray  # (M, T) in [0, 1]
    event: np.ndarray  # (M, T) bool


def make_hand_drawn_mask(config: HandDrawnMaskConfig) -> HandDrawnMask:
    """Draw a mask: the same for the same settings."""
    rng = np.random.default_rng(config.seed)
    n_frames = round(LENGTH / HOP)
    values = rng.uniform(0, 2 * config.noise, (N_BANDS, n_frames))
    wide, long = config.bandwidth, min(n_frames, max(1, round(config.duration / HOP)))
    low, start = (N_BANDS - wide) // 2, (n_frames - long) // 2
    event = np.zeros(values.shape, bool)
    event[low : low + wide, start : start + long] = True
    values[event] = config.height + 0.1 * rng.uniform(-1, 1, event.sum())
    elsewhere = rng.permutation(np.flatnonzero(~event))[: config.n_stray]
    values.flat[elsewhere] = 1.0
    return HandDrawnMask(values.clip(_MARGIN, 1 - _MARGIN), event)


class Pooled(NamedTuple):
    """What a pooling makes of a mask."""

    probability: float
    gradient: np.ndarray  # (M, T): how the probability grows with each bin
    learned: np.ndarray  # (M, T): the mask after some steps
    probability_after: float

    @property
    def n_taught(self) -> int:
        """How many bins have nine tenths of the gradient: those of the largest."""
        sizes = np.sort(np.abs(self.gradient), axis=None)[::-1].cumsum()
        return int(np.searchsorted(sizes, 0.9 * sizes[-1])) + 1 if sizes[-1] else 0

    def share(self, where: np.ndarray) -> float:
        """Return the share of the gradient that some bins (M, T) have, from 0 to 1."""
        sizes = np.abs(self.gradient)
        return float(sizes[where].sum() / sizes.sum()) if sizes.any() else 0.0


def build_poolings(settings: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Build every pooling, by name.

    Args:
        settings: of any of their configs' fields, by name: decay, pseudocount, sharpness, ….

    Raises:
        InputError: a value that a pooling does not take.
    """
    return {name: build(from_flags(config, settings)) for name, (config, build) in POOLINGS.items()}


def pool(pooling: nn.Module, mask: np.ndarray, *, label: int = 1, n_steps: int = 0) -> Pooled:
    """Pool a mask, and let its bins learn from its label.

    Each step follows the gradient of the probability with respect to the bins' logits, upwards for
    the label 1, downwards for 0; its length changes the bin with the largest gradient by half a
    unit. (The loss only scales this gradient, and a network shares its weights between bins: this
    shows the direction in which a pooling pulls.)

    Args:
        pooling: masks (1, 1, M, T) → (1, 1).
        mask: (M, T) in (0, 1).
        label: whether the class is there.
        n_steps: how often a step is made.
    """
    values = torch.from_numpy(mask).float()
    probability, gradient = _with_gradient(pooling, values)
    logits = values.logit()
    for _ in range(n_steps):
        now = logits.sigmoid()
        slope = _with_gradient(pooling, now)[1] * now * (1 - now)  # (M, T), of the logits
        direction = 1 if label else -1
        step = _LARGEST_STEP * slope / slope.abs().max().clamp_min(1e-12)  # (M, T)
        logits = logits + direction * step
    learned = logits.sigmoid()
    return Pooled(
        probability, gradient.numpy(), learned.numpy(), _with_gradient(pooling, learned)[0]
    )


class PoolingComparison(NamedTuple):
    """A mask, and what each pooling makes of it."""

    mask: HandDrawnMask
    pooled: dict[str, Pooled]  # by pooling
    n_steps: int


def compare_poolings(settings: Mapping[str, Any], label: int, n_steps: int) -> PoolingComparison:
    """Draw a mask, and pool it with each pooling.

    Args:
        settings: of the mask and of the poolings, by name.
        label: 1 if the class is present, 0 if it is not.
        n_steps: how often the mask's bins follow the gradient.

    Raises:
        InputError: a value that the mask or a pooling does not take.
    """
    mask = make_hand_drawn_mask(from_flags(HandDrawnMaskConfig, settings))
    pooled = {
        name: pool(pooling, mask.values, label=label, n_steps=n_steps)
        for name, pooling in build_poolings(settings).items()
    }
    return PoolingComparison(mask, pooled, n_steps)


def _with_gradient(pooling: nn.Module, mask: Tensor) -> tuple[float, Tensor]:
    """Compute the probability and its gradient (M, T)."""
    mask = mask.detach().requires_grad_()
    probability = pooling(mask[None, None])[0, 0]
    (gradient,) = torch.autograd.grad(probability, mask)
    return float(probability.detach()), gradient
