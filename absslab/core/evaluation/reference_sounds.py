"""Load the true sources of a mixture that are saved beside it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.true_sources import find_sources
from absslab.core.evaluation.scorer import OwnSounds, is_audible


def load_references(
    mixture: Path, classes: list[str], sampling_rate: int, n_samples: int
) -> dict[str, np.ndarray] | None:
    """Load the saved sources of a mixture that are audible, by class name.

    Args:
        mixture: path of the mixture.
        classes: the classes of the model.
        sampling_rate: Hz.
        n_samples: length of the mixture.

    Returns:
        (N,) by class name; None if the sources were not saved.

    Raises:
        InputError: a source belongs to a class that the model does not know, or is not as long
            as the mixture.
    """
    files = find_sources(mixture, classes)
    if files is None:
        return None
    references = {}
    for k, path in files.items():
        samples = sound_files.load(path, sampling_rate)
        if len(samples) != n_samples:
            raise InputError(
                f"{{path}} has {len(samples)} samples, {{mixture}} has {n_samples}: "
                "expected the same length",
                path=path,
                mixture=mixture,
            )
        if is_audible(samples):  # absent classes may have silent files
            references[classes[k]] = samples
    return references


def load_own_sounds(mixture: Path, names: Iterable[str]) -> OwnSounds:
    """Load a mixture and its sources at their own rate, with all channels.

    Args:
        mixture: path of the mixture.
        names: the classes whose sources are loaded.

    Raises:
        InputError: a source has another rate, length or number of channels than the mixture.
    """
    samples, rate = sound_files.load_channels(mixture)
    files = source_files(mixture)
    references = {}
    for name in names:
        references[name], source_rate = sound_files.load_channels(files[name])
        if (references[name].shape, source_rate) != (samples.shape, rate):
            raise InputError(
                f"{{path}} has {_describe(references[name], source_rate)}, {{mixture}} has "
                f"{_describe(samples, rate)}: expected the same",
                path=files[name],
                mixture=mixture,
            )
    return OwnSounds(samples, references, rate)


def _describe(samples: np.ndarray, sampling_rate: int) -> str:
    n_channels, n_samples = samples.shape
    channels = "1 channel" if n_channels == 1 else f"{n_channels} channels"
    return f"{channels} of {n_samples} samples at {sampling_rate} Hz"
