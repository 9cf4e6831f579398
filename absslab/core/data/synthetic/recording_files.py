"""Write the built-in recordings and backgrounds as files: to a folder, or to the user's cache."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.files import cache_folder
from absslab.core.data.synthetic.backgrounds import BACKGROUNDS, synthesise_background
from absslab.core.data.synthetic.office_sounds import CLASSES, synthesise
from absslab.core.data.synthetic.physics import SAMPLING_RATE

VERSION = 1  # part of the caches' names; increase it when the sounds change


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
    return _write(folder, CLASSES, synthesise, n_takes, seed)


def write_backgrounds(folder: str | Path, *, n_takes: int = 6, seed: int = 0) -> list[Path]:
    """Write the backgrounds, rain01.wav to wind06.wav, of 10 s each; keep files that exist.

    Each file appears complete or not at all.

    Args:
        folder: the folder to write to; it is made if it is missing.
        n_takes: number of recordings of each kind.
        seed: seed of the whole set of backgrounds.

    Raises:
        InputError: `n_takes` is less than 1.
    """
    return _write(folder, BACKGROUNDS, synthesise_background, n_takes, seed)


def _write(
    folder: str | Path,
    names: Sequence[str],
    synthesise_take: Callable[[str, int, int], np.ndarray],
    n_takes: int,
    seed: int,
) -> list[Path]:
    """Write the takes of each name that are missing, and return the paths of all."""
    if n_takes < 1:
        raise InputError(f"n_takes is {n_takes}: expected 1 take of each or more")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in names:
        for take in range(1, n_takes + 1):
            path = folder / f"{name}{take:02d}.wav"
            if not path.exists():
                sound_files.save(path, synthesise_take(name, take, seed), SAMPLING_RATE)
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


def cached_backgrounds(*, n_takes: int = 6, seed: int = 0) -> Path:
    """Return the folder of the backgrounds in the user's cache; write those that are missing.

    Args:
        n_takes: number of recordings of each kind.
        seed: seed of the whole set of backgrounds.
    """
    folder = cache_folder() / f"demo_backgrounds-v{VERSION}-seed{seed}-takes{n_takes}"
    write_backgrounds(folder, n_takes=n_takes, seed=seed)
    return folder
