"""Mixtures of the built-in recordings: sample data that needs no download."""

from collections.abc import Sequence
from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import IndexedFolder, index_recordings
from absslab.core.data.synthetic.office_sounds import CLASSES
from absslab.core.data.synthetic.recording_files import cached_recordings


def built_in_mixtures(
    folder: str | Path,
    *,
    n_files: int,
    n_takes: int = 20,
    classes: Sequence[str] = CLASSES,
    mixing: MixingConfig = MixingConfig(),
    seed: int = 0,
) -> Path:
    """Write a folder of mixtures of the built-in recordings, and keep mixtures that exist.

    Args:
        folder: a new or empty folder, or one to continue.
        n_files: number of mixtures in all splits together.
        n_takes: number of recordings of each class.
        classes: classes of the recordings that are mixed.
        mixing: settings for drawing mixtures.
        seed: random seed.

    Raises:
        InputError: a class is unknown, or the folder was made with other settings.
    """
    for name in classes:
        if name not in CLASSES:
            raise InputError(f"unknown class {name!r}: expected one of {', '.join(CLASSES)}")
    events = cached_recordings(n_takes=n_takes)
    recordings = [
        recording for recording in index_recordings(events) if recording.event_label in classes
    ]
    config = MixtureFolderConfig(
        event_folder=str(events), output_folder=str(folder), n_files=n_files, seed=seed
    )
    return run_to_end(write_mixtures(config, mixing, IndexedFolder(recordings))).folder
