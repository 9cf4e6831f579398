"""Find the recordings of a run, of each split."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.layouts import DataConfig, find_layout
from absslab.core.training.run_directory import RunReader


def require_recordings(
    reader: RunReader, split: str, *, data_folder: str = ""
) -> list[LabelledRecording]:
    """Return the recordings of a split like `run_recordings`, but require at least one.

    Raises:
        InputError: as `run_recordings`; or the split holds no recording.
    """
    recordings = run_recordings(reader, split, data_folder=data_folder)
    if not recordings:
        raise InputError(
            f"the {split} split of {reader.folder.name} holds no recording: "
            "choose another split with --split"
        )
    return recordings


def run_recordings(
    reader: RunReader, split: str, *, data_folder: str = ""
) -> list[LabelledRecording]:
    """Return the recordings of a split of a run's data.

    Args:
        reader: reader of the run.
        split: train, validation or test.
        data_folder: folder of the data, if they were moved since the training.

    Raises:
        InputError: the run's settings or its data can't be read.
    """
    values: Any = reader.config.get("data")
    if not isinstance(values, Mapping):
        raise InputError(
            "{folder}/config.json does not say which data the run was trained on",
            folder=reader.folder,
        )
    config = DataConfig.from_json(values).move(data_folder)
    folder = Path(config.data_folder)
    if not config.data_folder or not folder.is_dir():
        raise InputError(
            "{data_folder}, the data of the run {run}, does not exist",
            data_folder=config.data_folder or "data_folder",
            run=reader.folder.name,
        )
    labelled = find_layout(config.data_set_type)(config, folder)
    if labelled.missing:
        n_missing = len(labelled.missing)
        of_folder = "1 recording of {folder} is"
        if n_missing > 1:
            of_folder = f"{n_missing} recordings of {{folder}} are"
        give_notice(InputWarning(f"{of_folder} missing", folder=folder))
    return [item for item in labelled.recordings if item.split == split]
