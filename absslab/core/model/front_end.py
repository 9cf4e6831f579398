"""From waveforms to what a mask network sees, and from masks back to linear frequency.

Axes: B batch, K classes, F STFT bins, M mel bands, T frames, N samples. Magnitudes are scaled so that a sine of
amplitude a has the magnitude a: features do not depend on the window, and logarithms have offsets that mean a level.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from absslab.core.audio.stft import STFT, WINDOWS
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError

Count = TypeVar("Count", int, Tensor)


@dataclass(frozen=True)
class FeatureConfig(Config):
    """What the mask network sees."""

    sampling_rate: int = option(16000, "audio is resampled to this", unit="Hz", at_least=1000)
    window: str = option("hamming", "of the STFT", choices=WINDOWS)
    window_length: float = option(0.064, "of the STFT", unit="s", above=0)
    hop_length: float = option(0.032, "from one frame to the next", unit="s", above=0)
    feature_type: str = option(
        "log_mel", "the picture", choices=("spectrogram", "log_spectrogram", "mel", "log_mel")
    )
    n_mels: int = option(64, "mel bands", at_least=1)
    f_min: float = option(0.0, "lowest frequency of the mel bands", unit="Hz", at_least=0)
    f_max: float | None = option(
        None, "highest frequency of the mel bands; none: half the sampling rate", unit="Hz", above=0
    )
    log_offset: float = option(
        1e-6, "added to magnitudes (1 is full scale) before the logarithm", above=0
    )
    scale_transform: bool = option(
        True, "subtract the training set's mean, divide by its deviation"
    )
    normalisation: str = option(
        "band", "mean and deviation per band, or one of each", choices=("band", "scalar")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hop_size > self.window_size:
            raise InputError(
                f"hop_length is {self.hop_length:g}: expected at most window_length, {self.window_length:g} s"
            )
        if self.window == "hann" and self.hop_size > self.window_size / 2:
            raise InputError(
                f"hop_length is {self.hop_length:g}: expected at most {self.window_length / 2:g} s, half a hann window, "
                "whose ends are 0"
            )
        if self.f_min >= self.highest or self.highest > self.sampling_rate / 2:
            raise InputError(
                f"f_min {self.f_min:g} and f_max {self.highest:g}: expected f_min < f_max ≤ {self.sampling_rate / 2:g} Hz"
            )

    @property
    def window_size(self) -> int:
        """Window in samples."""
        return round(self.window_length * self.sampling_rate)

    @property
    def hop_size(self) -> int:
        """Hop in samples."""
        return max(1, round(self.hop_length * self.sampling_rate))

    @property
    def highest(self) -> float:
        """Upper edge of the mel bands in Hz."""
        return self.f_max or self.sampling_rate / 2

    @property
    def is_mel(self) -> bool:
        """Whether frequencies are mel bands rather than STFT bins."""
        return "mel" in self.feature_type

    @property
    def n_bands(self) -> int:
        """Height of the picture: mel bands or STFT bins."""
        return self.n_mels if self.is_mel else self.window_size // 2 + 1

    @property
    def centres(self) -> np.ndarray:
        """Frequency of each band in Hz: (M,)."""
        if not self.is_mel:
            return np.fft.rfftfreq(self.window_size, 1 / self.sampling_rate)
        import librosa

        return librosa.mel_frequencies(n_mels=self.n_mels + 2, fmin=self.f_min, fmax=self.highest)[
            1:-1
        ]

    def n_frames(self, n_samples: Count) -> Count:
        """Frames of a waveform: the first is centred on its first sample, the last on or behind its last."""
        return -(-n_samples // self.hop_size) + 1


def mel_filters(config: FeatureConfig, window_size: int, sampling_rate: int) -> np.ndarray:
    """The model's mel bands over the bins of an STFT at any sampling rate: (M, F), triangles of area 1 per Hz.

    Source: Slaney, Auditory Toolbox, 1998, as in librosa.
    """
    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters")  # bands above half a lower sampling rate
        return librosa.filters.mel(
            sr=sampling_rate,
            n_fft=window_size,
            n_mels=config.n_mels,
            fmin=config.f_min,
            fmax=config.highest,
        )


class FrontEnd(nn.Module):
    """Waveform → picture: STFT, mel, logarithm, normalisation by buffers that training sets.

    Args:
        config: see `FeatureConfig`.

    Shape:
        forward: (B, N) → (B, 1, M, T).
        power: (B, N) → (B, M, T), mean power per band, for losses that speak of energy.
    """

    def __init__(self, config: FeatureConfig):
        super().__init__()
        self.config = config
        self.stft = STFT(
            window_size=config.window_size, hop_size=config.hop_size, window=config.window
        )
        self.filters: Tensor | None
        self.shift: Tensor
        self.deviation: Tensor
        self.register_buffer("filters", _filters(config), persistent=False)
        n_statistics = config.n_bands if config.normalisation == "band" else 1
        self.register_buffer("shift", torch.zeros(n_statistics, 1))
        self.register_buffer("deviation", torch.ones(n_statistics, 1))

    def forward(self, waveform: Tensor) -> Tensor:
        """Normalised features of a batch of waveforms."""
        return self.normalise(self.picture(self.stft(waveform).abs()))

    def picture(self, magnitude: Tensor) -> Tensor:
        """Magnitudes (B, F, T) to features (B, 1, M, T), before normalisation."""
        bands = magnitude if self.filters is None else self.filters @ magnitude  # (B, M, T)
        if self.config.feature_type.startswith("log"):
            bands = torch.log(bands + self.config.log_offset)
        return bands.unsqueeze(1)  # (B, 1, M, T)

    def normalise(self, features: Tensor) -> Tensor:
        """Subtract the mean, divide by the deviation."""
        return (features - self.shift) / self.deviation

    def power(self, spectrum: Tensor) -> Tensor:
        """Complex spectrum (B, F, T) to mean power per band (B, M, T)."""
        power = spectrum.real**2 + spectrum.imag**2
        return power if self.filters is None else self.filters @ power

    @torch.no_grad()
    def fit(self, waveforms: Iterable[Tensor]) -> None:
        """Set mean and deviation from batches of waveforms (B, N), in one pass."""
        self.fit_features(self.picture(self.stft(batch).abs()) for batch in waveforms)

    @torch.no_grad()
    def fit_features(self, pictures: Iterable[Tensor]) -> None:
        """Set mean and deviation from batches of features (B, 1, M, T), in one pass."""
        if not self.config.scale_transform:
            return
        count, total, squares = (
            0,
            torch.zeros((), dtype=torch.float64),
            torch.zeros((), dtype=torch.float64),
        )
        for picture in pictures:
            features = picture[:, 0].double()  # (B, M, T)
            axes = (0, 2) if self.config.normalisation == "band" else (0, 1, 2)
            count += features.numel() // (features.shape[1] if len(axes) == 2 else 1)
            total = total + features.sum(axes).cpu()
            squares = squares + features.square().sum(axes).cpu()
        if not count:
            raise InputError(
                "there is nothing to take mean and deviation from: the training split is empty"
            )
        mean = total / count
        deviation = (squares / count - mean**2).clamp_min(0).sqrt().clamp_min(1e-4)
        self.shift.copy_(mean.reshape(-1, 1))
        self.deviation.copy_(deviation.reshape(-1, 1))


def _filters(config: FeatureConfig) -> Tensor | None:
    """Mel filters whose weights add up to 1: a band is a mean of bins."""
    if not config.is_mel:
        return None
    filters = mel_filters(config, config.window_size, config.sampling_rate)
    return torch.from_numpy(filters / np.maximum(filters.sum(axis=1, keepdims=True), 1e-8))


class MaskExpander(nn.Module):
    """Masks over the model's bands and frames → masks over an STFT of the same durations at any sampling rate.

    A linear bin takes the mean of the masks, weighted by the filters that cover it; frames are interpolated in time. At a
    rate above the model's, bins beyond what the model hears take the highest band's mask. Bins that no filter covers
    stay 0: their sound goes to the residual.

    Args:
        config: the model's features.
        sampling_rate: of the audio, Hz.

    Shape:
        forward: (K, M, T) and n_frames → (K, F, n_frames).

    Source: Kong et al., arXiv 1804.04715, the inversion of the mel filter bank.
    """

    def __init__(self, config: FeatureConfig, sampling_rate: int):
        super().__init__()
        self.config, self.sampling_rate = config, sampling_rate
        ratio = config.window_size / config.hop_size
        self.hop_size = round(config.hop_size * sampling_rate / config.sampling_rate)
        self.window_size = round(self.hop_size * ratio)
        self.weights: Tensor
        self.register_buffer(
            "weights", torch.from_numpy(self._weights().astype(np.float32)), persistent=False
        )

    def _weights(self) -> np.ndarray:
        """(F, M)."""
        config = self.config
        frequencies = np.fft.rfftfreq(self.window_size, 1 / self.sampling_rate)  # (F,)
        if config.is_mel:
            filters = mel_filters(config, self.window_size, self.sampling_rate)  # (M, F)
            weights, top = (filters / (filters.sum(axis=0) + 1e-8)).T, config.highest
        else:
            own = np.fft.rfftfreq(config.window_size, 1 / config.sampling_rate)
            weights = np.stack(
                [np.interp(frequencies, own, row) for row in np.eye(len(own))], axis=1
            )
            top = own[-1]
        if self.sampling_rate > config.sampling_rate and top >= config.sampling_rate / 2:
            weights[frequencies >= top] = weights[frequencies < top][-1]
        return weights

    def forward(self, masks: Tensor, n_frames: int) -> Tensor:
        """Spread masks over linear frequency and over the frames of the audio's own STFT."""
        if self.sampling_rate != self.config.sampling_rate:
            own_hop = self.config.hop_size / self.config.sampling_rate
            time = torch.arange(n_frames, device=masks.device) * (
                self.hop_size / self.sampling_rate / own_hop
            )
            before = time.floor().long().clamp(max=masks.shape[-1] - 1)
            after = (before + 1).clamp(max=masks.shape[-1] - 1)
            masks = torch.lerp(
                masks[..., before], masks[..., after], (time - before).clamp(0, 1)
            )  # (K, M, n_frames)
        return self.weights @ masks[..., :n_frames]  # (K, F, n_frames)
