"""Front ends side by side: what a mask network would be given of a recording, seen and heard."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.model.feature_inversion import (
    FRONT_ENDS,
    FeatureInversion,
    FrontEndConfig,
    Picture,
)
from absslab.plots.laboratory import front_end_pictures
from absslab.widgets.listening.listening import Listening
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.player.tracks import Track, array_sound
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.sliders import Choices, Range, Sliders

HEIGHT = 5.2  # inches of the pictures
LONGEST = 20.0  # s that are shown of a recording
RATE = 16000  # Hz
TURNED: dict[str, Range | Choices] = {
    "carrier": (("the recording's phase", "phase"), ("noise: the picture alone", "noise")),
    "levels": (("as they were", "true"), ("as bright as the picture", "brightness")),
    "shades": (("all", 0), *((str(n), n) for n in (64, 32, 16, 8, 4, 2))),
    "n_mels": (8, 128),
    "log_offset": (-120.0, -20.0),
    "pcen_gain": (0.0, 1.0),
    "pcen_smoothing": (0.01, 0.5),
    "pcen_bias": (0.0, 10.0),
    "pcen_power": (0.1, 1.0),
}


class Made(NamedTuple):
    """What came of a setting."""

    recording: np.ndarray  # (N,)
    pictures: list[Picture]
    sounds: Mapping[str, np.ndarray]  # by front end, (N,)


class FrontEndsPanel(WorkbenchPanel):
    """Pictures of `state.mixture`, and the sound that each of them still holds; sliders change both while it plays.

    Args:
        state: what panels share.
    """

    title = "front ends"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.made: Made | None = None
        self._latest = self.own(
            LatestOnly(self.loop, _make, deliver=self.guard(self._deliver), failed=self.fail)
        )
        self.sliders = self.own(Sliders({FrontEndConfig: TURNED}, self.guard(self._request)))
        self.chart = self.own(ChartArea())
        self.listening = self.own(Listening())
        self.show(self.sliders, self.chart, self.listening)
        self.watch("mixture", self._request)
        if self.state.mixture:
            self._request()

    def look(self, path: str | Path) -> None:
        """Look at a sound file, and select it for all panels.

        Raises:
            InputError: settings that can't be used.
        """
        if str(path) == self.state.mixture:
            self._request()
        self.state.mixture = str(path)

    def _request(self) -> None:
        if not self.state.mixture:
            raise InputError("no recording is chosen: set state.mixture")
        self._latest.request(self.state.mixture, self.sliders.config(FrontEndConfig))

    def _deliver(self, made: Made) -> None:
        self.made = made
        self.say("")
        tracks = [Track("recording", array_sound(made.recording, RATE), "mixture")]
        tracks += [Track(name, array_sound(sound, RATE)) for name, sound in made.sounds.items()]
        self.listening.hear(tracks, title=Path(self.state.mixture).name)
        front_end_pictures(self.chart.begin(HEIGHT), made.pictures)
        self.chart.draw()


def _make(path: str, config: FrontEndConfig) -> Made:
    rate = sound_files.info(path).sampling_rate
    recording = sound_files.load(path, RATE, n_samples=round(LONGEST * rate))
    front_ends = FeatureInversion(recording, RATE, config)
    pictures = [front_ends.picture(name) for name in FRONT_ENDS]
    return Made(recording, pictures, {name: front_ends.sound(name) for name in FRONT_ENDS})
