"""The web socket between a page and its kernel, safe from what a page or a network does.

Voila and jupyter_server trust their pages: they read counts and offsets of a message without a
check, fall back to an older protocol where a page does not ask for v1, go on parsing what a kernel
says when the page has gone, and keep any number of bytes for a page that does not read. Messages
that are under way when a network fails are lost to them; see `page_sessions`.
"""

import asyncio
import re
from collections import deque
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.ioloop import IOLoop
from tornado.iostream import StreamBufferFullError
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError
from voila.tornado.kernel_websocket_handler import read_header_from_binary_message

from absslab.widgets.dashboards.host_names import PageOriginMixin
from absslab.widgets.dashboards.kernel_messages import (
    MAX_MESSAGE_SIZE,
    SUBPROTOCOL,
    MessageError,
    check_message,
)
from absslab.widgets.dashboards.owners import OwnerMixin
from absslab.widgets.dashboards.page_sessions import (
    GONE,
    OutboxFullError,
    PageSession,
    read_number,
)
from absslab.widgets.dashboards.rate_limit import RateLimit

_MESSAGE_RATE = 100.0  # per second in the long run; a slider that is moved sends some 60
_MESSAGE_BURST = 400.0
_BYTE_RATE = 32e6  # per second in the long run, for uploads
_BYTE_BURST = 16e6
MAX_UNSENT = 96 << 20  # bytes that wait for a page; a sound to save has up to 60 MB
MAX_UNSENT_TOTAL = 384 << 20  # bytes for all pages; most are kept twice until they are sent
_LOG_RATE = 0.02  # lines per second about one page, in the long run
_LOG_BURST = 5.0
_N_REMEMBERED = 1000  # ids of messages
_MAX_SESSIONS = 2  # of one kernel; a page has one, and the one before may not be gone yet
_FAREWELL_LIMIT = 1 << 16  # bytes that may wait before the code with which a socket is closed
_FAREWELL_TIME = 0.5  # s in which a page may answer it
_POLICY_VIOLATION = 1008  # the code of RFC 6455 with which a socket is closed
# What a kernel says that visitors don't read: code, tracebacks, warnings with paths.
_HIDDEN = ("execute_input", "error", "stream")
_SESSION = re.compile(r"[\w-]{1,64}")


class SocketLimits:
    """What the messages of a page must keep to, over all of its web sockets."""

    def __init__(self) -> None:
        self._messages = RateLimit(_MESSAGE_RATE, _MESSAGE_BURST)
        self._bytes = RateLimit(_BYTE_RATE, _BYTE_BURST)
        self._latest_ids: deque[str] = deque(maxlen=_N_REMEMBERED)
        self._log_lines = RateLimit(_LOG_RATE, _LOG_BURST)

    def may_log(self) -> bool:
        """Whether one more line about the page may be written to the log."""
        return self._log_lines.delay(1) == 0

    def is_repeated(self, message_id: str) -> bool:
        """Remember a message, and return whether it was one of the latest ones already.

        A kernel takes a message that is repeated for a forgery, and prints a traceback.
        """
        is_repeated = message_id in self._latest_ids
        if not is_repeated:
            self._latest_ids.append(message_id)
        return is_repeated

    def delay(self, size: int) -> float:
        """Count a message, and return how many seconds to wait before it may pass.

        Args:
            size: of the message, in bytes.
        """
        return max(self._messages.delay(1), self._bytes.delay(size))


class KernelSocketHandler(OwnerMixin, PageOriginMixin, KernelWebsocketHandler):
    """A web socket, which checks messages, slows floods down and goes on where it was cut.

    A client that names no number of messages that it has received can't go on: what waits for it
    is dropped with its web socket.
    """

    _session: PageSession | None = None  # none if it can't go on
    n_unsent = 0  # bytes that the network has not taken yet
    _n_confirmed: int | None = None  # messages that the page had when it opened this socket

    @property
    def max_message_size(self) -> int:
        """The largest message in bytes that is read; a larger one closes the socket."""
        return MAX_MESSAGE_SIZE

    @property
    def selected_subprotocol(self) -> str:
        """The protocol, which jupyter_server would no longer know when the socket is closed."""
        return SUBPROTOCOL

    async def pre_get(self) -> None:
        """Refuse who is not the owner, a page that speaks another protocol, or has many sockets."""
        protocols = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in [name.strip() for name in protocols.split(",")]:
            raise HTTPError(400, f"expected the web socket protocol {SUBPROTOCOL}")
        name = self.get_argument("session_id", "none")
        if not _SESSION.fullmatch(name):
            raise HTTPError(400, "expected a session_id of at most 64 letters, digits and dashes")
        received = self.get_argument("received", "")
        try:
            self._n_confirmed = read_number(received) if received else None
        except MessageError:
            raise HTTPError(400, "expected received to be a number") from None
        await self._find_session(name)

    async def _find_session(self, name: str) -> None:
        """Find the session of the page, or make one; it is None where it can't go on."""
        server = self.settings["voila"]
        sessions = server.page_sessions
        self._session = sessions.find(self.kernel_id, name)
        is_lost = self._session is None and bool(self.get_argument("resumes", ""))
        if not is_lost or self.kernel_id in server.kernel_manager:
            self.require_owner(self.kernel_id)
        if is_lost:
            return  # told by the code with which the socket is closed: a page sees no status
        if self._session is None:
            if sessions.count(self.kernel_id) >= _MAX_SESSIONS:
                raise HTTPError(429, "this page has too many web sockets")
            self._session = sessions.create(self.kernel_id, name)
        self._limits = server.socket_limits.setdefault(self.kernel_id, SocketLimits())
        if self._session.connection is None:
            try:
                await super().pre_get()
            except BaseException as error:
                if self._session.connection is None:
                    sessions.remove(self._session)
                if isinstance(error, TimeoutError):
                    raise HTTPError(503, "the process of the page has ended") from None
                raise
        if self._session.connection is None:  # no other socket of the page was faster
            self._session.connection = self.connection
        self.connection = self._session.connection

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose the only protocol, which `pre_get` has found among those of the page."""
        return SUBPROTOCOL

    async def open(self, kernel_id: str) -> None:
        """Connect to the kernel, or go on where the socket before was cut."""
        session = self._session
        connection: Any = self.ws_connection
        if session is None or session.is_ended:
            self.settings["voila"].http_server.mark_closable(connection.stream)
            self.close(GONE)
            return
        connection.stream.max_write_buffer_size = MAX_UNSENT
        session.attach(self)
        if self._n_confirmed is not None:
            try:
                session.outbox.remove_received(self._n_confirmed)
            except MessageError as error:
                self._refuse(error)
                return
            self._send(str(session.n_received))
            for message in session.outbox:
                self._send(message)
            self._end_excess()
            if session.is_ended:
                return
        if session.is_connected:
            WebSocketMixin.open(self)  # pings
            return
        session.begin(lambda: self._end(session))
        await super().open(kernel_id)

    async def on_message(self, message: str | bytes) -> None:
        """Pass a message on to the kernel, later if there were too many.

        The next message is read from the network only when this one has been passed on, so that
        a flood fills the buffers of its sender. What comes when the page has another socket is
        dropped: the page has sent it there again.
        """
        session = self._session
        if session is None or session.socket is not self:
            return
        try:
            message_id = ""
            if isinstance(message, str) and self._n_confirmed is not None:
                session.outbox.remove_received(read_number(message))
            else:
                message_id = check_message(message)
        except MessageError as error:
            self._refuse(error)
            return
        delay = self._limits.delay(len(message))
        if delay:
            await asyncio.sleep(delay)
        if isinstance(message, str) or session.socket is not self:
            return
        if not self._limits.is_repeated(message_id):
            super().on_message(message)
        session.n_received += 1
        if self._n_confirmed is not None:
            self._send(str(session.n_received))

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message of the kernel to the page, or keep it until the page is back."""
        session = self._session
        if session is None or session.is_ended:
            return
        header = read_header_from_binary_message(message) or {}
        if header.get("msg_type") in _HIDDEN:
            self._note_error(header)
            return
        if self._n_confirmed is not None:
            try:
                session.outbox.add(message)
            except OutboxFullError:
                self._drop_page()
                return
        self._send(message)
        self._end_excess()

    def on_close(self) -> None:
        """Let the page go on with another socket, if it can."""
        if self.ping_callback is not None:  # would keep all of this until the next ping
            self.ping_callback.stop()
        if self._session is None:
            return
        self._session.detach(self)
        if self._n_confirmed is None and self._session.socket is None:
            self._end(self._session)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the socket soon, whatever the page does; at once if the code would come too late.

        A page whose socket is closed without a code learns it when it tries to go on.
        """
        connection: Any = self.ws_connection
        if connection is None:
            return
        stream = connection.stream
        if self.n_unsent > _FAREWELL_LIMIT:
            stream.close()
            return
        super().close(code, reason)
        IOLoop.current().call_later(_FAREWELL_TIME, stream.close)

    def abort(self) -> None:
        """Close the socket, without a word to a page that does not listen."""
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self.ws_connection.stream.close()

    def _send(self, message: str | bytes) -> None:
        """Send a text or a binary message, if the socket is open."""
        if self.ws_connection is None or self.ws_connection.is_closing():
            return
        size = len(message)
        try:
            sending = super().write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError:
            return
        except StreamBufferFullError:
            self._drop_page()
            return
        self.n_unsent += size

        def note_sent(sending: "asyncio.Future[None]") -> None:
            self.n_unsent -= size
            if not sending.cancelled():
                sending.exception()  # a network that fails is no news

        sending.add_done_callback(note_sent)

    def _refuse(self, error: MessageError) -> None:
        """Close the socket of a page that sent a message which is not sound."""
        if self._limits.may_log():
            self.log.error("a page was disconnected, since a message was refused: %s", error)
        self.close(_POLICY_VIOLATION)
        if self._session is not None:
            self._end(self._session)

    def _note_error(self, header: dict[str, Any]) -> None:
        """Tell the host of an error that is not sent to the page."""
        if header["msg_type"] == "error" and self._limits.may_log():
            self.log.error("the process of a page could not handle a message")

    def _drop_page(self) -> None:
        """Disconnect a page that does not receive what is sent to it."""
        if self._limits.may_log():
            self.log.error(
                "a page did not read %d MiB that were sent to it: it was disconnected",
                MAX_UNSENT >> 20,
            )
        self.abort()  # there is no room for a farewell either
        if self._session is not None:
            self._end(self._session)

    def _end_excess(self) -> None:
        """End sessions until no more is kept for all pages than may be."""
        while (excess := self.settings["voila"].page_sessions.find_excess()) is not None:
            self._end(excess)

    def _end(self, session: PageSession) -> None:
        self.settings["voila"].page_sessions.remove(session)
