"""A signal from the page that it is still open, which a kernel cannot see for itself."""

import time
from collections.abc import Callable
from typing import Any

import anywidget

from absslab.widgets.ui.assets import read_script
from absslab.widgets.ui.main_loop import current_main_loop

TIMEOUT = 150.0  # s; browsers let a page in the background send only once a minute
_CHECK_INTERVAL = 10.0  # s


class PageHeartbeat(anywidget.AnyWidget):
    """An invisible widget; its page sends a message every few seconds while it is open.

    Args:
        on_open: is called with the first message, and with the first after a pause.
        on_leave: is called when no message has come for `TIMEOUT` seconds.
    """

    _esm = read_script("absslab.widgets.dashboards", "page_heartbeat.js")

    def __init__(self, *, on_open: Callable[[], Any], on_leave: Callable[[], Any]):
        self._loop = current_main_loop()
        self._on_open = on_open
        self._on_leave = on_leave
        self._last_message = 0.0  # s
        self.is_open = False
        super().__init__()
        self.on_msg(lambda *_: self._loop.call(self._receive))
        self._ticker = self._loop.every(_CHECK_INTERVAL, self.check)

    def check(self) -> None:
        """Call `on_leave` if the last message is too long ago."""
        if self.is_open and time.monotonic() - self._last_message > TIMEOUT:
            self.is_open = False
            self._on_leave()

    def close(self) -> None:
        """Stop waiting for messages, and close the widget."""
        self._ticker.cancel()
        super().close()

    def _receive(self) -> None:
        self._last_message = time.monotonic()
        if not self.is_open:
            self.is_open = True
            self._on_open()
