"""Separation: how much of a source an estimate holds, and how little of what is not there. Axes: N samples."""

import numpy as np

from absslab.core.errors import InputError

_TINY = 1e-12


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio in dB; an estimate of silence has −120.

    Args:
        reference: (…, N), not silent.
        estimate: (…, N).

    Shape:
        (…, N), (…, N) → (…).

    Raises:
        InputError: shapes that differ, a silent reference (score an absent class by `leakage`), NaN.

    Source: Le Roux et al., SDR – half-baked or well done?, arXiv 1811.02508, with means removed.
    """
    if reference.shape[-1] != estimate.shape[-1]:
        raise InputError(f"reference is {reference.shape}, estimate {estimate.shape}: expected the same length")
    if not np.isfinite(estimate).all() or not np.isfinite(reference).all():
        raise InputError("reference or estimate holds NaN or infinite samples")
    reference = reference - reference.mean(-1, keepdims=True, dtype=np.float64)
    estimate = estimate - estimate.mean(-1, keepdims=True, dtype=np.float64)
    energy = (reference**2).sum(-1, keepdims=True)
    if not energy.all():
        raise InputError("a reference is silent: SI-SDR is defined for present classes only")
    target = (reference * estimate).sum(-1, keepdims=True) / energy * reference
    distortion = ((estimate - target) ** 2).sum(-1)
    power = (target**2).sum(-1)
    return 10 * np.log10(np.maximum(power, _TINY * energy[..., 0]) / np.maximum(distortion, _TINY * energy[..., 0]))


def si_sdr_improvement(reference: np.ndarray, estimate: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """SI-SDR of the estimate minus that of the mixture taken as the estimate, in dB.

    Shape:
        reference (…, N), estimate (…, N), mixture (N,) → (…).

    Raises:
        InputError: see `si_sdr`.
    """
    return si_sdr(reference, estimate) - si_sdr(reference, np.broadcast_to(mixture, reference.shape))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Energy of the estimate of an absent class relative to that of the mixture, in dB; −120 and below count as −120.

    Shape:
        estimate (…, N), mixture (N,) → (…).
    """
    energy = np.square(estimate, dtype=np.float64).sum(-1)
    return 10 * np.log10(np.maximum(energy / max(np.square(mixture, dtype=np.float64).sum(), 1e-30), _TINY))
