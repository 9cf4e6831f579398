"""Show the player, the workbench, and results of the core in a notebook."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absslab.core.common.errors import InputError
from absslab.core.common.rich_result import RichResult

if TYPE_CHECKING:
    from absslab.widgets.panels.workbench import Workbench
    from absslab.widgets.player.player import Player


def listen(
    sound: Any = None, sampling_rate: int | None = None, *, title: str = "", what: Any = None
) -> "Player":
    """Show a player for any kind of sound in a notebook.

    Args:
        sound: A sound file of any length (with the sources that were saved beside it), a folder
            of sound files such as `absslab separate` writes, a list of files, an array (N,) or
            (C, N), or a dict of names to files or arrays.
        sampling_rate: Sampling rate of arrays, Hz.
        title: The text above the player.
        what: The name of `sound` in version 0.1.0; it still works.

    Raises:
        InputError: The sound is none of these, it is missing or given twice, a file can't be
            read, or an array is not a sound or comes without its sampling rate.

    Examples:
        >>> player = absslab.listen(mixture)
        >>> [track.name for track in player.tracks][:2]
        ['mixture', 'alert']
    """
    try:
        from absslab.widgets.player.any_sound import make_tracks
        from absslab.widgets.player.player import Player
    except ModuleNotFoundError as error:
        if _is_own(error):
            raise
        raise _missing_package(error) from error
    if (sound is None) == (what is None):
        raise InputError("sound is missing, or given twice (what is its old name): pass one sound")
    sound = what if sound is None else sound
    file_name = Path(sound).name if isinstance(sound, str | Path) else ""
    return Player(make_tracks(sound, sampling_rate), title=title or file_name)


def workbench(**state: str) -> "Workbench":
    """Show all panels as tabs: recordings, mixtures, training, runs, separation, report.

    Args:
        state: Initial values: event_folder, mixture_folder, runs_folder, run, mixture, split;
            see `absslab.widgets.panels.state.State`.

    Raises:
        InputError: The state has no field of this name.

    Examples:
        >>> bench = absslab.workbench(mixture_folder=str(mixture_folder))
        >>> bench.state.split
        'test'
        >>> bench.close()
    """
    try:
        from absslab.widgets.panels.workbench import Workbench
    except ModuleNotFoundError as error:
        if _is_own(error):
            raise
        raise _missing_package(error) from error
    return Workbench(**state)


def render_as_player(result: RichResult, **options: Any) -> Any:
    """Show a result of the core as a player, or as text if the widgets are not installed.

    Args:
        result: The result, such as a `Separation`.
        options: Arguments that IPython passes to `_repr_mimebundle_`.
    """
    try:
        from absslab.widgets.player.display import player_of
    except ModuleNotFoundError as error:
        if _is_own(error):
            raise
        return None
    return player_of(result)._repr_mimebundle_(**options)


def _missing_package(error: ModuleNotFoundError) -> ImportError:
    """Say how to install what the widgets need."""
    return ImportError(f"widgets need {error.name}: pip install 'absslab[lab]'")


def _is_own(error: ModuleNotFoundError) -> bool:
    """Tell whether the missing module is one of ABSSLab itself, which is a fault."""
    return (error.name or "").startswith("absslab")
