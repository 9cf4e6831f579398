"""Laboratories: front ends, poolings and models side by side."""

from absslab.widgets.panels.lab.front_ends_panel import FrontEndsPanel
from absslab.widgets.panels.lab.pooling_panel import PoolingPanel
from absslab.widgets.panels.lab.side_by_side_panel import SideBySidePanel

__all__ = ["FrontEndsPanel", "PoolingPanel", "SideBySidePanel"]
