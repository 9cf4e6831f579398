"""Whether someone still has the page open, which a kernel can't see: the page says so now and then."""

import time
from collections.abc import Callable
from typing import Any

import anywidget

from absslab.widgets.ui.assets import read_script
from absslab.widgets.ui.main_loop import current_main_loop

PATIENCE = (
    150.0  # s without a word: a page in the background is only allowed to speak once a minute
)
_BETWEEN_LOOKS = 10.0  # s


class PageHeartbeat(anywidget.AnyWidget):
    """Nothing to see; it has to be on the page.

    Args:
        gone: called when nobody looks any more.
        back: called when somebody does, at first and again.
    """

    _esm = read_script("absslab.widgets.dashboards", "page_heartbeat.js")

    def __init__(self, *, gone: Callable[[], Any], back: Callable[[], Any]):
        self._loop, self._gone, self._back = current_main_loop(), gone, back
        self.is_there, self._heard = False, 0.0
        super().__init__()
        self.on_msg(lambda *_: self._loop.call(self._hear))
        self._ticker = self._loop.every(_BETWEEN_LOOKS, self.look)

    def look(self) -> None:
        """See whether there was a word lately."""
        if self.is_there and time.monotonic() - self._heard > PATIENCE:
            self.is_there = False
            self._gone()

    def close(self) -> None:
        """Wait no longer."""
        self._ticker.cancel()
        super().close()

    def _hear(self) -> None:
        self._heard = time.monotonic()
        if not self.is_there:
            self.is_there = True
            self._back()
