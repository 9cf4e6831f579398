"""Apply masks to the features of a mixture, as the network sees them, and turn these back.

Axes: K classes, C channels, F STFT bins, M bands, T frames, n samples.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import bin_power
from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import COMPRESSIONS, DECOMPRESSIONS, FrontEnd, mel_filters
from absslab.core.model.pcen import PCEN, PCENChannels
from absslab.core.separation.synthesis import MaskSynthesis


@dataclass(frozen=True)
class LogSynthesis:
    """Synthesises sources by masking normalised features, with the phase of the mixture.

    A mask m turns the normalised features f of the mixture to m · (f + a) − a, where a is the
    largest |f| of the segment, so that a mask of 0 gives the lowest features. The normalisation and
    the compression are undone, and bands become bins by the pseudo-inverse of the filters, of
    which negative magnitudes are 0. What bands do not tell of a spectrum is lost, so masks of 1 do
    not give the mixture. PCEN is undone with the levels of the mixture. `build_log_synthesis`
    returns one.

    Args:
        linear: synthesis with masks of the spectrum, for the same mixtures.
        front_end: of the model.
        pcen: of the model, if it has one.
        to_bands: (M, F), the mean magnitude of each band from those of the bins.
        to_bins: (F, M), its pseudo-inverse.

    Source: the `in_log` separation of the thesis (EPFL and Logitech, 2018).
    """

    linear: MaskSynthesis
    front_end: FrontEnd
    pcen: PCEN | None
    to_bands: Tensor
    to_bins: Tensor

    @torch.no_grad()
    def sources(self, spectrum: Tensor, masks: Tensor, n_samples: int) -> np.ndarray:
        """Apply masks to the features of a spectrum, and transform back.

        Args:
            spectrum: spectrum of the mixture.
            masks: over the model's bands and frames.
            n_samples: length of the mixture.

        Shape:
            (C, F, T), (K, M, T′) → (K, C, n_samples).
        """
        config = self.front_end.config
        scale = self.front_end.band_scale if config.mel_area == "slaney" else 1.0  # (M, 1)
        magnitude = bin_power(spectrum).sqrt()  # (C, F, T)
        bands = self.to_bands @ magnitude * scale  # (C, M, T)
        features = self._compress(bands)  # (C, M, T)
        largest = features.abs().amax()
        phase = torch.polar(torch.ones_like(magnitude), spectrum.angle())  # (C, F, T)
        sources = np.empty((len(masks), len(spectrum), n_samples), np.float32)  # (K, C, n)
        for k, mask in enumerate(masks):
            frames = self.linear.expander.to_frames(mask[None], spectrum.shape[-1])  # (1, M, T)
            masked = frames * (features + largest) - largest  # (C, M, T)
            masked = self._decompress(masked, bands).clamp_min(0) / scale
            bins = (self.to_bins @ masked).clamp_min(0)  # (C, F, T)
            sources[k] = self.linear.stft.inverse(bins * phase, n_samples).cpu().numpy()
        return sources

    def _compress(self, bands: Tensor) -> Tensor:
        """Return normalised features of magnitudes of bands: (C, M, T) → (C, M, T)."""
        if self.pcen is not None:
            return self.front_end.standardise(self.pcen(bands[:, None])[:, 0])
        config = self.front_end.config
        return self.front_end.normalise(COMPRESSIONS[config.feature_type](bands, config))

    def _decompress(self, features: Tensor, mixture: Tensor) -> Tensor:
        """Return magnitudes of bands, of a source of a mixture: (C, M, T) each → (C, M, T)."""
        features = self.front_end.denormalise(features)
        if self.pcen is not None:
            return self.pcen.invert(features[:, None], mixture[:, None])[:, 0]
        config = self.front_end.config
        return DECOMPRESSIONS[config.feature_type](features, config)


def check_invertible(config: FeatureConfig) -> None:
    """Check that features can be turned back to magnitudes.

    Raises:
        InputError: the model has several PCENs.
    """
    if config.n_channels > 1:
        raise InputError(
            f"separation_method is in_log, but the model has {config.n_channels} PCENs, and the "
            "masked features of each would be another spectrum: pass --separation_method in_lin"
        )


def build_log_synthesis(
    linear: MaskSynthesis, front_end: FrontEnd, pcen: PCEN | PCENChannels | None = None
) -> LogSynthesis:
    """Build what masks the features of mixtures.

    Args:
        linear: synthesis with masks of the spectrum, for the same mixtures.
        front_end: of the model.
        pcen: of the model, if it has one.

    Raises:
        InputError: the model has several PCENs.
    """
    config = front_end.config
    check_invertible(config)
    assert not isinstance(pcen, PCENChannels)
    expander = linear.expander
    to_bands = _band_means(config, expander.window_size, expander.sampling_rate)  # (M, F)
    return LogSynthesis(
        linear,
        front_end,
        pcen,
        torch.from_numpy(to_bands.astype(np.float32)).to(linear.device),
        torch.from_numpy(np.linalg.pinv(to_bands).astype(np.float32)).to(linear.device),
    )


def _band_means(config: FeatureConfig, window_size: int, sampling_rate: int) -> np.ndarray:
    """Return the weights of the bins of any STFT in the bands of a model: (M, F)."""
    if config.is_mel:
        filters = mel_filters(config, window_size, sampling_rate).astype(np.float64)
        return filters / np.maximum(filters.sum(axis=1, keepdims=True), 1e-8)
    frequencies = np.fft.rfftfreq(window_size, 1 / sampling_rate)  # (F,)
    columns = [
        np.interp(config.centres, frequencies, row, right=0.0) for row in np.eye(len(frequencies))
    ]
    return np.stack(columns, axis=1)  # (M, F)
