"""Losses of a training: tags against weak labels, masks of absent classes, shares of pairs.

With strong labels, masks of classes that are silent in a frame, and tags of frames; with true
sources, their shares.
Axes: B batch, K classes, F STFT bins, M bands, T frames, R sources of all recordings of a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from absslab.core.common.shared_batch import count_over_batch, sum_over_batch
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.network_parts import real_frames
from absslab.core.model.pooling import GAP
from absslab.core.training.augmentation import SourceSpectra
from absslab.core.training.frame_labels import FrameLabels

_EPSILON = 1e-4  # smallest share: limits the loss of a bin to 9.2 nats
_CERTAIN = 1e-3  # power of a frame relative to a source's loudest from which it surely sounds
_POSSIBLE = 1e-5  # below this it is silent
_BACKGROUND_CREDIT = 0.05  # how much the background's mask counts as that of a steady class


def _bce(probabilities: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    # torch raises an error for NaN; the trainer checks the loss for NaN instead
    clean = probabilities.nan_to_num().clamp(0, 1)
    cost = nn.functional.binary_cross_entropy(clean, labels.nan_to_num(), reduction="none")
    # NaN where one is NaN
    return _mean_of_known(cost, labels, weights) + 0 * probabilities.sum()


def _soft_margin(probabilities: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    logits = torch.logit(probabilities, eps=1e-5)
    cost = nn.functional.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num(), reduction="none"
    )
    return _mean_of_known(cost, labels, weights)


def _mean_of_known(cost: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean cost of the labels that are known; 0 if none is."""
    counts = (~labels.isnan()).to(cost.dtype)  # (B, K)
    if weights is not None:
        counts = counts * weights
    return (cost * counts).sum() / sum_over_batch(counts.sum()).clamp_min(1)


# (B, K) probabilities, (B, K) labels, (K,): how many classes each stands for, or None → ()
TAG_LOSSES = {"BCE": _bce, "MultiLabelSoftMarginLoss": _soft_margin}


def combine_losses(
    tag: Tensor,
    absent: Tensor,
    share: Tensor | None = None,
    frame: Tensor | None = None,
    presence: Tensor | None = None,
    *,
    l1_weight: float,
    share_weight: float,
) -> dict[str, Tensor]:
    """Return the loss that training minimises, "total", and its parts by name.

    Args:
        tag: loss of the tags.
        absent: mean of the masks of absent classes.
        share: loss on the shares of events and background, if there is one.
        frame: loss of the tags of frames, if there is one; it is added to that of the tags.
        presence: loss of the presence that the network tells, if it does; added in the same way.
        l1_weight: λ: (1 − λ) · tag + λ · absent.
        share_weight: weight of `share`.

    Shape:
        all ().
    """
    parts = {"tag": tag, "absent": absent}
    total = (1 - l1_weight) * tag + l1_weight * absent
    if share is not None:
        parts["share"] = share
        total = total + share_weight * share
    for name, loss in (("frame", frame), ("presence", presence)):
        if loss is not None:
            parts[name] = loss
            total = total + (1 - l1_weight) * loss
    return {"total": total, **parts}


def absent_mask_loss(
    masks: Tensor,
    labels: Tensor,
    n_frames: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of the masks of absent classes; 0 if no class is known to be absent.

    Shape:
        masks (B, K, M, T), labels (B, K), n_frames (B,): frames that are not padding, weights (K,):
        how many classes each stands for → ().
    """
    absent = (labels == 0).to(masks.dtype)  # (B, K)
    if weights is not None:
        absent = absent * weights
    return (GAP()(masks, n_frames) * absent).sum() / sum_over_batch(absent.sum()).clamp_min(1)


def silent_mask_loss(masks: Tensor, frames: FrameLabels, n_frames: Tensor | None = None) -> Tensor:
    """Return the mean of the masks of classes in frames in which no event of them sounds.

    Shape:
        masks (B, K, M, T), n_frames (B,): frames that are not padded → ().
    """
    silent = _where(~frames.possible, n_frames)  # (B, K, T)
    return (masks.mean(2) * silent).sum() / sum_over_batch(silent.sum()).clamp_min(1)


def tag_frames(masks: Tensor) -> Tensor:
    """Return tags of frames, pooled over the bands by linear softmax: (B, K, M, T) → (B, K, T).

    Source: Wang, Li, Metze, arXiv 1810.09050.
    """
    return masks.square().sum(2) / masks.sum(2).clamp_min(1e-7)


def frame_tag_loss(tags: Tensor, frames: FrameLabels, n_frames: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of tags of frames.

    A frame at the border of an event, or of a class that is known weakly alone, does not count.

    Shape:
        tags (B, K, T), n_frames (B,): frames that are not padded → ().
    """
    weights = _where(frames.certain | ~frames.possible, n_frames)  # (B, K, T)
    clean = tags.nan_to_num().clamp(0, 1)
    cost = nn.functional.binary_cross_entropy(clean, frames.certain.float(), reduction="none")
    return (weights * cost).sum() / sum_over_batch(weights.sum()).clamp_min(1)


def _where(cells: Tensor, n_frames: Tensor | None) -> Tensor:
    """Return 1 for cells (B, K, T) in frames that are not padded, else 0."""
    if n_frames is None:
        return cells.float()
    return cells * real_frames(cells[:, :, None], n_frames)[:, 0]


def unite_labels(first: Tensor, second: Tensor) -> Tensor:
    """Return the labels of sums of recordings: 1 where one is 1, else NaN where one is NaN.

    Shape:
        (B, K), (B, K) → (B, K).
    """
    return torch.where((first == 1) | (second == 1), 1, first + second)


class Shares(NamedTuple):
    """Shares of the energy of each bin in the sum of two recordings; the three add up to 1."""

    first: Tensor  # (B, M, T): of the first recording's events
    second: Tensor  # (B, M, T): of the second's
    background: Tensor  # (B, M, T): of the steady background of both
    weights: Tensor  # (B, M, T): weight of each bin, 1 on average, plus the floor
    # Where a steady class may sound, what counts as events may be background after all.
    steady_first: Tensor | None = None  # (B, 1, 1) or (B, 1, T), 0 or 1
    steady_second: Tensor | None = None


class ShareTargets(nn.Module):
    """Shares of events and background, from the powers of two recordings before they are added.

    Within a recording, the steady background of each band is estimated by a quantile over time
    (scaled so that it is exact for Gaussian noise); power above it is assumed to be events. Where a
    class may sound that is itself steady, all power is assumed to be events.

    `steady_classes` (K,) says which classes are steady, 0 or 1; None: none is.

    Args:
        front_end: front end of the model, whose bands the powers have.
        quantile: quantile of a band's power over time.
        excess: a bin counts as event if its power exceeds the estimated background by this factor.
        weight_floor: smallest weight of a bin; to it is added the fourth root of the bin's power,
            relative to the recording's mean.

    Shape:
        forward: powers (B, M, T) of the first, of the second, of their sum, and which classes
            these recordings may hold, (B, K) or (B, K, T) each → Shares.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        *,
        quantile: float = 0.25,
        excess: float = 2.0,
        weight_floor: float = 0.1,
    ):
        super().__init__()
        self.quantile = quantile
        self.excess = excess
        self.steady_classes: Tensor | None = None
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
        self,
        first: Tensor,
        second: Tensor,
        total: Tensor,
        n_frames: Tensor | None = None,
        possible: tuple[Tensor, Tensor] | None = None,
    ) -> Shares:
        """Compute the shares of each bin."""
        steady_first = None
        steady_second = None
        if possible is not None and self.steady_classes is not None:
            steady_first = _may_be_steady(possible[0], self.steady_classes)
            steady_second = _may_be_steady(possible[1], self.steady_classes)
        total_power = first + second + 1e-14
        share_first = self._events(first, n_frames, steady_first) / total_power
        share_second = self._events(second, n_frames, steady_second) / total_power
        return Shares(
            share_first,
            share_second,
            1 - share_first - share_second,
            self.weights(total, n_frames),
            steady_first,
            steady_second,
        )

    def _events(self, power: Tensor, n_frames: Tensor | None, is_steady: Tensor | None) -> Tensor:
        """Return the power that counts as that of events: (B, M, T) → (B, M, T)."""
        events = power - self.steady_power(power, n_frames)
        return events if is_steady is None else torch.lerp(events, power, is_steady)

    def steady_power(self, power: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Return the part of each bin's power that counts as background: (B, M, T) each."""
        return torch.minimum(power, self.excess * self.background(power, n_frames))

    def steady_parts(self, power: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Return the part of the energy of recordings that is steady: (B, M, T) → (B,)."""
        steady = self.steady_power(power, n_frames)  # (B, M, T)
        if n_frames is not None:
            real = real_frames(power, n_frames)[:, 0]
            steady = steady * real
            power = power * real
        return steady.sum((1, 2)) / power.sum((1, 2)).clamp_min(1e-14)

    def weights(self, power: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Return the weight of each bin by the power of the sum: (B, M, T) → (B, M, T)."""
        weights = power.clamp_min(0).sqrt().sqrt()  # much faster than a power of 1/4
        weights = weights / weights.mean((1, 2), keepdim=True).clamp_min(1e-12) + self.weight_floor
        if n_frames is not None:
            weights = weights * real_frames(power, n_frames)[:, 0]  # (B, M, T)
        return weights

    def background(self, power: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Estimate the mean power of each band's steady background: (B, M, T) → (B, M, 1)."""
        T = power.shape[-1]
        if n_frames is None:
            rank = max(1, int(self.quantile * T))
            if power.device.type == "mps":  # it has no kthvalue
                low = power.sort(-1).values[..., rank - 1 : rank]  # (B, M, 1)
            else:
                low = power.kthvalue(rank, -1, keepdim=True).values  # (B, M, 1)
        else:
            n_frames = n_frames.to(power.device)
            padding = torch.arange(T, device=power.device) >= n_frames[:, None]  # (B, T)
            ranked = power.masked_fill(padding[:, None], torch.inf).sort(-1).values  # (B, M, T)
            ranks = (self.quantile * n_frames).long().sub(1).clamp_min(0)  # (B,)
            low = ranked.gather(-1, ranks[:, None, None].expand(-1, power.shape[1], 1))  # (B, M, 1)
        return low * self.mean_over_quantile


def share_loss(
    masks: Tensor,
    log_background: Tensor,
    shares: Shares,
    possible_first: Tensor,
    possible_second: Tensor,
) -> Tensor:
    """Return the cross-entropy between the shares of the energy and those that the masks give.

    It is only known that the events of a recording belong to *one of its* classes, so the masks of
    these classes are summed before the logarithm. Absent classes are pushed to 0, because the masks
    of the present classes and of the background have to reach their shares.

    Args:
        masks: masks of the classes.
        log_background: logarithm of the background's mask.
        shares: of the energy.
        possible_first: 1 for classes that the first recording may hold, in all frames or in each.
        possible_second: the same of the second recording. What exceeds the background where no
            class is possible is background.

    What may be a steady class may be background as well, but the background's mask counts there
    with `_BACKGROUND_CREDIT` only: a bin is background if it can't be told from that of recordings
    without the class.

    Shape:
        masks (B, K, M, T), log_background (B, M, T), possible (B, K) or (B, K, T) each → ().

    Source: the loss of partial-label learning per bin (Jin, Ghahramani, Learning with multiple
    labels, NIPS 2002).
    """
    log_rest = torch.log(log_background.exp() + _EPSILON)  # (B, M, T)
    background = shares.background
    cost = torch.zeros_like(log_rest)
    for possible, share, steady in (
        (possible_first, shares.first, shares.steady_first),
        (possible_second, shares.second, shares.steady_second),
    ):
        if possible.ndim == 2:
            grouped = torch.bmm(possible[:, None], masks.flatten(2))  # (B, 1, M · T)
            grouped = grouped.view_as(log_rest)  # (B, M, T)
        else:
            grouped = torch.einsum("bkt,bkmt->bmt", possible, masks)
        is_any = possible.amax(1).reshape(len(masks), 1, -1)  # (B, 1, 1) or (B, 1, T)
        background = background + share * (1 - is_any)
        share = share * is_any
        if steady is not None:
            grouped = grouped + _BACKGROUND_CREDIT * steady * log_background.exp()
        cost = cost + share * torch.log(grouped.clamp(max=1) + _EPSILON)
    cost = cost + background * log_rest  # (B, M, T)
    return -(shares.weights * cost).sum() / count_over_batch(cost)


def _may_be_steady(possible: Tensor, steady_classes: Tensor) -> Tensor:
    """Tell where steady classes may sound: (B, K) or (B, K, T) → (B, 1, 1) or (B, 1, T)."""
    is_steady = steady_classes.view(1, -1, *[1] * (possible.ndim - 2))  # (1, K) or (1, K, 1)
    return (possible * is_steady).amax(1).reshape(len(possible), 1, -1)


class SourceShares(NamedTuple):
    """Shares of the true sources in the power of each bin; with the background they add up to 1."""

    classes: Tensor  # (R, M, T)
    background: Tensor  # (B, M, T)


def measure_shares(mixtures: Tensor, sources: SourceSpectra, front_end: FrontEnd) -> SourceShares:
    """Return the shares of true sources, and of the rest of the mixtures, in their powers.

    Shape:
        mixtures complex (B, F, T) → (R, M, T), (B, M, T).
    """
    background = mixtures.index_add(0, sources.recordings, -sources.spectra)  # (B, F, T)
    powers = front_end.power(sources.spectra)  # (R, M, T)
    rest = front_end.power(background) + 1e-14  # (B, M, T); silence is background
    total = rest.index_add(0, sources.recordings, powers)  # (B, M, T)
    return SourceShares(powers / total[sources.recordings], rest / total)


def find_sounding_frames(
    powers: Tensor, sources: SourceSpectra, shape: tuple[int, ...]
) -> FrameLabels:
    """Tell in which frames true sources may sound, or surely do, by their power.

    Args:
        powers: of the sources (R, M, T).
        sources: the sources.
        shape: (B, K, T).
    """
    level = powers.sum(1)  # (R, T)
    level = level / level.amax(1, keepdim=True).clamp_min(1e-12)
    where = (sources.recordings, sources.classes)
    cells = torch.zeros(shape, dtype=level.dtype, device=level.device)  # (B, K, T)
    cells = cells.index_put(where, level)
    return FrameLabels(cells > _POSSIBLE, cells > _CERTAIN)


def source_share_loss(
    masks: Tensor,
    log_background: Tensor,
    shares: SourceShares,
    sources: SourceSpectra,
    weights: Tensor,
) -> Tensor:
    """Return the cross-entropy between the shares of true sources and competing masks.

    Shape:
        masks (B, K, M, T), log_background (B, M, T), weights (B, M, T) → ().
    """
    log_masks = torch.log(masks[sources.recordings, sources.classes] + _EPSILON)  # (R, M, T)
    log_rest = torch.log(log_background.exp() + _EPSILON)  # (B, M, T)
    cost = (weights[sources.recordings] * shares.classes * log_masks).sum()
    cost = cost + (weights * shares.background * log_rest).sum()
    return -cost / count_over_batch(weights)


def ratio_mask_loss(
    masks: Tensor, shares: SourceShares, sources: SourceSpectra, weights: Tensor
) -> Tensor:
    """Return the mean distance of independent masks from the ideal ratio masks, 0 where absent.

    Shape:
        masks (B, K, M, T), weights (B, M, T) → ().
    """
    ideal = torch.zeros_like(masks)
    ideal[sources.recordings, sources.classes] = shares.classes
    return (weights[:, None] * (masks - ideal).abs()).sum() / count_over_batch(masks)
