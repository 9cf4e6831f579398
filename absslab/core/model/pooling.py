"""Poolings, which turn a mask over time and frequency into the probability of its class.

Axes: B batch, K classes, M bands, T frames. All take masks (B, K, M, T) in [0, 1] and, for
recordings that were padded to a common length, `n_frames` (B,): the number of frames that are not
padding. All return (B, K) in [0, 1]. Those that learn are in `absslab.core.model.learned_pooling`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from absslab.core.common.config import Config, look_up, option
from absslab.core.model.learned_pooling import (
    AdaptiveGWRP,
    AdaptiveGWRPConfig,
    Attention,
    AutoPool,
    AutoPoolConfig,
    ConvolutionConfig,
    FullyConnected,
    FullyConnectedConfig,
    MaskSize,
    RecurrentConfig,
    RecurrentPooling,
    build_convolution_pooling,
)
from absslab.core.model.network_parts import real_frames
from absslab.core.model.ranked_values import rank_values


class GMP(nn.Module):
    """Global max pooling: the largest value of a mask.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Kong et al., arXiv 1711.03037.
    """

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        return masks.masked_fill(~real_frames(masks, n_frames), 0).flatten(2).amax(-1)  # (B, K)


class GAP(nn.Module):
    """Global average pooling: the mean of a mask.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Kong et al., arXiv 1711.03037.
    """

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        return _sum(masks, n_frames) / _n_bins(masks, n_frames)  # (B, K)


class GWRP(nn.Module):
    """Global weighted rank pooling: Σ rʲ x₍ⱼ₎ / Σ rʲ over a mask's values in descending order.

    The decay r determines how many bins count: about 1 / (1 − r), for masks of any size. r = 0
    gives the maximum, r = 1 the mean. With `decay_fraction`, this number is a fraction of the mask.

    Args:
        decay: r, the weight of a bin relative to the bin ranked before it, in [0, 1].
        decay_fraction: if given, r = 1 − 1 / (decay_fraction · number of bins) instead.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Kolesnikov, Lampert, arXiv 1603.06098; Kong et al., arXiv 1711.03037.
    """

    def __init__(self, *, decay: float = 0.999, decay_fraction: float | None = None):
        super().__init__()
        self.decay = decay
        self.decay_fraction = decay_fraction
        self.weights: Tensor
        self.register_buffer("weights", torch.empty(0), persistent=False)

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        n_bins = masks.shape[2] * masks.shape[3]
        values = rank_values(masks.masked_fill(~real_frames(masks, n_frames), 0).flatten(2))
        if n_frames is not None:
            weights = self._weights(n_frames.to(masks.device) * masks.shape[2], n_bins)  # (B, M·T)
        else:
            if len(self.weights) != n_bins or self.weights.device != masks.device:
                self.weights = self._weights(torch.tensor(n_bins, device=masks.device), n_bins)
            weights = self.weights.float()  # (M·T,)
        total = weights.sum(-1, keepdim=True)
        # a matrix product would add up these many numbers with a larger error
        each = weights if weights.ndim == 1 else weights[:, None]  # (M·T,) or (B, 1, M·T)
        pooled = (values.float() * each).sum(-1) / total  # (B, K)
        return pooled.clamp(0, 1)  # rounding may lift a mean of ones above 1

    def _weights(self, counts: Tensor, n_bins: int) -> Tensor:
        """Compute weights of ranks (…, n_bins) for masks whose first `counts` (…) bins are real."""
        counts = counts[..., None].float()
        ranks = torch.arange(n_bins, device=counts.device)
        if self.decay_fraction is None:
            weights = torch.full_like(counts, self.decay) ** ranks
        else:
            # 1 − 1 / (fraction · count) would lose four of its seven digits
            log_decay = torch.log1p(-(1 / (self.decay_fraction * counts)).clamp_max(1))
            weights = torch.where(ranks == 0, 1, torch.exp(ranks * log_decay))
        return weights * (ranks < counts)


class LinearSoftmax(nn.Module):
    """Linear softmax pooling: Σ x² / (Σ x + pseudocount), a mean weighted by the values themselves.

    Its gradient raises large values and lowers small ones, so that training from weak labels is
    fast and masks become sharp.

    Args:
        pseudocount: added to the denominator: about the number of bins of value 1 that a mask
            needs for a probability of one half.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Wang, Li, Metze, A comparison of five multiple instance learning pooling functions,
    arXiv 1810.09050.
    """

    def __init__(self, *, pseudocount: float = 20.0):
        super().__init__()
        self.pseudocount = pseudocount

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        weighted = _sum_of_squares(masks, n_frames)  # (B, K)
        total = _sum(masks, n_frames) + self.pseudocount + 1e-8  # (B, K)
        return weighted / total


class ExponentialSoftmax(nn.Module):
    """Exponential softmax pooling: Σ x eᵃˣ / Σ eᵃˣ.

    Args:
        sharpness: a; 0 gives the mean, ∞ the maximum.

    Shape:
        (B, K, M, T) → (B, K).

    Source: Wang, Li, Metze, A comparison of five multiple instance learning pooling functions,
    arXiv 1810.09050.
    """

    def __init__(self, *, sharpness: float = 10.0):
        super().__init__()
        self.sharpness = sharpness

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks."""
        scores = (self.sharpness * masks).masked_fill(~real_frames(masks, n_frames), -torch.inf)
        return (masks.flatten(2) * scores.flatten(2).softmax(-1)).sum(-1)  # (B, K)


# Those that treat the masks of all classes alike.
PLAIN_POOLINGS = (GMP, GAP, GWRP, LinearSoftmax, ExponentialSoftmax)


def pool_presence(logits: Tensor, n_frames: Tensor | None = None) -> Tensor:
    """Pool the presence of classes in frames to that in recordings, by linear softmax.

    Shape:
        logits (B, K, T), n_frames (B,): frames that are not padded → probabilities (B, K).

    Source: Wang, Li, Metze, arXiv 1810.09050.
    """
    presence = logits.sigmoid()  # (B, K, T)
    if n_frames is not None:
        presence = presence * real_frames(presence[:, :, None], n_frames)[:, 0]
    return presence.square().sum(2) / (presence.sum(2) + 1)  # one frame more, of silence


def _sum(values: Tensor, n_frames: Tensor | None) -> Tensor:
    if n_frames is not None:
        values = values * real_frames(values, n_frames)
    return values.sum((2, 3))  # (B, K)


def _sum_of_squares(values: Tensor, n_frames: Tensor | None) -> Tensor:
    if n_frames is not None:
        values = values * real_frames(values, n_frames)
    return torch.linalg.vector_norm(values, dim=(2, 3)).square()  # (B, K)


def _n_bins(masks: Tensor, n_frames: Tensor | None) -> Tensor | int:
    if n_frames is None:
        return masks.shape[2] * masks.shape[3]
    return (n_frames * masks.shape[2]).to(masks.device)[:, None]  # (B, 1)


@dataclass(frozen=True)
class NoConfig(Config):
    """A config without settings."""


@dataclass(frozen=True)
class GWRPConfig(Config):
    """Global weighted rank pooling."""

    decay: float = option(
        0.999,
        "weight of a bin relative to the bin ranked before it",
        at_least=0,
        at_most=1,
        aliases=["dc"],
    )
    decay_fraction: float | None = option(
        None,
        "instead of decay: the fraction of a mask's bins that counts, for masks of any size",
        above=0,
        at_most=1,
        aliases=["dc_fraction"],
    )


@dataclass(frozen=True)
class LinearSoftmaxConfig(Config):
    """Linear softmax pooling."""

    pseudocount: float = option(
        20.0,
        "about the number of bins of value 1 that a mask needs for a probability of one half",
        unit="bins",
        at_least=0,
    )


@dataclass(frozen=True)
class ExponentialSoftmaxConfig(Config):
    """Exponential softmax pooling."""

    sharpness: float = option(10.0, "0 gives the mean, infinity the maximum", at_least=0)


class PoolingKind(NamedTuple):
    """A pooling, its settings, and what it needs."""

    config: type[Config]
    build: Callable[[Any, MaskSize], nn.Module]
    needs_training: bool = False  # before it is trained, its probabilities mean nothing
    has_fixed_size: bool = False  # it knows masks of one size
    tells_classes_apart: bool = False  # it pools the masks of each class in another way


POOLINGS = {
    "GMP": PoolingKind(NoConfig, lambda config, size: GMP()),
    "GAP": PoolingKind(NoConfig, lambda config, size: GAP()),
    "GWRP": PoolingKind(
        GWRPConfig,
        lambda config, size: GWRP(decay=config.decay, decay_fraction=config.decay_fraction),
    ),
    "adaptive_GWRP": PoolingKind(
        AdaptiveGWRPConfig,
        lambda config, size: AdaptiveGWRP(config.for_classes(size.n_classes)),
        tells_classes_apart=True,
    ),
    "linear_softmax": PoolingKind(
        LinearSoftmaxConfig,
        lambda config, size: LinearSoftmax(pseudocount=config.pseudocount),
    ),
    "exponential_softmax": PoolingKind(
        ExponentialSoftmaxConfig,
        lambda config, size: ExponentialSoftmax(sharpness=config.sharpness),
    ),
    "auto_pool": PoolingKind(
        AutoPoolConfig,
        lambda config, size: AutoPool(n_classes=size.n_classes, sharpness=config.first_sharpness),
        tells_classes_apart=True,
    ),
    "attention": PoolingKind(
        NoConfig,
        lambda config, size: Attention(n_classes=size.n_classes, n_bands=size.n_bands),
        tells_classes_apart=True,
    ),
    "FC": PoolingKind(
        FullyConnectedConfig,
        lambda config, size: FullyConnected(
            size=size,
            use_bias=config.fc_bias,
            sort=config.fc_sort,
            activation=config.fc_activation,
        ),
        needs_training=True,
        has_fixed_size=True,
        tells_classes_apart=True,
    ),
    "CNN_FC": PoolingKind(
        ConvolutionConfig,
        build_convolution_pooling,
        needs_training=True,
        has_fixed_size=True,
        tells_classes_apart=True,
    ),
    "RNN_FC": PoolingKind(
        RecurrentConfig,
        lambda config, size: RecurrentPooling(
            n_classes=size.n_classes,
            n_bands=size.n_bands,
            cell_type=config.rnn_cell,
            hidden_size=config.rnn_units,
            n_layers=config.rnn_layers,
            use_bias=config.rnn_bias,
            drop_out=config.rnn_drop_out,
            bidirectional=config.rnn_bidirectional,
            linear_bias=config.fc_bias,
            sort=config.fc_sort,
            activation=config.fc_activation,
        ),
        needs_training=True,
        tells_classes_apart=True,
    ),
}


def find_pooling(name: str) -> PoolingKind:
    """Return a pooling by its name."""
    kind: PoolingKind = look_up("pooling", name, POOLINGS)
    return kind
