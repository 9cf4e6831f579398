"""A place for a chart whose height changes with its content."""

from typing import TYPE_CHECKING

import ipywidgets

from absslab.widgets.ui.part import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from absslab.widgets.ui.live_plot import Plot


class ChartArea(Part):
    """A place for a chart whose height changes with its content."""

    def __init__(self) -> None:
        super().__init__()
        self.widget = ipywidgets.Box()
        self._plot: Plot | None = None

    def begin(self, height: float) -> "Figure":
        """Return the figure, empty and of this height in inches; call `draw` when it is filled."""
        from absslab.widgets.ui.live_plot import DPI, Plot

        if self._plot is None:
            self._plot = self.own(Plot(height=round(height * DPI)))
            self.widget.children = (self._plot.widget,)
        self._plot.resize(round(height * DPI))
        self.widget.layout.display = ""
        self._plot.figure.clear()
        return self._plot.figure

    def draw(self) -> None:
        """Show the content of the figure."""
        if self._plot is not None:
            self._plot.draw()

    def clear(self) -> None:
        """Show nothing.

        The canvas is hidden and kept: one of ipympl leaves a page only with the whole panel.
        """
        self.widget.layout.display = "none"
        if self._plot is not None:
            self._plot.figure.clear()

    def close(self) -> None:
        """Free the figure."""
        super().close()
        self._plot = None
