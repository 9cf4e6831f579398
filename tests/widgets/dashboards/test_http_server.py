"""Only proxies that the host trusts say for whom they ask."""

import asyncio

import pytest
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from absslab.core.common.errors import InputError
from absslab.widgets.dashboards.http_server import LimitedServer, TrustedProxies

VISITOR = "203.0.113.5"
OTHER = "198.51.100.9"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded_for", "client"),
    [
        (["10.0.0.1"], "10.0.0.1", VISITOR, VISITOR),
        (["10.0.0.0/8"], "10.1.2.3", VISITOR, VISITOR),
        (["10.0.0.1"], "::ffff:10.0.0.1", VISITOR, VISITOR),
        (
            ["10.0.0.1"],
            "10.0.0.1",
            f"{OTHER}, {VISITOR}",
            VISITOR,
        ),  # the first is the visitor's lie
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1", f"{OTHER}, {VISITOR}, 10.0.0.2", VISITOR),
        (["10.0.0.1"], "10.0.0.2", VISITOR, None),  # a visitor who claims to be a proxy
        ([], "127.0.0.1", VISITOR, VISITOR),
        ([], "::1", VISITOR, VISITOR),
        (["10.0.0.1"], "127.0.0.1", VISITOR, None),
        (["10.0.0.1"], "10.0.0.1", "", None),
        (["10.0.0.1"], "10.0.0.1", f"{VISITOR}, unknown", None),
        (["10.0.0.1"], "10.0.0.1", "10.0.0.1", None),
        (["10.0.0.1"], "", VISITOR, None),
    ],
)
def test_the_address_of_a_visitor_is_found(trusted, peer, forwarded_for, client):
    assert TrustedProxies(trusted, is_local=True).find_client(peer, forwarded_for) == client


def test_where_others_reach_the_server_no_proxy_is_believed_unasked():
    assert TrustedProxies([], is_local=False).find_client("127.0.0.1", VISITOR) is None


@pytest.mark.parametrize("address", ["proxy.example", "10.0.0.1/33", "10.0.0.1/8", ""])
def test_a_proxy_that_is_no_address_is_said(address):
    with pytest.raises(InputError, match=r"trusted_proxy is .*expected an address"):
        TrustedProxies([address], is_local=True)


class AddressHandler(RequestHandler):
    def get(self):
        self.write(f"{self.request.remote_ip} {self.request.protocol}")


@pytest.mark.parametrize(
    ("trusted", "headers", "answer"),
    [
        ([], {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https"}, f"{VISITOR} https"),
        ([], {"X-Forwarded-For": VISITOR, "X-Real-Ip": OTHER}, f"{VISITOR} http"),
        ([], {"X-Real-Ip": OTHER}, "127.0.0.1 http"),
        (
            ["10.0.0.1"],
            {"X-Forwarded-For": VISITOR, "X-Real-Ip": OTHER, "X-Scheme": "https"},
            "127.0.0.1 http",
        ),
    ],
)
def test_headers_are_believed_from_trusted_proxies_alone(trusted, headers, answer):
    async def ask():
        proxies = TrustedProxies(trusted, is_local=True)
        server = LimitedServer(Application([("/", AddressHandler)]), 2, proxies)
        server.listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        request = ["GET / HTTP/1.0", "Host: localhost", *lines, "", ""]
        writer.write("\r\n".join(request).encode())
        received = await reader.read()
        writer.close()
        server.stop()
        return received.decode().rpartition("\r\n\r\n")[2]

    assert asyncio.run(ask()) == answer


def test_connections_on_which_nothing_comes_keep_nobody_out():
    async def open_connections():
        proxies = TrustedProxies([], is_local=True)
        server = LimitedServer(Application([("/", AddressHandler)]), 1, proxies)
        server.listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        beginnings = (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        opened = []
        answers = []
        for number in range(2 * server.max_connections):
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            opened[-1][1].write(beginnings[number % len(beginnings)])
            if number % 20 == 0:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answers.append(await asyncio.wait_for(reader.readline(), 10))
                writer.close()
        assert len(server._addresses) <= server.max_connections
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(0.2)
        assert not server._addresses
        assert not server._waiting
        server.stop()
        return answers

    answers = asyncio.run(open_connections())
    assert len(answers) == 8
    assert all(b"200" in answer for answer in answers)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("is_closed_first", [False, True])
def test_web_sockets_count_among_the_connections(is_closed_first):
    class Socket(WebSocketHandler):
        def open(self):
            if is_closed_first:
                server.mark_closable(self.ws_connection.stream)

    async def open_socket(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE)
        try:
            line = await asyncio.wait_for(reader.readline(), 10)
        except ConnectionError:
            line = b""
        return reader, writer, line

    async def open_connections():
        nonlocal server
        server = LimitedServer(Application([("/", Socket)]), 1, TrustedProxies([], is_local=True))
        server.listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        opened = [await open_socket(port) for _ in range(server.max_connections + 20)]
        n_upgraded = sum(b"101" in line for _, _, line in opened)
        n_counted = len(server._addresses)
        for _, writer, _ in opened:
            writer.close()
        await asyncio.sleep(0.2)
        assert not server._addresses
        assert not server._waiting
        server.stop()
        return n_upgraded - server.max_connections, n_counted - server.max_connections

    server = None
    assert asyncio.run(open_connections()) == (20 if is_closed_first else 0, 0)
