"""The tracks of the core's results, and the player in which a notebook shows a result."""

from functools import singledispatch
from typing import Any
from weakref import WeakKeyDictionary, finalize

from absslab.core.data.mixture_rendering import Mixture
from absslab.core.separation.separator import Separation
from absslab.widgets.player.player import Player
from absslab.widgets.player.tracks import Mask, Track, array_sound
from absslab.widgets.ui.main_loop import MainLoop, current_main_loop

_players: WeakKeyDictionary[Any, Player] = WeakKeyDictionary()  # by result


@singledispatch
def result_tracks(result: Any) -> list[Track]:
    """Return the tracks of a result.

    Raises:
        TypeError: if the result has no sound.
    """
    raise TypeError(f"{type(result).__name__} has no sound that can be played")


@result_tracks.register
def mixed_tracks(mixed: Mixture) -> list[Track]:
    """Return a rendered mixture, its sources as references, and its background."""
    rate = mixed.sampling_rate
    tracks = [Track("mixture", array_sound(mixed.mixture, rate), "mixture")]
    for name, source in mixed.sources.items():
        tracks.append(Track(name, array_sound(source, rate), "reference"))
    tracks.append(Track("background", array_sound(mixed.background, rate), "background"))
    return tracks


@result_tracks.register
def separation_tracks(separation: Separation) -> list[Track]:
    """Return the mixture, the source of each class with its mask, and the residual."""
    features = separation.features
    rate = separation.sampling_rate
    hop = features.hop_size / features.sampling_rate  # s
    mixture = separation.sources.sum(0) + separation.residual  # (C, N)
    tracks = [Track("mixture", array_sound(mixture, rate), "mixture")]
    for name, source, values in zip(
        separation.classes, separation.sources, separation.masks, strict=True
    ):
        mask = Mask(values, features.centres, hop)
        tracks.append(Track(name, array_sound(source, rate), "source", mask))
    tracks.append(Track("residual", array_sound(separation.residual, rate), "residual"))
    return tracks


def player_of(result: Any) -> Player:
    """Return the player of a result.

    It is the same one however often the result is shown, and is closed when the result is deleted.

    Raises:
        TypeError: if the result has no sound.
    """
    player = _players.get(result)
    if player is None or not player.tracks:  # there is none, or it was closed
        player = Player(result_tracks(result), title=type(result).__name__.lower())
        _players[result] = player
        finalize(result, _close, player, current_main_loop()).atexit = False
    return player


def _close(player: Player, loop: MainLoop) -> None:
    """Close a player on the main loop: garbage is collected at any moment, on any thread."""
    loop.later(0, player.close)
