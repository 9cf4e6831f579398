"""Save what the listener hears of a separation, with the settings that produce it."""

from pathlib import Path

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.settings import SeparationSettings, write_settings
from absslab.widgets.player.mixdown import mix_tracks, remix_gains
from absslab.widgets.player.player import Player


def save_remix(player: Player, config: SeparationConfig, stem: str) -> tuple[Path, Path]:
    """Save what a player plays, and the settings that `absslab separate --settings` takes.

    Args:
        player: a player with the tracks of a separation.
        config: the settings of the masks.
        stem: path of the two files without their suffix; a suffix .wav or .json is removed.

    Returns:
        the WAV file and the JSON file.

    Raises:
        InputError: a track is heard that no model makes, or no track is heard.
        OSError: the files can't be written.
    """
    base = Path(stem.removesuffix(".wav").removesuffix(".json")).expanduser()
    wav = base.with_name(f"{base.name}.wav")
    json = base.with_name(f"{base.name}.json")
    settings = SeparationSettings(config, remix_gains(player.tracks, player.mix_state))
    gains = [10 ** (gain / 20) for gain in player.mix_state.gains]  # from dB
    samples = mix_tracks(player.tracks, gains, 0, player.n_samples)  # (C, N)
    is_in_range = np.abs(samples).max() <= 1
    subtype = "PCM_16" if is_in_range else "FLOAT"
    sound_files.save(wav, samples, player.sampling_rate, subtype=subtype)
    write_settings(json, settings)
    return wav, json
