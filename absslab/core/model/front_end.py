"""Compute the features that a mask network gets from waveforms.

Axes: B batch, F STFT bins, M bands (mel bands or STFT bins), T frames, N samples. Magnitudes are
scaled so that a sine of amplitude a has the magnitude a. So features do not depend on the window,
and the offset of the logarithm is a level.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.audio.mel import band_edges, triangular_filters
from absslab.core.audio.stft import STFT, bin_power
from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig


def mel_filters(config: FeatureConfig, window_size: int, sampling_rate: int) -> np.ndarray:
    """Return the model's mel bands over the bins of an STFT at any sampling rate.

    Args:
        config: features of the model, which define the bands.
        window_size: window of the STFT, samples.
        sampling_rate: Hz.

    Shape:
        (M, F): triangles of area 1 per Hz.

    Source: Slaney, Auditory Toolbox, 1998; see `absslab.core.audio.mel`.
    """
    edges = band_edges(config.n_mels, config.f_min, config.highest)  # (M + 2,)
    return triangular_filters(edges, window_size, sampling_rate)


class FrontEnd(nn.Module):
    """Computes normalised features of complex spectra: bands, logarithm, normalisation.

    Args:
        config: see `FeatureConfig`.

    Shape:
        stft: (B, N) → complex (B, F, T).
        forward: complex (B, F, T) → (B, 1, M, T).
        power: complex (B, F, T) → (B, M, T).
    """

    def __init__(self, config: FeatureConfig):
        super().__init__()
        self.config = config
        self.stft = STFT(
            window_size=config.window_size, hop_size=config.hop_size, window=config.window
        )
        self.filters: Tensor | None
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("filters", _averaging_filters(config), persistent=False)
        n_statistics = config.n_bands if config.normalisation == "band" else 1
        self.register_buffer("mean", torch.zeros(n_statistics, 1))
        self.register_buffer("std", torch.ones(n_statistics, 1))

    @property
    def device(self) -> torch.device:
        """The device on which the front end computes."""
        return self.mean.device

    def forward(self, spectra: Tensor) -> Tensor:
        """Return the normalised features of complex spectra."""
        return self.normalise(self.features(spectra))

    def features(self, spectra: Tensor) -> Tensor:
        """Return features before normalisation: complex (B, F, T) → (B, 1, M, T)."""
        return self.features_of_power(bin_power(spectra))  # faster than of absolute values

    def features_of_power(self, bins: Tensor) -> Tensor:
        """Return features before normalisation from the power of bins: (B, F, T) → (B, 1, M, T)."""
        bands = self.to_bands(bins.sqrt())  # (B, M, T)
        if self.config.feature_type.startswith("log"):
            bands = torch.log(bands + self.config.log_offset)
        return bands.unsqueeze(1)  # (B, 1, M, T)

    def normalise(self, features: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation."""
        return (features - self.mean) / self.std

    def power(self, spectra: Tensor) -> Tensor:
        """Return the mean power per band: complex (B, F, T) → (B, M, T)."""
        return self.to_bands(bin_power(spectra))

    def to_bands(self, bins: Tensor) -> Tensor:
        """Return the mean of the bins of each band: (B, F, T) → (B, M, T)."""
        return bins if self.filters is None else self.filters @ bins

    def fit(self, feature_batches: Iterable[Tensor]) -> None:
        """Set mean and standard deviation from batches of features; see `fit_steps`."""
        for _ in self.fit_steps(feature_batches):
            pass

    @torch.no_grad()
    def fit_steps(self, feature_batches: Iterable[Tensor]) -> Iterator[int]:
        """Set mean and standard deviation from batches of features (B, 1, M, T), in one pass.

        Yields:
            how many recordings have been seen.

        Raises:
            InputError: there are no batches.
        """
        if not self.config.standardise:
            return
        n_recordings = 0
        per_band = self.config.normalisation == "band"
        axes = (0, 2) if per_band else (0, 1, 2)
        count = 0
        total = torch.zeros((), dtype=torch.float64)
        squares = torch.zeros((), dtype=torch.float64)
        for batch in feature_batches:
            features = batch[:, 0].double()  # (B, M, T)
            count += features.numel() // (features.shape[1] if per_band else 1)
            total = total + features.sum(axes).cpu()
            squares = squares + features.square().sum(axes).cpu()
            n_recordings += len(batch)
            yield n_recordings
        if not count:
            raise InputError(
                "there are no features to compute mean and standard deviation of: "
                "the training split is empty"
            )
        mean = total / count
        std = (squares / count - mean**2).clamp_min(0).sqrt().clamp_min(1e-4)
        self.mean.copy_(mean.reshape(-1, 1))
        self.std.copy_(std.reshape(-1, 1))


def _averaging_filters(config: FeatureConfig) -> Tensor | None:
    """Return mel filters (M, F) whose weights add up to 1, so that a band is a mean of bins."""
    if not config.is_mel:
        return None
    filters = mel_filters(config, config.window_size, config.sampling_rate)
    return torch.from_numpy(filters / np.maximum(filters.sum(axis=1, keepdims=True), 1e-8))
