"""A matplotlib figure that is shown live."""

import time

from absslab.widgets.ui.background import MainLoop
from absslab.widgets.ui.compatibility import disconnect_canvas, live_canvas
from absslab.widgets.ui.panel import close_tree

_BETWEEN_DRAWINGS = 0.5  # s
DPI = 100
WIDTH = 780  # pixels: fits beside the file list of JupyterLab on a screen of 1280


class Plot:
    """One figure, without pyplot; change its artists, then `draw`. Only the main loop touches it.

    Args:
        width, height: in pixels; on a narrower page it is shown smaller.
    """

    def __init__(self, width: int = WIDTH, height: int = 300):
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
        self.figure.patch.set_alpha(0)  # the page, light or dark, is seen through it
        self._loop, self._drawn, self._is_waiting, self._is_closed = MainLoop(), 0.0, False, False
        self.widget = live_canvas(self.figure, self._loop.call)
        self.widget.add_class("absslab-plot")

    def draw(self) -> None:
        """Show what the figure holds, at most twice a second, if a page looks."""
        if self._is_closed or self._is_waiting:
            return
        wait = self._drawn + _BETWEEN_DRAWINGS - time.monotonic()
        if wait > 0 and self._loop.exists:
            self._is_waiting = True
            self._loop.later(wait, self._draw)
        else:
            self._draw()

    def resize(self, height: int) -> None:
        """Make it so many pixels high."""
        if round(self.figure.get_figheight() * DPI) != height:
            self.figure.set_figheight(height / DPI)

    def close(self) -> None:
        """Free the figure and its connection."""
        if self._is_closed:
            return
        self._is_closed = True
        self.figure.clear()
        disconnect_canvas(self.widget)
        close_tree(self.widget)

    def _draw(self) -> None:
        self._is_waiting = False
        if not self._is_closed:
            self._drawn = time.monotonic()
            self.widget.draw_idle()
