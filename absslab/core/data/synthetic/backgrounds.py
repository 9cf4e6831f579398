"""The built-in backgrounds: rain, traffic, ventilation and wind, synthesised from a seed.

None is white, and none is steady: each has a spectrum of its own, and swells or patters.
Axes: N samples.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy.signal import fftconvolve

from absslab.core.common.errors import InputError
from absslab.core.data.synthetic.physics import (
    SAMPLING_RATE,
    equalise,
    log_uniform,
    modes,
    n_samples,
    noise,
    normalise_peak,
    wander,
)

DURATION = 10.0  # s
_PEAK = 0.5
_N_SURFACES = 6  # that drops fall on


def _swell(rng: Generator, rate: float, spread: float) -> np.ndarray:
    """Draw a gain that wanders around 1: `rate` new directions per second, spread in dB; (N,)."""
    return 10 ** (wander(rng, DURATION, rate, spread) / 20)


def _rain(rng: Generator) -> np.ndarray:
    distant = noise(rng, DURATION, log_uniform(rng, 300, 900), log_uniform(rng, 4000, 12000))
    near = np.zeros(n_samples(DURATION))
    for _ in range(_N_SURFACES):
        drops = np.zeros(n_samples(DURATION))
        n_drops = rng.poisson(log_uniform(rng, 4, 40) * DURATION)
        onsets = rng.integers(0, len(drops), n_drops)
        np.add.at(drops, onsets, rng.exponential(1.0, n_drops))
        frequencies = log_uniform(rng, 800, 6000) * np.array([1.0, 1.6, 2.7])
        decays = rng.uniform(0.004, 0.03) * np.array([1.0, 0.7, 0.5])  # s
        surface = modes(frequencies, decays, np.array([1.0, 0.6, 0.3]))
        near += fftconvolve(drops, surface)[: len(near)]
    near *= rng.uniform(0.5, 2.0) / max(1e-9, float(np.sqrt(np.mean(near**2))))
    return _swell(rng, 0.3, 2.0) * (distant + near)


def _traffic(rng: Generator) -> np.ndarray:
    time = np.arange(n_samples(DURATION)) / SAMPLING_RATE
    sound = 0.4 * noise(rng, DURATION, 40, log_uniform(rng, 150, 400))
    for _ in range(rng.integers(2, 5)):
        nearest = rng.uniform(-1, DURATION + 1)  # s, when a car passes
        width = rng.uniform(0.4, 1.5)  # s, longer if it is slow or far away
        level = 1 / (1 + ((time - nearest) / width) ** 2)
        tyres = noise(rng, DURATION, log_uniform(rng, 60, 300), log_uniform(rng, 900, 2500))
        sound += rng.uniform(0.4, 1.2) * level * tyres
    return sound


def _ventilation(rng: Generator) -> np.ndarray:
    time = np.arange(n_samples(DURATION)) / SAMPLING_RATE
    lowest = rng.uniform(45, 120)  # Hz, of the blades
    phase = 2 * np.pi * lowest * (time + 0.002 * wander(rng, DURATION, 1.0, 1.0))
    sound = 1.2 * noise(rng, DURATION, 60, log_uniform(rng, 600, 3000))
    for number in range(1, 7):
        sound += rng.uniform(0.1, 0.6) / number * np.sin(number * phase + rng.uniform(0, 6.28))
    flutter = 1 + rng.uniform(0.05, 0.3) * np.sin(2 * np.pi * rng.uniform(0.5, 4) * time)
    return flutter * sound


def _wind(rng: Generator) -> np.ndarray:
    low = _swell(rng, 1.5, 5.0) * noise(rng, DURATION, 40, log_uniform(rng, 200, 600))
    centre = log_uniform(rng, 400, 1200)  # Hz, of the whistling at an edge
    high = _swell(rng, 1.0, 7.0) * noise(rng, DURATION, 0.85 * centre, 1.15 * centre)
    return low + rng.uniform(0.1, 0.4) * high


GENERATORS: dict[str, Callable[[Generator], np.ndarray]] = {
    "rain": _rain,
    "traffic": _traffic,
    "ventilation": _ventilation,
    "wind": _wind,
}
BACKGROUNDS: tuple[str, ...] = tuple(sorted(GENERATORS))


def synthesise_background(kind: str, take: int, seed: int = 0) -> np.ndarray:
    """Synthesise a take of a background, the same for the same arguments.

    Args:
        kind: one of `BACKGROUNDS`.
        take: number of the take; each has other drops, cars, blades or gusts, and another colour.
        seed: seed of the whole set of backgrounds.

    Shape: -> (N,), float32 in [-1, 1] at 44100 Hz, 10 s long

    Raises:
        InputError: for an unknown kind; the message names the known ones.
    """
    if kind not in GENERATORS:
        raise InputError(f"unknown background {kind!r}: expected one of {', '.join(BACKGROUNDS)}")
    rng = np.random.default_rng([seed, BACKGROUNDS.index(kind), take])
    return (_PEAK * normalise_peak(equalise(rng, GENERATORS[kind](rng)))).astype(np.float32)
