"""Class-aware separation scores: separated sources and the tags of their classes in one number.

A source that is separated well, but of a class that is not tagged, is of no use, and neither is a
sound that is tagged although it is absent. Both scores are SDR improvements of one recording, in
which such errors count as 0 dB.

Axes: J sources that are present, I estimates of tagged classes, N samples.
"""

from collections.abc import Mapping

import numpy as np

from absslab.core.metrics.separation import plain_sdr


def class_aware_improvement(
    references: Mapping[str, np.ndarray], estimates: Mapping[str, np.ndarray], mixture: np.ndarray
) -> float:
    """Compute CA-SDRi of a recording, in dB.

    It is the mean over all classes that are present or tagged: a class that is both has the
    improvement of its SDR (`plain_sdr`) over that of the mixture, the others have 0 dB.

    Args:
        references: the sources (N,) by name of the present classes, not silent.
        estimates: the estimates (N,) by name of the tagged classes.
        mixture: (N,).

    Returns:
        the mean; NaN if no class is present or tagged.

    Raises:
        InputError: lengths differ, there is NaN, or a reference is silent.

    Source:
        Nguyen et al., Baseline systems and evaluation metrics for spatial semantic segmentation of
        sound scenes, arXiv 2503.22088: the score of DCASE 2025 task 4.
    """
    union = {*references, *estimates}
    hits = [name for name in references if name in estimates]
    total = sum(_improvement(references[name], estimates[name], mixture) for name in hits)
    return total / len(union) if union else float("nan")


def class_and_source_aware_improvement(
    references: Mapping[str, np.ndarray], estimates: Mapping[str, np.ndarray], mixture: np.ndarray
) -> float:
    """Compute CASA-SDRi of a recording, in dB.

    The estimates are first assigned to the sources, whatever their classes, so that the sum of
    their SDR is the highest; then a source whose estimate has its class has the improvement of its
    SDR over that of the mixture. It is the mean over these hits, the misses and the false alarms,
    which have 0 dB. A source with an estimate of another class is a miss and a false alarm.

    So two estimates with swapped classes are two wrong classes, whereas CA-SDRi takes them for bad
    sounds. Of more sources than estimates, those without one count as silence in the sum.

    Args:
        references: the sources (N,) by name of the present classes, not silent.
        estimates: the estimates (N,) by name of the tagged classes.
        mixture: (N,).

    Returns:
        the mean; NaN if no class is present or tagged.

    Raises:
        InputError: lengths differ, there is NaN, or a reference is silent.

    Source:
        Mishra, Magron, Serizel, Metric analysis for spatial semantic segmentation of sound scenes,
        arXiv 2511.07075, as an improvement, aggregated over errors.
    """
    if not references or not estimates:
        return 0.0 if references or estimates else float("nan")
    n_hits = 0
    total = 0.0
    for name, other in _assign(references, estimates).items():
        if name == other:
            n_hits += 1
            total += _improvement(references[name], estimates[name], mixture)
    n_misses = len(references) - n_hits
    n_false_alarms = len(estimates) - n_hits
    return total / (n_hits + n_misses + n_false_alarms)


def _assign(
    references: Mapping[str, np.ndarray], estimates: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """Assign estimates to sources, by their classes, so that the sum of SDR is the highest."""
    from scipy.optimize import linear_sum_assignment

    sdr = np.array(
        [
            plain_sdr(source, np.stack(list(estimates.values())))  # (N,), (I, N) → (I,)
            for source in references.values()
        ]
    )  # (J, I)
    names = list(references)
    other_names = list(estimates)
    rows, columns = linear_sum_assignment(sdr, maximize=True)
    return {names[row]: other_names[column] for row, column in zip(rows, columns, strict=True)}


def _improvement(source: np.ndarray, estimate: np.ndarray, mixture: np.ndarray) -> float:
    return float(plain_sdr(source, estimate) - plain_sdr(source, mixture))
