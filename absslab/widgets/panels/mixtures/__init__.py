"""The panel that draws, writes and plays mixtures."""

from absslab.widgets.panels.mixtures.mixtures_panel import MixturesPanel

__all__ = ["MixturesPanel"]
