"""Render a mixture to sound.

Axes: C channels, N samples; sounds of one channel are (N,). The mixture is exactly the sum of its
sources and its background: all of them are rounded to 16 bit, so that no rounding error is left
when they are saved.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.rich_result import RichResult
from absslab.core.data.mixing import Event, MixtureSpec, leave_out_events
from absslab.core.data.recording_conditions import (
    apply_response,
    clip_peaks,
    compute_response,
    limit_band,
)

PEAK = 0.99  # a mixture that would exceed this is scaled down together with its sources


@dataclass(frozen=True, eq=False)  # arrays can't be compared to a single truth value
class Mixture(RichResult):
    """A rendered mixture with its sources and background; a notebook displays it as a player."""

    mixture: np.ndarray  # (N,) or (C, N) float32
    sources: dict[str, np.ndarray]  # by class, only those present: as the mixture
    background: np.ndarray  # as the mixture
    sampling_rate: int  # Hz
    silent_events: tuple[int, ...] = ()  # indices of the events that 16 bits round to silence

    def __repr__(self) -> str:
        seconds = self.mixture.shape[-1] / self.sampling_rate
        return f"Mixture({seconds:.2f} s at {self.sampling_rate} Hz: {', '.join(self.sources)})"


def render(spec: MixtureSpec) -> Mixture:
    """Render a mixture to sound.

    The background is scaled so that the SNR of the spec holds for the energy of the events as they
    are in the mixture, after cutting and in its room and band. If the spec has an SNR of each
    event, all get the mean power that they have together. The softer event of a pair is raised
    until its energy is as the spec says. Sources and background are rounded to 16 bit; their sum is
    the mixture. A class whose events are all silent then has no source. What clipping does to the
    mixture is part of the background: sources are as they would be without it.

    Args:
        spec: the mixture to render.

    Returns:
        the mixture with its sources and its background, (N,) each, or (C, N).

    Raises:
        InputError: a recording can't be read or is silent.
    """
    n = round(spec.length * spec.sampling_rate)
    placed = spec.events or spec.level_events
    images = _place_events(spec, placed, n)  # (C, N) each
    if spec.event_snr is not None:
        images = _equalise_powers(images, _count_samples(spec, placed, n))
    events = np.sum(images, axis=0)  # (C, N)
    background = _load_background(spec, n)  # (C, N)
    energy = float(np.sum(background**2))
    if energy > 0:
        background *= math.sqrt(_background_energy(spec, images, n) / energy)
    if not spec.events:
        images = []
        events = np.zeros((spec.n_channels, n))
    sources: dict[str, np.ndarray] = {}
    for event, image in zip(spec.events, images, strict=True):
        source = sources.setdefault(event.event_label, np.zeros_like(image))
        source += image
    peaks = [float(np.abs(image).max()) for image in images]
    parts = [*sources.values(), background, events + background]
    if spec.clipping is not None:
        parts.append(events)  # the background will be what is clipped, minus these
    peak = max(float(np.abs(part).max()) for part in parts)
    scale = min(1.0, PEAK / max(1e-12, peak))
    silent = [index for index, peak in enumerate(peaks) if not _round_to_16_bit(peak * scale)]
    audible = leave_out_events(spec, silent).labels
    rounded = {
        label: _round_to_16_bit(source * scale)
        for label, source in sources.items()
        if label in audible
    }
    rounded_background = _round_to_16_bit(background * scale)
    mixture = np.sum([*rounded.values(), rounded_background], axis=0)  # (C, N)
    if spec.clipping is not None:
        clipped = clip_peaks(mixture, spec.clipping)
        rounded_background += clipped - mixture
        mixture = clipped
    if spec.n_channels == 1:
        mixture = mixture[0]
        rounded = {label: source[0] for label, source in rounded.items()}
        rounded_background = rounded_background[0]
    return Mixture(mixture, rounded, rounded_background, spec.sampling_rate, tuple(silent))


def _place_events(spec: MixtureSpec, events: Sequence[Event], n: int) -> list[np.ndarray]:
    """Return each event as it sounds in the mixture: (C, n) each."""
    images = []
    for event in events:
        image = np.zeros((spec.n_channels, n))
        onset = round(event.onset * spec.sampling_rate)
        (size,) = _count_samples(spec, [event], n)
        samples = sound_files.load_event(event.recording, spec.sampling_rate)
        samples = samples[int(event.start * spec.sampling_rate) :][:size]
        samples = _fade_out(samples, round(event.fade * spec.sampling_rate))
        if event.is_repeated:
            samples = _repeat(samples, size, 0)
        response = compute_response(
            n_channels=spec.n_channels,
            sampling_rate=spec.sampling_rate,
            pan=event.pan,
            reverberation=spec.reverberation,
            seed=event.place_seed,
        )
        sound = apply_response(samples * 10 ** (event.gain / 20), response)[:, : n - onset]
        image[:, onset : onset + sound.shape[1]] = sound
        image[:, onset:] = _limit_band(image[:, onset:], spec)
        images.append(image)
    if spec.pair_level is not None and len(images) == 2:
        _raise_softer(images, spec.pair_level)
    return images


def _count_samples(spec: MixtureSpec, events: Sequence[Event], n: int) -> list[int]:
    """Count the samples from the onset to the offset of each event, of n in the mixture."""
    rate = spec.sampling_rate
    return [min(round(event.duration * rate), n - round(event.onset * rate)) for event in events]


def _fade_out(samples: np.ndarray, n_fade: int) -> np.ndarray:
    """Fade the last samples out: (N,) → (N,)."""
    n_fade = min(n_fade, len(samples))
    if not n_fade:
        return samples
    kept = len(samples) - n_fade
    phase = np.pi / 2 * (np.arange(n_fade) + 0.5) / n_fade
    return np.concatenate([samples[:kept], samples[kept:] * np.cos(phase)])


def _equalise_powers(images: list[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
    """Give events the mean power that they have together.

    Args:
        images: each event as it sounds in the mixture, (C, N).
        sizes: number of samples from the onset to the offset of each.

    Returns:
        events whose energies are in the ratio of their sizes; silent ones stay silent.
    """
    energies = [float(np.sum(image**2)) for image in images]
    n_audible = sum(size for size, energy in zip(sizes, energies, strict=True) if energy > 0)
    power = sum(energies) / max(1, n_audible)
    return [
        image * math.sqrt(power * size / energy) if energy > 0 else image
        for image, size, energy in zip(images, sizes, energies, strict=True)
    ]


def _background_energy(spec: MixtureSpec, images: Sequence[np.ndarray], n: int) -> float:
    """Return the energy that the background is to have in a mixture of n samples."""
    if spec.snr is not None:
        return float(np.sum(np.sum(images, axis=0) ** 2)) / 10 ** (spec.snr / 10)
    if spec.event_snr is None:
        return 0.0
    sizes = _count_samples(spec, spec.events or spec.level_events, n)
    powers = [
        float(np.sum(image**2)) / size for image, size in zip(images, sizes, strict=True)
    ]  # the same for all events that are not silent
    return max(powers, default=0.0) * n / 10 ** (spec.event_snr / 10)


def _raise_softer(pair: list[np.ndarray], level: float) -> None:
    """Raise one of two events, in place, so that the second has a level (dB) above the first."""
    first, second = pair
    energies = float(np.sum(first**2)), float(np.sum(second**2))
    if min(energies) == 0:
        return  # one is silent where it was cut
    factor = math.sqrt(energies[0] / energies[1]) * 10 ** (level / 20)  # for the second
    if factor >= 1:
        second *= factor
    else:
        first /= factor


def _load_background(spec: MixtureSpec, n: int) -> np.ndarray:
    """Return the background (C, n) before it is scaled: Gaussian noise or a recording.

    A recording that is too short is repeated, with crossfades. Each channel has noise of its own;
    a recording is the same in all channels.
    """
    if spec.background is None:
        noise = np.random.default_rng(spec.noise_seed).standard_normal((spec.n_channels, n))
        return _limit_band(noise, spec)
    file_rate = sound_files.info(spec.background).sampling_rate
    start = int(spec.background_start * file_rate)
    needed = math.ceil(n / spec.sampling_rate * file_rate) + 1
    samples = sound_files.load(spec.background, spec.sampling_rate, start=start, n_samples=needed)
    n_fade = round(spec.seam_fade * spec.sampling_rate)
    background = _limit_band(_repeat(samples.astype(np.float64), n, n_fade), spec)
    return np.tile(background, (spec.n_channels, 1))


def _limit_band(samples: np.ndarray, spec: MixtureSpec) -> np.ndarray:
    return samples if spec.band is None else limit_band(samples, spec.band, spec.sampling_rate)


def _repeat(samples: np.ndarray, n: int, n_fade: int) -> np.ndarray:
    """Return the first n samples of a sound that is repeated: (N,) → (n,).

    Args:
        samples: the sound.
        n: number of samples.
        n_fade: number of samples in which the end of one repetition fades into the next, at most
            half of the sound. The power of noise stays the same in them.
    """
    n_fade = min(n_fade, len(samples) // 2)
    if len(samples) >= n or not n_fade:
        return np.resize(samples, n)  # which repeats
    phase = np.pi / 2 * (np.arange(n_fade) + 0.5) / n_fade
    repetition = samples.copy()
    repetition[:n_fade] *= np.sin(phase)
    repetition[:n_fade] += samples[-n_fade:] * np.cos(phase)
    first = samples[: len(samples) - n_fade]
    others = np.resize(repetition[: len(samples) - n_fade], n - len(first))
    return np.concatenate([first, others])


def _round_to_16_bit(samples: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.round(samples * 32768) / 32768, dtype=np.float32)
