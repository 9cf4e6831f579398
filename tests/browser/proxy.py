"""A reverse proxy on loopback for tests: it may replace Host, be slow, and drop connections.

It understands no HTTP but the first lines of a connection, whose Host it may replace; every
connection is closed after one request, unless it becomes a web socket.
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from isolated_servers import free_port

_PIECE = 1 << 14  # bytes


class Proxy:
    """Passes connections on to a server of this machine.

    Args:
        upstream: port of the server.
        keeps_host: whether the server learns by which name the browser asked.
        delay: of each direction, in seconds.
        web_sockets: whether requests for web sockets are passed on as such.
        path: what is taken away from the beginning of each path, such as "/listen".
        silence: time in seconds after which a connection on which the server says nothing is cut.

    While `refuses` is true, connections are closed at once. `n_web_sockets` says how many web
    sockets have been asked for.
    """

    def __init__(
        self,
        upstream: int,
        *,
        keeps_host: bool = True,
        delay: float = 0.0,
        web_sockets: bool = True,
        path: str = "",
        silence: float | None = None,
    ):
        self.port = free_port()
        self.url = f"http://localhost:{self.port}/"
        self._upstream = upstream
        self._keeps_host = keeps_host
        self._delay = delay
        self._web_sockets = web_sockets
        self._path = path.encode()
        self._silence = silence
        self.refuses = False
        self.n_web_sockets = 0
        self._drop_after_first_web_socket: float | None = None
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()

    def drop_connections(self, *, after: float = 0.0) -> None:
        """Close all connections at once, as a network does that fails.

        Args:
            after: time to wait before that, in seconds.
        """
        self._loop.call_soon_threadsafe(self._loop.call_later, after, self._drop)

    def drop_connections_with_web_socket(self, *, after: float) -> None:
        """Close all connections `after` seconds from when the first web socket is passed on."""
        self._drop_after_first_web_socket = after

    def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def run(self) -> None:
        """Pass connections on until `stop`."""
        self._loop.run_forever()
        self._loop.run_until_complete(self._cancel_tasks())
        self._loop.close()

    async def _cancel_tasks(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def listen(self) -> None:
        """Accept connections from now on; they wait until `run`."""
        serving = asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self._server = self._loop.run_until_complete(serving)

    def stop(self) -> None:
        """Close all connections, and end `run`."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._drop)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # at the end; asyncio would print it
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        from_server, server_writer = to_server
        self._writers |= {writer, server_writer}
        server_writer.write(self._change_head(head))
        if b"upgrade: websocket" in head.lower():
            self._count_web_socket()
        to_page = self._copy(from_server, writer, self._silence)
        await asyncio.gather(self._copy(reader, server_writer), to_page)
        self._writers -= {writer, server_writer}

    def _count_web_socket(self) -> None:
        self.n_web_sockets += 1
        if self.n_web_sockets == 1 and self._drop_after_first_web_socket is not None:
            self._loop.call_later(self._drop_after_first_web_socket, self._drop)

    def _change_head(self, head: bytes) -> bytes:
        if not self._keeps_host:
            host = f"Host: 127.0.0.1:{self._upstream}".encode()
            head = re.sub(rb"(?im)^host:[^\r]*", host, head)
        head = re.sub(rb"\A(\S+ )" + re.escape(self._path), rb"\1", head)
        if not self._web_sockets:
            head = re.sub(rb"(?im)^upgrade:[^\r]*\r\n", b"", head)
        if b"upgrade: websocket" not in head.lower():
            head = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", head)
            head = head[:-2] + b"Connection: close\r\n\r\n"
        return head

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        silence: float | None = None,
    ) -> None:
        """Copy until the end, each piece after the delay, and as many as the receiver reads."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)

        async def receive() -> None:
            try:
                while piece := await asyncio.wait_for(reader.read(_PIECE), silence):
                    await pieces.put((self._loop.time() + self._delay, piece))
            except TimeoutError:
                writer.transport.abort()
            except ConnectionError:
                pass
            await pieces.put((0.0, b""))

        receiving = asyncio.ensure_future(receive())
        try:
            while True:
                due, piece = await pieces.get()
                if not piece:
                    break
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        receiving.cancel()
        writer.close()


@contextmanager
def running_proxy(upstream: int, **habits: Any) -> Iterator[Proxy]:
    """Run a proxy in a thread; it has the arguments of `Proxy`."""
    proxy = Proxy(upstream, **habits)
    thread = threading.Thread(target=proxy.run, daemon=True)
    listening = threading.Thread(target=proxy.listen)
    listening.start()  # Playwright's loop runs in this thread
    listening.join()
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
