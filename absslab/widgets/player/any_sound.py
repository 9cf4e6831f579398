"""Make tracks of anything that can be played: files, folders, arrays and results of the core."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.audio import formats
from absslab.core.common.errors import InputError
from absslab.core.common.files import stems_if_distinct
from absslab.core.common.left_out import LeftOut
from absslab.core.common.rich_result import RichResult
from absslab.core.data.class_names import class_of_stem
from absslab.core.data.recordings import audio_files
from absslab.widgets.player.tracks import KINDS, Track, array_sound, file_sound, mixture_tracks

_SEPARATED_KINDS = {"residual": "residual", "remix": "other", "background": "background"}


def make_tracks(sound: Any, sampling_rate: int | None = None) -> list[Track]:
    """Make the tracks of anything that can be played.

    Args:
        sound: a sound file (with the sources that were saved beside it), a folder of sound files
            such as `absslab separate` writes, a list of files or tracks, an array (N,) or (C, N),
            a dict of names to files or arrays, a `Mixture`, or a `Separation`.
        sampling_rate: sampling rate of arrays, Hz.

    Raises:
        InputError: if it is none of these, a file can't be read, or the sampling rate of an array
            is missing.
    """
    if isinstance(sound, str | Path):
        return _folder_tracks(Path(sound)) if Path(sound).is_dir() else mixture_tracks(sound)
    if isinstance(sound, Mapping):
        return [_make_track(str(name), item, sampling_rate) for name, item in sound.items()]
    if isinstance(sound, RichResult):
        # Imported here, because it loads torch, which other sounds do not need.
        from absslab.widgets.player.display import result_tracks

        return result_tracks(sound)
    if hasattr(sound, "__array__"):
        return [_make_track("sound", np.asarray(sound), sampling_rate)]
    if isinstance(sound, Sequence) and sound:
        if all(isinstance(item, Track) for item in sound):
            return list(sound)
        if all(isinstance(item, str | Path) for item in sound):
            names = stems_if_distinct(sound)
            return [Track(name, file_sound(path)) for name, path in zip(names, sound, strict=True)]
    raise InputError(
        f"{type(sound).__name__} can't be listened to: expected a sound file, a folder or list of "
        "them, an array (N,) or (C, N), or a dict of names to files or arrays"
    )


def _folder_tracks(folder: Path) -> list[Track]:
    """Make tracks of the sounds of a folder; those that can't be read are told in a notice."""
    files = audio_files(folder)
    if not files:
        kinds = formats.readable_kinds()
        raise InputError(f"{{folder}} holds no sound file: expected {kinds}", folder=folder)
    is_separated = (folder / "residual.wav").is_file()  # written by absslab separate
    default = "source" if is_separated else "other"
    left_out = LeftOut("listen")
    left_out.n_files = len(files)
    tracks = []
    for path in files:
        with left_out.file(path):
            kind = _SEPARATED_KINDS.get(path.stem, default)
            tracks.append(Track(class_of_stem(path.stem), file_sound(path), kind))
    left_out.stop_if_all()
    left_out.give_notice()
    return sorted(tracks, key=lambda track: KINDS.index(track.kind))


def _make_track(name: str, sound: Any, sampling_rate: int | None) -> Track:
    kind = name if name in KINDS else "other"
    if isinstance(sound, str | Path):
        return Track(name, file_sound(sound), kind)
    if sampling_rate is None:
        raise InputError("sampling_rate is missing: an array does not hold it")
    return Track(name, array_sound(sound, sampling_rate), kind)
