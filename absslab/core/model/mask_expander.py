"""Expand masks over the model's bands and frames to the bins and frames of any STFT.

Axes: K classes, F STFT bins, M mel bands, T frames.
"""

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import mel_filters


class MaskExpander(nn.Module):
    """Expands masks to an STFT with windows of the same duration, at any sampling rate.

    A linear bin takes the mean of the masks, weighted by the filters that cover it; frames are
    interpolated in time. At a rate above the model's, bins above the model's highest frequency take
    the highest band's mask. Bins that no filter covers stay 0: their sound goes to the residual.

    Args:
        config: features of the model.
        sampling_rate: sampling rate of the audio, Hz.

    Shape:
        forward: (K, M, T) and n_frames → (K, F, n_frames).

    Source: Kong et al., arXiv 1804.04715, the inversion of the mel filter bank.
    """

    def __init__(self, config: FeatureConfig, sampling_rate: int):
        super().__init__()
        self.config = config
        self.sampling_rate = sampling_rate
        ratio = config.window_size / config.hop_size
        self.hop_size = round(config.hop_size * sampling_rate / config.sampling_rate)
        self.window_size = round(self.hop_size * ratio)
        self.weights: Tensor
        weights = torch.from_numpy(self._bin_weights().astype(np.float32))
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, masks: Tensor, n_frames: int) -> Tensor:
        """Expand masks to linear frequency, and to the frames of the audio's own STFT."""
        return self.weights @ self.to_frames(masks, n_frames)  # (K, F, n_frames)

    def to_frames(self, masks: Tensor, n_frames: int) -> Tensor:
        """Expand masks to the frames of the audio's own STFT: (K, M, T) → (K, M, n_frames)."""
        if self.sampling_rate == self.config.sampling_rate:
            return masks[..., :n_frames]
        model_hop = self.config.hop_size / self.config.sampling_rate  # s
        model_frames_per_frame = self.hop_size / self.sampling_rate / model_hop
        position = torch.arange(n_frames, device=masks.device) * model_frames_per_frame
        last = masks.shape[-1] - 1
        before = position.floor().long().clamp(max=last)
        after = (before + 1).clamp(max=last)
        return torch.lerp(masks[..., before], masks[..., after], (position - before).clamp(0, 1))

    def _bin_weights(self) -> np.ndarray:
        """Return the weight of each band in each bin: (F, M)."""
        config = self.config
        frequencies = np.fft.rfftfreq(self.window_size, 1 / self.sampling_rate)  # (F,)
        if config.is_mel:
            filters = mel_filters(config, self.window_size, self.sampling_rate)  # (M, F)
            weights = (filters / (filters.sum(axis=0) + 1e-8)).T  # (F, M)
            top = config.highest
        else:
            model_bins = np.fft.rfftfreq(config.window_size, 1 / config.sampling_rate)  # (M,)
            columns = [np.interp(frequencies, model_bins, row) for row in np.eye(len(model_bins))]
            weights = np.stack(columns, axis=1)  # (F, M)
            top = model_bins[-1]
        if self.sampling_rate > config.sampling_rate and top >= config.sampling_rate / 2:
            weights[frequencies >= top] = weights[frequencies < top][-1]
        return weights
