"""Compute the features that a mask network gets from waveforms.

Axes: B batch, F STFT bins, M bands (mel bands or STFT bins), T frames, N samples. Magnitudes are
scaled so that a sine of amplitude a has the magnitude a. So features do not depend on the window,
and the offset of the logarithm is a level.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.audio.mel import band_edges, triangular_filters
from absslab.core.audio.stft import STFT, bin_power
from absslab.core.common.errors import InputError
from absslab.core.model.border_frames import find_seen_frames
from absslab.core.model.feature_config import FeatureConfig

_LEAST_MAGNITUDE = 1e-5  # of levels in decibels
_LEVEL_RANGE = 80.0  # dB, from the highest level of a recording to the lowest
_DECIBELS = 10 / math.log(10)  # 10 log10(x) = _DECIBELS · ln(x)


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


def _keep(magnitudes: Tensor, config: FeatureConfig) -> Tensor:
    return magnitudes


def _log(magnitudes: Tensor, config: FeatureConfig) -> Tensor:
    return torch.log(magnitudes + config.log_offset)


def _log1p(magnitudes: Tensor, config: FeatureConfig) -> Tensor:
    return _DECIBELS * torch.log1p(magnitudes)


def _decibels(magnitudes: Tensor, config: FeatureConfig) -> Tensor:
    levels = 20 * torch.log10(magnitudes.clamp_min(_LEAST_MAGNITUDE))  # (B, M, T)
    return levels.maximum(levels.amax((1, 2), keepdim=True) - _LEVEL_RANGE)


COMPRESSIONS = {
    "spectrogram": _keep,
    "log_spectrogram": _log,
    "mel": _keep,
    "log_mel": _log,
    "log1p_mel": _log1p,
    "decibel_mel": _decibels,
    "pcen": _keep,  # the model computes it of the frames that the network sees
}


def _invert_log(features: Tensor, config: FeatureConfig) -> Tensor:
    return torch.exp(features) - config.log_offset


def _invert_log1p(features: Tensor, config: FeatureConfig) -> Tensor:
    return torch.expm1(features / _DECIBELS)


def _invert_decibels(features: Tensor, config: FeatureConfig) -> Tensor:
    return 10 ** (features / 20)


DECOMPRESSIONS = {  # the inverses of the compressions; that of PCEN is its own method
    "spectrogram": _keep,
    "log_spectrogram": _invert_log,
    "mel": _keep,
    "log_mel": _invert_log,
    "log1p_mel": _invert_log1p,
    "decibel_mel": _invert_decibels,
}


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
        self.band_scale: Tensor
        self.register_buffer("band_scale", _band_scale(config), persistent=False)
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
        if self.config.mel_area == "slaney":
            bands = bands * self.band_scale
        return COMPRESSIONS[self.config.feature_type](bands, self.config)[:, None]  # (B, 1, M, T)

    def normalise(self, features: Tensor) -> Tensor:
        """Normalise features (B, 1, M, T); PCEN comes before, so its magnitudes stay."""
        return features if self.config.feature_type == "pcen" else self.standardise(features)

    def standardise(self, features: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation, or those of `min_max`."""
        return (features - self.mean) / self.std

    def denormalise(self, features: Tensor) -> Tensor:
        """Undo `standardise`."""
        return features * self.std + self.mean

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
    def fit_steps(
        self,
        feature_batches: Iterable[Tensor],
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[int]:
        """Set mean and standard deviation from batches of features (B, 1, M, T), in one pass.

        With `normalisation min_max` they are set to the smallest feature and the range. A band
        that hardly changes gets a deviation of 0.0001 of that which changes most. With `borders
        valid`, frames that may reach beyond a recording do not count. Features that are learnt
        are not fitted.

        Args:
            feature_batches: features of recordings without padding.
            transform: what the features become before they are normalised, (B, 1, M, T) →
                (B, C, M, T); None: they stay.

        Yields:
            how many recordings have been seen.

        Raises:
            InputError: there are no batches.
        """
        if not self.config.standardise or self.config.is_learnt:
            return
        n_recordings = 0
        statistics = FeatureStatistics(per_band=self.config.normalisation == "band")
        for batch in feature_batches:
            seen = find_seen_frames(self.config, batch.shape[-1], None)
            features = batch[..., seen.first : seen.stop]
            if transform is not None:
                features = transform(features)
            statistics.add(features[:, 0])
            n_recordings += len(batch)
            yield n_recordings
        if not n_recordings:
            raise InputError(
                "there are no features to compute mean and standard deviation of: "
                "the training split is empty"
            )
        if self.config.normalisation == "min_max":
            offset, scale = statistics.range()
        else:
            offset, scale = statistics.moments()
        largest = float(scale.max())
        if largest < 1e-6 * float(offset.abs().max()):  # features that change by rounding alone
            largest = 0.0
        self.mean.copy_(offset.reshape(-1, 1))
        self.std.copy_(scale.clamp_min(1e-4 * largest or 1.0).reshape(-1, 1))


class FeatureStatistics:
    """Mean, deviation and limits of features that are added batch by batch.

    Args:
        per_band: mean and deviation are those of each band.
    """

    def __init__(self, *, per_band: bool):
        self.per_band = per_band
        self.count = 0
        self.total = torch.zeros((), dtype=torch.float64)
        self.squares = torch.zeros((), dtype=torch.float64)
        self.lowest = torch.tensor(torch.inf, dtype=torch.float64)
        self.highest = torch.tensor(-torch.inf, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Add features (B, M, T)."""
        features = features.cpu().double()  # not every device has this precision
        axes = (0, 2) if self.per_band else (0, 1, 2)
        self.count += features.numel() // (features.shape[1] if self.per_band else 1)
        self.total = self.total + features.sum(axes)
        self.squares = self.squares + features.square().sum(axes)
        self.lowest = torch.minimum(self.lowest, features.amin())
        self.highest = torch.maximum(self.highest, features.amax())

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation: (M,) or () each."""
        mean = self.total / self.count
        return mean, (self.squares / self.count - mean**2).clamp_min(0).sqrt()

    def range(self) -> tuple[Tensor, Tensor]:
        """Return the smallest feature, and how much larger the largest is: () each."""
        return self.lowest, self.highest - self.lowest


def _averaging_filters(config: FeatureConfig) -> Tensor | None:
    """Return mel filters (M, F) whose weights add up to 1, so that a band is a mean of bins."""
    if not config.is_mel:
        return None
    filters = mel_filters(config, config.window_size, config.sampling_rate)
    return torch.from_numpy(filters / np.maximum(filters.sum(axis=1, keepdims=True), 1e-8))


def _band_scale(config: FeatureConfig) -> Tensor:
    """Return what turns the mean magnitude of a band to that of `mel_area slaney`: (M, 1)."""
    if not config.is_mel:
        return torch.ones(1, 1)
    filters = mel_filters(config, config.window_size, config.sampling_rate)  # (M, F)
    # spectra whose window adds up to 1 have half of a sine's amplitude
    return torch.from_numpy(filters.sum(axis=1, keepdims=True) / 2)
