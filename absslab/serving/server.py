"""A Voila server of one dashboard, for a known number of visitors, each with a process and a folder of its own."""

import asyncio
import json
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from absslab.core.errors import InputError
from absslab.core.shipped import shipped_folder
from absslab.serving.settings import ENVIRONMENT, NO_TOKEN, ServedConfig, ServerConfig
from absslab.serving.visitors import LOG, remove_abandoned

_BETWEEN_SWEEPS = 20.0  # s
_PATIENCE = 10.0  # s that one waits for a place: who loads the page again is about to give back one
_OWN_ADDRESSES = ("127.0.0.1", "localhost", "::1")


class DashboardServer(Voila):
    """Voila, with a limit to how many look at a time, and nothing left behind of those who did.

    Args:
        most: visitors at a time.
        folder: with the folders of visitors, and their log.
    """

    def __init__(self, most: int, folder: Path, **options: Any):
        super().__init__(**options)
        self.most, self.folder = most, folder
        self.n_arriving = 0  # visitors whose page is being made; their processes may be counted already
        self._n_logged = 0  # bytes of the log that were shown

    def init_handlers(self) -> list[Any]:
        """As Voila's, with pages that are counted."""
        limited = {TornadoVoilaHandler: _LimitedPage}
        return [(path, limited.get(handler, handler), *rest) for path, handler, *rest in super().init_handlers()]

    def listen(self) -> None:
        """Serve until a signal comes."""
        sweeper = PeriodicCallback(self.sweep, 1000 * _BETWEEN_SWEEPS)
        sweeper.start()
        try:
            super().listen()
        finally:
            self.sweep()

    def sweep(self) -> None:
        """Remove what visitors left, and tell the host what went wrong for them."""
        remove_abandoned(self.folder)
        if (log := self.folder / LOG).is_file():
            with open(log, "rb") as file:
                file.seek(self._n_logged)
                text = file.read()
            self._n_logged += len(text)
            sys.stderr.write(text.decode(errors="replace"))

    @property
    def n_visitors(self) -> int:
        """Processes that someone looks at; those that are kept ready are not among them."""
        manager = self.kernel_manager
        ready = sum(len(pool) for pool in getattr(manager, "_pools", {}).values())
        return max(0, len(manager.list_kernel_ids()) - ready)


class _LimitedPage(TornadoVoilaHandler):
    """The page; with it comes the cookie by which it may give back its process."""

    async def get(self, path: str | None = None) -> None:
        server, end = self.settings["voila"], time.monotonic() + _PATIENCE
        while server.n_visitors + server.n_arriving >= server.most:
            if time.monotonic() > end:
                raise HTTPError(503, "as many visitors as there may be")
            await asyncio.sleep(0.2)
        server.n_arriving += 1
        try:
            _ = self.xsrf_token
            await super().get(path)
        finally:
            server.n_arriving -= 1


def serve(name: str, shown: ServedConfig, server: ServerConfig) -> None:
    """Serve a dashboard until it is interrupted or terminated.

    Args:
        name: of the dashboard.
        shown: what it shows.
        server: where, and to how many.

    Raises:
        InputError: the port is taken, or an address that is not this machine's.
    """
    _check_address(server)
    notebooks = shipped_folder("dashboards")
    with _visitors(shown) as folder:
        told = replace(shown, visitors_folder=str(folder))
        os.environ[ENVIRONMENT] = json.dumps(told.to_json())
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(notebooks), os.environ.get("JUPYTER_PATH")]))
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))  # several visitors at once
        app = DashboardServer(server.max_visitors, folder)
        app.config_file_paths = [str(notebooks)]
        app.initialize([str(notebooks / f"{name}.ipynb"), *_flags(server)])
        print(f"absslab dashboard {name}: {_address(app, server)}   (Ctrl-C ends it)", flush=True)
        app.start()


def with_token(server: ServerConfig) -> ServerConfig:
    """The same with a token made up, where others can reach the server and none was said."""
    if server.token or server.host in _OWN_ADDRESSES:
        return server
    return replace(server, token=secrets.token_urlsafe(24))


def _flags(server: ServerConfig) -> list[str]:
    token = "" if server.token in ("", NO_TOKEN) else server.token
    values = {
        "Voila.ip": server.host,
        "Voila.port": server.port,
        "Voila.port_retries": 0,
        "Voila.base_url": f"/{server.base_url.strip('/')}/".replace("//", "/"),
        "Voila.token": token,
        "Voila.open_browser": server.open_browser,
        "Voila.log_level": logging.ERROR,
        "VoilaConfiguration.preheat_kernel": server.preheat > 0,
        "VoilaConfiguration.default_pool_size": server.preheat,
        "MappingKernelManager.cull_idle_timeout": round(server.idle_time),
    }
    return [f"--{name}={value}" for name, value in values.items()]


def _address(app: Voila, server: ServerConfig) -> str:
    token = "" if server.token in ("", NO_TOKEN) else f"?token={server.token}"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{app.port}{app.base_url}{token}"


def _check_address(server: ServerConfig) -> None:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            place = f"{server.host}:{server.port}"
            raise InputError(f"nothing can be served on {place} ({error.strerror}): choose another host or port") from None


@contextmanager
def _visitors(shown: ServedConfig) -> Iterator[Path]:
    """A folder for those of visitors; nothing of it is left."""
    if shown.visitors_folder:
        Path(shown.visitors_folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="absslab-visitors-", dir=shown.visitors_folder or None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
