"""Open the recordings that are scored, and check that they can be read."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import Steps
from absslab.core.data.audio_data_set import AudioDataSet, split_steps
from absslab.core.data.layouts import SHARDS, DataConfig
from absslab.core.data.shards.sequential_recordings import SequentialRecordings
from absslab.core.evaluation.reference_sounds import load_references

ScoredRecordings = AudioDataSet | SequentialRecordings


def open_scored_recordings(
    data: DataConfig,
    split: str,
    *,
    rate: int,
    classes: Sequence[str],
    left_out: LeftOut,
    may_run_command: bool,
) -> Steps[ScoredRecordings]:
    """Open the recordings of a split, in a folder or in shards.

    Args:
        data: where they are.
        split: train, validation or test.
        rate: sampling rate, Hz.
        classes: of the model.
        left_out: collects recordings that can't be used.
        may_run_command: whether the folder may be a command, since the user has stated it.

    Raises:
        InputError: the folder, its tables or its shards can't be used.
    """
    if data.data_set_type == SHARDS:
        return SequentialRecordings.open(
            data, split, sampling_rate=rate, classes=classes, may_run_command=may_run_command
        )
    return (
        yield from split_steps(
            data,
            split,
            sampling_rate=rate,
            classes=classes,
            may_lack_classes=True,
            left_out=left_out,
        )
    )


def list_checks(
    data_set: ScoredRecordings, validation: ScoredRecordings | None, classes: list[str]
) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield what checks each recording that is needed, in the order of the evaluation.

    Args:
        data_set: recordings that are scored with their sources.
        validation: recordings for thresholds, which come first and need no sources.
        classes: of the model.
    """

    def read_with_sources(index: int) -> None:
        n_samples = len(data_set[index])
        recording = data_set.recording(index)
        load_references(recording, classes, data_set.sampling_rate, n_samples)

    if validation:
        for index in range(len(validation)):
            yield validation.path(index), partial(validation.__getitem__, index)
    for index in range(len(data_set)):
        yield data_set.path(index), partial(read_with_sources, index)
