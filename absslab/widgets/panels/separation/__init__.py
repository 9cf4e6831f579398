"""The panel that separates recordings."""

from absslab.widgets.panels.separation.separation_panel import SeparationPanel

__all__ = ["SeparationPanel"]
