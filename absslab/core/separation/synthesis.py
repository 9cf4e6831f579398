"""Apply masks to the spectrum of a mixture.

Axes: K classes, C channels, F STFT bins, M bands, T frames, n samples.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import STFT, scale_spectra
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.mask_expander import MaskExpander


@dataclass(frozen=True)
class MaskSynthesis:
    """Synthesises sources from masks and the mixture's own spectrum, channel by channel.

    `build_mask_synthesis` returns one.

    Args:
        stft: STFT of the mixtures.
        expander: expands masks to the bins and frames of this STFT.
        device: device of both.
    """

    stft: STFT
    expander: MaskExpander
    device: torch.device

    @torch.no_grad()
    def spectrum(self, mixture: np.ndarray) -> Tensor:
        """Transform a mixture.

        Shape:
            (C, n) → complex (C, F, T).
        """
        return self.stft(torch.from_numpy(np.ascontiguousarray(mixture)).to(self.device))

    @torch.no_grad()
    def sources(self, spectrum: Tensor, masks: Tensor, n_samples: int) -> np.ndarray:
        """Apply masks to a spectrum, and transform back.

        Args:
            spectrum: spectrum of the mixture.
            masks: over the model's bands and frames.
            n_samples: length of the mixture.

        Shape:
            (C, F, T), (K, M, T′) → (K, C, n_samples).
        """
        sources = np.empty((len(masks), len(spectrum), n_samples), np.float32)  # (K, C, n)
        for k, mask in enumerate(masks):  # all classes at once need more memory, and are no faster
            linear = self.expander(mask[None], spectrum.shape[-1])  # (1, F, T)
            masked = scale_spectra(spectrum, linear)  # (C, F, T)
            sources[k] = self.stft.inverse(masked, n_samples).cpu().numpy()
        return sources


def build_mask_synthesis(
    features: FeatureConfig, sampling_rate: int, device: torch.device
) -> MaskSynthesis:
    """Build what synthesises sources from the masks of a model.

    Args:
        features: of the model.
        sampling_rate: sampling rate of the mixtures, Hz.
        device: device for the computation.
    """
    expander = MaskExpander(features, sampling_rate).to(device)
    stft = STFT(
        window_size=expander.window_size, hop_size=expander.hop_size, window=features.window
    ).to(device)
    return MaskSynthesis(stft, expander, device)
