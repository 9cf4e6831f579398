"""Settings of a separation in a JSON file: changes to the masks, and gains of the remix.

::

    {"format": "absslab separation settings", "version": 1,
     "separation": {"mask_power": 2.0, …},
     "gains": {"speech": 0.0, "keys": -12.0, "residual": null}}

Gains are in dB; null leaves a sound out, as JSON has no infinity. Axes: K classes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.files import check_version, read_json, write_json
from absslab.core.separation.masks import SeparationConfig

FORMAT = "absslab separation settings"
VERSION = 1
RESIDUAL = "residual"  # the input minus all sources; it has a gain as the classes have
MAX_GAIN = 60.0  # dB


@dataclass(frozen=True)
class SeparationSettings:
    """Changes to the masks, and the gains of the classes in the remix.

    Args:
        separation: changes to the masks.
        gains: dB, by class or "residual"; −inf leaves the sound out, others have 0 dB.

    Raises:
        InputError: a gain is not a number, NaN or above 60 dB.
    """

    separation: SeparationConfig = SeparationConfig()
    gains: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, gain in self.gains.items():
            if not isinstance(gain, int | float) or isinstance(gain, bool) or not gain <= MAX_GAIN:
                raise InputError(
                    f"the gain of {name} is {gain!r}: expected dB up to {MAX_GAIN:g}, "
                    "or -inf to leave it out"
                )


def read_settings(path: str | Path) -> SeparationSettings:
    """Read settings that `write_settings` wrote.

    Raises:
        InputError: the file is missing, damaged, from another program or a newer version, or has
            unknown settings.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{{path}} holds no settings of a separation: expected a file with format {FORMAT!r}",
            path=path,
        )
    check_version(content, path, newest=VERSION)
    known = ("format", "version", "separation", "gains")
    for name in content:
        if name not in known:
            raise InputError(
                f"{{path}} has an unknown field {escape_braces(name)!r}"
                f"{suggest_nearest(name, known)}",
                path=path,
            )
    gains = content.get("gains", {})
    if not isinstance(gains, dict):
        raise InputError(
            f"{{path}} has the gains {escape_braces(repr(gains)[:50])}: "
            "expected an object, class: dB",
            path=path,
        )
    try:
        separation = SeparationConfig.from_json(content.get("separation", {}))
        return SeparationSettings(
            separation, {name: -math.inf if dB is None else dB for name, dB in gains.items()}
        )
    except InputError as error:
        raise error.wrap("{path}: {error}", path=path) from None


def write_settings(path: str | Path, settings: SeparationSettings) -> None:
    """Write settings to a file, which appears complete or not at all."""
    gains = {
        name: None if gain == -math.inf else float(gain) for name, gain in settings.gains.items()
    }
    separation = settings.separation.to_json()
    write_json(
        path, {"format": FORMAT, "version": VERSION, "separation": separation, "gains": gains}
    )


def parse_gains(texts: Iterable[str]) -> dict[str, float]:
    """Parse gains from the command line: speech=-6 residual=-inf.

    Raises:
        InputError: there is no = or no number, a name is given twice, or a gain is not allowed.
    """
    gains: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            gain = float(number)
        except ValueError:
            gain = math.nan
        if not name or math.isnan(gain):
            raise InputError(
                f"gains has {text!r}: expected CLASS=dB, as in speech=-6, or speech=-inf "
                "to leave it out"
            )
        if name in gains:
            raise InputError(f"gains has {name} twice: keep one of them")
        gains[name] = gain
    return dict(SeparationSettings(gains=gains).gains)


def check_gains(gains: Mapping[str, float], classes: Sequence[str]) -> None:
    """Check that gains name classes of the model, or the residual.

    Raises:
        InputError: a name is neither a class nor the residual.
    """
    known = (*classes, RESIDUAL)
    for name in gains:
        if name not in known:
            raise InputError(
                f"gains names {name!r}, which is not a class of the model"
                f"{suggest_nearest(name, known)}"
            )


def gains_that_keep(kept: Iterable[str], classes: Sequence[str]) -> dict[str, float]:
    """Return gains that keep only some classes."""
    kept = set(kept)
    return {name: -math.inf for name in (*classes, RESIDUAL) if name not in kept}


def mix_sources(
    sources: np.ndarray, residual: np.ndarray, classes: Sequence[str], gains: Mapping[str, float]
) -> np.ndarray:
    """Add sources and residual, each with its gain; the sum may exceed full scale.

    Args:
        sources: (K, …).
        residual: (…).
        classes: K names.
        gains: dB, by class or "residual"; sounds without a gain have 0 dB.

    Shape:
        (…).

    Raises:
        InputError: a gain belongs to an unknown class.
    """
    check_gains(gains, classes)
    total = np.zeros_like(residual)
    for name, sound in zip((*classes, RESIDUAL), (*sources, residual), strict=True):  # (…)
        if factor := 10 ** (gains.get(name, 0.0) / 20):
            total += (sound * factor).astype(total.dtype, copy=False)
    return total
