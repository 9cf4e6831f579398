"""All panels as tabs that share one state."""

import logging
from collections.abc import Callable
from typing import Any

import ipywidgets

from absslab.core.common.config import look_up, suggest_nearest
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.plots.html_text import paragraph
from absslab.widgets.panels.state import State
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.panel import Panel, view_of
from absslab.widgets.ui.part import close_tree
from absslab.widgets.ui.style import CSS

_log = logging.getLogger("absslab")


def _import_recordings_panel() -> type[Panel]:
    from absslab.widgets.panels.recordings import RecordingsPanel

    return RecordingsPanel


def _import_mixtures_panel() -> type[Panel]:
    from absslab.widgets.panels.mixtures import MixturesPanel

    return MixturesPanel


def _import_training_panel() -> type[Panel]:
    from absslab.widgets.panels.training import TrainingPanel

    return TrainingPanel


def _import_runs_panel() -> type[Panel]:
    from absslab.widgets.panels.runs import RunsPanel

    return RunsPanel


def _import_separation_panel() -> type[Panel]:
    from absslab.widgets.panels.separation import SeparationPanel

    return SeparationPanel


def _import_scores_panel() -> type[Panel]:
    from absslab.widgets.panels.scores import ScoresPanel

    return ScoresPanel


# The class of a panel is imported when its tab is opened.
PANELS: dict[str, Callable[[], type[Panel]]] = {  # tab → its panel, in order
    "recordings": _import_recordings_panel,
    "mixtures": _import_mixtures_panel,
    "training": _import_training_panel,
    "runs": _import_runs_panel,
    "separation": _import_separation_panel,
    "report": _import_scores_panel,
}


class Workbench:
    """The panels as tabs; a panel is made when its tab is opened or when it is used from Python.

    From Python, `workbench.training` is the panel in the tab "training", and so on.

    Args:
        state: initial values: event_folder, mixture_folder, runs_folder, run, mixture,
            split; see `State`.

    Raises:
        InputError: another name is given.
    """

    def __init__(self, **state: str):
        known = State.class_trait_names()
        for name in state:
            if name not in known:
                raise InputError(f"the workbench has no {name!r}{suggest_nearest(name, known)}")
        self.state = State(**state)
        self._panels: dict[str, Panel] = {}
        self._tabs = ipywidgets.Tab([ipywidgets.VBox() for _ in PANELS], titles=tuple(PANELS))
        loop = current_main_loop()
        self._tabs.observe(lambda _: loop.call(self._open_tab), "selected_index")
        self._tabs.selected_index = 0
        self.widget = self._tabs
        self._open_tab()

    def __getattr__(self, name: str) -> Any:
        if name not in PANELS:
            hint = suggest_nearest(name, PANELS)
            raise AttributeError(f"the workbench has no panel {name!r}{hint}")
        return self.panel(name)

    def panel(self, name: str) -> Panel:
        """Return the panel of a tab; make it if this has not been done yet.

        Raises:
            InputError: there is no such panel.
        """
        if name not in self._panels:
            panel_class = look_up("panel", name, PANELS)()
            with collect_notices() as notices:
                panel = panel_class(self.state)
            self._panels[name] = panel
            for notice in notices:
                panel.show_notice(notice)
            self._fill_tab(name, panel.widget)
        return self._panels[name]

    def show(self, name: str) -> Panel:
        """Open the tab of a panel and return the panel."""
        panel = self.panel(name)
        self._tabs.selected_index = list(PANELS).index(name)
        return panel

    def close(self) -> None:
        """Close all panels; trainings that are running go on."""
        for panel in self._panels.values():
            panel.close()
        close_tree(self._tabs)

    def _open_tab(self) -> None:
        """Make the panel of the open tab.

        If this fails, the tab shows the error, and it is tried again when the tab is opened next.
        """
        if self._tabs.selected_index is None:
            return
        name = list(PANELS)[self._tabs.selected_index]
        try:
            self.panel(name)
        except Exception as error:
            _log.exception("the panel %s can't be made", name)
            message = paragraph(error_line(error), "wrong", "alert")
            self._fill_tab(name, ipywidgets.HTML(CSS + message))

    def _fill_tab(self, name: str, widget: ipywidgets.Widget) -> None:
        box = self._tabs.children[list(PANELS).index(name)]
        replaced = box.children
        box.children = (widget,)
        for child in replaced:
            close_tree(child)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return view_of(self.widget, **options)
