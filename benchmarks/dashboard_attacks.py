"""Attack a dashboard: do honest visitors wait while hostile ones do what they can?

python benchmarks/dashboard_attacks.py --run_directory data/runs/first

Twenty visitors, five of them hostile, look at the monitor through a slow proxy. The hostile ones
send messages whose lengths are wrong, floods, charts of 30,000 × 30,000 points, requests that
never end, and fetch pages that they never open. It fails if an honest visitor waits more than 2 s
for an answer or for what a choice changes, if the server's memory grows by more than 50 MB, if
something is kept when all have left, or if a hostile one never came to the end of an attack.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from browser.proxy import running_proxy
from dashboard_server import Dashboard
from visitor import Visitor, connect, encode, fetch_page, make_header

LONGEST_WAIT = 2.0  # s that an honest visitor may wait for an answer
LARGEST_GROWTH = 50.0  # MB by which the server may grow
OPENING_TIMEOUT = 300.0  # s, within which a page must be open
LEAVING_TIMEOUT = 120.0  # s, within which all must be gone
MB = 1e6
LOST_CONNECTION = (ConnectionError, OSError, HTTPError, TimeoutError, asyncio.IncompleteReadError)


@dataclass
class HonestVisitor:
    """An honest visitor, and how long each answer took (s)."""

    visitor: Visitor
    waits: list[float] = field(default_factory=list)
    _choice: str = ""  # a widget
    _index: int | None = 0  # what is chosen

    async def begin(self) -> None:
        """Find what can be chosen on the page."""
        self._choice = await self.visitor.find_widget("DropdownModel")

    async def use_page(self, end: float) -> None:
        """Every second, ask something or choose another run; then its curves are shown or go."""
        for number in itertools.count():
            start = time.monotonic()
            if start >= end:
                return
            if number % 2:
                await self.visitor.ask(seconds=60)
            else:
                self._index = 0 if self._index is None else None
                state = {"index": self._index}
                await self.visitor.change(self._choice, state, "display", seconds=60)
            self.waits.append(time.monotonic() - start)
            await asyncio.sleep(1)


class HostileVisitor:
    """A hostile visitor: opens its page, and then does the same again and again.

    Args:
        port: of the proxy.
        server_port: of the server itself.
    """

    def __init__(self, port: int, server_port: int):
        self.port = port
        self.server_port = server_port
        self.n_times = 0  # attacks that came to their end
        self.visitor: Any = None

    async def attack_until(self, end: float) -> None:
        """Attack until the end; whatever the server does is fine."""
        while time.monotonic() < end:
            with contextlib.suppress(*LOST_CONNECTION):
                await asyncio.wait_for(self.attack(), max(0.1, end - time.monotonic()))
                self.n_times += 1
            await asyncio.sleep(0.05)

    async def attack(self) -> None:
        """Do something hostile once."""
        raise NotImplementedError

    async def send(self, message: str | bytes) -> None:
        """Send a message; a network that is full is waited for, whoever gives up meanwhile."""
        sending = self.visitor.socket.write_message(message, isinstance(message, bytes))
        await asyncio.shield(sending)

    async def reopen(self) -> Any:
        """Return a socket to the own page, which is fetched again if its process has ended."""
        if self.visitor is None:
            self.visitor = await Visitor.open(self.port, seconds=OPENING_TIMEOUT)
        else:
            self.visitor.socket.close()
            try:
                self.visitor.socket = await connect(self.port, self.visitor.page)
            except HTTPError:
                self.visitor = None
                raise
        return self.visitor.socket

    def leave(self) -> None:
        """Go without a word."""
        if self.visitor is not None:
            self.visitor.socket.close()


class WrongCounts(HostileVisitor):
    """Sends messages whose counts and offsets are wrong."""

    def __init__(self, port: int, server_port: int):
        super().__init__(port, server_port)
        messages = [b"\xff" * size for size in (8, 800, 1 << 20)]
        messages.append((1 << 40).to_bytes(8, "little") + bytes(64))
        self._messages: Iterator[str | bytes] = itertools.cycle([*messages, "text"])

    async def attack(self) -> None:
        socket = await self.reopen()
        await self.send(next(self._messages))
        while await socket.read_message() is not None:
            pass


class MessageFlood(HostileVisitor):
    """Sends as many messages as it can, small and large, and reads no answer."""

    async def attack(self) -> None:
        await self.reopen()
        content = {"comm_id": "none", "data": {}}
        for number in range(1000):
            message = encode("shell", make_header("kernel_info_request"), {})
            if number % 20 == 0:
                message = encode("shell", make_header("comm_msg"), content, bytes(1 << 20))
            await self.send(message)


class HugeCharts(HostileVisitor):
    """Sends messages for charts of 30,000 × 30,000 points to all widgets."""

    async def attack(self) -> None:
        await self.reopen()
        comms = (await self.visitor.ask("comm_info_request", seconds=60))["comms"]
        orders: list[dict[str, Any]] = [
            {"type": "resize", "width": 30000, "height": 30000},
            {"type": "set_device_pixel_ratio", "device_pixel_ratio": 1000},
        ]
        for order in orders:
            for comm in comms:
                content = {"comm_id": comm, "data": {"method": "custom", "content": order}}
                message = encode("shell", make_header("comm_msg"), content)
                await self.send(message)
        await asyncio.sleep(1)
        self.visitor.socket.close()


class UnfinishedRequests(HostileVisitor):
    """Opens connections to the server whose requests and bodies never end."""

    async def attack(self) -> None:
        beginnings = (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n",
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000\r\n\r\nx",
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n",
            b"",
        )
        writers = []
        try:
            for number in range(400):
                _, writer = await asyncio.open_connection("127.0.0.1", self.server_port)
                writers.append(writer)
                writer.write(beginnings[number % len(beginnings)])
            await asyncio.sleep(10)
        finally:
            for writer in writers:
                writer.close()


class UnopenedPages(HostileVisitor):
    """Fetches pages that it never opens, and asks under foreign names."""

    async def attack(self) -> None:
        headers = {"Host": "evil.example"}
        for path in ("/", "/?token=guess", "/voila/static/../../../etc/passwd", "/api/kernels"):
            url = f"http://127.0.0.1:{self.port}{path}"
            await AsyncHTTPClient().fetch(url, headers=headers, raise_error=False)
        with contextlib.suppress(HTTPError):  # there is no place
            await fetch_page(self.port, seconds=60)


ATTACKS = (WrongCounts, MessageFlood, HugeCharts, UnfinishedRequests, UnopenedPages)


class MemoryMeter:
    """Measures the server's memory while the attacks last.

    Args:
        dashboard: the server.
    """

    def __init__(self, dashboard: Dashboard):
        self._process = psutil.Process(dashboard.process.pid)
        self.most = 0.0  # MB

    def memory(self) -> float:
        """Return the memory of the server in MB."""
        now = float(self._process.memory_info().rss) / MB
        self.most = max(self.most, now)
        return now

    def n_sockets(self) -> int:
        """Return how many connections to its port the server has."""
        return sum(c.status == "ESTABLISHED" for c in self._process.net_connections("tcp"))

    async def watch(self, end: float) -> None:
        """Look at the memory until the end."""
        while time.monotonic() < end:
            self.memory()
            await asyncio.sleep(0.2)


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.5)
    return condition()


async def open_pages(port: int, n_visitors: int) -> list[HonestVisitor]:
    """Open the pages of the honest visitors, a few at a time."""
    places = asyncio.Semaphore(3)

    async def open_page() -> HonestVisitor:
        async with places:
            return HonestVisitor(await Visitor.open(port, seconds=OPENING_TIMEOUT))

    return list(await asyncio.gather(*(open_page() for _ in range(n_visitors))))


async def attack_dashboard(
    dashboard: Dashboard, port: int, n_visitors: int, seconds: float
) -> list[str]:
    """Run the attacks, print what was measured, and return what fell short."""
    AsyncHTTPClient.configure(None, max_clients=1000)
    meter = MemoryMeter(dashboard)
    idle_memory = meter.memory()
    honest = await open_pages(port, n_visitors - len(ATTACKS))
    hostile = [make(port, dashboard.port) for make in ATTACKS]
    for each in honest:
        await each.begin()
    before = meter.memory()
    print(f"{len(honest)} honest visitors are there; the attacks last {seconds:.0f} s", flush=True)
    end = time.monotonic() + seconds
    meter.most = before
    work: list[Awaitable[None]] = [each.use_page(end) for each in honest]
    work += [each.attack_until(end) for each in hostile]
    await asyncio.gather(*work, meter.watch(end))
    during = meter.most
    for number, each in enumerate(honest, start=1):
        print(
            f"visitor {number:2d}: {len(each.waits):4d} answers, "
            f"median {statistics.median(each.waits):.2f} s, longest {max(each.waits):.2f} s"
        )
    attacks = ", ".join(f"{type(each).__name__} {each.n_times}" for each in hostile)
    print(f"attacks: {attacks}")
    for each in hostile:
        each.leave()
    await asyncio.gather(*(each.visitor.leave() for each in honest))

    def count_kept() -> dict[str, int]:
        return {
            "processes": len(dashboard.kernels),
            "folders": len(dashboard.visitors),
            "logs": len(dashboard.logs),
            "sockets": meter.n_sockets(),
        }

    await wait_until(lambda: not any(count_kept().values()), LEAVING_TIMEOUT)
    kept = count_kept()
    after = meter.memory()
    print(
        f"memory of the server in MB: {idle_memory:.0f} at its start, {before:.0f} before the "
        f"attacks, at most {during:.0f} during it, {after:.0f} after it"
    )
    print("kept: " + ", ".join(f"{number} {name}" for name, number in kept.items()))
    longest = max(max(each.waits) for each in honest)
    problems = []
    if longest > LONGEST_WAIT:
        problems.append(f"an honest visitor waited {longest:.1f} s")
    if max(during, after) - before > LARGEST_GROWTH:
        problems.append(f"the server grew by {max(during, after) - before:.0f} MB")
    idle = [type(each).__name__ for each in hostile if not each.n_times]
    problems += [f"no attack of the {name} came to its end" for name in idle]
    problems += [f"{number} {name} were kept" for name, number in kept.items() if number]
    return problems


def main() -> int:
    """Attack a dashboard; the exit status is 1 if it falls short."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run_directory", required=True, help="any run")
    parser.add_argument("--n_visitors", type=int, default=20, help="five of them are hostile")
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the attacks; ≤ 600")
    parser.add_argument("--delay", type=float, default=0.08, help="of the proxy, each way, in s")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    flags = ["monitor", "--run_directory", arguments.run_directory, "--idle_time", "10"]
    flags += ["--max_visitors", str(arguments.n_visitors)]
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Dashboard(Path(folder), flags)) as dashboard,
        running_proxy(dashboard.port, delay=arguments.delay) as proxy,
    ):
        seconds = min(arguments.seconds, 600.0)
        attacks = attack_dashboard(dashboard, proxy.port, arguments.n_visitors, seconds)
        problems = asyncio.run(attacks)
        log = dashboard.printed
    if "Traceback" in log:
        problems.append(f"the server printed a traceback:\n{log}")
    for problem in problems:
        print(f"falls short: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
