"""Losses of a training: tags against weak labels, masks of absent classes, shares of pairs.

Axes: B batch, K classes, M bands, T frames.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from absslab.core.model.front_end import FrontEnd
from absslab.core.model.pooling import GAP, real_frames

_EPSILON = 1e-4  # smallest share: limits the loss of a bin to 9.2 nats


def _bce(probabilities: Tensor, labels: Tensor) -> Tensor:
    # torch raises an error for NaN; the trainer checks the loss for NaN instead
    clean = probabilities.nan_to_num().clamp(0, 1)
    loss = nn.functional.binary_cross_entropy(clean, labels)
    return loss + 0 * probabilities.sum()  # NaN where a probability is NaN


def _soft_margin(probabilities: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.multilabel_soft_margin_loss(torch.logit(probabilities, eps=1e-5), labels)


TAG_LOSSES = {"BCE": _bce, "MultiLabelSoftMarginLoss": _soft_margin}


def combine_losses(
    tag: Tensor,
    absent: Tensor,
    share: Tensor | None = None,
    *,
    l1_weight: float,
    share_weight: float,
) -> dict[str, Tensor]:
    """Return the loss that training minimises, "total", and its parts by name.

    Args:
        tag: loss of the tags.
        absent: mean of the masks of absent classes.
        share: loss on the shares of events and background, if there is one.
        l1_weight: λ: (1 − λ) · tag + λ · absent.
        share_weight: weight of `share`.

    Shape:
        all ().
    """
    total = (1 - l1_weight) * tag + l1_weight * absent
    if share is None:
        return {"total": total, "tag": tag, "absent": absent}
    return {"total": total + share_weight * share, "tag": tag, "absent": absent, "share": share}


def absent_mask_loss(masks: Tensor, labels: Tensor, n_frames: Tensor | None = None) -> Tensor:
    """Return the mean of the masks of absent classes; 0 if every class is present.

    Shape:
        masks (B, K, M, T), labels (B, K), n_frames (B,): frames that are not padding → ().
    """
    absent = 1 - labels  # (B, K)
    return (GAP()(masks, n_frames) * absent).sum() / absent.sum().clamp_min(1)


class Shares(NamedTuple):
    """Shares of the energy of each bin in the sum of two recordings; the three add up to 1."""

    first: Tensor  # (B, M, T): of the first recording's events
    second: Tensor  # (B, M, T): of the second's
    background: Tensor  # (B, M, T): of the steady background of both
    weights: Tensor  # (B, M, T): weight of each bin, 1 on average, plus the floor


class ShareTargets(nn.Module):
    """Shares of events and background, from the powers of two recordings before they are added.

    Within a recording, the steady background of each band is estimated by a quantile over time
    (scaled so that it is exact for Gaussian noise); power above it is assumed to be events.

    Args:
        front_end: front end of the model, whose bands the powers have.
        quantile: quantile of a band's power over time.
        excess: a bin counts as event if its power exceeds the estimated background by this factor.
        power_exponent: a bin's weight is its power to this exponent, relative to the recording's
            mean, plus `weight_floor`.
        weight_floor: smallest weight of a bin.

    Shape:
        forward: powers (B, M, T) of the first, of the second, of their sum → Shares.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        *,
        quantile: float = 0.25,
        excess: float = 2.0,
        power_exponent: float = 0.25,
        weight_floor: float = 0.1,
    ):
        super().__init__()
        self.quantile = quantile
        self.excess = excess
        self.power_exponent = power_exponent
        self.weight_floor = weight_floor
        noise = torch.randn(
            1, 400 * front_end.config.window_size, generator=torch.Generator().manual_seed(0)
        )
        with torch.no_grad():
            power = front_end.power(front_end.stft(noise.to(front_end.device)))[0]  # (M, T)
        self.mean_over_quantile: Tensor
        ratio = power.mean(1) / power.quantile(quantile, 1).clamp_min(1e-12)
        self.register_buffer("mean_over_quantile", ratio[:, None], persistent=False)  # (M, 1)

    def forward(
        self, first: Tensor, second: Tensor, total: Tensor, n_frames: Tensor | None = None
    ) -> Shares:
        """Compute the shares of each bin."""
        events_first = (first - self.excess * self.background(first, n_frames)).clamp_min(0)
        events_second = (second - self.excess * self.background(second, n_frames)).clamp_min(0)
        total_power = first + second + 1e-14
        share_first = events_first / total_power
        share_second = events_second / total_power
        weights = total.clamp_min(0) ** self.power_exponent
        weights = weights / weights.mean((1, 2), keepdim=True).clamp_min(1e-12) + self.weight_floor
        if n_frames is not None:
            weights = weights * real_frames(total, n_frames)[:, 0]  # (B, M, T)
        return Shares(share_first, share_second, 1 - share_first - share_second, weights)

    def background(self, power: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Estimate the mean power of each band's steady background: (B, M, T) → (B, M, 1)."""
        T = power.shape[-1]
        if n_frames is None:
            low = power.kthvalue(
                max(1, int(self.quantile * T)), -1, keepdim=True
            ).values  # (B, M, 1)
        else:
            n_frames = n_frames.to(power.device)
            padding = torch.arange(T, device=power.device) >= n_frames[:, None]  # (B, T)
            ranked = power.masked_fill(padding[:, None], torch.inf).sort(-1).values  # (B, M, T)
            rank = (self.quantile * n_frames).long().sub(1).clamp_min(0)  # (B,)
            low = ranked.gather(-1, rank[:, None, None].expand(-1, power.shape[1], 1))  # (B, M, 1)
        return low * self.mean_over_quantile


def share_loss(
    masks: Tensor,
    log_background: Tensor,
    shares: Shares,
    labels_first: Tensor,
    labels_second: Tensor,
) -> Tensor:
    """Return the cross-entropy between the shares of the energy and those that the masks give.

    It is only known that the events of a recording belong to *one of its* classes, so the masks of
    these classes are summed before the logarithm. Absent classes are pushed to 0, because the masks
    of the present classes and of the background have to reach their shares.

    Shape:
        masks (B, K, M, T), log_background (B, M, T), labels (B, K) each → ().

    Source: the loss of partial-label learning per bin (Jin, Ghahramani, Learning with multiple
    labels, NIPS 2002).
    """
    labels = torch.stack([labels_first, labels_second], 1)  # (B, 2, K)
    grouped = torch.einsum("bgk,bkmt->bgmt", labels, masks).clamp(max=1)  # (B, 2, M, T)
    log_first, log_second = torch.log(grouped + _EPSILON).unbind(1)  # (B, M, T)
    log_rest = torch.log(log_background.exp() + _EPSILON)
    cost = (
        shares.first * log_first + shares.second * log_second + shares.background * log_rest
    )  # (B, M, T)
    return -(shares.weights * cost).mean()
