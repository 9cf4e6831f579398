"""A JupyterLab for the tests: a process on a free loopback port, with its own home folder."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from isolated_servers import at_home, free_port, isolated_environment

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}
}


class Lab:
    """A running JupyterLab; `root` is the folder that it serves, `url` its address.

    Args:
        folder: an empty folder for everything that the server and its kernels write.

    Raises:
        RuntimeError: the server did not start; the message has the end of its log.
    """

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.root = folder / "root"
        self.log = folder / "server.log"
        # The server runs any code that it gets, so other users of this machine must not reach it.
        self.token = secrets.token_hex(16)
        config = self.home / "config"
        (config / "labconfig").mkdir(parents=True)
        (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
        self.root.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        flags = [f"port={port}", "port_retries=0", "ip=127.0.0.1", f"root_dir={self.root}"]
        flags += ["open_browser=False", "allow_root=True", "terminals_enabled=False"]
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            *(f"--ServerApp.{flag}" for flag in flags),
            "--expose-app-in-browser",
        ]
        environment = isolated_environment(self.home) | {"JUPYTER_TOKEN": self.token}
        with self.log.open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(
                command, env=environment, start_new_session=True, **streams
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.request("GET", "/api/status")
                return
            except OSError:
                time.sleep(0.1)
        log_end = self.log.read_text()[-3000:]
        raise RuntimeError(
            f"JupyterLab did not start within {seconds:.0f} s; its log ends:\n{log_end}"
        )

    def request(self, method: str, path: str) -> Any:
        """Ask the server's REST interface, as in `request("GET", "/api/sessions")`.

        Returns:
            its answer, or None if the answer is empty.
        """
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # bypasses any proxy
        with opener.open(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def descendants(self) -> Iterator[psutil.Process]:
        """Yield the server, its kernels and all that they started, detached processes too."""
        yield from at_home(self.home)

    def close(self) -> None:
        """End the server with its kernels, then any process of theirs that still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for process in self.descendants():
            process.kill()
