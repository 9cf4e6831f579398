"""Start a dashboard for tests: `absslab dashboard` in its own process, on a free port."""

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
from urllib.parse import urlsplit

from isolated_servers import at_home, free_port, isolated_environment

STARTED = 60  # s, within which a server must answer


class Dashboard:
    """A running dashboard; `url` is its address, `visitors` the folder with its visitors' folders.

    Args:
        folder: an empty folder, for all files that the server and its kernels write.
        arguments: of absslab dashboard, without host and port.

    Raises:
        RuntimeError: the server did not start; the message has its output.
    """

    def __init__(self, folder: Path, arguments: Sequence[str]):
        self.home = folder / "home"
        self.log = folder / "server.log"
        self._root = folder / "visitors"
        self.home.mkdir(parents=True)
        self.port = free_port()
        own = ["--port", str(self.port), "--visitors_folder", str(self._root)]
        command = [sys.executable, "-m", "absslab", "dashboard", *arguments, *own]
        with self.log.open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(
                command, env=isolated_environment(self.home), start_new_session=True, **streams
            )
        end = time.monotonic() + STARTED
        while "Ctrl-C ends it" not in self.printed or not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                raise RuntimeError(f"the dashboard did not start:\n{self.printed}")
            time.sleep(0.1)
        self.url = self.printed[self.printed.index("http://") :].split()[0]  # with its token

    @property
    def printed(self) -> str:
        """The output of the server so far."""
        return self.log.read_text(errors="replace")

    @property
    def visitors(self) -> list[Path]:
        """The folders of the visitors."""
        return sorted(self._root.glob("*/visitor-*"))

    @property
    def logs(self) -> list[Path]:
        """The logs of the visitors' processes."""
        return sorted(self._root.glob("*/log-*"))

    @property
    def kernels(self) -> list[int]:
        """The processes of the visitors."""
        return [
            process.pid
            for process in at_home(self.home)
            if "ipykernel_launcher" in " ".join(process.cmdline())
        ]

    def get(
        self, path: str, *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, bytes]:
        """Return status and body of a request; its path is sent unchanged, `..` included."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, seconds: float = 30, *, by: int = signal.SIGTERM) -> int:
        """End the server as Ctrl-C does, and return its exit status."""
        if self.process.poll() is None:
            os.kill(self.process.pid, by)
        return self.process.wait(seconds)

    def close(self) -> None:
        """End the server and all processes that it started, detached trainings too."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in at_home(self.home):
            process.kill()

    def _answers(self) -> bool:
        try:
            folder = urlsplit(self.printed[self.printed.index("http://") :].split()[0]).path
            return self.get(f"{folder}voila/static/labvariables.css")[0] == 200
        except OSError:
            return False


def wait_until(condition: Callable[[], Any], seconds: float = 30, what: str = "") -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
