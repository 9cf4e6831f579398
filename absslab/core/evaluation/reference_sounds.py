"""Load the true sources of a mixture that are saved beside it."""

from collections.abc import Iterable, Sequence

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.true_sources import find_sources, load_source
from absslab.core.evaluation.scorer import OwnSounds, is_audible


def load_references(
    mixture: LabelledRecording, classes: list[str], sampling_rate: int, n_samples: int
) -> dict[str, np.ndarray] | None:
    """Load the saved sources of a mixture that are audible, by class name.

    Args:
        mixture: the mixture.
        classes: the classes of the model.
        sampling_rate: Hz.
        n_samples: length of the mixture.

    Returns:
        (N,) by class name; None if the sources were not saved.

    Raises:
        InputError: a source belongs to a class that the model does not know, or is not as long
            as the mixture.
    """
    found = find_sources(mixture, classes)
    if found is None:
        return None
    references = {}
    for k, files in found.items():
        samples = load_source(files, sampling_rate)
        if len(samples) != n_samples:
            raise InputError(
                f"{{path}} has {len(samples)} samples, {{mixture}} has {n_samples}: "
                "expected the same length",
                path=files[0].path,
                mixture=mixture.path,
            )
        if is_audible(samples):  # absent classes may have silent files
            references[classes[k]] = samples
    return references


def load_own_sounds(
    mixture: LabelledRecording, classes: Sequence[str], names: Iterable[str]
) -> OwnSounds:
    """Load a mixture and its sources at their own rate, with all channels.

    Args:
        mixture: the mixture.
        classes: the classes of the model.
        names: the classes whose sources are loaded.

    Raises:
        InputError: a source has another rate, length or number of channels than the mixture, or
            sources are channels of the mixture.
    """
    if mixture.channels is not None:
        raise InputError(
            "the channels of {mixture} are its true sources, not a stereo recording: "
            "leave out at_own_rate",
            mixture=mixture.path,
        )
    samples, rate = sound_files.load_channels(mixture.path)
    found = find_sources(mixture, classes) or {}
    references = {}
    for name in names:
        total = np.zeros_like(samples)
        for file in found[classes.index(name)]:
            source, source_rate = sound_files.load_channels(file.path)
            if (source.shape, source_rate) != (samples.shape, rate):
                raise InputError(
                    f"{{path}} has {_describe(source, source_rate)}, {{mixture}} has "
                    f"{_describe(samples, rate)}: expected the same",
                    path=file.path,
                    mixture=mixture.path,
                )
            total += source
        references[name] = total
    return OwnSounds(samples, references, rate)


def _describe(samples: np.ndarray, sampling_rate: int) -> str:
    n_channels, n_samples = samples.shape
    channels = "1 channel" if n_channels == 1 else f"{n_channels} channels"
    return f"{channels} of {n_samples} samples at {sampling_rate} Hz"
