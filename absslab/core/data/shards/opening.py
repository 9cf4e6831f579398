"""Open the shards that the settings of a data set name."""

import json
from collections.abc import Sequence

from absslab.core.common.errors import InputError, Reason
from absslab.core.data.audio_data_set import EmptySplitError
from absslab.core.data.layouts import DataConfig
from absslab.core.data.shards.places import FolderPlace, Place, find_place
from absslab.core.data.shards.shard_index import INDEX_FILE, ShardIndex, parse_index, read_index
from absslab.core.data.shards.shard_reading import check_shards
from absslab.core.data.shards.shard_stream import read_whole


def open_shards(
    data: DataConfig, splits: Sequence[str], *, may_run: bool
) -> tuple[Place, ShardIndex]:
    """Read shards.json, and check the files of a folder; no shard is opened.

    Args:
        data: where the shards are.
        splits: that are needed.
        may_run: whether a command to read shards by has been stated by the user.

    Returns:
        where they are, and their list.

    Raises:
        InputError: there are no shards, or they are damaged.
        EmptySplitError: a split has no recordings.
        WorkError: a server or a command fails.
    """
    if not data.data_folder:
        raise InputError("data_folder is missing: pass --data_folder")
    place = find_place(data.data_folder, timeout=data.shard_timeout, may_run=may_run)
    shown = place.describe(INDEX_FILE)
    if isinstance(place, FolderPlace):
        index = read_index(shown)
    else:
        content = read_whole(place, INDEX_FILE, data.shard_timeout)
        try:
            index = parse_index(json.loads(content), shown)
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "{path} is not readable JSON ({reason})", path=shown, reason=Reason.of(error)
            ) from None
    for split in splits:
        if not index.total(split).n_recordings:
            raise EmptySplitError(
                f"{{path}} has no recordings in its {split} split: pack a folder that has some",
                path=shown,
            )
    check_shards(place, [shard for shard in index.shards if shard.split in splits])
    return place, index
