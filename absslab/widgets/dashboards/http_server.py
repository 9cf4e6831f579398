"""The HTTP server of a dashboard, with bounds on what clients may send and how long they may take.

All of it holds before anybody has shown a token.
"""

import ipaddress
import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

MAX_BODY_SIZE = 1 << 14  # bytes; a page sends a token or nothing, uploads come by the web socket
MAX_HEADER_SIZE = 1 << 15  # bytes
HEADER_TIMEOUT = 30.0  # s until the headers of a request are complete, and between two requests
BODY_TIMEOUT = 20.0  # s
_READ_TIMEOUT = 60.0  # s in which a client must read some of what was sent to it
_CONNECTIONS_PER_VISITOR = 16  # a browser opens six at a time, and some are about to be closed
_OTHER_CONNECTIONS = 64


class LimitedServer(HTTPServer):
    """An HTTP server that closes connections beyond a number, and slow ones.

    One address gets three quarters of the connections, unless it is this machine's own, from where
    a proxy may pass on all of them.

    Args:
        application: answers the requests.
        max_visitors: at a time.
        is_local: whether only this machine can reach the server. Then a proxy's word is taken for
            the addresses of its clients (X-Forwarded-For).
    """

    max_connections: int
    _addresses: dict[IOStream, str]  # of the open connections

    def initialize(  # type: ignore[override]
        self, application: Any, max_visitors: int, *, is_local: bool
    ) -> None:
        """See the class; tornado calls this in place of `__init__`."""
        self._addresses = {}
        super().initialize(
            application,
            max_header_size=MAX_HEADER_SIZE,
            max_body_size=MAX_BODY_SIZE,
            idle_connection_timeout=HEADER_TIMEOUT,
            body_timeout=BODY_TIMEOUT,
            xheaders=is_local,
        )
        self.max_connections = _OTHER_CONNECTIONS + _CONNECTIONS_PER_VISITOR * max_visitors

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a new connection, or close it where there are too many."""
        host = str(address[0])
        n_of_host = sum(other == host for other in self._addresses.values())
        is_limited = not ipaddress.ip_address(host.partition("%")[0]).is_loopback
        if len(self._addresses) >= self.max_connections or (
            is_limited and n_of_host >= 3 * self.max_connections // 4
        ):
            stream.close()
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            milliseconds = round(1000 * _READ_TIMEOUT)
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._addresses[stream] = host
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """Count a connection that ended, or that has become a web socket."""
        self._addresses.pop(server_conn.stream, None)  # type: ignore[attr-defined]
        super().on_close(server_conn)
