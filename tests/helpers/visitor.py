"""A visitor without a browser: fetches a dashboard's page and talks to its kernel."""

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from absslab.widgets.dashboards.kernel_messages import COMM_TARGET, SUBPROTOCOL

Result = TypeVar("Result")


def encode(
    channel: str,
    header: dict[str, Any],
    content: Any,
    *buffers: bytes,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return a message of protocol v1 of jupyter_server."""
    documents = (header, {}, dict(metadata), content)
    parts = [channel.encode(), *(json.dumps(document).encode() for document in documents), *buffers]
    offsets = [8 * (2 + len(parts))]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *parts])


def decode(message: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and content of a message of protocol v1."""
    n_offsets = int.from_bytes(message[:8], "little")
    offsets = [
        int.from_bytes(message[8 * i : 8 * (i + 1)], "little") for i in range(1, n_offsets + 1)
    ]
    header = json.loads(message[offsets[1] : offsets[2]])
    content = json.loads(message[offsets[4] : offsets[5]])
    return header, content


def make_header(kind: str) -> dict[str, Any]:
    """Return the header of a new message."""
    return {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "",
        "session": "visitor",
        "version": "5.3",
        "date": "2026-01-01T00:00:00Z",
    }


def run_visit(visit: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine to its end, in a thread: the loop of Playwright may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(visit())).result()


class Visitor:
    """The connection of a visitor to the kernel of the page that it fetched.

    Args:
        port: of the dashboard, on this machine.
        page: that was fetched.
        socket: to the kernel.
    """

    def __init__(self, port: int, page: "FetchedPage", socket: WebSocketClientConnection):
        self.port = port
        self.page = page
        self.socket = socket

    @classmethod
    async def open(cls, port: int, *, seconds: float = 60) -> "Visitor":
        """Fetch the page, and connect to its kernel."""
        page = await fetch_page(port, seconds=seconds)
        return cls(port, page, await connect(port, page))

    async def ask(self, kind: str = "kernel_info_request", *, seconds: float = 30) -> Any:
        """Send a request, and return the content of its answer."""
        await self.socket.write_message(encode("shell", make_header(kind), {}), binary=True)
        answer_type = kind.replace("_request", "_reply")
        return await self._receive(
            lambda header, content: content if header["msg_type"] == answer_type else None, seconds
        )

    async def find_widget(self, model: str, *, seconds: float = 60) -> str:
        """Return the id of a widget, such as a DropdownModel."""
        control = uuid.uuid4().hex
        opening = {"comm_id": control, "target_name": COMM_TARGET, "data": {}}
        message = encode("shell", make_header("comm_open"), opening, metadata={"version": "1.0.0"})
        await self.socket.write_message(message, binary=True)
        await self.send_to(control, {"method": "request_states"})

        def read_states(_: Any, content: dict[str, Any]) -> Any:
            return content.get("comm_id") == control and content["data"].get("states")

        states = await self._receive(read_states, seconds)
        return next(key for key, each in states.items() if each["model_name"] == model)

    async def change(
        self, widget: str, state: dict[str, Any], changed: str, *, seconds: float = 30
    ) -> None:
        """Change a widget, and wait until another one changes.

        Args:
            widget: its id.
            state: what it becomes.
            changed: the name of what changes of the other one.
            seconds: the longest time to wait.
        """

        def is_update(_: Any, content: dict[str, Any]) -> bool:
            data = content.get("data", {})
            return data.get("method") == "update" and changed in data["state"]

        await self.send_to(widget, {"method": "update", "state": state, "buffer_paths": []})
        await self._receive(is_update, seconds)

    async def send_to(self, comm_id: str, data: dict[str, Any]) -> None:
        """Send a message to a widget."""
        content = {"comm_id": comm_id, "data": data}
        message = encode("shell", make_header("comm_msg"), content)
        await self.socket.write_message(message, binary=True)

    async def _receive(
        self, read: Callable[[dict[str, Any], dict[str, Any]], Any], seconds: float
    ) -> Any:
        """Return the first that is true of what a function reads from the messages."""

        async def wait() -> Any:
            while (message := await self.socket.read_message()) is not None:
                if isinstance(message, str):  # how many messages the server has received
                    continue
                if found := read(*decode(message)):
                    return found
            raise ConnectionError("the socket was closed")

        return await asyncio.wait_for(wait(), seconds)

    async def leave(self) -> None:
        """End the process, as a page does that is left."""
        path = f"/voila/api/shutdown/{self.page.kernel_id}"
        await request_status(self.port, "POST", path, self.page.cookies)
        self.socket.close()

    async def close_code(self, *, seconds: float = 10) -> int | None:
        """Wait until the server closes the socket, and return its code."""

        async def drain() -> None:
            while await self.socket.read_message() is not None:
                pass

        await asyncio.wait_for(drain(), seconds)
        return self.socket.close_code


@dataclass(frozen=True)
class FetchedPage:
    """What a client knows that fetched the page of a dashboard."""

    kernel_id: str
    cookies: str  # as in the header of its next request


async def fetch_page(port: int, *, seconds: float = 60) -> FetchedPage:
    """Fetch the page of a dashboard."""
    answer = await AsyncHTTPClient().fetch(
        f"http://127.0.0.1:{port}/", request_timeout=seconds, raise_error=True
    )
    match = re.search(r'"kernelId":\s*"([\w-]+)"', answer.body.decode())
    assert match, "the page names no kernel"
    cookies = [cookie.partition(";")[0] for cookie in answer.headers.get_list("Set-Cookie")]
    return FetchedPage(match.group(1), "; ".join(cookies))


async def request_status(port: int, method: str, path: str, cookies: str) -> int:
    """Return the status of a request with cookies, among which the one against forgery may be."""
    headers = {"Cookie": cookies}
    if match := re.search(r"_xsrf=([^;]+)", cookies):
        headers["X-XSRFToken"] = match[1]
    body = "" if method == "POST" else None
    request = HTTPRequest(f"http://127.0.0.1:{port}{path}", method, headers=headers, body=body)
    answer = await AsyncHTTPClient().fetch(request, raise_error=False)
    return answer.code


async def connect(
    port: int,
    page: FetchedPage,
    subprotocols: tuple[str, ...] = (SUBPROTOCOL,),
    *,
    query: str = "",
) -> WebSocketClientConnection:
    """Connect to the kernel of a page.

    Args:
        port: of the dashboard, on this machine.
        page: whose kernel it is.
        subprotocols: that the client names.
        query: of the address; by default a new session that can't go on.

    Raises:
        tornado.httpclient.HTTPClientError: the server refuses.
    """
    query = query or f"session_id={uuid.uuid4().hex}"
    url = f"ws://127.0.0.1:{port}/api/kernels/{page.kernel_id}/channels?{query}"
    request = HTTPRequest(url, connect_timeout=20, headers={"Cookie": page.cookies})
    return await websocket_connect(request, subprotocols=list(subprotocols) or None)
