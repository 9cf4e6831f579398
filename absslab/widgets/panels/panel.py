"""The base of the workbench's panels."""

from absslab.widgets.panels.state import State
from absslab.widgets.ui.panel import Panel


class WorkbenchPanel(Panel):
    """A panel that shares the workbench's state, or has one of its own."""

    state_class = State
    state: State
