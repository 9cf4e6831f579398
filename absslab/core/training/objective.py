"""Compute the loss of a batch of recordings.

Axes: B batch, K classes, F STFT bins, M bands, T frames.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.data.audio_data_set import Batch
from absslab.core.model.separation_model import Prediction, SeparationModel
from absslab.core.training.augmentation import AugmentationConfig, Pairs, augment
from absslab.core.training.config import TrainingConfig
from absslab.core.training.feature_store import FeatureBatch
from absslab.core.training.losses import (
    TAG_LOSSES,
    ShareTargets,
    absent_mask_loss,
    combine_losses,
    share_loss,
)


class BatchLoss(NamedTuple):
    """The loss of a batch, and the predictions of the model."""

    losses: dict[str, Tensor]  # "total" and its parts, () each
    probabilities: Tensor  # (B, K)


@dataclass(frozen=True)
class Objective:
    """Computes the loss of batches.

    Args:
        config: the losses and their weights.
        augmentation: how training recordings are varied.
        precision: number format in which the mask network computes.
        share_targets: computes the targets of the loss on shares, if this loss has a weight.
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
        if isinstance(batch, FeatureBatch):
            features = model.front_end.normalise(batch.features)  # (B, 1, M, T)
            n_frames = model.n_frames(batch.n_samples)
            prediction = model.predict_from_features(features, n_frames, precision=self.precision)
            return self._combine(prediction, batch.labels, n_frames)
        pairs = self._pairs(model, batch, rng)
        mixtures = pairs.first + pairs.second  # complex (B, F, T)
        n_frames = model.n_frames(pairs.n_samples)
        prediction = model.predict(mixtures, n_frames, precision=self.precision)
        share = None
        if self.share_targets is not None:
            power = model.front_end.power
            shares = self.share_targets(
                power(pairs.first), power(pairs.second), power(mixtures), n_frames
            )
            share = share_loss(
                prediction.masks,
                prediction.log_background,
                shares,
                pairs.labels_first,
                pairs.labels_second,
            )
        labels = torch.maximum(pairs.labels_first, pairs.labels_second)  # (B, K)
        return self._combine(prediction, labels, n_frames, share)

    def _pairs(
        self, model: SeparationModel, batch: Batch, rng: np.random.Generator | None
    ) -> Pairs:
        stft = model.front_end.stft
        if rng is not None:
            sampling_rate = model.front_end.config.sampling_rate
            return augment(batch, self.augmentation, stft, sampling_rate, rng)
        spectra = stft(batch.waveforms)  # complex (B, F, T)
        no_labels = torch.zeros_like(batch.labels)
        return Pairs(spectra, torch.zeros_like(spectra), batch.labels, no_labels, batch.n_samples)

    def _combine(
        self,
        prediction: Prediction,
        labels: Tensor,
        n_frames: Tensor | None,
        share: Tensor | None = None,
    ) -> BatchLoss:
        config = self.config
        losses = combine_losses(
            TAG_LOSSES[config.loss](prediction.probabilities.float(), labels),
            absent_mask_loss(prediction.masks, labels, n_frames),
            share,
            l1_weight=config.l1_weight,
            share_weight=config.share_weight,
        )
        return BatchLoss(losses, prediction.probabilities)
