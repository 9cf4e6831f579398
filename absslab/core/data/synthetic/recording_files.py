"""Write the built-in recordings as files: to a folder, or to the user's cache."""

from pathlib import Path

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.files import cache_folder
from absslab.core.data.synthetic.office_sounds import CLASSES, synthesise
from absslab.core.data.synthetic.physics import SAMPLING_RATE

VERSION = 1  # part of the cache's name; increase it when the sounds change


def write_recordings(folder: str | Path, *, n_takes: int = 20, seed: int = 0) -> list[Path]:
    """Write the recordings, alert01.wav to switch20.wav, and keep files that exist.

    Each file appears complete or not at all.

    Args:
        folder: the folder to write to; it is made if it is missing.
        n_takes: number of recordings of each class.
        seed: seed of the whole set of recordings.

    Raises:
        InputError: `n_takes` is less than 1.
    """
    if n_takes < 1:
        raise InputError(f"n_takes is {n_takes}: expected 1 take of each class or more")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for class_name in CLASSES:
        for take in range(1, n_takes + 1):
            path = folder / f"{class_name}{take:02d}.wav"
            if not path.exists():
                sound_files.save(path, synthesise(class_name, take, seed), SAMPLING_RATE)
            paths.append(path)
    return paths


def cached_recordings(*, n_takes: int = 20, seed: int = 0) -> Path:
    """Return the folder of the recordings in the user's cache; write those that are missing.

    The cache is `$ABSSLAB_CACHE`, else `$XDG_CACHE_HOME/absslab`, else `~/.cache/absslab`.

    Args:
        n_takes: number of recordings of each class.
        seed: seed of the whole set of recordings.
    """
    folder = cache_folder() / f"demo_events-v{VERSION}-seed{seed}-takes{n_takes}"
    write_recordings(folder, n_takes=n_takes, seed=seed)
    return folder
