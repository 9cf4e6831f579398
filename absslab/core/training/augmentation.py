"""Vary the recordings of a training batch at random, and add them in pairs.

A recording is varied by a circular shift in time, an equaliser and a gain.
Axes: B batch, K classes, F STFT bins, T frames, N samples.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import STFT
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import Batch


@dataclass(frozen=True)
class AugmentationConfig(Config):
    """Random variation of training recordings; their weak labels stay correct."""

    pair_probability: float = option(
        0.0, "probability of adding a second recording to a recording", at_least=0, at_most=1
    )
    pair_gain_range: tuple[float, float] = option(
        (-6.0, 6.0), "range of the level of the second recording relative to the first", unit="dB"
    )
    roll: bool = option(
        False, "start each recording at a random time, and append the part before that to its end"
    )
    gain_range: tuple[float, float] = option(
        (0.0, 0.0), "range of the random gain of each recording", unit="dB"
    )
    equaliser: float = option(
        0.0, "standard deviation of a random, smooth equaliser", unit="dB", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pair_gain_range", "gain_range"):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"{name} is {low:g} {high:g}: expected the lower value first")

    @property
    def needs_waveforms(self) -> bool:
        """Whether waveforms are needed, so that stored features can't be used."""
        return bool(self.pair_probability or self.roll or self.equaliser or any(self.gain_range))


class Pairs(NamedTuple):
    """Recordings with others to add; where none is added, the other is silence without labels."""

    first: Tensor  # complex (B, F, T)
    second: Tensor  # complex (B, F, T)
    labels_first: Tensor  # (B, K)
    labels_second: Tensor  # (B, K)
    n_samples: Tensor | None  # (B,): length of the sum without padding


def augment(
    batch: Batch,
    config: AugmentationConfig,
    stft: STFT,
    sampling_rate: int,
    rng: np.random.Generator,
) -> Pairs:
    """Vary the recordings of a batch, and add another recording of the batch to some of them.

    Args:
        batch: the batch, on the device of the model.
        config: how recordings are varied.
        stft: STFT of the model.
        sampling_rate: Hz.
        rng: source of randomness.
    """
    B = len(batch.waveforms)
    first = _vary(batch.waveforms, batch.n_samples, config, stft, sampling_rate, rng)
    paired = torch.from_numpy(rng.random(B) < config.pair_probability).to(first.device)
    if B < 2 or not paired.any():
        return Pairs(
            first,
            torch.zeros_like(first),
            batch.labels,
            torch.zeros_like(batch.labels),
            batch.n_samples,
        )
    partner = torch.from_numpy((np.arange(B) + rng.integers(1, B)) % B)
    lengths = None if batch.n_samples is None else batch.n_samples[partner]
    second = _vary(batch.waveforms[partner], lengths, config, stft, sampling_rate, rng)
    level = _draw_uniform(rng, config.pair_gain_range, B, first.device)
    # a level relative to silence is not defined, so silent recordings are not paired
    paired &= (_energy(first) > 0) & (_energy(second) > 0)
    gain = (_energy(first) / _energy(second).clamp_min(1e-12)).sqrt() * 10 ** (level / 20) * paired
    return Pairs(
        first,
        second * gain[:, None, None],
        batch.labels,
        batch.labels[partner] * paired[:, None],
        _sum_lengths(batch.n_samples, lengths, paired),
    )


def _sum_lengths(
    lengths: Tensor | None, partner_lengths: Tensor | None, paired: Tensor
) -> Tensor | None:
    """Return the length of each sum: if two recordings are added, that of the longer one."""
    if lengths is None or partner_lengths is None:
        return None
    return torch.where(paired, torch.maximum(lengths, partner_lengths), lengths)


def _vary(
    waveforms: Tensor,
    n_samples: Tensor | None,
    config: AugmentationConfig,
    stft: STFT,
    sampling_rate: int,
    rng: np.random.Generator,
) -> Tensor:
    """Shift, equalise and scale waveforms (B, N) at random; return their spectra (B, F, T)."""
    B, N = waveforms.shape
    if config.roll:
        lengths = [N] * B if n_samples is None else n_samples.tolist()
        rolled = [
            waveform[:n].roll(int(rng.integers(n)))
            for waveform, n in zip(waveforms, lengths, strict=True)
        ]
        waveforms = torch.nn.utils.rnn.pad_sequence(rolled, batch_first=True)  # (B, N)
    spectra = stft(waveforms)  # (B, F, T)
    gain = _draw_uniform(rng, config.gain_range, B, spectra.device)[:, None]  # (B, 1)
    if config.equaliser:
        gain = gain + _draw_equalisers(
            rng, config.equaliser, B, spectra.shape[1], sampling_rate
        ).to(spectra.device)
    return spectra * 10 ** (gain / 20)[:, :, None]


def _draw_equalisers(
    rng: np.random.Generator, deviation: float, B: int, n_bins: int, sampling_rate: int
) -> Tensor:
    """Draw gains in dB (B, F): random at seven mel frequencies, interpolated between them."""
    points = rng.normal(0, deviation, (B, 7))
    hertz = np.linspace(0, sampling_rate / 2, n_bins)
    mel = np.log1p(hertz / 700)  # the mel scale, apart from a constant factor
    position = mel / mel[-1] * 6
    return torch.from_numpy(
        np.stack([np.interp(position, np.arange(7), row) for row in points]).astype(np.float32)
    )


def _draw_uniform(
    rng: np.random.Generator, bounds: tuple[float, float], B: int, device: torch.device
) -> Tensor:
    return torch.from_numpy(rng.uniform(*bounds, B).astype(np.float32)).to(device)


def _energy(spectra: Tensor) -> Tensor:
    return (spectra.real**2 + spectra.imag**2).sum((1, 2))  # (B,)
