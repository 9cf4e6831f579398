"""A Voila server of one dashboard, for a known number of visitors, each with a process and a folder of its own."""

import asyncio
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tornado.web
from jinja2 import ChoiceLoader, FileSystemLoader
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import HTTPError
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from absslab.core.common.errors import InputError
from absslab.core.common.jupyter_kernel import KERNEL_ARGUMENTS
from absslab.core.common.resources import resource_folder
from absslab.widgets.dashboards.settings import ENVIRONMENT, NO_TOKEN, DashboardConfig, ServerConfig
from absslab.widgets.dashboards.visitors import LOG_NAME, create_server_folder, remove_abandoned_folders
from absslab.widgets.ui.compatibility import preheated_kernels

_BETWEEN_SWEEPS = 10.0  # s
_PATIENCE = 10.0  # s that one waits for a place: who loads the page again is about to give back one
_UNSEEN = 60.0  # s after which a process is ended whose page never came to life: it was fetched, not opened
_LOGGED = 65536  # bytes of a visitor's log that are shown at a time
_OWN_ADDRESSES = ("127.0.0.1", "localhost", "::1")
_ALL_ADDRESSES = ("0.0.0.0", "::", "")


class DashboardServer(Voila):
    """Voila, with a limit to how many look at a time, and nothing left behind of those who did.

    Args:
        server: where, and to how many.
        folder: with the folders of visitors, and their logs.
    """

    def __init__(self, server: ServerConfig, folder: Path, **options: Any):
        super().__init__(**options)
        self.most, self.folder, self._server = server.max_visitors, folder, server
        self.n_arriving = 0  # visitors whose process is not there yet
        self._first_seen: dict[str, float] = {}  # of processes that no page has spoken to yet
        self._joined: set[str] = set()
        self._n_logged: dict[Path, int] = {}  # bytes that were shown

    def init_settings(self) -> dict[str, Any]:
        """As Voila's; who asks this machine for itself must call it by its own name, unless a token says who they are."""
        settings = super().init_settings()
        settings["allow_remote_access"] = bool(self._server.token)
        own = FileSystemLoader(self.template_paths)
        settings["jinja2_env"].loader = ChoiceLoader([own, settings["jinja2_env"].loader])
        return settings

    def init_handlers(self) -> list[Any]:
        """As Voila's, with pages that are counted."""
        ours = {TornadoVoilaHandler: _LimitedPage, TemplateStaticFileHandler: _TemplateFile}
        return [
            (path, ours.get(handler, handler), *rest)
            for path, handler, *rest in super().init_handlers()
        ]

    def listen(self) -> None:
        """Serve until a signal comes."""
        PeriodicCallback(self.sweep, 1000 * _BETWEEN_SWEEPS).start()
        IOLoop.current().add_callback(
            lambda: print(f"{self.address}   (Ctrl-C ends it)", flush=True)
        )
        try:
            super().listen()
        finally:
            self._show_logs()

    @property
    def address(self) -> str:
        """What visitors open."""
        server = self._server
        host = socket.gethostname() if server.host in _ALL_ADDRESSES else server.host
        token = "" if server.token in ("", NO_TOKEN) else f"?token={server.token}"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.base_url}{token}"

    @property
    def ready(self) -> set[str]:
        """The processes that are kept ready, and that nobody looks at yet."""
        return preheated_kernels(self.kernel_manager)

    @property
    def n_visitors(self) -> int:
        """How many have come, and are about to."""
        return len(set(self.kernel_manager.list_kernel_ids()) - self.ready) + self.n_arriving

    def keep_ready(self) -> None:
        """Those that are kept ready are not idle: the time of who gets one begins now."""
        for kernel_id in self.ready:
            self.kernel_manager.get_kernel(kernel_id).last_activity = datetime.now(UTC)

    def sweep(self) -> None:
        """End what nobody looks at, remove what visitors left, and tell the host what went wrong for them."""
        manager, now = self.kernel_manager, time.monotonic()
        ids = set(manager.list_kernel_ids()) - self.ready
        self._joined = {
            one for one in ids if one in self._joined or manager.kernel_model(one)["connections"]
        }
        self._first_seen = {one: self._first_seen.get(one, now) for one in ids - self._joined}
        for kernel_id, since in self._first_seen.items():
            if now - since > _UNSEEN:
                IOLoop.current().add_callback(manager.shutdown_kernel, kernel_id)
        remove_abandoned_folders(self.folder)
        self._show_logs()

    def _show_logs(self) -> None:
        for path in self.folder.glob(LOG_NAME.format(pid="*")):
            with open(path, "rb") as file:
                file.seek(self._n_logged.get(path, 0))
                text = file.read(_LOGGED)
            self._n_logged[path] = self._n_logged.get(path, 0) + len(text)
            lines = text.decode(errors="replace").splitlines()
            shown = (
                "".join(c if c.isprintable() else "?" for c in line.expandtabs()) for line in lines
            )
            sys.stderr.write("".join(f"{line}\n" for line in shown))


class _LimitedPage(TornadoVoilaHandler):
    """The page; with it comes the cookie by which it may give back its process."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        server, end = self.settings["voila"], time.monotonic() + _PATIENCE
        while server.n_visitors >= server.most:
            if time.monotonic() > end:
                raise HTTPError(503, "as many visitors as there may be")
            await asyncio.sleep(0.2)
        server.keep_ready()
        server.n_arriving += 1
        is_arriving = True
        _ = self.xsrf_token
        try:
            async for html in self.get_generator(path=path):
                if is_arriving:  # its process is there now, and counted
                    server.n_arriving -= 1
                    is_arriving = False
                self.write(html)
                self.flush()
        finally:
            server.n_arriving -= is_arriving


class _TemplateFile(TemplateStaticFileHandler):
    """Files of the template; an address that is none is not found, without a word in the log."""

    def parse_url_path(self, path: str) -> str:
        try:
            return str(super().parse_url_path(path))
        except (AssertionError, ValueError):
            raise HTTPError(404) from None

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        try:
            return str(super().get_absolute_path(root, path))
        except (AssertionError, ValueError):
            raise HTTPError(404) from None


class OwnKernelSpecs(KernelSpecManager):
    """Kernels of this very Python, and no others."""

    def find_kernel_specs(self) -> dict[str, str]:
        """One, named as notebooks name it."""
        return {"python3": ""}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """The same for any name."""
        return KernelSpec(argv=KERNEL_ARGUMENTS, display_name="Python 3", language="python")

    def get_all_specs(self) -> dict[str, Any]:
        """One."""
        return {"python3": {"resource_dir": "", "spec": self.get_kernel_spec("python3").to_dict()}}


def serve(name: str, shown: DashboardConfig, server: ServerConfig) -> None:
    """Serve a dashboard until it is interrupted or terminated.

    Args:
        name: of the dashboard.
        shown: what it shows.
        server: where, and to how many.

    Raises:
        InputError: the port is taken, or the host is an address that this machine does not have.
    """
    server = replace(server, port=_free_port(server))
    notebooks = resource_folder("dashboards")
    folder = create_server_folder(shown.visitors_folder)
    try:
        os.environ[ENVIRONMENT] = json.dumps(replace(shown, visitors_folder=str(folder)).to_json())
        os.environ["JUPYTER_PATH"] = os.pathsep.join(
            filter(None, [str(notebooks), os.environ.get("JUPYTER_PATH")])
        )
        os.environ.setdefault(
            "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2))
        )  # several visitors at once
        app = DashboardServer(server, folder)
        app.config_file_paths = [str(notebooks)]
        app.initialize([str(notebooks / f"{name}.ipynb"), *_flags(server)])
        app.voila_configuration.kernel_spec_manager_class = OwnKernelSpecs
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # its terminal was closed
        app.start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ensure_token(server: ServerConfig, *, allow_training: bool = False) -> ServerConfig:
    """The same with a token made up, where others can reach the server, or do harm, and none was said."""
    if server.token or (server.host in _OWN_ADDRESSES and not allow_training):
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


def _free_port(server: ServerConfig) -> int:
    """The port that was asked for, or any that is free."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
            return int(probe.getsockname()[1])
        except OSError as error:
            place = f"{server.host}:{server.port}"
            raise InputError(
                f"nothing can be served on {place} ({error.strerror}): choose another host or port"
            ) from None
