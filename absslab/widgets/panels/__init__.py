"""The panels of the workbench: one folder per activity, and the state that they share."""

from absslab.widgets.panels.state import State
from absslab.widgets.panels.workbench import Workbench

__all__ = ["State", "Workbench"]
