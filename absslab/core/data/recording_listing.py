"""List the sound files of a folder of recordings, and tell what is in it besides and can't be used.

Folders that may not be read, and sounds whose names have no suffix of one, are left out by name.
"""

import os
from pathlib import Path
from typing import NamedTuple

from absslab.core.audio import formats
from absslab.core.audio.decoder_choice import is_sound_by_content
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.files import Walk, walk_once
from absslab.core.common.left_out import LeftOut
from absslab.core.common.notices import give_notice


class Listing(NamedTuple):
    """What is in a folder and in those below it.

    Args:
        sounds: the sound files, sorted.
        unusable: folders that can't be read, and sounds without the suffix of one.
        loops: links to folders that are listed already.
    """

    sounds: list[Path]
    unusable: list[Path]
    loops: list[Path]


def list_sounds(folder: Path, left_out: LeftOut) -> Listing:
    """List the sound files in a folder and its sub-folders, except hidden ones.

    Args:
        folder: the folder.
        left_out: collects what can't be used, and counts all.

    Raises:
        InputError: there is no folder, or nothing in it is a sound.
    """
    check_folder(folder)
    walk = walk_once(folder)
    sounds = sorted(path for path in walk.files if formats.is_audio(path))
    if walk.loops:
        links = "link leads" if len(walk.loops) == 1 else "links lead"
        give_notice(
            InputWarning(
                f"{{path}} is not read again: {len(walk.loops)} {links} to a folder that is read "
                "already",
                path=walk.loops[0],
            )
        )
    unusable = _find_unusable(walk)
    for path, error in unusable.items():
        left_out.add(path, error)
    left_out.n_files += len(sounds) + len(unusable)
    if not sounds:
        content = "no sound file" if any(folder.iterdir()) else "nothing"
        message = f"{{path}} holds {content}: expected recordings ({formats.readable_kinds()})"
        for error in unusable.values():
            raise error.wrap(f"{message}; {{error}}", path=folder)
        raise InputError(message, path=folder)
    return Listing(sounds, list(unusable), walk.loops)


def _find_unusable(walk: Walk) -> dict[Path, InputError]:
    """Find the folders that can't be read, and the sounds without the suffix of one."""
    unusable: dict[Path, InputError] = {}
    for error in walk.unreadable:
        unusable[error.path or Path()] = error
    for path in sorted(walk.files):
        if not formats.is_audio(path) and not path.name.startswith(".") and _is_sound(path):
            unusable[path] = InputError(
                "{path} holds a sound, but its name has no suffix of one: rename it, such as {new}",
                path=path,
                new=f"{path.name}.wav",
            )
    return unusable


def check_folder(folder: Path) -> None:
    """Check that there is a folder.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        raise InputError("{path} is not a directory: expected one with recordings", path=folder)


def tell_folders_without_sounds(folder: Path, used: set[Path]) -> None:
    """Tell which sub-folders are no classes, because there is no sound in them.

    Args:
        folder: the folder of the classes.
        used: its sub-folders with sounds, and those that are told otherwise.
    """
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith(".") or path in used:
            continue
        others = sorted(item.name for item in walk_once(path).files)
        others = [name for name in others if not name.startswith(".")]
        content = "nothing"
        if len(others) == 1:
            content = f"no sound, only {others[0]}"
        elif others:
            content = f"no sound, only {len(others)} other files such as {others[0]}"
        give_notice(
            InputWarning(
                f"{{path}} holds {escape_braces(content)}: there is no class "
                f"{escape_braces(path.name)}",
                path=path,
            )
        )


def _is_sound(path: Path) -> bool:
    try:
        return os.path.isfile(path) and is_sound_by_content(path)
    except OSError:  # no sound that anybody can use
        return False
