"""Panel that shows the features of several front ends, and plays sounds made from them."""

from pathlib import Path

from absslab.core.common.errors import InputError
from absslab.core.model.feature_inversion import (
    FrontEndComparison,
    FrontEndConfig,
    compare_front_ends,
)
from absslab.plots.laboratory import draw_front_ends
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.player.tracks import Track, array_sound
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.sliders import Choices, Range, Sliders

CHART_HEIGHT = 5.2  # inches
CONTROLS: dict[str, Range | Choices] = {  # field → range or choices
    "carrier": (("the recording's phase", "phase"), ("noise: the features alone", "noise")),
    "levels": (("as in the recording", "true"), ("from brightness", "brightness")),
    "shades": (("all", 0), *((str(n), n) for n in (64, 32, 16, 8, 4, 2))),
    "n_mels": (8, 128),
    "log_offset": (-120.0, -20.0),
    "pcen_gain": (0.0, 1.0),
    "pcen_smoothing": (0.01, 0.5),
    "pcen_bias": (0.0, 10.0),
    "pcen_power": (0.1, 1.0),
}


class FrontEndsPanel(WorkbenchPanel):
    """The features of `state.mixture` by each front end, and sounds made from them.

    Sliders change the front ends while the sounds play.

    Args:
        state: shared with other panels.
    """

    title = "front ends"

    def __init__(self, state: State | None = None):
        super().__init__(state)
        self.comparison: FrontEndComparison | None = None
        deliver = self.guard(self._show_comparison)
        self._latest = self.own(
            LatestOnly(
                self.loop,
                compare_front_ends,
                deliver=deliver,
                failed=self.fail,
                noticed=self.show_notice,
            )
        )
        self.sliders = self.own(Sliders({FrontEndConfig: CONTROLS}, self.guard(self._request)))
        self.chart = self.own(ChartArea())
        self.recording_view = self.own(RecordingView())
        self.show(self.sliders, self.chart, self.recording_view)
        self.watch("mixture", self._request)
        if self.state.mixture:
            self._request()

    def look(self, path: str | Path) -> None:
        """Show a sound file, and select it for all panels.

        Args:
            path: the sound file.

        Raises:
            InputError: the sliders are set to values that do not go together.
        """
        if str(path) == self.state.mixture:
            self._request()
        self.state.mixture = str(path)

    def _request(self) -> None:
        if not self.state.mixture:
            raise InputError("no recording is chosen: set state.mixture")
        self._latest.request(self.state.mixture, self.sliders.config(FrontEndConfig))

    def _show_comparison(self, comparison: FrontEndComparison) -> None:
        self.comparison = comparison
        self.say("")
        rate = comparison.sampling_rate
        tracks = [Track("recording", array_sound(comparison.recording, rate), "mixture")]
        for name, sound in comparison.sounds.items():
            tracks.append(Track(name, array_sound(sound, rate)))
        self.recording_view.show_tracks(tracks, title=Path(self.state.mixture).name)
        draw_front_ends(self.chart.begin(CHART_HEIGHT), comparison.features)
        self.chart.draw()
