"""Handle undefined scores: NaN in arrays, None in JSON, left out of means."""

import numpy as np


def ratio(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Divide, and return `otherwise` where the denominator is 0."""
    result = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    return np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis of the defined values: (n, …) → (…).

    It is NaN where no value is defined.
    """
    return ratio(np.nansum(values, 0), (~np.isnan(values)).sum(0))


def number(value: float | np.ndarray) -> float | None:
    """Return a number for JSON: None instead of NaN."""
    return None if np.isnan(value) else float(value)
