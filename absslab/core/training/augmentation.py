"""Vary the recordings of a training batch at random, and add them in pairs.

A recording is varied by a circular shift in time, an equaliser and a gain; so are its sources and
its events, if the training uses them.
Axes: B batch, K classes, F STFT bins, T frames, N samples, R sources.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from absslab.core.audio.stft import STFT, scale_spectra, total_energy
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.core.data.batches import Batch, References
from absslab.core.training.frame_labels import (
    FrameLabels,
    label_frames,
    roll_events,
)


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
    """Recordings to which others of the batch are added: to b the one `shift` after it, cyclically.

    Where none is added, the gain is 0 and the other has no labels.
    """

    first: Tensor  # complex (B, F, T)
    labels_first: Tensor  # (B, K)
    labels_second: Tensor  # (B, K)
    n_samples: Tensor | None  # (B,): length of the sum without padding
    shift: int = 0
    gain: Tensor | None = None  # (B,), of the second; None: nothing is added to any
    sources: "SourceSpectra | None" = None  # of the sums, if the batch has references
    frames_first: FrameLabels | None = None  # if the batch has events
    frames_second: FrameLabels | None = None

    @property
    def has_weak_labels(self) -> bool:
        """Whether nothing but weak labels is known of them."""
        return self.sources is None and self.frames_first is None

    @property
    def second(self) -> Tensor:
        """What is added to the first recordings: complex (B, F, T)."""
        if self.gain is None:
            return torch.zeros_like(self.first)
        return scale_spectra(self.first.roll(-self.shift, 0), self.gain[:, None, None])

    def sum(self) -> Tensor:
        """Add the recordings, without a copy of the second ones: complex (B, F, T)."""
        if self.gain is None:
            return self.first
        total = torch.empty_like(self.first)
        first = torch.view_as_real(self.first)
        out = torch.view_as_real(total)
        n = len(first) - self.shift  # rows whose partner does not wrap around
        for rows, partners in (
            (slice(0, n), slice(self.shift, None)),
            (slice(n, None), slice(0, self.shift)),
        ):
            gain = self.gain[rows, None, None, None]
            torch.addcmul(first[rows], first[partners], gain, out=out[rows])
        return total

    def second_power(self, first: Tensor) -> Tensor:
        """Return the power of what is added, from that of the first recordings: (B, …) → (B, …)."""
        if self.gain is None:
            return torch.zeros_like(first)
        gain = self.gain.view(-1, *[1] * (first.ndim - 1))
        return first.roll(-self.shift, 0) * gain.square()


class SourceSpectra(NamedTuple):
    """The true sources of sums of recordings; what is in none of them is background."""

    spectra: Tensor  # complex (R, F, T)
    recordings: Tensor  # (R,): which sum each is part of
    classes: Tensor  # (R,): index of its class; a class occurs once in a sum


class Variation(NamedTuple):
    """How each recording of a batch is varied."""

    shifts: Tensor | None  # (B,), samples; None: they are not shifted
    gain: Tensor  # (B, F) or (B, 1), dB

    def select(self, recordings: Tensor) -> "Variation":
        """Return how some of the recordings are varied."""
        shifts = None if self.shifts is None else self.shifts[recordings]
        return Variation(shifts, self.gain[recordings])


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
    lengths = _lengths(batch)
    variation = _draw_variation(lengths, config, stft, sampling_rate, rng)
    first = _vary(batch.waveforms, lengths, variation, stft)
    alone = describe_alone(batch, first, stft, variation)
    paired = torch.from_numpy(rng.random(B) < config.pair_probability).to(first.device)
    if B < 2 or not paired.any():
        return alone
    shift = int(rng.integers(1, B))
    partner = torch.arange(B, device=first.device).roll(-shift)
    level = _draw_uniform(rng, config.pair_gain_range, B, first.device)
    energy = total_energy(first)  # (B,)
    # a level relative to silence is not defined, so silent recordings are not paired
    paired &= (energy > 0) & (energy[partner] > 0)
    ratio = energy / energy[partner].clamp_min(1e-12)
    gain = ratio.sqrt() * 10 ** (level / 20) * paired  # (B,)
    others = _take_partners(batch, partner, paired)
    sources, frames = _read_truth(others, first.shape[-1], stft, variation.select(partner))
    return alone._replace(
        labels_second=others.labels,
        n_samples=_sum_lengths(batch.n_samples, others.n_samples, paired),
        shift=shift,
        gain=gain,
        sources=_join_sources(alone.sources, sources, gain, batch.labels.shape[1]),
        frames_second=frames,
    )


def describe_alone(
    batch: Batch, spectra: Tensor, stft: STFT, variation: Variation | None = None
) -> Pairs:
    """Return recordings without others that are added.

    Args:
        batch: the recordings.
        spectra: of the recordings as they are varied, complex (B, F, T).
        stft: STFT of the model.
        variation: how they are varied; None: not at all.
    """
    sources, frames = _read_truth(batch, spectra.shape[-1], stft, variation)
    no_labels = torch.zeros_like(batch.labels)
    return Pairs(
        spectra, batch.labels, no_labels, batch.n_samples, sources=sources, frames_first=frames
    )


def _read_truth(
    batch: Batch, n_frames: int, stft: STFT, variation: Variation | None
) -> tuple[SourceSpectra | None, FrameLabels | None]:
    """Return the spectra of a batch's sources, and in which frames its events sound, if it has any.

    They are varied as the recordings are.
    """
    sources = None
    frames = None
    lengths = _lengths(batch)
    if batch.references is not None:
        waveforms, recordings, classes = batch.references
        own = None if variation is None else variation.select(recordings)
        sources = SourceSpectra(
            _vary(waveforms, lengths[recordings], own, stft), recordings, classes
        )
    if batch.events is not None:
        events = batch.events
        if variation is not None and variation.shifts is not None:
            events = roll_events(events, variation.shifts, lengths)
        frames = label_frames(events, (*batch.labels.shape, n_frames), stft)
    return sources, frames


def _lengths(batch: Batch) -> Tensor:
    """Return the lengths of the recordings without padding: (B,), samples."""
    B, N = batch.waveforms.shape
    if batch.n_samples is None:
        return torch.full((B,), N, device=batch.waveforms.device)
    return batch.n_samples


def _take_partners(batch: Batch, partner: Tensor, paired: Tensor) -> Batch:
    """Return the recording that is added to each recording; those without pair have no labels."""

    def find(recordings: Tensor) -> tuple[Tensor, Tensor]:
        """Find which pair each source or event is part of, and its number."""
        is_own = (partner[:, None] == recordings) & paired[:, None].to(recordings.device)
        pair, number = is_own.nonzero(as_tuple=True)
        return pair, number

    references = None
    events = None
    if batch.references is not None:
        pair, number = find(batch.references.recordings)
        waveforms, _, classes = batch.references
        references = References(waveforms[number], pair, classes[number])
    if batch.events is not None:
        pair, number = find(batch.events.recordings)
        selected = (part[number] for part in batch.events)
        events = type(batch.events)(*selected)._replace(recordings=pair)
    return Batch(
        batch.waveforms[partner],
        None if batch.n_samples is None else batch.n_samples[partner],
        torch.where(paired[:, None], batch.labels[partner], 0),
        batch.indices,
        references,
        events,
    )


def _join_sources(
    first: SourceSpectra | None, second: SourceSpectra | None, gain: Tensor, n_classes: int
) -> SourceSpectra | None:
    """Join the sources of two recordings to those of their sum.

    Args:
        first: sources of the first recordings.
        second: sources of the second ones, without the gain.
        gain: of the second recordings, (B,).
        n_classes: K.
    """
    if first is None or second is None:
        return None
    scaled = scale_spectra(second.spectra, gain[second.recordings][:, None, None])
    spectra = torch.cat([first.spectra, scaled])  # (R, F, T)
    keys = torch.cat([part.recordings * n_classes + part.classes for part in (first, second)])
    unique, rows = keys.unique(return_inverse=True)
    if len(unique) < len(keys):  # a class that both recordings have
        joined = torch.zeros(len(unique), *spectra.shape[1:], dtype=spectra.dtype)
        spectra = joined.to(spectra.device).index_add(0, rows, spectra)
        keys = unique
    return SourceSpectra(spectra, keys // n_classes, keys % n_classes)


def _sum_lengths(
    lengths: Tensor | None, partner_lengths: Tensor | None, paired: Tensor
) -> Tensor | None:
    """Return the length of each sum: if two recordings are added, that of the longer one."""
    if lengths is None or partner_lengths is None:
        return None
    return torch.where(paired, torch.maximum(lengths, partner_lengths), lengths)


def _draw_variation(
    lengths: Tensor,
    config: AugmentationConfig,
    stft: STFT,
    sampling_rate: int,
    rng: np.random.Generator,
) -> Variation:
    """Draw how recordings of some lengths (B,) are shifted, equalised and scaled."""
    B = len(lengths)
    device = stft.window.device
    shifts = None
    if config.roll:
        drawn = [int(rng.integers(n)) for n in lengths.tolist()]
        shifts = torch.tensor(drawn, device=device)  # (B,)
    gain = _draw_uniform(rng, config.gain_range, B, device)[:, None]  # (B, 1)
    if config.equaliser:
        n_bins = stft.window_size // 2 + 1
        curves = _draw_equalisers(rng, config.equaliser, B, n_bins, sampling_rate)
        gain = gain + curves.to(device)  # (B, F)
    return Variation(shifts, gain)


def _vary(waveforms: Tensor, lengths: Tensor, variation: Variation | None, stft: STFT) -> Tensor:
    """Vary waveforms (B, N); return their spectra (B, F, T)."""
    if not len(waveforms):  # no recording of the batch has a source
        n_frames = stft(torch.zeros(1, waveforms.shape[1], device=waveforms.device)).shape[-1]
        shape = (0, stft.window_size // 2 + 1, n_frames)
        return torch.zeros(shape, dtype=torch.complex64, device=waveforms.device)
    if variation is None:
        return stft(waveforms)
    if variation.shifts is not None:
        parts = zip(waveforms, lengths.tolist(), variation.shifts.tolist(), strict=True)
        rolled = torch.zeros_like(waveforms)
        for row, (waveform, n, shift) in zip(rolled, parts, strict=True):
            row[:n] = waveform[:n].roll(shift)
        waveforms = rolled
    spectra = stft(waveforms)  # (B, F, T)
    factors = 10 ** (variation.gain / 20)[:, :, None, None]  # (B, F, 1, 1)
    torch.view_as_real(spectra).mul_(factors)
    return spectra


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
