"""Separate and detect sounds with models trained on weak labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from absslab.core.common.rich_result import RichResult, register_renderer
from absslab.core.common.version import __version__

if TYPE_CHECKING:
    from absslab.widgets.panels.workbench import Workbench
    from absslab.widgets.player.player import Player

__all__ = ["__version__", "listen", "workbench"]


def listen(what: Any, sampling_rate: int | None = None, *, title: str = "") -> "Player":
    """The player for anything that sounds, in a notebook.

    Args:
        what: a sound file of any length (with the sources that were saved beside it), a folder of them such as
            `absslab separate` writes, a list of files, an array (N,) or (C, N), or a dict of names to files or arrays.
        sampling_rate: of arrays, Hz.
        title: what is shown above it.

    Raises:
        InputError: none of these, a file that can't be read, an array that is no sound or lacks its sampling rate.

    >>> absslab.listen("data/mixtures/test/000000.wav")                        # doctest: +SKIP
    """
    player, any_sound = _widgets("player.player"), _widgets("player.any_sound")
    named = Path(what).name if isinstance(what, str | Path) else ""
    return player.Player(any_sound.tracks_of(what, sampling_rate), title=title or named)


def workbench(**state: str) -> "Workbench":
    """All panels, as tabs, in a notebook: recordings, mixtures, training, runs, separation, report.

    Args:
        state: where to begin: event_folder, mixture_folder, runs_folder, run, mixture, split; see `State`.

    >>> absslab.workbench(mixture_folder="data/mixtures", runs_folder="data/runs")     # doctest: +SKIP
    """
    return _widgets("panels.workbench").Workbench(**state)


def _widgets(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"absslab.widgets.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("absslab"):
            raise
        raise ImportError(f"widgets need {error.name}: pip install 'absslab[lab]'") from error


def _render_as_player(result: RichResult, **options: Any) -> Any:
    """Show a result of the core as a player; as nothing where the widgets are not installed."""
    try:
        from absslab.widgets.player.display import player_of
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("absslab"):
            raise
        return None
    return player_of(result)._repr_mimebundle_(**options)


register_renderer(_render_as_player)
