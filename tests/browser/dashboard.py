"""A dashboard as its host starts it: `absslab dashboard` in a process of its own, on a free loopback port."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .lab import at_home, free_port, isolated

STARTED = 60  # s that a server may take
LOADED = 60_000  # ms that a page may take
PROBE = "document.querySelectorAll('.absslab-player')[{}].absslab.probe()"


class Dashboard:
    """A running dashboard; `url` is its address, `visitors` the folder with its visitors' folders.

    Args:
        folder: an empty folder, for all that the server and its kernels write.
        arguments: of absslab dashboard, without host and port.

    Raises:
        RuntimeError: the server did not come up; with what it said.
    """

    def __init__(self, folder: Path, arguments: Sequence[str]):
        self.home, self.log, self._root = (
            folder / "home",
            folder / "server.log",
            folder / "visitors",
        )
        self.home.mkdir(parents=True)
        self.port = free_port()
        own = ["--port", str(self.port), "--visitors_folder", str(self._root)]
        command = [sys.executable, "-m", "absslab", "dashboard", *arguments, *own]
        with self.log.open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(
                command, env=isolated(self.home), start_new_session=True, **streams
            )
        end = time.monotonic() + STARTED
        while "Ctrl-C ends it" not in self.said or not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                raise RuntimeError(f"the dashboard did not come up:\n{self.said}")
            time.sleep(0.1)
        self.url = self.said[self.said.index("http://") :].split()[
            0
        ]  # with its token, where it has one

    @property
    def said(self) -> str:
        """What the server has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def visitors(self) -> list[Path]:
        """The folders of those who look."""
        return sorted(self._root.glob("*/visitor-*"))

    @property
    def kernels(self) -> list[int]:
        """The processes of those who look."""
        return [
            one.pid for one in at_home(self.home) if "ipykernel_launcher" in " ".join(one.cmdline())
        ]

    def get(
        self, path: str, *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, bytes]:
        """Status and body of a request whose path is sent as it is, `..` and all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, seconds: float = 30, *, by: int = signal.SIGTERM) -> int:
        """End the server as its host would; returns its exit status."""
        if self.process.poll() is None:
            os.kill(self.process.pid, by)
        return self.process.wait(seconds)

    def close(self) -> None:
        """End the server and whatever it started, detached trainings too."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in at_home(self.home):
            process.kill()

    def _answers(self) -> bool:
        try:
            return self.get("/voila/static/labvariables.css")[0] == 200
        except OSError:
            return False


def until(page: Any, condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    """What `condition` returns as soon as that is true; the page goes on meanwhile."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        page.wait_for_timeout(100)
    return value


def open_page(page: Any, dashboard: Dashboard, heading: str) -> None:
    """Open a dashboard, until its heading is there."""
    page.goto(dashboard.url, wait_until="commit")
    page.get_by_role("heading", name=heading, exact=True).wait_for(timeout=LOADED)


def probe(page: Any, player: int = 0) -> Any:
    """What a player says of itself."""
    return page.evaluate(PROBE.format(player))


def loudest(page: Any, seconds: float = 2.5, player: int = 0) -> dict[str, float]:
    """The most that each track sounded while it played."""
    most: dict[str, float] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(50)
        for track in probe(page, player)["tracks"]:
            most[track["name"]] = max(most.get(track["name"], 0.0), track["rms"])
    return most


def play(page: Any, player: int = 0) -> None:
    """Play again and again what a player has."""
    page.locator(".absslab-player").nth(player).locator(".track").first.wait_for(timeout=LOADED)
    page.locator(".absslab-player").nth(player).press("l")
    page.locator(".absslab-player .play").nth(player).click()
