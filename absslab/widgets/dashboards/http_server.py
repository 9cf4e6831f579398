"""The HTTP server of a dashboard, with bounds on what clients may send and how long they may take.

All of it holds before anybody has shown a token.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from absslab.core.common.errors import InputError

MAX_BODY_SIZE = 1 << 14  # bytes; a page sends a token or nothing, uploads come by the web socket
MAX_HEADER_SIZE = 1 << 15  # bytes
HEADER_TIMEOUT = 30.0  # s until the headers of a request are complete, and between two requests
BODY_TIMEOUT = 20.0  # s
_READ_TIMEOUT = 60.0  # s in which a client must read some of what was sent to it
_CONNECTIONS_PER_VISITOR = 16  # a browser opens six at a time, and some are about to be closed
_OTHER_CONNECTIONS = 64


class TrustedProxies:
    """The proxies that are believed when they say for whom they ask (X-Forwarded-For).

    Args:
        addresses: of the proxies, or networks such as 10.0.0.0/8.
        is_local: whether only this machine can reach the server; then any proxy is one of its own.

    Raises:
        InputError: one is not an address.
    """

    def __init__(self, addresses: Collection[str], *, is_local: bool):
        self._networks = [_read_network(address) for address in addresses]
        if is_local and not addresses:
            self._networks = [_read_network("127.0.0.0/8"), _read_network("::1")]

    def __contains__(self, address: str) -> bool:
        """Whether an address is that of a proxy that is believed."""
        try:
            host = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped
        return any(host in network for network in self._networks)

    def find_client(self, peer: str, forwarded_for: str) -> str | None:
        """Return the address for which a request came; None if it is the peer's own.

        Args:
            peer: who sent the request.
            forwarded_for: the addresses in its header: each proxy has added who asked it.
        """
        if peer not in self:
            return None
        for address in reversed([part.strip() for part in forwarded_for.split(",")]):
            if address not in self:
                return address if _is_address(address) else None
        return None


def _read_network(address: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(address)
    except ValueError:
        raise InputError(
            f"trusted_proxy is {address!r}: expected an address such as 192.0.2.7, or a network "
            f"such as 192.0.2.0/24"
        ) from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class _HeaderFilter(HTTPMessageDelegate):
    """Passes on a request without what its sender is not believed.

    tornado would believe every peer, and X-Real-Ip more than X-Forwarded-For, though a proxy that
    sets one of them may pass the other on as the visitor wrote it.

    Args:
        delegate: takes the request.
        peer: who sent it.
        proxies: who is believed.
        on_complete: is called when all of the request has come.
    """

    def __init__(
        self,
        delegate: HTTPMessageDelegate,
        peer: str,
        proxies: TrustedProxies,
        on_complete: Callable[[], object],
    ):
        self._delegate = delegate
        self._peer = peer
        self._proxies = proxies
        self._on_complete = on_complete

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        client = self._proxies.find_client(self._peer, headers.get("X-Forwarded-For", ""))
        unbelieved = ["X-Real-Ip", "X-Forwarded-For"]
        if self._peer not in self._proxies:
            unbelieved += ["X-Scheme", "X-Forwarded-Proto"]
        for name in unbelieved:
            if name in headers:
                del headers[name]
        if client is not None:
            headers["X-Forwarded-For"] = client
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._on_complete()
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


class LimitedServer(HTTPServer):
    """An HTTP server that closes connections beyond a number, and slow ones; web sockets count too.

    Where there are too many, the one is closed that has waited longest for a complete request, so
    that connections on which nothing comes keep nobody out.

    One address gets three quarters of the connections, unless it is this machine's own or that of
    a trusted proxy, from where all of them may come.

    Args:
        application: answers the requests.
        max_visitors: at a time.
        proxies: whose word is taken for the addresses of its clients.
    """

    max_connections: int
    _addresses: dict[IOStream, str]  # of the open connections
    _waiting: dict[IOStream, None]  # those that may be closed first, the longest waiting first

    def initialize(  # type: ignore[override]
        self, application: Any, max_visitors: int, proxies: TrustedProxies
    ) -> None:
        """See the class; tornado calls this in place of `__init__`."""
        self._addresses = {}
        self._waiting = {}
        self._proxies = proxies
        super().initialize(
            application,
            max_header_size=MAX_HEADER_SIZE,
            max_body_size=MAX_BODY_SIZE,
            idle_connection_timeout=HEADER_TIMEOUT,
            body_timeout=BODY_TIMEOUT,
            xheaders=True,
        )
        self.max_connections = _OTHER_CONNECTIONS + _CONNECTIONS_PER_VISITOR * max_visitors

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a new connection, or close it where there are too many."""
        host = str(address[0])
        is_own = ipaddress.ip_address(host.partition("%")[0]).is_loopback
        is_limited = not is_own and host not in self._proxies
        hosts = list(self._addresses.values())
        if is_limited and hosts.count(host) >= 3 * self.max_connections // 4:
            has_room = self._close_waiting(host)
        else:
            has_room = len(hosts) < self.max_connections or self._close_waiting()
        if not has_room:
            stream.close()
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            milliseconds = round(1000 * _READ_TIMEOUT)
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._addresses[stream] = host
        super().handle_stream(stream, address)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Take a request, without what its sender is not believed."""
        delegate = super().start_request(server_conn, request_conn)
        stream: IOStream = server_conn.stream  # type: ignore[attr-defined]
        peer = self._addresses.get(stream, "")
        self._waiting[stream] = None

        def note_complete() -> None:
            self._waiting.pop(stream, None)

        return _HeaderFilter(delegate, peer, self._proxies, note_complete)

    def _close_waiting(self, host: str | None = None) -> bool:
        """Close the connection that has waited longest, and return whether there was one.

        Args:
            host: closes only one from this address.
        """
        for stream in self._waiting:
            if host is None or self._addresses.get(stream) == host:
                del self._waiting[stream]
                self._addresses.pop(stream, None)
                stream.close()
                return True
        return False

    def mark_closable(self, stream: IOStream) -> None:
        """Let a connection be closed where there are too many: nothing more is expected of it."""
        if stream in self._addresses:
            self._waiting[stream] = None

    def on_close(self, server_conn: object) -> None:
        """Note that a connection ended; one that has become a web socket counts until it ends."""
        stream: IOStream = server_conn.stream  # type: ignore[attr-defined]
        if stream.closed():
            self._forget(stream)
        else:
            stream.set_close_callback(lambda: self._forget(stream))
        super().on_close(server_conn)

    def _forget(self, stream: IOStream) -> None:
        self._addresses.pop(stream, None)
        self._waiting.pop(stream, None)
