"""Separation scores of estimated sources, and the leakage into the estimates of absent classes.

Axes: N samples.
"""

import numpy as np

from absslab.core.common.errors import InputError
from absslab.core.metrics.undefined import ratio

_TINY = 1e-12


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Compute the scale-invariant signal-to-distortion ratio in dB.

    A silent estimate has −120 dB.

    Args:
        reference: (…, N), not silent.
        estimate: (…, N).

    Shape:
        (…, N), (…, N) → (…).

    Raises:
        InputError: lengths differ, there is NaN, or a reference is silent (use `leakage` for absent
            classes).

    Source:
        Le Roux et al., SDR – half-baked or well done?, arXiv 1811.02508, with means removed.
    """
    _validate(reference, estimate)
    peak = np.abs(reference).max(-1, keepdims=True)  # (…, 1)
    reference = reference - reference.mean(-1, keepdims=True, dtype=np.float64)
    estimate = estimate - estimate.mean(-1, keepdims=True, dtype=np.float64)
    energy = _inner_product(reference, reference)  # (…)
    # Subtracting the mean of a constant may leave a rounding error.
    if not (energy > (_TINY * peak[..., 0]) ** 2).all():
        raise InputError("a reference is silent: SI-SDR is defined for present classes only")
    product = _inner_product(reference, estimate)  # (…)
    gain = product / energy  # (…): of the target in the reference
    silent = ~estimate.any(-1)  # (…): a silent estimate is only distortion
    total = _inner_product(estimate, estimate) + silent  # (…)
    target = gain[..., None] * reference  # (…, N)
    error = np.subtract(estimate, target, out=target)  # (…, N)
    power = gain * product / total
    distortion = _inner_product(error, error) / total + silent
    return 10 * np.log10(np.maximum(power, _TINY) / np.maximum(distortion, _TINY))


def plain_sdr(reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Compute the energy of a source relative to that of the error of its estimate, in dB.

    Nothing is scaled, filtered or centred: an estimate of the wrong level has errors. Other names
    of it are SNR, and SDR without more. BSS Eval's SDR is another score, see `bss_eval_sources`. A
    silent estimate has 0 dB. The ratio is limited to ±120 dB.

    Args:
        reference: (…, N), not silent.
        estimate: (…, N).

    Shape:
        (…, N), (…, N) → (…).

    Raises:
        InputError: lengths differ, there is NaN, or a reference is silent (use `leakage` for absent
            classes).

    Source:
        Kong et al., Universal source separation with weakly labelled data, arXiv 2305.07447; Liu et
        al., Separate anything you describe, arXiv 2308.05037, whose SDRi is the difference to this
        score of the mixture.
    """
    _validate(reference, estimate)
    energy = _inner_product(reference, reference)  # (…)
    if not energy.all():
        raise InputError("a reference is silent: SDR is defined for present classes only")
    error = np.subtract(reference, estimate, dtype=np.float64)  # (…, N)
    return -10 * np.log10(np.clip(_inner_product(error, error) / energy, _TINY, 1 / _TINY))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Compute the energy of an absent class' estimate relative to the mixture's, in dB.

    It is limited to ±120 dB, and NaN for a silent mixture.

    Args:
        estimate: (…, N).
        mixture: (N,).

    Shape:
        estimate (…, N), mixture (N,) → (…).

    Raises:
        InputError: lengths differ, or there is NaN.
    """
    _validate(estimate, mixture)
    estimate_energy = _inner_product(estimate, estimate)  # (…)
    mixture_energy = _inner_product(mixture, mixture)
    return 10 * np.log10(np.clip(ratio(estimate_energy, mixture_energy), _TINY, 1 / _TINY))


def _inner_product(signal: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute inner products in float64: (…, N), (…, N) → (…)."""
    return np.asarray(np.einsum("...n,...n->...", signal, other, dtype=np.float64))


def _validate(signal: np.ndarray, other: np.ndarray) -> None:
    if signal.shape[-1] != other.shape[-1]:
        raise InputError(
            f"signals have the shapes {signal.shape} and {other.shape}: expected the same length"
        )
    if not (np.isfinite(signal).all() and np.isfinite(other).all()):
        raise InputError("a signal holds NaN or infinite samples")
