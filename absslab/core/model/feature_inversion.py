"""What a front end keeps of a recording: its features, and sound made of nothing but them.

Axes: F STFT bins, M bands (bins, where a front end has no mel bands), T frames, N samples.
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
DARKEST = -60.0  # dB: what black is worth, where brightness is heard
COMPARED_DURATION = 20.0  # s; of a longer recording, its beginning is compared
COMPARED_RATE = 16000  # Hz
_TINY = 1e-6


@dataclass(frozen=True)
class FrontEndConfig(Config):
    """How pictures are made, and how they are heard."""

    n_mels: int = option(64, "mel bands", at_least=4, at_most=256)
    log_offset: float = option(
        -80.0, "log_mel: level that is added before the logarithm", unit="dB", at_most=0
    )
    pcen_gain: float = option(
        0.98, "pcen: how much of a band's recent level is divided out", at_least=0, at_most=1
    )
    pcen_smoothing: float = option(
        0.04, "pcen: weight of a frame in that level", above=0, at_most=1
    )
    pcen_bias: float = option(2.0, "pcen: offset before the power", at_least=0)
    pcen_power: float = option(0.5, "pcen: exponent that compresses", above=0, at_most=1)
    shades: int = option(0, "shades that a picture is rounded to; 0: none are lost", at_least=0)
    carrier: str = option(
        "phase",
        "what is given the picture's levels: the recording's phase, or noise",
        choices=CARRIERS,
    )
    levels: str = option(
        "true", "levels as they were, or as bright as the picture is", choices=LEVELS
    )

    @property
    def offset(self) -> float:
        """What is added to magnitudes before the logarithm; 1 is full scale."""
        return 10 ** (self.log_offset / 20)


class FrontEndKind(NamedTuple):
    """What makes a picture of magnitudes, and magnitudes of a picture again."""

    features: str  # what it is made of: spectrogram or mel
    make: Callable[[np.ndarray, FrontEndConfig], np.ndarray]  # (M, T) → (M, T)
    undo: Callable[[np.ndarray, FrontEndConfig], np.ndarray]  # (M, T) → (M, T)


class Picture(NamedTuple):
    """What a mask network would be given."""

    name: str
    shades: np.ndarray  # (M, T) from 0, the darkest bin of the recording, to 1
    centres: np.ndarray  # (M,) Hz
    hop: float  # s


class FeatureInversion:
    """One recording through every front end.

    Args:
        waveform: (N,).
        sampling_rate: Hz.
        config: of the front ends.

    Raises:
        InputError: no samples, more than one channel, a silent recording.

    Examples:
        >>> inversion = FeatureInversion(waveform, 16000)
        >>> inversion.picture("log_mel").shades.shape, inversion.sound("log_mel").shape
        ((64, 64), (32000,))
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

    def picture(self, name: str) -> Picture:
        """Return the recording as a front end shows it."""
        features = self._features(name)
        return Picture(
            name, self._shades(name), features.centres, features.hop_size / features.sampling_rate
        )

    def sound(self, name: str) -> np.ndarray:
        """Return the sound of a front end's picture, as loud as the recording: (N,)."""
        shades = self._shades(name)
        if self.config.levels == "brightness":
            bands = 10 ** (DARKEST * (1 - shades) / 20) * (shades > 0)
        else:
            bands = self._invert(name, shades)
        magnitude = self._linear(name, torch.from_numpy(bands.astype(np.float32)))  # (F, T)
        stft = self._stft
        sound = stft.inverse(magnitude * self._carrier, len(self.waveform)).numpy()
        return _match_loudness(sound, self.waveform)

    @cached_property
    def _stft(self) -> STFT:
        features = self._features("spectrogram")
        return STFT(
            window_size=features.window_size, hop_size=features.hop_size, window=features.window
        )

    @cached_property
    def _spectrum(self) -> torch.Tensor:
        return self._stft(torch.from_numpy(self.waveform))  # (F, T)

    @cached_property
    def _carrier(self) -> torch.Tensor:
        """Return what is given the magnitudes; its own is 1, exactly or as the mean of noise."""
        if self.config.carrier == "phase":
            return torch.exp(1j * self._spectrum.angle())
        noise = np.random.default_rng(0).standard_normal(len(self.waveform)).astype(np.float32)
        spectrum = self._stft(torch.from_numpy(noise))
        return spectrum / spectrum.abs().mean()

    def _kind(self, name: str) -> FrontEndKind:
        return look_up("front end", name, FRONT_ENDS)

    def _features(self, name: str) -> FeatureConfig:
        kind = self._kind(name)
        return FeatureConfig(
            sampling_rate=self.sampling_rate, feature_type=kind.features, n_mels=self.config.n_mels
        )

    def _values(self, name: str) -> np.ndarray:
        """Return what the front end makes of magnitudes: (M, T)."""
        bands = (
            FrontEnd(self._features(name)).features(self._spectrum[None])[0, 0].numpy()
        )  # (M, T)
        return self._kind(name).make(bands, self.config)

    def _shades(self, name: str) -> np.ndarray:
        values = self._values(name)
        shades = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
        steps = self.config.shades - 1
        return np.round(shades * steps) / steps if steps > 0 else shades

    def _invert(self, name: str, shades: np.ndarray) -> np.ndarray:
        """Return magnitudes (M, T) that have these shades."""
        values = self._values(name)
        return self._kind(name).undo(values.min() + shades * np.ptp(values), self.config)

    def _linear(self, name: str, bands: torch.Tensor) -> torch.Tensor:
        """Spread magnitudes of bands (M, T) over bins (F, T)."""
        return MaskExpander(self._features(name), self.sampling_rate)(bands[None], bands.shape[-1])[
            0
        ]


def pcen(
    bands: np.ndarray,
    *,
    smoothing: float = 0.04,
    gain: float = 0.98,
    bias: float = 2.0,
    power: float = 0.5,
) -> np.ndarray:
    """Normalise the energy of each band by its own recent level: (E / (ε + L)ᵅ + δ)ʳ − δʳ.

    L is the smoothed level of the band until now: an onset stays, a sustained sound is divided out.

    Args:
        bands: magnitudes.
        smoothing: s, the weight of a frame in L; after some 1 / s frames an event itself is
            divided out.
        gain: α; 1 divides all of the level out, 0 nothing.
        bias: δ.
        power: r.

    Shape:
        (…, M, T) → (…, M, T), at least 0.

    Source: Wang et al., arXiv 1607.05666, equations 1 and 2.
    """
    level = _smoothed(bands, smoothing)
    return (bands / (_TINY + level) ** gain + bias) ** power - bias**power


def _smoothed(bands: np.ndarray, weight: float) -> np.ndarray:
    """Return L(t) = (1 − s) L(t − 1) + s E(t); the level before the first frame is that frame's."""
    start = (1 - weight) * bands[..., :1]
    return lfilter([weight], [1, weight - 1], bands, zi=start)[0]


def _same(bands: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return bands


def _logarithm(bands: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return np.log(bands + config.offset)


def _exponential(values: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    return np.maximum(np.exp(values) - config.offset, 0)


def _normalised(bands: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    gain, bias, power = config.pcen_gain, config.pcen_bias, config.pcen_power
    return pcen(bands, smoothing=config.pcen_smoothing, gain=gain, bias=bias, power=power)


def _relative(values: np.ndarray, config: FrontEndConfig) -> np.ndarray:
    """Return magnitudes relative to the level that was divided out."""
    return (values + config.pcen_bias**config.pcen_power) ** (
        1 / config.pcen_power
    ) - config.pcen_bias


FRONT_ENDS = {
    "spectrogram": FrontEndKind("spectrogram", _same, _same),
    "mel": FrontEndKind("mel", _same, _same),
    "log_mel": FrontEndKind("mel", _logarithm, _exponential),
    "pcen": FrontEndKind("mel", _normalised, _relative),
}


def _match_loudness(sound: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a sound with the energy of another one, unless its peak would be too high."""
    energy = float(np.sum(sound.astype(np.float64) ** 2))
    peak = float(np.abs(sound).max())
    if not energy:
        return sound
    gain = np.sqrt(float(np.sum(other.astype(np.float64) ** 2)) / energy)
    return (sound * min(gain, max(1.0, float(np.abs(other).max())) / peak)).astype(np.float32)


class FrontEndComparison(NamedTuple):
    """The features of a recording by each front end, and what can still be heard in them."""

    recording: np.ndarray  # (N,)
    sampling_rate: int  # Hz
    pictures: list[Picture]
    sounds: dict[str, np.ndarray]  # by front end, (N,)


def compare_front_ends(path: str, config: FrontEndConfig) -> FrontEndComparison:
    """Compute the features of a recording by each front end, and turn them back into sound.

    Args:
        path: the sound file.
        config: of all front ends.

    Raises:
        InputError: the file can't be read, or it is silent.
    """
    n_samples = round(COMPARED_DURATION * sound_files.info(path).sampling_rate)
    recording = sound_files.load(path, COMPARED_RATE, n_samples=n_samples)  # (N,)
    inversion = FeatureInversion(recording, COMPARED_RATE, config)
    pictures = [inversion.picture(name) for name in FRONT_ENDS]
    sounds = {name: inversion.sound(name) for name in FRONT_ENDS}
    return FrontEndComparison(recording, COMPARED_RATE, pictures, sounds)
