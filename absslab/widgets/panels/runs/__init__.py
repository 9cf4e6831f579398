"""The panel that lists and compares runs."""

from absslab.widgets.panels.runs.runs_panel import RunsPanel

__all__ = ["RunsPanel"]
