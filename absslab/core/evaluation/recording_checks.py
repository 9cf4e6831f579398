"""Check that recordings can be read before, or instead of, scoring them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.evaluation.reference_sounds import load_references


def list_checks(
    data_set: AudioDataSet, validation: AudioDataSet | None, classes: list[str]
) -> list[tuple[Path, Callable[[], object]]]:
    """Return what checks each recording that is needed, in the order of the evaluation.

    Args:
        data_set: recordings that are scored with their sources.
        validation: recordings for thresholds, which come first and need no sources.
        classes: of the model.
    """

    def read_with_sources(index: int) -> None:
        n_samples = len(data_set[index])
        recording = data_set.recording(index)
        load_references(recording, classes, data_set.sampling_rate, n_samples)

    checks: list[tuple[Path, Callable[[], object]]] = []
    if validation:
        checks = [
            (validation.path(index), partial(validation.__getitem__, index))
            for index in range(len(validation))
        ]
    for index in range(len(data_set)):
        checks.append((data_set.path(index), partial(read_with_sources, index)))
    return checks
