"""Open the shards that the settings of a data set name."""

from collections.abc import Sequence

from absslab.core.common.errors import InputError
from absslab.core.common.files import parse_json
from absslab.core.data.audio_data_set import EmptySplitError
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.places import FolderPlace, Place, find_place
from absslab.core.data.shards.shard_index import (
    INDEX_FILE,
    INDEX_SIZE,
    ShardIndex,
    parse_index,
    read_index,
)
from absslab.core.data.shards.shard_reading import check_shards
from absslab.core.data.shards.shard_stream import read_whole


def open_shards(
    data: DataConfig, splits: Sequence[str], *, may_run_command: bool
) -> tuple[Place, ShardIndex]:
    """Read shards.json, and check the files of a folder; no shard is opened.

    Args:
        data: where the shards are.
        splits: that are needed.
        may_run_command: whether a command to read shards by has been stated by the user.

    Returns:
        where they are, and their list.

    Raises:
        InputError: there are no shards, or they are damaged.
        EmptySplitError: a split has no recordings.
        WorkError: a server or a command fails.
    """
    if not data.data_folder:
        raise InputError("data_folder is missing: pass --data_folder")
    place = find_place(
        data.data_folder, timeout=data.shard_timeout, may_run_command=may_run_command
    )
    shown = place.describe(INDEX_FILE)
    if isinstance(place, FolderPlace):
        index = read_index(shown)
    else:
        content = read_whole(place, INDEX_FILE, data.shard_timeout, INDEX_SIZE)
        index = parse_index(parse_json(content, shown), shown)
    for split in splits:
        if not index.total(split).n_recordings:
            raise EmptySplitError(
                f"{{path}} has no recordings in its {split} split: pack a folder that has some",
                path=shown,
            )
    of_splits = [shard for shard in index.shards if shard.split in splits]
    check_shards(place, of_splits, len(index.shards))
    return place, index
