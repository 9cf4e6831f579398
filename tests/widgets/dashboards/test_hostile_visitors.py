"""What a hostile or slow page does to a server and to its other visitors: nothing."""

import asyncio
import contextlib
import time

import numpy as np
import psutil
import pytest
from tornado.httpclient import HTTPClientError
from visitor import (
    FetchedPage,
    Visitor,
    connect,
    decode,
    encode,
    fetch_page,
    make_header,
    request_status,
    run_visit,
)

from absslab.widgets.dashboards.http_server import HEADER_TIMEOUT
from absslab.widgets.dashboards.settings import DashboardConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def monitor(serve, run):
    return serve("monitor", "--run_directory", run)


def memory_of(dashboard):
    """MiB that the server's process holds."""
    return psutil.Process(dashboard.process.pid).memory_info().rss / (1 << 20)


def is_closed(connection):
    """Whether the server has closed a connection."""
    reader, _ = connection
    return reader.at_eof() or reader.exception() is not None


async def connect_when_there_is_room(port, page, seconds=30):
    """Connect to the kernel of a page, of which few sockets may be open or about to be closed."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await connect(port, page)
        except HTTPClientError as error:
            if error.code != 429 or time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


async def answers_within(port, seconds):
    """Whether the server sends a file in time."""
    start = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /voila/static/labvariables.css HTTP/1.0\r\nHost: localhost\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), seconds)
    writer.close()
    return b"200" in line and time.monotonic() - start < seconds


def test_a_page_of_protocol_v1_is_answered(monitor):
    async def visit():
        visitor = await Visitor.open(monitor.port)
        assert visitor.socket.selected_subprotocol == "v1.kernel.websocket.jupyter.org"
        content = await visitor.ask()
        assert content["status"] == "ok"
        visitor.socket.close()

    run_visit(visit)


def test_a_widget_that_is_changed_changes_the_page(monitor):
    async def visit():
        visitor = await Visitor.open(monitor.port)
        runs = await visitor.find_widget("DropdownModel")
        for index in (None, 0, None):  # the curves of the run are hidden, and shown
            await visitor.change(runs, {"index": index}, "display")
        await visitor.leave()

    run_visit(visit)


def test_a_client_of_another_protocol_is_refused(monitor):
    async def visit():
        page = await fetch_page(monitor.port)
        for protocols in ((), ("v2.kernel.websocket.jupyter.org",)):
            with pytest.raises(HTTPClientError, match="400"):
                await connect(monitor.port, page, protocols)

    run_visit(visit)


def test_a_process_belongs_to_the_visitor_who_got_it(monitor):
    requests = [
        ("GET", "/api/kernels/{}"),
        ("DELETE", "/api/kernels/{}"),
        ("POST", "/voila/api/opened/{}?host=127.0.0.1"),
        ("POST", "/voila/api/shutdown/{}"),
    ]

    async def visit():
        honest = await Visitor.open(monitor.port)
        kernel_id = honest.page.kernel_id
        other = await fetch_page(monitor.port)
        xsrf = "; ".join(c for c in other.cookies.split("; ") if c.startswith("_xsrf"))
        for cookies in (xsrf, other.cookies):  # without a visitor's cookie, and with another's
            foreign = FetchedPage(kernel_id, cookies)
            for query in ("", "session_id=x&received=0"):
                with pytest.raises(HTTPClientError, match="404"):
                    await connect(monitor.port, foreign, query=query)
            for method, path in requests:
                assert (
                    await request_status(monitor.port, method, path.format(kernel_id), cookies)
                    == 404
                )
        assert (await honest.ask())["status"] == "ok"
        for method, path in requests[:1] + requests[2:]:
            status = await request_status(
                monitor.port, method, path.format(kernel_id), honest.page.cookies
            )
            assert status in (200, 204)
        ended = await request_status(
            monitor.port, "GET", f"/api/kernels/{kernel_id}", honest.page.cookies
        )
        assert ended == 404

    run_visit(visit)
    assert "Traceback" not in monitor.printed


def test_a_session_goes_on_for_its_visitor_alone(monitor):
    query = "session_id=mine&received={}"

    async def visit():
        page = await fetch_page(monitor.port)
        other = await fetch_page(monitor.port)
        visitor = Visitor(
            monitor.port, page, await connect(monitor.port, page, query=query.format(0))
        )
        assert await visitor.socket.read_message() == "0"
        assert (await visitor.ask())["status"] == "ok"
        visitor.socket.close()
        foreign = FetchedPage(page.kernel_id, other.cookies)
        with pytest.raises(HTTPClientError, match="404"):
            await connect(monitor.port, foreign, query=query.format(0) + "&resumes=1")
        socket = await connect(monitor.port, page, query=query.format(0) + "&resumes=1")
        assert await socket.read_message() == "1"
        kind = ""
        while kind != "kernel_info_reply":  # which was not confirmed before
            kind = decode(await asyncio.wait_for(socket.read_message(), 10))[0]["msg_type"]
        gone = await connect(monitor.port, page, query="session_id=other&received=5&resumes=1")
        assert await gone.read_message() is None
        assert gone.close_code == 4404
        socket.close()

    run_visit(visit)


def test_counts_that_lie_close_the_socket_and_nothing_else(monitor):
    async def visit():
        honest = await Visitor.open(monitor.port)
        before = memory_of(monitor)
        for size in (8, 800, 1 << 20):
            hostile = await Visitor.open(monitor.port)
            await hostile.socket.write_message(b"\xff" * size, binary=True)
            assert await hostile.close_code() == 1008
            assert await answers_within(monitor.port, 10)
        assert (await honest.ask(seconds=5))["status"] == "ok"
        assert memory_of(monitor) - before < 50
        honest.socket.close()

    run_visit(visit)
    assert "Traceback" not in monitor.printed


def test_any_changed_message_leaves_the_server_answering(monitor):
    rng = np.random.default_rng(0)
    original = encode("shell", make_header("comm_msg"), {"comm_id": "c", "data": {}}, b"x")

    async def visit():
        page = await fetch_page(monitor.port)
        for _ in range(40):
            socket = await connect_when_there_is_room(monitor.port, page)
            changed = bytearray(original)
            for position in rng.integers(len(changed), size=3):
                changed[position] = rng.integers(256)
            await socket.write_message(bytes(changed[: rng.integers(len(changed) + 1)]), True)
            socket.close()
            assert await answers_within(monitor.port, 10)

    run_visit(visit)
    assert "Traceback" not in monitor.printed


ODD_CONTENTS = (
    {"comm_id": "unknown", "data": {"method": "update", "state": {"value": 1}}},
    {"comm_id": "WIDGET"},
    {"comm_id": "WIDGET", "data": None},
    {"comm_id": "WIDGET", "data": {"method": "update"}},
    {"comm_id": "WIDGET", "data": {"method": "update", "state": {"index": "/etc"}}},
    {"comm_id": "WIDGET", "data": {"method": "update", "state": {"index": 10**6}}},
    {"comm_id": "WIDGET", "data": {"method": "update", "state": {"nothing": 1}}},
    {
        "comm_id": "WIDGET",
        "data": {"method": "update", "state": {}, "buffer_paths": [["index", 3]]},
    },
    {"comm_id": "WIDGET", "data": {"method": "custom", "content": {"type": ["x"]}}},
    {"comm_id": "WIDGET", "data": {"method": "x" * 1000}},
)


def test_an_odd_message_tells_a_visitor_of_no_code_and_no_folder(monitor, checkpoint):
    async def visit():
        visitor = await Visitor.open(monitor.port)
        runs = await visitor.find_widget("DropdownModel")
        heard = []
        for content in ODD_CONTENTS:
            if content["comm_id"] == "WIDGET":
                content = content | {"comm_id": runs}
            message = encode("shell", make_header("comm_msg"), content)
            await visitor.socket.write_message(message, binary=True)
        asked = make_header("kernel_info_request")
        await visitor.socket.write_message(encode("shell", asked, {}), binary=True)
        while not heard or b"kernel_info_reply" not in heard[-1]:
            message = await asyncio.wait_for(visitor.socket.read_message(), 30)
            assert message is not None
            heard.append(message if isinstance(message, bytes) else message.encode())
        await visitor.change(runs, {"index": None}, "display")  # the page goes on
        await visitor.leave()
        return b"\n".join(heard)

    heard = run_visit(visit)
    for hidden in ("Traceback", "site-packages", str(checkpoint.parent), str(monitor.home)):
        assert hidden.encode() not in heard
    assert "Traceback" not in monitor.printed


def test_the_process_of_a_visitor_has_limits(monitor):
    async def visit():
        before = set(monitor.kernels)
        visitor = await Visitor.open(monitor.port)
        (kernel,) = set(monitor.kernels) - before
        process = psutil.Process(kernel)
        config = DashboardConfig()
        assert process.rlimit(psutil.RLIMIT_FSIZE)[0] == config.max_disk * 1e6
        assert process.rlimit(psutil.RLIMIT_DATA)[0] == config.max_memory * 1e6
        await visitor.leave()

    run_visit(visit)


def test_one_address_can_not_take_all_places(serve, run):
    dashboard = serve(
        *("monitor", "--run_directory", run),
        *("--max_visitors", "2", "--trusted_proxy", "127.0.0.1"),
    )
    statuses = [
        dashboard.get("/", headers={"X-Forwarded-For": f"192.0.2.{address}"})[0]
        for address in (1, 1, 2)
    ]
    assert statuses == [200, 503, 200]


def test_a_flood_slows_its_sender_and_nobody_else(monitor):
    message = encode("shell", make_header("comm_msg"), {"comm_id": "c", "data": {}}, bytes(1 << 14))

    sent = []

    async def flood(visitor, until):
        while time.monotonic() < until:
            await visitor.socket.write_message(message, binary=True)
            sent.append(time.monotonic())

    async def visit():
        honest = await Visitor.open(monitor.port)
        hostile = await Visitor.open(monitor.port)
        before = memory_of(monitor)
        flooding = asyncio.create_task(flood(hostile, time.monotonic() + 6))
        for _ in range(5):
            assert (await honest.ask(seconds=10))["status"] == "ok"
            await asyncio.sleep(0.5)
        with contextlib.suppress(TimeoutError):  # its own buffers may be full
            await asyncio.wait_for(flooding, 10)
        assert 100 < len(sent) < 2500
        assert memory_of(monitor) - before < 50
        honest.socket.close()
        hostile.socket.close()

    run_visit(visit)


def test_large_bodies_are_refused_before_they_are_sent(monitor):
    async def send():
        reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
        writer.write(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(), 10)  # until the server closes it
        writer.close()
        return answer

    assert run_visit(send).startswith(b"HTTP/1.1 400 ")


def test_connections_beyond_a_number_are_closed_and_places_come_back(monitor):
    async def open_connections():
        opened = []
        for _ in range(400):
            opened.append(await asyncio.open_connection("127.0.0.1", monitor.port))
            opened[-1][1].write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")  # never completed
        end = time.monotonic() + HEADER_TIMEOUT - 5  # later all are closed, since they are slow
        while (n_closed := sum(map(is_closed, opened))) < 100 and time.monotonic() < end:
            await asyncio.sleep(0.2)
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(1)
        return n_closed

    assert run_visit(open_connections) >= 100
    assert run_visit(lambda: answers_within(monitor.port, 10))
