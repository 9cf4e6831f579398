"""What is not defined: NaN in arrays, None in JSON; never 0, and left out of means."""

import numpy as np


def ratio(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """A ratio, and `otherwise` where the denominator is 0."""
    result = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    return np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is defined: (n, …) → (…), NaN where nothing is."""
    return ratio(np.nansum(values, 0), (~np.isnan(values)).sum(0))


def number(value: float | np.ndarray) -> float | None:
    """A number as JSON has it."""
    return None if np.isnan(value) else float(value)
