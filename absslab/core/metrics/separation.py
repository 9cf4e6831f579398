"""Separation: how much of a source an estimate holds, and how little of what is not there. Axes: N samples."""

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.metrics.undefined import ratio

_TINY = 1e-12


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio in dB; an estimate of silence has −120.

    Args:
        reference: (…, N), not silent.
        estimate: (…, N).

    Shape:
        (…, N), (…, N) → (…).

    Raises:
        InputError: lengths that differ, a silent reference (score an absent class by `leakage`), NaN.

    Source: Le Roux et al., SDR – half-baked or well done?, arXiv 1811.02508, with means removed.
    """
    _validate(reference, estimate)
    loudest = np.abs(reference).max(-1, keepdims=True)
    reference = reference - reference.mean(-1, keepdims=True, dtype=np.float64)
    estimate = estimate - estimate.mean(-1, keepdims=True, dtype=np.float64)
    energy = (reference**2).sum(-1, keepdims=True)
    if not (energy > (_TINY * loudest) ** 2).all():  # of a constant, rounding may leave a trace
        raise InputError("a reference is silent: SI-SDR is defined for present classes only")
    target = (reference * estimate).sum(-1, keepdims=True) / energy * reference
    silent = ~estimate.any(-1)  # nothing of it is target: all counts as distortion
    total = (estimate**2).sum(-1) + silent
    power = (target**2).sum(-1) / total
    distortion = ((estimate - target) ** 2).sum(-1) / total + silent
    return 10 * np.log10(np.maximum(power, _TINY) / np.maximum(distortion, _TINY))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Energy of the estimate of an absent class relative to that of the mixture, in dB, limited to ±120.

    Of a silent mixture it is NaN: there is nothing to be relative to.

    Shape:
        estimate (…, N), mixture (N,) → (…).

    Raises:
        InputError: lengths that differ, NaN.
    """
    _validate(estimate, mixture)
    energy = np.square(estimate, dtype=np.float64).sum(-1)
    of_mixture = np.square(mixture, dtype=np.float64).sum(-1)
    return 10 * np.log10(np.clip(ratio(energy, of_mixture), _TINY, 1 / _TINY))


def _validate(one: np.ndarray, other: np.ndarray) -> None:
    if one.shape[-1] != other.shape[-1]:
        raise InputError(
            f"signals have the shapes {one.shape} and {other.shape}: expected the same length"
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("a signal holds NaN or infinite samples")
