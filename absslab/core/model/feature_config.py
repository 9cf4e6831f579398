"""The settings of the features that a mask network sees."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

from absslab.core.audio.mel import band_edges
from absslab.core.audio.stft import WINDOWS
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.model.recursive_filter import find_reflections

Count = TypeVar("Count", int, Tensor)
FEATURE_TYPES = (
    "spectrogram",
    "log_spectrogram",
    "mel",
    "log_mel",
    "log1p_mel",
    "decibel_mel",
    "pcen",
)

_LARGEST_REFLECTION = 0.998  # of a filter before training


@dataclass(frozen=True)
class FeatureConfig(Config):
    """Features that the mask network gets."""

    sampling_rate: int = option(
        16000, "sampling rate to which audio is resampled", unit="Hz", at_least=1000
    )
    window: str = option("hamming", "window of the STFT", choices=WINDOWS)
    window_length: float = option(
        0.064, "length of the STFT's window", unit="s", above=0, at_most=10
    )
    hop_length: float = option(0.032, "time from one frame to the next", unit="s", above=0)
    feature_type: str = option(
        "log_mel",
        "kind of features; log_…: logarithm of the magnitude plus log_offset; log1p_mel: "
        "10 log10(1 + magnitude), which is the magnitude itself where it is far below 1; "
        "decibel_mel: level, at most 80 dB below the highest of the recording; pcen: mel "
        "magnitudes, relative to the recent level of their band",
        choices=FEATURE_TYPES,
    )
    n_mels: int = option(64, "number of mel bands", at_least=1, at_most=4096)
    f_min: float = option(0.0, "lowest frequency of the mel bands", unit="Hz", at_least=0)
    f_max: float | None = option(
        None,
        "highest frequency of the mel bands; by default half the sampling rate",
        unit="Hz",
        above=0,
    )
    mel_area: str = option(
        "mean",
        "scale of the mel bands; mean: mean magnitude of a band's bins, 1 for a sine at full "
        "scale; slaney: sum of half of it under triangles of area 1 per Hz, which is 31 times "
        "less with the default window, as in the thesis",
        choices=("mean", "slaney"),
    )
    log_offset: float = option(
        1e-6, "value added to magnitudes (1 is full scale) before the logarithm", above=0
    )
    standardise: bool = option(
        True,
        "subtract the mean of the training features, and divide by their standard deviation",
        aliases=["scale_transform"],
    )
    normalisation: str = option(
        "band",
        "band: a mean and a standard deviation per band; scalar: one of each for all bands; "
        "min_max: the smallest feature becomes 0 and the largest 1",
        choices=("band", "scalar", "min_max"),
    )
    borders: str = option(
        "padded",
        "frames that reach beyond a recording; padded: the network sees them, padded with zeros; "
        "valid: it does not, and the masks beside them are repeated",
        choices=("padded", "valid"),
    )
    pcen_s: float = option(
        0.04, "weight of the newest frame in the level of a band", above=0, at_most=0.999
    )
    pcen_alpha: float = option(
        0.98, "exponent of the level by which a band is divided", above=0, at_most=0.9999
    )
    pcen_delta: float = option(2.0, "offset added before the power is taken", above=0)
    pcen_r: float = option(0.5, "exponent that compresses", above=0, at_most=0.9999)
    pcen_eps: float = option(1e-6, "value added to the level of a band", above=0)
    pcen_direction: str = option(
        "causal",
        "causal: the level follows earlier frames; both: it is smoothed forward and then backward",
        choices=("causal", "both"),
    )
    train_pcen: bool = option(False, "learn the parameters of PCEN, which begin as given")
    train_pcen_per_band: bool = option(
        False, "learn alpha, delta and r for each band; they begin around 0.9, 2 and 0.5"
    )
    train_pcen_s: tuple[float, ...] | None = option(
        None,
        "fixed values of s, whose weights in each band are learnt; none: pcen_s itself is learnt",
        above=0,
        at_most=0.999,
    )
    train_pcen_b: tuple[float, ...] | None = option(
        None, "numerator of a filter that is learnt instead of s, before training", above=0
    )
    train_pcen_a: tuple[float, ...] | None = option(None, "denominator of this filter")
    train_pcen_filter_per_band: bool = option(False, "learn this filter for each band")
    train_pcen_channels: int = option(
        1, "number of PCENs that are learnt, each an input channel of the network", at_least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_pcen()
        if self.hop_size > self.window_size:
            raise InputError(
                f"hop_length is {self.hop_length:g}: expected at most window_length, "
                f"{self.window_length:g} s"
            )
        if self.window == "hann" and self.hop_size > self.window_size / 2:
            raise InputError(
                f"hop_length is {self.hop_length:g}: expected at most "
                f"{self.window_length / 2:g} s, half a hann window, whose ends are 0"
            )
        if self.f_min >= self.highest or self.highest > self.sampling_rate / 2:
            raise InputError(
                f"f_min {self.f_min:g} and f_max {self.highest:g}: expected "
                f"f_min < f_max ≤ {self.sampling_rate / 2:g} Hz"
            )

    def _check_pcen(self) -> None:
        if self.is_learnt and self.normalisation == "min_max":
            raise InputError(
                "normalisation is min_max with --train_pcen True: expected band or scalar"
            )
        if bool(self.train_pcen_a) != bool(self.train_pcen_b):
            raise InputError("expected both train_pcen_b and train_pcen_a, or none of them")
        if self.train_pcen_a:
            if self.train_pcen_s:
                raise InputError("expected train_pcen_s or train_pcen_b, not both")
            is_stable = self.train_pcen_a[0] != 0 and all(
                abs(value) <= _LARGEST_REFLECTION for value in find_reflections(self.train_pcen_a)
            )
            if not is_stable:
                raise InputError(
                    f"train_pcen_a is {' '.join(f'{a:g}' for a in self.train_pcen_a)}: expected a "
                    "stable filter, whose poles have absolute values below 1"
                )

    @property
    def is_learnt(self) -> bool:
        """Whether features have parameters that are learnt."""
        return self.feature_type == "pcen" and self.train_pcen

    @property
    def n_channels(self) -> int:
        """Number of input channels C of a mask network."""
        return self.train_pcen_channels if self.is_learnt else 1

    @property
    def smooths_both_ways(self) -> bool:
        """Whether PCEN smooths forward and then backward."""
        return self.pcen_direction == "both"

    @property
    def window_size(self) -> int:
        """Length of the window in samples."""
        return round(self.window_length * self.sampling_rate)

    @property
    def hop_size(self) -> int:
        """Samples from one frame to the next."""
        return max(1, round(self.hop_length * self.sampling_rate))

    @property
    def highest(self) -> float:
        """Upper edge of the mel bands in Hz."""
        return self.f_max or self.sampling_rate / 2

    @property
    def is_mel(self) -> bool:
        """Whether frequencies are mel bands rather than STFT bins."""
        return "mel" in self.feature_type or self.feature_type == "pcen"

    @property
    def n_bands(self) -> int:
        """Number of bands M: mel bands or STFT bins."""
        return self.n_mels if self.is_mel else self.window_size // 2 + 1

    @property
    def centres(self) -> np.ndarray:
        """Centre frequency of each band in Hz: (M,)."""
        if not self.is_mel:
            return np.fft.rfftfreq(self.window_size, 1 / self.sampling_rate)
        return band_edges(self.n_mels, self.f_min, self.highest)[1:-1]

    def n_frames(self, n_samples: Count) -> Count:
        """Return the number of frames of a waveform with a number of samples.

        The first frame is centred on the first sample, the last on or behind the last sample.
        """
        return -(-n_samples // self.hop_size) + 1

    @property
    def first_inner_frame(self) -> int:
        """The first frame whose window does not begin before the recording."""
        return -(-(self.window_size // 2) // self.hop_size)

    def last_inner_frame(self, n_samples: Count) -> Count:
        """Return the last frame whose window does not end after a recording of some length."""
        after_centre = self.window_size - self.window_size // 2
        return (n_samples - after_centre) // self.hop_size
