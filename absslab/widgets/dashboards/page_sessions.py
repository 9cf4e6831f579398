"""What a page and its kernel have told each other, so that a lost web socket loses no message.

Both sides count the messages of a session: those of the kernel and those of the page. A binary
message of a web socket is the next of them. A text is the number of messages that its sender has
received so far. The page names its number in the address of each web socket (``received``), the
server in a first text; then each sends again what the other lacks.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

from absslab.widgets.dashboards.kernel_messages import MessageError

_PROCESS_ENDS = ("restart", "dead")  # events of jupyter_client
GONE = 4404  # code with which a web socket is closed whose session can't go on
_MAX_DIGITS = 12  # of a number of messages


class OutboxFullError(Exception):
    """A page has not received more than is kept for it."""


class Outbox:
    """The messages that the other side may not have received yet.

    Args:
        max_size: of these messages together, in bytes.
    """

    def __init__(self, max_size: int):
        self._max_size = max_size
        self._messages: deque[bytes] = deque()
        self._n_received = 0  # by the other side
        self.size = 0  # bytes

    def add(self, message: bytes) -> None:
        """Keep a message until it is received.

        Raises:
            OutboxFullError: there is no room for it.
        """
        if self.size + len(message) > self._max_size:
            raise OutboxFullError
        self._messages.append(message)
        self.size += len(message)

    def remove_received(self, number: int) -> None:
        """Forget the messages that were received.

        Args:
            number: of all messages that the other side has received so far.

        Raises:
            MessageError: it is more than were sent.
        """
        if number > self._n_received + len(self._messages):
            raise MessageError("it confirms more messages than were sent")
        while self._n_received < number:
            self.size -= len(self._messages.popleft())
            self._n_received += 1

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        """Return the messages that were not received yet."""
        return iter(list(self._messages))


def read_number(text: str) -> int:
    """Return the number of messages that a page has received.

    Raises:
        MessageError: it is no such number.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise MessageError("it is text, but no number of messages")
    return int(text)


class PageSession:
    """A connection to a kernel, which stays while the web sockets of its page come and go.

    Args:
        max_size: of the messages that wait for the page, in bytes.
        clock: returns the time in seconds.
    """

    def __init__(self, max_size: int, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self.outbox = Outbox(max_size)
        self.n_received = 0  # messages of the page that were passed on to the kernel
        self.connection: Any = None  # of jupyter_server, to the kernel
        self._first_socket: Any = None  # with which jupyter_server knows the connection
        self.is_connected = False  # whether it was told to connect
        self._on_process_end: Callable[[], Any] | None = None
        self.is_ended = False
        self.socket: Any = None  # the web socket that the page has now
        self.left_at = clock()  # s; when there was none any more

    @property
    def size(self) -> int:
        """Bytes that are kept for the page: messages, and what its web socket has not sent yet."""
        return self.outbox.size + (0 if self.socket is None else self.socket.n_unsent)

    def begin(self, on_process_end: Callable[[], Any]) -> None:
        """Note that the connection is made, and call a function when its process has ended."""
        self.is_connected = True
        self._on_process_end = on_process_end
        for event in _PROCESS_ENDS:  # the widgets of the page have ended with it
            manager = self.connection.multi_kernel_manager
            manager.add_restart_callback(self.connection.kernel_id, on_process_end, event)

    def attach(self, socket: Any) -> None:
        """Let a web socket take the messages, in place of the one before."""
        before = self.socket
        self._first_socket = self._first_socket or socket
        self.socket = socket
        self.connection.websocket_handler = socket
        if before is not None:  # its network failed, but the server has not noticed yet
            before.abort()
        elif self.is_connected:
            self.connection.multi_kernel_manager.notify_connect(self.connection.kernel_id)

    def detach(self, socket: Any) -> None:
        """Note that a web socket was closed."""
        if self.socket is not socket:
            return
        self.socket = None
        self.left_at = self._clock()
        if self.is_connected and not self.is_ended:
            self.connection.multi_kernel_manager.notify_disconnect(self.connection.kernel_id)

    def end(self) -> None:
        """Close the connection to the kernel; the page can't go on with it."""
        if self.is_ended:
            return
        self.is_ended = True
        self.outbox.clear()
        if self.connection is not None and self.is_connected:
            self._disconnect()
        if self.socket is not None:
            self.socket.close(GONE)

    def _disconnect(self) -> None:
        connection = self.connection
        manager = connection.multi_kernel_manager
        if self.socket is None:  # `disconnect` counts one page less
            manager.notify_connect(connection.kernel_id)
        if connection.kernel_id in manager:
            for event in _PROCESS_ENDS:
                manager.remove_restart_callback(connection.kernel_id, self._on_process_end, event)
        for stream in connection.channels.values():
            stream.on_recv(None)  # or it would warn of what still comes
        connection.websocket_handler = self._first_socket
        connection.disconnect()

    def is_left(self, seconds: float) -> bool:
        """Whether it has had no web socket for some time."""
        return self.socket is None and self._clock() - self.left_at > seconds


class PageSessions:
    """The sessions of all pages.

    Args:
        max_size: of the messages that wait for a page, in bytes.
        max_total: of all that is kept for all pages, in bytes.
        timeout: time after which a page can't go on with its session, in seconds.
    """

    def __init__(self, max_size: int, max_total: int, timeout: float):
        self._max_size = max_size
        self._max_total = max_total
        self._timeout = timeout
        self._sessions: dict[tuple[str, str], PageSession] = {}  # by kernel and name

    def find(self, kernel_id: str, name: str) -> PageSession | None:
        """Return a session that can go on."""
        session = self._sessions.get((kernel_id, name))
        return None if session is None or session.is_ended else session

    def create(self, kernel_id: str, name: str) -> PageSession:
        """Return a new session."""
        session = self._sessions[kernel_id, name] = PageSession(self._max_size)
        return session

    def count(self, kernel_id: str) -> int:
        """Return the number of sessions of a kernel."""
        return sum(key[0] == kernel_id for key in self._sessions)

    def find_excess(self) -> PageSession | None:
        """Return a session to end, if too much is kept for all together.

        It is the largest of the kernel for which most is kept: several sessions of one page do not
        hide behind that of another.
        """
        sizes: Counter[str] = Counter()  # by kernel
        for (kernel_id, _), session in self._sessions.items():
            sizes[kernel_id] += session.size
        if sizes.total() <= self._max_total:
            return None
        [(largest, _)] = sizes.most_common(1)
        of_kernel = [
            each for (kernel_id, _), each in self._sessions.items() if kernel_id == largest
        ]
        return max(of_kernel, key=lambda session: session.size)

    def remove(self, session: PageSession) -> None:
        """End a session, and forget it."""
        session.end()
        self._sessions = {key: each for key, each in self._sessions.items() if each is not session}

    def sweep(self, kernel_ids: Collection[str]) -> None:
        """Remove the sessions of kernels that have ended, and those that their pages left."""
        for (kernel_id, _), session in list(self._sessions.items()):
            if kernel_id not in kernel_ids or session.is_left(self._timeout):
                self.remove(session)
