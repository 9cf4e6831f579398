"""Compute features of a recording by several front ends, and turn the features back into sound.

The sound makes audible what the features keep of the recording.
Axes: F STFT bins, M bands (STFT bins, if a front end has no mel bands), T frames, N samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.signal import lfilter

from absslab.core.audio import sound_files
from absslab.core.audio.stft import STFT
from absslab.core.common.config import Config, look_up, option
from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.mask_expander import MaskExpander

CARRIERS = ("phase", "noise")
LEVELS = ("true", "brightness")
DARKEST = -60.0  # dB: level of a black bin when brightness is taken as the level
COMPARED_DURATION = 20.0  # s; only the beginning of a longer recording is compared
COMPARED_RATE = 16000  # Hz
_TINY = 1e-6


@dataclass(frozen=True)
class FrontEndConfig(Config):
    """Settings of the front ends, and of turning their features back into sound."""

    n_mels: int = option(64, "number of mel bands", at_least=4, at_most=256)
    log_offset: float = option(
        -80.0, "log_mel: magnitude that is added before the logarithm", unit="dB", at_most=0
    )
    pcen_gain: float = option(
        0.98,
        "pcen: exponent of a band's recent level, by which it is divided",
        at_least=0,
        at_most=1,
    )
    pcen_smoothing: float = option(
        0.04, "pcen: weight of the newest frame in this level", above=0, at_most=1
    )
    pcen_bias: float = option(
        2.0, "pcen: offset that is added before the power is taken", at_least=0
    )
    pcen_power: float = option(
        0.5, "pcen: exponent of the power, which compresses", above=0, at_most=1
    )
    shades: int = option(
        0, "number of shades that features are rounded to; 0: no rounding", at_least=0
    )
    carrier: str = option(
        "phase",
        "signal that gets the levels of the features: phase (of the recording), or noise",
        choices=CARRIERS,
    )
    levels: str = option(
        "true",
        "levels of the sound: true (those of the recording), or brightness (of the features)",
        choices=LEVELS,
    )

    @property
    def offset(self) -> float:
        """The magnitude that is added before the logarithm; 1 is full scale."""
        return 10 ** (self.log_offset / 20)


class FrontEndKind(NamedTuple):
    """A front end as two functions: magnitudes to features, and features to magnitudes."""

    feature_type: str  # kind of the magnitudes: spectrogram or mel
    transform: Callable[[np.ndarray, FrontEndConfig], np.ndarray]  # (M, T) → (M, T)
    invert: Callable[[np.ndarray, FrontEndConfig], np.ndarray]  # (M, T) → (M, T)


class ScaledFeatures(NamedTuple):
    """The features of a recording, as a mask network would get them, scaled to [0, 1]."""

    name: str  # of the front end
    shades: np.ndarray  # (M, T), 0 is the lowest feature of the recording, 1 the highest
    centres: np.ndarray  # (M,) Hz
    hop: float  # s


class FeatureInversion:
    """Computes the features of a recording by each front end, and sounds from these features.

    Args:
        waveform: (N,).
        sampling_rate: Hz.
        config: settings of the front ends.

    Raises:
        InputError: the recording has no samples, several channels, or is silent.

    Examples:
        >>> inversion = FeatureInversion(waveform, 16000)
        >>> inversion.compute_features("log_mel").shades.shape
        (64, 64)
        >>> inversion.compute_sound("log_mel").shape
        (32000,)
    """

    def __init__(
        self, waveform: np.ndarray, sampling_rate: int, config: FrontEndConfig = FrontEndConfig()
    ):
        waveform = np.asarray(waveform, np.float32)
        if waveform.ndim != 1 or not waveform.any():
            raise InputError(
                f"the recording has the shape {waveform.shape}: "
                "expected samples (N,) that are not all 0"
            )
        self.waveform = waveform
        self.sampling_rate = sampling_rate
        self.config = config

    def compute_features(self, name: str) -> ScaledFeatures:
        """Compute the features of the recording by a front end, scaled to [0, 1]."""
        config = self._feature_config(name)
        return ScaledFeatures(
            name, self._compute_shades(name), config.centres, config.hop_size / config.sampling_rate
        )

    def compute_sound(self, name: str) -> np.ndarray:
        """Turn the features of a front end into a sound (N,) that is as loud as the recording."""
        shades = self._compute_shades(name)
        if self.config.levels == "brightness":
            bands = 10 ** (DARKEST * (1 - shades) / 20) * (shades > 0)
        else:
            bands = self._invert(name, shades)
        magnitude = self._expand(name, torch.from_numpy(bands.astype(np.float32)))  # (F, T)
        stft = self._stft
        sound = stft.inverse(magnitude * self._carrier, len(self.waveform)).numpy()
        return _match_loudness(sound, self.waveform)

    @cached_property
    def _stft(self) -> STFT:
        config = self._feature_config("spectrogram")
        return STFT(window_size=config.window_size, hop_size=config.hop_size, window=config.window)

    @cached_property
    def _spectrum(self) -> torch.Tensor:
        return self._stft(torch.from_numpy(self.waveform))  # (F, T)

    @cached_property
    def _carrier(self) -> torch.Tensor:
        """Compute the spectrum (F, T) to multiply by magnitudes; its own magnitude is 1.

        For the phase it is exactly 1 in each bin; for noise it is 1 on average.
        """
        if self.config.carrier == "phase":
            return torch.exp(1j * self._spectrum.angle())
        noise = np.random.default_rng(0).standard_normal(len(self.waveform)).astype(np.float32)
        spectrum = self._stft(torch.from_numpy(noise))
        return spectrum / spectrum.abs().mean()

    def _find_kind(self, name: str) -> FrontEndKind:
        return look_up("front end", name, FRONT_ENDS)

    def _feature_config(self, name: str) -> FeatureConfig:
        return FeatureConfig(
            sampling_rate=self.sampling_rate,
            feature_type=self._find_kind(name).feature_type,
            n_mels=self.config.n_mels,
        )

    def _compute_values(self, name: str) -> np.ndarray:
        """Compute the features (M, T) without scaling them."""
        front_end = FrontEnd(self._feature_config(name))
        magnitudes = front_end.features(self._spectrum[None])[0, 0].numpy()  # (M, T)
        return self._find_kind(name).transform(magnitudes, self.config)

    def _compute_shades(self, name: str) -> np.ndarray:
        """Scale the features (M, T) to [0, 1], and round them if the config has `shades`."""
        values = self._compute_values(name)
        shades = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
        steps = self.config.shades - 1
        return np.round(shades * steps) / steps if steps > 0 else shades

    def _invert(self, name: str, shades: np.ndarray) -> np.ndarray:
        """Compute the magnitudes (M, T) that have these shades."""
        values = self._compute_values(name)
        return self._find_kind(name).invert(values.min() + shades * np.ptp(values), self.config)

    def _expand(self, name: str, bands: torch.Tensor) -> torch.Tensor:
        """Expand magnitudes of bands (M, T) to STFT bins (F, T)."""
        expander = MaskExpander(self._feature_config(name), self.sampling_rate)
        return expander(bands[None], bands.shape[-1])[0]


def pcen(
    bands: np.ndarray,
    *,
    smoothing: float = 0.04,
    gain: float = 0.98,
    bias: float = 2.0,
    power: float = 0.5,
) -> np.ndarray:
    """Normalise the energy of each band by its own recent level: (E / (ε + L)ᵅ + δ)ʳ − δʳ.

    L is the smoothed level of the band until now. An onset keeps its height, because L is still
    low; a sustained sound is divided by its own level.

    Args:
        bands: magnitudes.
        smoothing: s, the weight of the newest frame in L; about 1 / s frames after its onset, an
            event is divided by its own level.
        gain: α; with 1 the level is divided out completely, with 0 not at all.
        bias: δ.
        power: r.

    Shape:
        (…, M, T) → (…, M, T), at least 0.

    Source: Wang et al., arXiv 1607.05666, equations 1 and 2.
    """
    level = _smooth(bands, smoothing)
    return (bands / (_TINY + level) ** gain + bias) ** power - bias**power


def _smooth(bands: np.ndarray, weight: float) -> np.ndarray:
    """Compute L(t) = (1 − s) L(t − 1) + s E(t), with L(0) = E(0)."""
    start = (1 - weight) * bands[..., :1]
    return lfilter([weight], [1, weight - 1], bands, zi=start)[0]


def _leave_unchanged(magnitudes: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return magnitudes


def _apply_logarithm(magnitudes: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return np.log(magnitudes + config.offset)


def _invert_logarithm(values: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return np.maximum(np.exp(values) - config.offset, 0)


def _apply_pcen(magnitudes: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return pcen(
        magnitudes,
        smoothing=config.pcen_smoothing,
        gain=config.pcen_gain,
        bias=config.pcen_bias,
        power=config.pcen_power,
    )


def _invert_pcen(values: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    """Compute magnitudes relative to the level that was divided out, which is not known."""
    power = config.pcen_power
    return (values + config.pcen_bias**power) ** (1 / power) - config.pcen_bias


FRONT_ENDS = {
    "spectrogram": FrontEndKind("spectrogram", _leave_unchanged, _leave_unchanged),
    "mel": FrontEndKind("mel", _leave_unchanged, _leave_unchanged),
    "log_mel": FrontEndKind("mel", _apply_logarithm, _invert_logarithm),
    "pcen": FrontEndKind("mel", _apply_pcen, _invert_pcen),
}


def _match_loudness(sound: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Scale a sound to the energy of another one, or less if its peak would be too high."""
    energy = float(np.sum(sound.astype(np.float64) ** 2))
    peak = float(np.abs(sound).max())
    if not energy:
        return sound
    gain = np.sqrt(float(np.sum(other.astype(np.float64) ** 2)) / energy)
    return (sound * min(gain, max(1.0, float(np.abs(other).max())) / peak)).astype(np.float32)


class FrontEndComparison(NamedTuple):
    """The features of a recording by each front end, and the sounds made from them."""

    recording: np.ndarray  # (N,)
    sampling_rate: int  # Hz
    features: list[ScaledFeatures]  # of each front end
    sounds: dict[str, np.ndarray]  # by front end, (N,) each


def compare_front_ends(path: str, config: FrontEndConfig) -> FrontEndComparison:
    """Compute the features of a recording by each front end, and turn them back into sound.

    Args:
        path: the sound file.
        config: settings of the front ends.

    Raises:
        InputError: the file can't be read, or it is silent.
    """
    n_samples = round(COMPARED_DURATION * sound_files.info(path).sampling_rate)
    recording = sound_files.load(path, COMPARED_RATE, n_samples=n_samples)  # (N,)
    inversion = FeatureInversion(recording, COMPARED_RATE, config)
    features = [inversion.compute_features(name) for name in FRONT_ENDS]
    sounds = {name: inversion.compute_sound(name) for name in FRONT_ENDS}
    return FrontEndComparison(recording, COMPARED_RATE, features, sounds)
