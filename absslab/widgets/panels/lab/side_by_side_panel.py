"""Models beside each other: the masks that they draw of one recording, and what these cut out."""

from collections.abc import Mapping
from pathlib import Path

import ipywidgets

from absslab.core.common.errors import InputError
from absslab.core.data.mixture_folder import mixture_names
from absslab.plots.html_tables import html_table
from absslab.widgets.listening.listening import Listening
from absslab.widgets.listening.live_separation import LiveModels
from absslab.widgets.listening.side_by_side import SideBySide, compare_models, draw_masks
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.controls import button


class SideBySidePanel(WorkbenchPanel):
    """Masks, sounds and scores of several models for a mixture of `state.mixture_folder`, or for any other recording.

    Args:
        models: name → checkpoint.
        state: what panels share.

    Raises:
        InputError: no model.
    """

    title = "side by side"

    def __init__(self, models: Mapping[str, str | Path], state: State | None = None):
        super().__init__(state)
        if not models:
            raise InputError("there is no model to compare: give at least one, name and checkpoint")
        self.models = {name: str(path) for name, path in models.items()}
        self.shown: SideBySide | None = None
        self._models = self.own(LiveModels())
        self._latest = self.own(
            LatestOnly(
                self.loop, self._compare, deliver=self.guard(self._deliver), failed=self.fail
            )
        )
        narrow = {"layout": {"width": "170px"}, "style": {"description_width": "60px"}}
        self.index = ipywidgets.BoundedIntText(min=0, max=999_999, description="mixture", **narrow)
        self.index.observe(self.guard(lambda _: self.browse(self.index.value)), "value")
        moves = [
            button(words, self.guard(lambda by=by: self._step(by)))
            for words, by in {"previous": -1, "next": 1}.items()
        ]
        self.table = ipywidgets.HTML()
        self.chart = self.own(ChartArea())
        self.listening = self.own(Listening())
        row = ipywidgets.HBox([self.index, *moves], layout={"flex_flow": "row wrap"})
        self.show(row, self._line, self.table, self.chart, self.listening)
        self.watch("mixture", self._request)
        if self.state.mixture_folder:
            self.browse(0)

    def browse(self, index: int) -> None:
        """Compare a mixture of the set, and select it for all panels.

        Raises:
            InputError: there is no such set or mixture.
        """
        folder, split = self.state.mixture_folder, self.state.split
        names = mixture_names(folder, split)
        if not 0 <= index < len(names):
            raise InputError(
                f"{folder} has {len(names)} {split} mixtures: expected a number up to {len(names) - 1}"
            )
        self.index.value = index
        self.compare(Path(folder) / split / names[index])

    def compare(self, path: str | Path) -> None:
        """Compare a recording, and select it for all panels."""
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
            name: self._models.separator(Path(model), "cpu") for name, model in self.models.items()
        }
        return compare_models(separators, path), path

    def _deliver(self, answered: tuple[SideBySide, Path]) -> None:
        shown, path = answered
        self.shown = shown
        self.say("")
        self.table.value = html_table(shown.header, shown.table)
        self.listening.hear(shown.tracks, title=path.name)
        draw_masks(self.chart, shown)
