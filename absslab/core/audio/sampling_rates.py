"""Sampling rates that sounds can have."""

from numbers import Real
from typing import Any

from absslab.core.common.errors import InputError

LOWEST_RATE = 100  # Hz
HIGHEST_RATE = 10_000_000  # Hz


def check_rate(sampling_rate: Any) -> int:
    """Return a sampling rate as a whole number of Hz.

    Args:
        sampling_rate: what a caller gave; a float is allowed if it is whole.

    Raises:
        InputError: it is no number, not whole, or not one that a sound has.

    Examples:
        >>> check_rate(16000.0)
        16000
    """
    is_number = isinstance(sampling_rate, Real) and not isinstance(sampling_rate, bool)
    if not is_number or not is_rate(sampling_rate) or int(sampling_rate) != sampling_rate:
        raise InputError(
            f"sampling_rate is {repr(sampling_rate)[:40]}: expected a whole number of Hz from "
            f"{LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return int(sampling_rate)


def is_rate(sampling_rate: float) -> bool:
    """Tell whether a sound can have a sampling rate; NaN is none."""
    return LOWEST_RATE <= sampling_rate <= HIGHEST_RATE
