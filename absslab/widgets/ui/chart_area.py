"""A place for a plot whose height changes with what it shows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from absslab.widgets.ui.live_plot import Plot


import ipywidgets


class ChartArea:
    """A place for a plot whose height changes with what it shows."""

    def __init__(self) -> None:
        self.widget = ipywidgets.Box()
        self._plot: Plot | None = None

    def begin(self, height: float) -> "Figure":
        """An empty figure of so many inches."""
        from absslab.widgets.ui.live_plot import DPI, Plot

        if self._plot is None:
            self._plot = Plot(height=round(height * DPI))
            self.widget.children = (self._plot.widget,)
        self._plot.resize(round(height * DPI))
        self.widget.layout.display = ""
        self._plot.figure.clear()
        return self._plot.figure

    def draw(self) -> None:
        """Show what was drawn."""
        if self._plot is not None:
            self._plot.draw()

    def clear(self) -> None:
        """Show nothing; a canvas of ipympl leaves the page with the whole panel only, so it is kept and hidden."""
        self.widget.layout.display = "none"
        if self._plot is not None:
            self._plot.figure.clear()

    def close(self) -> None:
        """Free the figure."""
        if self._plot is not None:
            self._plot.close()
        self._plot = None
