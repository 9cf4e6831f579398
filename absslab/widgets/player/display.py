"""What results of the core look and sound like in a notebook."""

from functools import singledispatch
from typing import Any
from weakref import WeakKeyDictionary, finalize

from absslab.core.data.mixing import Mixture
from absslab.core.separation.separator import Separation
from absslab.widgets.player.player import Player
from absslab.widgets.player.tracks import Mask, Track, array_sound
from absslab.widgets.ui.main_loop import MainLoop, current_main_loop

_players: WeakKeyDictionary[Any, Player] = WeakKeyDictionary()  # by result


@singledispatch
def result_tracks(result: Any) -> list[Track]:
    """The tracks of a result.

    Raises:
        TypeError: it has none.
    """
    raise TypeError(f"{type(result).__name__} can't be heard")


@result_tracks.register
def mixed_tracks(mixed: Mixture) -> list[Track]:
    """A mixture that was rendered, its sources as references, and its background."""
    tracks = [Track("mixture", array_sound(mixed.mixture, mixed.sampling_rate), "mixture")]
    for name, source in mixed.sources.items():
        tracks.append(Track(name, array_sound(source, mixed.sampling_rate), "reference"))
    return [
        *tracks,
        Track("background", array_sound(mixed.background, mixed.sampling_rate), "background"),
    ]


@result_tracks.register
def separation_tracks(separation: Separation) -> list[Track]:
    """The mixture, what each class was given of it with its mask, and what was left."""
    features, rate = separation.features, separation.sampling_rate
    hop, centres = features.hop_size / features.sampling_rate, features.centres
    tracks = [
        Track(
            "mixture", array_sound(separation.sources.sum(0) + separation.residual, rate), "mixture"
        )
    ]
    for name, source, mask in zip(
        separation.classes, separation.sources, separation.masks, strict=True
    ):
        tracks.append(Track(name, array_sound(source, rate), "source", Mask(mask, centres, hop)))
    return [*tracks, Track("residual", array_sound(separation.residual, rate), "residual")]


def player_of(result: Any) -> Player:
    """The player of a result: the same one, however often the result is shown, closed when the result is gone.

    Raises:
        TypeError: the result can't be heard.
    """
    player = _players.get(result)
    if player is None or not player.tracks:  # it was closed
        player = _players[result] = Player(
            result_tracks(result), title=type(result).__name__.lower()
        )
        finalize(result, _close, player, current_main_loop()).atexit = False
    return player


def _close(player: Player, loop: MainLoop) -> None:
    """Close when the loop is free: what is collected is so at any moment, and on any thread."""
    loop.later(0, player.close)
