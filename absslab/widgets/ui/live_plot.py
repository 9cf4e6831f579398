"""A matplotlib figure that is shown live."""

import time

from absslab.widgets.ui.compatibility import disconnect_canvas, live_canvas
from absslab.widgets.ui.main_loop import current_main_loop
from absslab.widgets.ui.part import close_tree

_DRAWING_INTERVAL = 0.5  # s
DPI = 100
WIDTH = 780  # pixels: fits beside the file list of JupyterLab on a screen of 1280


class Plot:
    """One figure that is made without pyplot; change its artists, then call `draw`.

    Only the main loop may touch it.

    Args:
        width: in pixels; a narrower page shows it smaller.
        height: in pixels.
    """

    def __init__(self, width: int = WIDTH, height: int = 300):
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
        self.figure.patch.set_alpha(0)  # shows the background of the page, light or dark
        self._loop = current_main_loop()
        self._drawn_at = 0.0  # s
        self._is_waiting = False
        self._is_closed = False
        self.widget = live_canvas(self.figure, self._loop.call)
        self.widget.add_class("absslab-plot")

    def draw(self) -> None:
        """Show what the figure holds, at most twice a second."""
        if self._is_closed or self._is_waiting:
            return
        wait = self._drawn_at + _DRAWING_INTERVAL - time.monotonic()
        if wait > 0:
            self._is_waiting = True
            self._loop.later(wait, self._draw)
        else:
            self._draw()

    def resize(self, height: int) -> None:
        """Change the height, in pixels."""
        if round(self.figure.get_figheight() * DPI) != height:
            self.figure.set_figheight(height / DPI)

    def close(self) -> None:
        """Free the figure and its connection to the page."""
        if self._is_closed:
            return
        self._is_closed = True
        self.figure.clear()
        disconnect_canvas(self.widget)
        close_tree(self.widget)

    def _draw(self) -> None:
        self._is_waiting = False
        if not self._is_closed:
            self._drawn_at = time.monotonic()
            self.widget.draw_idle()
