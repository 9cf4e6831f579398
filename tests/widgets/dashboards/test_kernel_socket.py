"""What a page sends is passed on to its kernel only if it is sound, in time and not too much."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from absslab.widgets.dashboards.host_names import HostNames
from absslab.widgets.dashboards.kernel_messages import SUBPROTOCOL
from absslab.widgets.dashboards.kernel_socket import KernelSocketHandler, SocketLimits
from absslab.widgets.dashboards.owners import KernelOwners
from absslab.widgets.dashboards.page_sessions import GONE, PageSessions

from .test_http_server import UPGRADE
from .test_kernel_messages import message


class Socket(KernelSocketHandler):
    """A web socket whose network and kernel are lists: `sent`, `closed` and `passed`."""

    ping_interval = 0

    def __init__(self, session, sessions, n_confirmed=None):
        self.request = SimpleNamespace(path="/")
        self.sent = []
        self.closed = []
        self.passed = session.connection.passed
        self.ws_connection = self
        self.stream = SimpleNamespace(close=lambda: self.on_close())
        self.application = SimpleNamespace(
            settings={"voila": SimpleNamespace(page_sessions=sessions)}
        )
        self._limits = SocketLimits()
        self._session = session
        self._n_confirmed = n_confirmed
        self.connection = session.connection

    def close(self, code=None, reason=None):
        self.closed.append(code)

    def _send(self, message):
        self.sent.append(message)


class Connection:
    """A connection of jupyter_server to a kernel; `n_pages` is what the kernel's manager counts."""

    kernel_id = "kernel"

    def __init__(self):
        self.passed = []
        self.n_pages = 0
        self.is_closed = False
        self.multi_kernel_manager = self

    def handle_incoming_message(self, message):
        self.passed.append(message)

    def notify_connect(self, _):
        self.n_pages += 1

    def notify_disconnect(self, _):
        self.n_pages -= 1

    def disconnect(self):
        self.n_pages -= 1
        self.is_closed = True

    channels = {}

    def add_restart_callback(self, *_):
        pass

    def __contains__(self, kernel_id):
        return False


@pytest.fixture
def sessions():
    return PageSessions(1000, 1500, timeout=60)


@pytest.fixture
def session(sessions):
    session = sessions.create("kernel", "page")
    session.connection = Connection()
    session.is_connected = True
    return session


@pytest.fixture
def attach(session, sessions):
    """`attach(n)` opens a web socket of a page that has received n messages."""

    def open_socket(n_confirmed=None):
        socket = Socket(session, sessions, n_confirmed)
        asyncio.run(socket.open("kernel"))
        return socket

    return open_socket


@pytest.fixture
def handler(attach):
    return attach()


def text_message(text):
    """A message of a kernel."""
    return message(content={"text": text})


def test_a_message_is_passed_on(handler):
    asyncio.run(handler.on_message(message()))
    assert handler.passed == [message()]


def test_a_message_that_is_repeated_is_passed_on_once(handler):
    other = message({"msg_id": "2", "msg_type": "comm_msg", "session": "s"})
    for each in (message(), message(), other, message()):
        asyncio.run(handler.on_message(each))
    assert handler.passed == [message(), other]


def test_a_message_on_a_socket_that_was_closed_is_dropped(handler):
    handler.on_close()
    asyncio.run(handler.on_message(message()))
    assert handler.passed == []


def test_a_message_that_waits_while_the_socket_is_closed_is_dropped(handler, monkeypatch):
    monkeypatch.setattr(handler._limits, "delay", lambda size: 0.05)

    async def send():
        sending = asyncio.ensure_future(handler.on_message(message()))
        await asyncio.sleep(0)
        handler.on_close()
        await sending

    asyncio.run(send())
    assert handler.passed == []


def test_a_message_that_is_not_sound_closes_the_socket(handler, session):
    asyncio.run(handler.on_message(b"\xff" * 8))
    assert handler.passed == []
    assert handler.closed[0] == 1008
    assert session.is_ended


def test_a_page_that_can_not_go_on_leaves_nothing(handler, session, sessions):
    handler.on_close()
    assert session.connection.is_closed
    assert session.connection.n_pages == 0
    assert sessions.count("kernel") == 0
    handler.write_message(text_message("late"), binary=True)
    assert handler.sent == []


def test_each_side_sends_again_what_the_other_lacks(attach, session):
    first = attach(0)
    assert first.sent == ["0"]
    asyncio.run(first.on_message(message()))
    for text in ("a", "b", "c"):
        first.write_message(text_message(text), binary=True)
    assert first.sent == ["0", "1", text_message("a"), text_message("b"), text_message("c")]
    asyncio.run(first.on_message("1"))
    first.on_close()
    assert session.connection.n_pages == 0
    first.write_message(text_message("d"), binary=True)  # the kernel goes on meanwhile
    second = attach(2)
    assert second.sent == ["1", text_message("c"), text_message("d")]
    assert session.connection.n_pages == 1
    assert not session.connection.is_closed


def test_a_page_comes_back_before_its_loss_is_noticed(attach, session):
    first = attach(0)
    second = attach(0)
    assert session.socket is second
    assert session.connection.n_pages == 1
    asyncio.run(first.on_message(message()))  # was on its way; the page sends it again
    assert first.passed == []
    session.connection.websocket_handler.write_message(text_message("a"), binary=True)
    assert (first.sent, second.sent) == (["0"], ["0", text_message("a")])


def test_a_page_that_receives_nothing_is_dropped(attach, session, sessions):
    page = attach(0)
    for _ in range(20):
        page.write_message(text_message("x" * 100), binary=True)
    assert session.is_ended
    assert sessions.find("kernel", "page") is None
    assert list(session.outbox) == []
    assert session.connection.n_pages == 0


def test_what_waits_for_all_pages_is_limited_too(sessions):
    pages = []
    for name in ("a", "b", "c"):
        session = sessions.create("kernel", name)
        session.connection = Connection()
        session.is_connected = True
        pages.append(Socket(session, sessions, 0))
        asyncio.run(pages[-1].open("kernel"))
    size = len(text_message("x" * 150))
    for page, n_messages in zip(pages, (1, 2, 2), strict=True):
        for _ in range(n_messages):
            page.write_message(text_message("x" * 150), binary=True)
    assert 4 * size < 1500 < 5 * size
    assert [page._session.is_ended for page in pages] == [False, True, False]
    assert pages[1].closed == [GONE]


@pytest.mark.parametrize("number", ["7", "-1", "x", "9" * 13, "²", ""])
def test_a_number_that_can_not_be_right_ends_the_session(attach, session, number):
    page = attach(0)
    asyncio.run(page.on_message(number))
    assert page.closed[0] == 1008
    assert session.is_ended


def test_a_session_that_was_left_is_closed_after_a_time(attach, session, sessions):
    attach(0).on_close()
    sessions.sweep({"kernel"})
    assert sessions.find("kernel", "page") is session
    session.left_at -= 100
    sessions.sweep({"kernel"})
    assert sessions.find("kernel", "page") is None
    assert session.connection.is_closed
    assert session.connection.n_pages == 0


def test_the_session_of_a_process_that_ended_is_closed(attach, session, sessions):
    page = attach(0)
    sessions.sweep(set())
    assert page.closed == [GONE]
    assert session.connection.is_closed


@pytest.mark.parametrize("kind", ["execute_input", "error", "stream"])
def test_code_and_tracebacks_are_not_sent_to_a_page(attach, kind):
    page = attach(0)
    page.write_message(message({"msg_type": kind}), binary=True)
    assert page.sent == ["0"]
    page.write_message(text_message("a"), binary=True)
    assert page.sent == ["0", text_message("a")]


@pytest.mark.parametrize(
    ("origin", "is_accepted"),
    [
        ("http://localhost:8866", True),
        ("http://evil.example", False),
        ("null", False),
        ("file://", False),
    ],
)
def test_a_page_of_another_site_opens_no_socket(handler, origin, is_accepted):
    names = HostNames((), is_local=True)
    handler.application.settings["voila"] = SimpleNamespace(host_names=names)
    handler.request = SimpleNamespace(host="localhost:8866")
    assert handler.check_origin(origin) is is_accepted


def test_messages_beyond_a_rate_wait():
    limits = SocketLimits()
    assert [limits.delay(100) for _ in range(300)] == [0.0] * 300
    assert max(limits.delay(100) for _ in range(300)) > 0
    assert SocketLimits().delay(1 << 20) == 0


class LocalSocket(KernelSocketHandler):
    """A web socket of a real network, whose kernel is a `Connection`; `make` finds its session."""

    ping_interval = 0
    opened = []

    def prepare(self):
        pass

    def initialize(self, make):
        self._limits = SocketLimits()
        self._session, self._n_confirmed = make()
        self.connection = self._session and self._session.connection
        self.opened.append(self)

    get = WebSocketHandler.get
    on_finish = RequestHandler.on_finish

    def check_origin(self, origin=None):
        return True


@contextlib.asynccontextmanager
async def connected(sessions, make):
    """Open a web socket; gives its server's side, and the client's reader."""
    gone = []
    server = SimpleNamespace(
        page_sessions=sessions, http_server=SimpleNamespace(mark_closable=gone.append)
    )
    application = Application([("/(.*)", LocalSocket, {"make": make})], voila=server)
    http_server = HTTPServer(application)
    http_server.listen(0, "127.0.0.1")
    port = next(iter(http_server._sockets.values())).getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    protocol = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    writer.write(UPGRADE.removesuffix(b"\r\n") + protocol.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert b"101" in answer
    yield LocalSocket.opened.pop(), reader, gone
    writer.close()
    http_server.stop()


def test_a_socket_that_can_not_go_on_is_closed_though_its_page_says_nothing(sessions):
    async def visit():
        async with connected(sessions, lambda: (None, 0)) as (_, reader, gone):
            frame = await asyncio.wait_for(reader.read(), 4)  # tornado alone would wait for 5 s
            assert frame == b"\x88\x02" + GONE.to_bytes(2, "big")
            assert len(gone) == 1

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("kernel_id", "cookie", "status"),
    [("mine", "a" * 32, None), ("mine", "b" * 32, 404), ("mine", "", 404), ("ended", "", None)],
)
def test_a_socket_that_would_go_on_needs_the_owner_too(sessions, kernel_id, cookie, status):
    owners = KernelOwners(1)
    owners.add("mine", "a" * 32)
    server = SimpleNamespace(page_sessions=sessions, owners=owners, kernel_manager=["mine"])
    handler = KernelSocketHandler.__new__(KernelSocketHandler)
    handler.application = SimpleNamespace(settings={"voila": server})
    handler.kernel_id = kernel_id
    handler.get_argument = lambda name, default: {"resumes": "1"}.get(name, default)
    handler.get_cookie = lambda name, default: cookie or default
    if status is None:
        asyncio.run(handler._find_session("lost"))
    else:
        with pytest.raises(HTTPError, match=str(status)):
            asyncio.run(handler._find_session("lost"))
    assert handler._session is None


def test_a_page_has_few_sessions(sessions):
    owners = KernelOwners(1)
    owners.add("mine", "a" * 32)
    server = SimpleNamespace(page_sessions=sessions, owners=owners, kernel_manager=["mine"])
    for name in ("a", "b"):
        sessions.create("mine", name)
    handler = KernelSocketHandler.__new__(KernelSocketHandler)
    handler.application = SimpleNamespace(settings={"voila": server})
    handler.kernel_id = "mine"
    handler.get_argument = lambda name, default: default
    handler.get_cookie = lambda name, default: "a" * 32
    with pytest.raises(HTTPError, match="429"):
        asyncio.run(handler._find_session("c"))


def test_the_sessions_of_a_page_are_counted_together():
    size = len(text_message("x" * 150))
    sessions = PageSessions(10 * size, 6 * size, timeout=60)
    pages = {}
    for kernel, name in (("hostile", "a"), ("hostile", "b"), ("honest", "a")):
        session = sessions.create(kernel, name)
        session.connection = Connection()
        session.is_connected = True
        pages[kernel, name] = Socket(session, sessions, 0)
        asyncio.run(pages[kernel, name].open("kernel"))
    for key, n_messages in ((("honest", "a"), 3), (("hostile", "a"), 2), (("hostile", "b"), 2)):
        for _ in range(n_messages):
            pages[key].write_message(text_message("x" * 150), binary=True)
    ended = [key for key, page in pages.items() if page._session.is_ended]
    assert ended == [("hostile", "a")]


@pytest.mark.parametrize("can_go_on", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_what_a_client_does_not_read_is_counted(reads, can_go_on):
    sessions = PageSessions(100 << 20, 20 << 20, timeout=60)
    session = sessions.create("kernel", "page")
    session.connection = Connection()
    session.is_connected = True

    async def read_all(reader):
        while await reader.read(1 << 20):
            pass

    async def visit():
        make = (session, 0) if can_go_on else (session, None)
        async with connected(sessions, lambda: make) as (socket, reader, _):
            reading = asyncio.ensure_future(read_all(reader)) if reads else None
            for number in range(60):
                socket.write_message(text_message("x" * (1 << 20)), binary=True)
                if can_go_on and reads:
                    session.outbox.remove_received(number + 1)
                for _ in range(1000 if reads else 1):
                    await asyncio.sleep(0.001)
                    if not socket.n_unsent:
                        break
            if reads:
                assert not session.is_ended
                assert socket.n_unsent == 0
            else:
                assert session.is_ended
            if reading:
                socket.abort()
                await reading

    asyncio.run(visit())
