"""The web socket between a page and its kernel, safe from what a hostile or slow page does.

Voila and jupyter_server trust their pages: they read counts and offsets of a message without a
check, fall back to an older protocol where a page does not ask for v1, go on parsing what a kernel
says when the page has gone, and keep any number of bytes for a page that does not read.
"""

import asyncio
import re
from typing import Any

from tornado.iostream import StreamBufferFullError
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from absslab.widgets.dashboards.host_names import PageOriginMixin
from absslab.widgets.dashboards.kernel_messages import (
    MAX_MESSAGE_SIZE,
    SUBPROTOCOL,
    MessageError,
    check_message,
)
from absslab.widgets.dashboards.rate_limit import RateLimit
from absslab.widgets.ui.compatibility import n_page_connections

_MESSAGE_RATE = 100.0  # per second in the long run; a slider that is moved sends some 60
_MESSAGE_BURST = 400.0
_BYTE_RATE = 32e6  # per second in the long run, for uploads
_BYTE_BURST = 16e6
_MAX_UNSENT = 96 << 20  # bytes that wait for a page; a sound to save has up to 60 MB
_MAX_SOCKETS = 8  # of one page: after its network failed, the server still keeps the old ones
_POLICY_VIOLATION = 1008  # the code of RFC 6455 with which a socket is closed
_SESSION = re.compile(r"[\w-]{1,64}")


class SocketLimits:
    """How fast the messages of a page may come, over all of its web sockets."""

    def __init__(self) -> None:
        self._messages = RateLimit(_MESSAGE_RATE, _MESSAGE_BURST)
        self._bytes = RateLimit(_BYTE_RATE, _BYTE_BURST)

    def delay(self, size: int) -> float:
        """Count a message, and return how many seconds to wait before it may pass.

        Args:
            size: of the message, in bytes.
        """
        return max(self._messages.delay(1), self._bytes.delay(size))


class KernelSocketHandler(PageOriginMixin, VoilaKernelWebsocketHandler):
    """Voila's web socket, which checks messages, slows floods down and ends with its page."""

    @property
    def max_message_size(self) -> int:
        """The largest message in bytes that is read; a larger one closes the socket."""
        return MAX_MESSAGE_SIZE

    async def pre_get(self) -> None:
        """Refuse a page that speaks another protocol, names an odd session, or has many sockets."""
        protocols = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in [name.strip() for name in protocols.split(",")]:
            raise HTTPError(400, f"expected the web socket protocol {SUBPROTOCOL}")
        if not _SESSION.fullmatch(self.get_argument("session_id", "none")):
            raise HTTPError(400, "expected a session_id of at most 64 letters, digits and dashes")
        server = self.settings["voila"]
        if n_page_connections(server.kernel_manager, self.kernel_id) >= _MAX_SOCKETS:
            raise HTTPError(429, "this page has too many web sockets")
        self._limits = server.socket_limits.setdefault(self.kernel_id, SocketLimits())
        await super().pre_get()

    async def open(self, kernel_id: str) -> None:
        """Connect to the kernel."""
        self.ws_connection.stream.max_write_buffer_size = _MAX_UNSENT
        await super().open(kernel_id)

    async def on_message(self, message: str | bytes) -> None:
        """Pass a message on to the kernel, later if there were too many.

        The next message is read from the network only when this one has been passed on, so that
        a flood fills the buffers of its sender. What comes after the server has closed the socket
        is dropped: from then on jupyter_server does not know the protocol, and would misread it.
        """
        if self.ws_connection is None:
            return
        try:
            check_message(message)
        except MessageError as error:
            self.log.error("a page was disconnected, since a message was refused: %s", error)
            self.close(_POLICY_VIOLATION)
            return
        delay = self._limits.delay(len(message))
        if delay:
            await asyncio.sleep(delay)
        if self.ws_connection is not None:
            super().on_message(message)

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message of the kernel to the page, or drop it if the page has gone."""
        if self.ws_connection is None or self.ws_connection.is_closing():
            return None
        try:
            return super().write_message(message, binary)
        except WebSocketClosedError:
            return None
        except StreamBufferFullError:
            self.log.error(
                "a page did not read %d MiB that were sent to it: it was disconnected",
                _MAX_UNSENT >> 20,
            )
            self.ws_connection.stream.close()  # there is no room for a farewell either
            return None
