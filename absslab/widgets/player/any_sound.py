"""Tracks of anything that sounds: files, folders, arrays and results of the core."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.rich_result import RichResult
from absslab.core.data.recordings import audio_files
from absslab.widgets.player.tracks import KINDS, Track, array_sound, file_sound, mixture_tracks


def tracks_of(what: Any, sampling_rate: int | None = None) -> list[Track]:
    """The tracks of anything that sounds.

    Args:
        what: a sound file (with the sources that were saved beside it), a folder of sound files such as `absslab separate`
            writes, a list of files, an array (N,) or (C, N), a dict of names to files or arrays, a `Mixture`, a
            `Separation`.
        sampling_rate: of arrays, Hz.

    Raises:
        InputError: none of these, a file that can't be read, an array without its sampling rate.
    """
    if isinstance(what, str | Path):
        return _folder_tracks(Path(what)) if Path(what).is_dir() else mixture_tracks(what)
    if isinstance(what, Mapping):
        return [_track(str(name), sound, sampling_rate) for name, sound in what.items()]
    if isinstance(what, RichResult):
        from absslab.widgets.player.display import (
            result_tracks,
        )  # torch is loaded for results alone

        return result_tracks(what)
    if hasattr(what, "__array__"):
        return [_track("sound", np.asarray(what), sampling_rate)]
    if isinstance(what, Sequence) and what and all(isinstance(one, Track) for one in what):
        return list(what)
    if isinstance(what, Sequence) and what and all(isinstance(one, str | Path) for one in what):
        return [
            Track(name, file_sound(path)) for name, path in zip(_names(what), what, strict=True)
        ]
    raise InputError(
        f"{type(what).__name__} can't be listened to: expected a sound file, a folder or list of them, an array (N,) or "
        "(C, N), or a dict of names to files or arrays"
    )


def _folder_tracks(folder: Path) -> list[Track]:
    files = audio_files(folder)
    if not files:
        raise InputError(
            f"{folder} holds no sound file: expected {', '.join(sound_files.SUFFIXES)}"
        )
    is_separated = (folder / "residual.wav").is_file()  # as absslab separate leaves it
    kinds = {"residual": "residual", "remix": "other", "background": "background"}
    tracks = [
        Track(
            path.stem, file_sound(path), kinds.get(path.stem, "source" if is_separated else "other")
        )
        for path in files
    ]
    return sorted(tracks, key=lambda track: KINDS.index(track.kind))


def _track(name: str, what: Any, sampling_rate: int | None) -> Track:
    if isinstance(what, str | Path):
        return Track(name, file_sound(what), name if name in KINDS else "other")
    if sampling_rate is None:
        raise InputError("sampling_rate is missing: an array does not say it")
    return Track(name, array_sound(what, sampling_rate), name if name in KINDS else "other")


def _names(paths: Iterable[str | Path]) -> list[str]:
    """Stems, or as much of the paths as tells them apart."""
    texts = [str(path) for path in paths]
    stems = [Path(text).stem for text in texts]
    return stems if len(set(stems)) == len(stems) else texts
