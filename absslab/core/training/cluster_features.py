"""Compute the features of a feature store on the workers of a cluster.

Each worker writes parts, which the store is then made of: what is complete when the work is
interrupted is not computed again.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from absslab.core.common.cluster import map_on_cluster
from absslab.core.common.cluster_files import SentPaths, SharedFiles
from absslab.core.common.files import write_bytes
from absslab.core.common.progress import Progress, Steps
from absslab.core.data.audio_data_set import AudioDataSet
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd

_CHUNK = 20  # recordings whose features are one part
_PATIENCE = 60.0  # s in which a shared disk shows what was written on another machine

Compute = Callable[[Tensor, FrontEnd], bytes]  # features of a waveform (N,), as they are stored


@dataclass(frozen=True)
class _Part:
    path: Path
    data_set: AudioDataSet


def part_steps(
    store: Path,
    data_set: AudioDataSet,
    config: FeatureConfig,
    compute: Compute,
    scheduler: str,
) -> Steps[list[Path]]:
    """Write the features of all recordings as parts beside a store; parts that exist are kept.

    Args:
        store: the file that is made of them.
        data_set: the recordings.
        config: settings of the features.
        compute: computes the features of a recording; a function of a module.
        scheduler: address of the scheduler.

    Yields:
        how many recordings are done.

    Returns:
        the parts, in the order of the recordings.

    Raises:
        InputError: a recording can't be decoded; see also `map_on_cluster`.
        WorkError: see `map_on_cluster`.
    """
    paths = SentPaths()
    sent = data_set.change_paths(paths.send)
    sent = replace(sent, in_memory=False, event_reader=None, events=None)
    groups = _group_clips(sent)
    parts = [
        store.absolute().with_name(f"{store.stem}-part{number}.bin")
        for number in range(len(groups))
    ]
    missing = [
        _Part(path, sent.select(group))
        for path, group in zip(parts, groups, strict=True)
        if not path.exists()
    ]
    n_done = len(data_set) - sum(len(part.data_set) for part in missing)
    yield Progress(n_done, len(data_set))
    shared = SharedFiles(store.parent, [[recording.path for recording in sent.recordings]])
    write = partial(_write_part, config=config, compute=compute)
    with closing(map_on_cluster(write, missing, scheduler, shared, paths=paths)) as written:
        for n_written in written:
            n_done += n_written
            yield Progress(n_done, len(data_set))
    return parts


def open_part(path: Path, patience: float = _PATIENCE) -> BinaryIO:
    """Open a part that a worker has written: a shared disk may show it some time later.

    Args:
        path: the part.
        patience: how long to wait for it, s.

    Raises:
        OSError: it does not come, or can't be read.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return open(path, "rb")
        except FileNotFoundError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _group_clips(data_set: AudioDataSet) -> Sequence[list[int]]:
    """Divide the clips into groups of some recordings each, with all clips of these."""
    groups: dict[int, list[int]] = {}
    for index, clip in enumerate(data_set.clips):
        groups.setdefault(clip.recording // _CHUNK, []).append(index)
    return list(groups.values())


def _write_part(part: _Part, config: FeatureConfig, compute: Compute) -> int:
    """Write the features of some recordings on a worker, and return their number."""
    front_end = FrontEnd(config)
    clips = range(len(part.data_set))
    write_bytes(part.path, b"".join(compute(part.data_set[index], front_end) for index in clips))
    return len(clips)
