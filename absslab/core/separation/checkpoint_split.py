"""List the recordings of a split of the data that a model was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError
from absslab.core.common.left_out import LeftOut
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.layouts import DataConfig

_OTHERWISE = "pass --data_folder, or the sound files to separate after --input"


def list_checkpoint_split(
    made: Mapping[str, Any],
    split: str,
    *,
    checkpoint_path: str | Path,
    data_folder: str = "",
    audio_folder: str | None = None,
    yaml_file: str | None = None,
    left_out: LeftOut | None = None,
) -> list[LabelledRecording]:
    """List the recordings of a split, in the order of their labels.

    Args:
        made: how the model of a checkpoint was made, as the checkpoint says it.
        split: train, validation or test.
        checkpoint_path: the file of this checkpoint, for messages.
        data_folder: where the data are now, if they were moved.
        audio_folder: where their sounds are; see `DataConfig`.
        yaml_file: where their list is; see `DataConfig`.
        left_out: collects recordings that the labels name, but the folder lacks; by default they
            are an error.

    Raises:
        InputError: the checkpoint does not say its data, they are not there any more, or the split
            has no recordings.
    """
    try:
        data = DataConfig.from_json(made["settings"]["data"])
    except (KeyError, TypeError):
        raise InputError(
            f"{{checkpoint_path}} does not say what it was trained on: {_OTHERWISE}",
            checkpoint_path=checkpoint_path,
        ) from None
    data = data.move(data_folder, audio_folder=audio_folder, yaml_file=yaml_file)
    if not data.data_folder:
        raise InputError(
            "{checkpoint_path} was imported without data, so it has no "
            f"{split} split: {_OTHERWISE}",
            checkpoint_path=checkpoint_path,
        )
    if not Path(data.data_folder).is_dir():
        raise InputError(
            f"{{folder}}, the data of {{checkpoint_path}}, does not exist: {_OTHERWISE}",
            folder=data.data_folder,
            checkpoint_path=checkpoint_path,
        )
    labelled = read_split(data, split, left_out=left_out)
    return list(labelled.recordings)
