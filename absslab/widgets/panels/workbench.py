"""All panels as tabs, meeting in one state."""

import logging
from typing import Any

import ipywidgets

from absslab.core.common.config import suggest_nearest
from absslab.core.common.errors import InputError
from absslab.plots.html_text import paragraph
from absslab.widgets.panels.state import State
from absslab.widgets.ui.background import MainLoop
from absslab.widgets.ui.panel import Panel, close_tree, error_line, view_of
from absslab.widgets.ui.style import CSS

PANELS = (
    "recordings",
    "mixtures",
    "training",
    "runs",
    "separation",
    "report",
)  # tabs, in their order
_log = logging.getLogger("absslab")


class Workbench:
    """The panels, made when their tab is first looked at; `workbench.training` is that panel, for Python.

    Args:
        state: where to begin: event_folder, mixture_folder, runs_folder, run, mixture, split; see `State`.

    Raises:
        InputError: another name.
    """

    def __init__(self, **state: str):
        known = State.class_trait_names()
        for name in state:
            if name not in known:
                raise InputError(f"the workbench has no {name!r}{suggest_nearest(name, known)}")
        self.state = State(**state)
        self._panels: dict[str, Panel] = {}
        self._tabs = ipywidgets.Tab([ipywidgets.VBox() for _ in PANELS], titles=PANELS)
        loop = MainLoop()
        self._tabs.observe(lambda _: loop.call(self._open), "selected_index")
        self._tabs.selected_index = 0
        self.widget = self._tabs
        self._open()

    def __getattr__(self, name: str) -> Any:
        if name not in PANELS:
            raise AttributeError(
                f"the workbench has no panel {name!r}{suggest_nearest(name, PANELS)}"
            )
        return self.panel(name)

    def panel(self, name: str) -> Panel:
        """A panel, made if nobody has looked at it yet."""
        if name not in self._panels:
            panel = _panel_class(name)(self.state)
            self._panels[name] = panel
            self._fill(name, panel.widget)
        return self._panels[name]

    def show(self, name: str) -> Panel:
        """Turn to a panel's tab."""
        panel = self.panel(name)
        self._tabs.selected_index = PANELS.index(name)
        return panel

    def close(self) -> None:
        """Close all panels; trainings that run go on."""
        for panel in self._panels.values():
            panel.close()
        close_tree(self._tabs)

    def _open(self) -> None:
        """Make the panel of the tab that is looked at; where that fails it says why, and the next look tries again."""
        if self._tabs.selected_index is None:
            return
        name = PANELS[self._tabs.selected_index]
        try:
            self.panel(name)
        except Exception as error:
            _log.exception("the panel %s can't be made", name)
            self._fill(name, ipywidgets.HTML(CSS + paragraph(error_line(error), "wrong", "alert")))

    def _fill(self, name: str, widget: ipywidgets.Widget) -> None:
        box = self._tabs.children[PANELS.index(name)]
        before, box.children = box.children, (widget,)
        for one in before:
            close_tree(one)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return view_of(self.widget, **options)


def _panel_class(name: str) -> type[Panel]:
    """The class of a panel, imported when it is first needed: a panel that nobody looks at costs no import."""
    match name:
        case "recordings":
            from absslab.widgets.panels.recordings import RecordingsPanel

            return RecordingsPanel
        case "mixtures":
            from absslab.widgets.panels.mixtures import MixturesPanel

            return MixturesPanel
        case "training":
            from absslab.widgets.panels.training import TrainingPanel

            return TrainingPanel
        case "runs":
            from absslab.widgets.panels.runs import RunsPanel

            return RunsPanel
        case "separation":
            from absslab.widgets.panels.separation import SeparationPanel

            return SeparationPanel
        case _:
            from absslab.widgets.panels.scores import ScoresPanel

            return ScoresPanel
