"""Compute the loss of a batch of recordings.

Axes: B batch, K classes, J chosen classes, F STFT bins, M bands, T frames.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import bin_power
from absslab.core.data.batches import Batch
from absslab.core.model.network_parts import ChooseClasses
from absslab.core.model.pooling import pool_presence
from absslab.core.model.separation_model import Prediction, SeparationModel
from absslab.core.training.augmentation import (
    AugmentationConfig,
    Pairs,
    augment,
    describe_alone,
)
from absslab.core.training.class_choice import build_class_choice, may_choose
from absslab.core.training.config import TrainingConfig
from absslab.core.training.feature_store import FeatureBatch
from absslab.core.training.frame_labels import FrameLabels
from absslab.core.training.losses import (
    TAG_LOSSES,
    ShareTargets,
    absent_mask_loss,
    combine_losses,
    find_sounding_frames,
    frame_tag_loss,
    measure_shares,
    ratio_mask_loss,
    share_loss,
    silent_mask_loss,
    source_share_loss,
    tag_frames,
    unite_labels,
)


class BatchLoss(NamedTuple):
    """The loss of a batch, and the predictions of the model."""

    losses: dict[str, Tensor]  # "total" and its parts, () each
    probabilities: Tensor  # (B, K), or (B, J) of chosen classes


@dataclass(frozen=True)
class Objective:
    """Computes the loss of batches.

    Args:
        config: the losses and their weights.
        augmentation: how training recordings are varied.
        precision: number format in which the mask network computes.
        share_targets: computes the targets of the loss on shares, if this loss has a weight, and
            the weights of bins for losses on true sources.
    """

    config: TrainingConfig
    augmentation: AugmentationConfig
    precision: torch.dtype
    share_targets: ShareTargets | None

    def __call__(
        self,
        model: SeparationModel,
        batch: Batch | FeatureBatch,
        rng: np.random.Generator | None = None,
    ) -> BatchLoss:
        """Compute the loss of a batch.

        Args:
            model: the model that predicts.
            batch: waveforms or stored features, on the model's device.
            rng: source of randomness for the augmentation; without it nothing is augmented.
        """
        class_rng = self._class_rng(model, rng)
        if isinstance(batch, FeatureBatch):
            features = model.front_end.normalise(batch.features)  # (B, 1, M, T)
            lengths = batch.longest if batch.n_samples is None else batch.n_samples
            prediction = model.predict_from_features(
                features,
                lengths,
                precision=self.precision,
                choose=self._choose_classes(batch.labels, class_rng),
            )
            return self._combine(prediction, batch.labels, model.n_frames(batch.n_samples))
        pairs = self._pairs(model, batch, rng)
        mixtures = pairs.sum()  # complex (B, F, T)
        bins = bin_power(mixtures)  # (B, F, T)
        features = model.front_end.normalise(model.front_end.features_of_power(bins))
        lengths = batch.waveforms.shape[-1] if pairs.n_samples is None else pairs.n_samples
        labels = unite_labels(pairs.labels_first, pairs.labels_second)  # (B, K)
        choose = self._choose_classes(labels, class_rng) if pairs.has_weak_labels else None
        prediction = model.predict_from_features(
            features, lengths, precision=self.precision, choose=choose
        )
        n_frames = model.n_frames(pairs.n_samples)
        power = model.front_end.to_bands(bins)  # (B, M, T)
        if pairs.sources is not None:
            losses = self._source_losses(model, pairs, mixtures, power, prediction, n_frames)
        else:
            losses = self._event_losses(model, pairs, power, prediction, n_frames)
        return self._combine(prediction, labels, n_frames, **losses)

    def _class_rng(
        self, model: SeparationModel, rng: np.random.Generator | None
    ) -> np.random.Generator | None:
        """Return the randomness of a choice of classes; None: a step computes all masks.

        It is drawn before that of the augmentation, which depends on the number of recordings.
        """
        if rng is None or not model.can_choose_classes:
            return None
        if not may_choose(len(model.classes), self.config.absent_classes):
            return None
        return np.random.default_rng(int(rng.integers(1 << 31)))

    def _choose_classes(
        self, labels: Tensor, rng: np.random.Generator | None
    ) -> ChooseClasses | None:
        """Return what chooses the classes whose masks a step computes; None: it computes all."""
        if rng is None:
            return None
        return build_class_choice(labels, self.config.absent_classes, rng)

    def _pairs(
        self, model: SeparationModel, batch: Batch, rng: np.random.Generator | None
    ) -> Pairs:
        stft = model.front_end.stft
        if rng is not None:
            sampling_rate = model.front_end.config.sampling_rate
            return augment(batch, self.augmentation, stft, sampling_rate, rng)
        return describe_alone(batch, stft(batch.waveforms), stft)

    def _event_losses(
        self,
        model: SeparationModel,
        pairs: Pairs,
        power: Tensor,
        prediction: Prediction,
        n_frames: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return the losses of masks that follow from weak or strong labels, by name."""
        losses: dict[str, Tensor] = {}
        # A class that is not known to be absent may be that of any event.
        possible = ((pairs.labels_first != 0).float(), (pairs.labels_second != 0).float())  # (B, K)
        if pairs.frames_first is not None:
            frames = pairs.frames_first
            possible = (frames.possible.float(), torch.zeros_like(frames.possible).float())
            if pairs.frames_second is not None:
                possible = (possible[0], pairs.frames_second.possible.float())  # (B, K, T) each
                frames = frames.join(pairs.frames_second)
            losses["absent"] = silent_mask_loss(prediction.masks, frames, n_frames)
            if self.share_targets is None:  # shares would tell more of each frame
                losses["frame"] = frame_tag_loss(tag_frames(prediction.masks), frames, n_frames)
            losses |= _presence_loss(prediction, frames, n_frames)
        if self.share_targets is not None:
            first = model.front_end.power(pairs.first)  # (B, M, T)
            second = pairs.second_power(first)
            shares = self.share_targets(first, second, power, n_frames, possible)
            if prediction.chosen is not None:
                chosen = prediction.chosen.indices
                possible = (possible[0][:, chosen], possible[1][:, chosen])  # (B, J) each
            losses["share"] = share_loss(
                prediction.masks, prediction.log_background, shares, *possible
            )
        return losses

    def _source_losses(
        self,
        model: SeparationModel,
        pairs: Pairs,
        mixtures: Tensor,
        power: Tensor,
        prediction: Prediction,
        n_frames: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return the losses of masks that follow from true sources, by name."""
        assert pairs.sources is not None
        assert self.share_targets is not None
        shares = measure_shares(mixtures, pairs.sources, model.front_end)
        weights = self.share_targets.weights(power, n_frames)
        masks = prediction.masks
        losses: dict[str, Tensor] = {}
        if prediction.presence is not None:
            powers = model.front_end.power(pairs.sources.spectra)  # (R, M, T)
            frames = find_sounding_frames(powers, pairs.sources, prediction.presence.shape)
            losses |= _presence_loss(prediction, frames, n_frames)
        if model.competing:
            log_background = prediction.log_background
            losses["share"] = source_share_loss(
                masks, log_background, shares, pairs.sources, weights
            )
        else:
            losses["absent"] = ratio_mask_loss(masks, shares, pairs.sources, weights)
        return losses

    def _combine(
        self,
        prediction: Prediction,
        labels: Tensor,
        n_frames: Tensor | None,
        *,
        absent: Tensor | None = None,
        share: Tensor | None = None,
        frame: Tensor | None = None,
        presence: Tensor | None = None,
    ) -> BatchLoss:
        """Combine the losses of masks with that of the tags.

        Args:
            prediction: of the model.
            labels: weak labels (B, K).
            n_frames: number of frames that are not padding, (B,).
            absent: loss of the masks where classes are absent; by default by the weak labels.
            share: loss of shares.
            frame: loss of the tags of frames.
            presence: loss of the presence that the network tells; by default by the weak labels.
        """
        config = self.config
        tag_loss = TAG_LOSSES[config.loss]
        if presence is None and prediction.presence is not None:
            presence = tag_loss(pool_presence(prediction.presence, n_frames), labels)
        weights = None
        if prediction.chosen is not None:
            labels = labels[:, prediction.chosen.indices]  # (B, J)
            weights = prediction.chosen.weights
        if absent is None:
            absent = absent_mask_loss(prediction.masks, labels, n_frames, weights)
        losses = combine_losses(
            tag_loss(prediction.of_masks.float(), labels, weights),
            absent,
            share,
            frame,
            presence,
            l1_weight=config.l1_weight,
            share_weight=config.share_weight,
        )
        return BatchLoss(losses, prediction.probabilities)


def _presence_loss(
    prediction: Prediction, frames: FrameLabels, n_frames: Tensor | None
) -> dict[str, Tensor]:
    """Return the loss of the presence in frames that are labelled, by name; none without it."""
    if prediction.presence is None:
        return {}
    tags = prediction.presence.sigmoid()  # (B, K, T)
    return {"presence": frame_tag_loss(tags, frames, n_frames)}
