"""Models side by side: their masks of one recording, and the sounds that these masks cut out."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import mixture_names
from absslab.plots.html_tables import render_table
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.listening.side_by_side import SideBySide, compare_models, draw_comparison
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button


class SideBySidePanel(WorkbenchPanel):
    """Masks, sounds and scores of several models for one recording.

    The recording is a mixture of `state.mixture_folder`, or any other one.

    Args:
        models: name → checkpoint.
        state: shared with other panels.

    Raises:
        InputError: no model is given.
    """

    title = "side by side"

    def __init__(self, models: Mapping[str, str | Path], state: State | None = None):
        super().__init__(state)
        if not models:
            raise InputError("there is no model to compare: give at least one, name and checkpoint")
        self.models = {name: str(path) for name, path in models.items()}
        self.comparison: SideBySide | None = None
        self._loaded = self.own(LiveModels())
        deliver = self.guard(self._show_comparison)
        self._latest = self.own(
            LatestOnly(
                self.loop,
                self._compare,
                deliver=deliver,
                failed=self.fail,
                noticed=self.show_notice,
            )
        )
        self.index = ipywidgets.BoundedIntText(
            min=0,
            max=999_999,
            description="mixture",
            layout={"width": "170px"},
            style={"description_width": "60px"},
        )
        self.index.observe(self.guard(lambda _: self.browse(self.index.value)), "value")
        previous_button = button("previous", self.guard(partial(self._step, -1)))
        next_button = button("next", self.guard(partial(self._step, 1)))
        self.table = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        self.recording_view = self.own(RecordingView())
        row = ipywidgets.HBox(
            [self.index, previous_button, next_button], layout={"flex_flow": "row wrap"}
        )
        self.show(row, self.message_line, self.table, self.chart, self.recording_view)
        self.watch("mixture", self._request)
        if self.state.mixture_folder:
            self.browse(0)

    def browse(self, index: int) -> None:
        """Compare the models on a mixture of the folder, and select it for all panels.

        Args:
            index: the number of the mixture in `state.split`.

        Raises:
            InputError: there is no such folder or mixture.
        """
        folder = self.state.mixture_folder
        split = self.state.split
        names = mixture_names(folder, split)
        if not 0 <= index < len(names):
            raise InputError(
                f"{{folder}} has {len(names)} {split} mixtures: "
                f"expected a number up to {len(names) - 1}",
                folder=folder,
            )
        self.index.value = index
        self.compare(Path(folder) / split / names[index])

    def compare(self, path: str | Path) -> None:
        """Compare the models on a recording, and select it for all panels.

        Args:
            path: the sound file.
        """
        if str(path) == self.state.mixture:
            self._request()
        self.state.mixture = str(path)

    def _step(self, by: int) -> None:
        self.index.value = max(0, self.index.value + by)

    def _request(self) -> None:
        if self.state.mixture:
            self.say("separating …")
            self._latest.request(Path(self.state.mixture))

    def _compare(self, path: Path) -> tuple[SideBySide, Path]:
        separators = {
            name: self._loaded.separator(Path(checkpoint), "cpu")
            for name, checkpoint in self.models.items()
        }
        return compare_models(separators, path), path

    def _show_comparison(self, answer: tuple[SideBySide, Path]) -> None:
        comparison, path = answer
        self.comparison = comparison
        self.say("")
        self.table.value = render_table(comparison.header, comparison.table)
        self.recording_view.show_tracks(comparison.tracks, title=path.name)
        draw_comparison(self.chart, comparison)
