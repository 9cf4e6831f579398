"""Apply masks to the spectrum of a mixture.

Axes: K classes, C channels, F STFT bins, M bands, T frames, n samples.
"""

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import STFT
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_expander import MaskExpander


class MaskSynthesis:
    """Synthesises sources from masks and the mixture's own spectrum, channel by channel.

    Args:
        features: of the model that predicts the masks.
        sampling_rate: of the mixtures, Hz.
        device: where it computes.
    """

    def __init__(self, features: FeatureConfig, sampling_rate: int, device: torch.device):
        self._device = device
        self._expander = MaskExpander(features, sampling_rate).to(device)
        self._stft = STFT(
            window_size=self._expander.window_size,
            hop_size=self._expander.hop_size,
            window=features.window,
        ).to(device)

    @torch.no_grad()
    def spectrum(self, mixture: np.ndarray) -> Tensor:
        """Transform a mixture.

        Shape:
            (C, n) → complex (C, F, T).
        """
        return self._stft(torch.from_numpy(np.ascontiguousarray(mixture)).to(self._device))

    @torch.no_grad()
    def sources(self, spectrum: Tensor, masks: Tensor, n_samples: int) -> np.ndarray:
        """Apply masks to a spectrum, and transform back.

        Args:
            spectrum: of the mixture.
            masks: over the model's bands and frames.
            n_samples: of the mixture.

        Shape:
            (C, F, T), (K, M, T′) → (K, C, n_samples).
        """
        sources = np.empty((len(masks), len(spectrum), n_samples), np.float32)  # (K, C, n)
        for k, mask in enumerate(masks):  # all classes at once need more memory, and are no faster
            linear = self._expander(mask[None], spectrum.shape[-1])  # (1, F, T)
            sources[k] = self._stft.inverse(linear * spectrum, n_samples).cpu().numpy()
        return sources
