"""The Voila server of a dashboard; each visitor has a separate process and folder."""

import asyncio
import contextlib
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

import psutil
import tornado.web
from jinja2 import ChoiceLoader, FileSystemLoader
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import HTTPError
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from absslab.core.common.errors import InputError
from absslab.core.common.jupyter_kernel import KERNEL_ARGUMENTS
from absslab.core.common.resources import resource_folder
from absslab.widgets.dashboards.settings import (
    ENVIRONMENT,
    NO_TOKEN,
    DashboardConfig,
    ServerConfig,
)
from absslab.widgets.dashboards.visitors import (
    LOG_NAME,
    create_server_folder,
    remove_abandoned_folders,
)
from absslab.widgets.ui.compatibility import (
    n_page_connections,
    preheated_kernels,
    silence_ping_warning,
)

_SWEEP_INTERVAL = 10.0  # s
_PLACE_TIMEOUT = (
    10.0  # s to wait for a free place; a page that is being reloaded will free one soon
)
_KILL_TIMEOUT = 5.0  # s to wait until killed processes are gone
_CONNECT_TIMEOUT = 60.0  # s after which a process ends whose page was fetched but never ran
_MAX_LOG_PART = 65536  # bytes of a visitor's log that are shown at a time
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ALL_INTERFACES = ("0.0.0.0", "::", "")


class DashboardServer(Voila):
    """Voila with a limit on its visitors; it removes their files when they have left.

    Args:
        config: address of the server, and limit on its visitors.
        folder: contains the folders and the logs of the visitors.
        options: options of Voila.
    """

    def __init__(self, config: ServerConfig, folder: Path, **options: Any):
        super().__init__(**options)
        self.max_visitors = config.max_visitors
        self.folder = folder
        self.n_arriving = 0  # visitors whose process does not exist yet
        self._server_config = config
        self._connected: set[str] = set()  # processes whose page has connected
        self._first_seen: dict[str, float] = {}  # s; of processes whose page has not connected yet
        self._n_logged: dict[Path, int] = {}  # bytes of each log that were shown

    def init_settings(self) -> dict[str, Any]:
        """Restrict the names by which the server answers, and let our templates come first.

        Without a token only requests to this machine's own names are answered, so that no other
        web site can reach the server through a visitor's browser.
        """
        settings = super().init_settings()
        settings["allow_remote_access"] = bool(self._server_config.token)
        templates = settings["jinja2_env"]
        templates.loader = ChoiceLoader([FileSystemLoader(self.template_paths), templates.loader])
        return settings

    def init_handlers(self) -> list[Any]:
        """Replace Voila's handlers of the page, of the templates' files and of the web socket."""
        replacements = {
            TornadoVoilaHandler: _LimitedPageHandler,
            TemplateStaticFileHandler: _TemplateFileHandler,
            VoilaKernelWebsocketHandler: KernelSocketHandler,
        }
        return [
            (path, replacements.get(handler, handler), *options)
            for path, handler, *options in super().init_handlers()
        ]

    def listen(self) -> None:
        """Serve until a signal comes."""
        PeriodicCallback(self.sweep, 1000 * _SWEEP_INTERVAL).start()
        IOLoop.current().add_callback(self._announce)
        super().listen()

    def stop(self) -> None:
        """Kill the processes of all visitors.

        Asked to end, a kernel that is starting or busy prints a traceback. It has nothing to save:
        files appear whole or not at all, trainings are processes of their own, and `serve` removes
        the folders.
        """
        self._show_logs()
        kernels = psutil.Process().children()  # those that the kernel manager does not know yet too
        for kernel in kernels:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(kernel.pid, signal.SIGKILL)
        psutil.wait_procs(kernels, timeout=_KILL_TIMEOUT)
        shutil.rmtree(self.connection_dir, ignore_errors=True)
        print("stopped", flush=True)

    def _announce(self) -> None:
        # Ctrl-C ends the loop as a termination does; Python's own handler would raise in any task.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        print(f"{self.address}   (Ctrl-C ends it)", flush=True)

    @property
    def address(self) -> str:
        """The address that visitors open, with the token."""
        host = self._server_config.host
        if host in _ALL_INTERFACES:
            host = socket.gethostname()
        if ":" in host:
            host = f"[{host}]"
        token = self._server_config.token
        query = "" if token in ("", NO_TOKEN) else f"?token={token}"
        return f"http://{host}:{self.port}{self.base_url}{query}"

    @property
    def n_visitors(self) -> int:
        """The number of visitors who have a page, or are about to get one."""
        return len(self._visitor_kernels()) + self.n_arriving

    def reset_idle_times(self) -> None:
        """Count the idle time of a preheated process from the moment a visitor gets it."""
        for kernel_id in preheated_kernels(self.kernel_manager):
            self.kernel_manager.get_kernel(kernel_id).last_activity = datetime.now(UTC)

    def sweep(self) -> None:
        """End processes without a page, remove abandoned folders, and show errors to the host."""
        manager = self.kernel_manager
        now = time.monotonic()
        kernel_ids = self._visitor_kernels()
        for kernel_id in kernel_ids - self._connected:
            if n_page_connections(manager, kernel_id):
                self._connected.add(kernel_id)
        self._connected &= kernel_ids
        waiting = kernel_ids - self._connected
        self._first_seen = {
            kernel_id: self._first_seen.get(kernel_id, now) for kernel_id in waiting
        }
        for kernel_id, since in self._first_seen.items():
            if now - since > _CONNECT_TIMEOUT:
                IOLoop.current().add_callback(manager.shutdown_kernel, kernel_id)
        remove_abandoned_folders(self.folder)
        self._show_logs()

    def _visitor_kernels(self) -> set[str]:
        kernel_ids = set(self.kernel_manager.list_kernel_ids())
        return kernel_ids - preheated_kernels(self.kernel_manager)

    def _show_logs(self) -> None:
        """Print what visitors' processes have logged since the last time."""
        for path in self.folder.glob(LOG_NAME.format(pid="*")):
            with open(path, "rb") as file:
                file.seek(self._n_logged.get(path, 0))
                text = file.read(_MAX_LOG_PART)
            self._n_logged[path] = self._n_logged.get(path, 0) + len(text)
            for line in text.decode(errors="replace").splitlines():
                sys.stderr.write(f"{_printable(line)}\n")


class _LimitedPageHandler(TornadoVoilaHandler):
    """Voila's handler of the page, which waits for a free place."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        server = self.settings["voila"]
        await self._wait_for_place(server)
        server.reset_idle_times()
        _ = self.xsrf_token  # sets the cookie with which the page may end its process
        server.n_arriving += 1
        is_arriving = True
        try:
            async for html in self.get_generator(path=path):
                if is_arriving:  # its process exists from the first part on, and is counted
                    server.n_arriving -= 1
                    is_arriving = False
                self.write(html)
                self.flush()
        finally:
            if is_arriving:
                server.n_arriving -= 1

    async def _wait_for_place(self, server: DashboardServer) -> None:
        end = time.monotonic() + _PLACE_TIMEOUT
        while server.n_visitors >= server.max_visitors:
            if time.monotonic() > end:
                raise HTTPError(503, "the number of visitors is at its limit")
            await asyncio.sleep(0.2)


class _TemplateFileHandler(TemplateStaticFileHandler):
    """Voila's handler of the templates' files, which answers a bad address with 404.

    Voila's own raises errors that end with a traceback in the log.
    """

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


class KernelSocketHandler(VoilaKernelWebsocketHandler):
    """Voila's handler of a page's web socket, which drops what comes after it has closed it.

    The server closes a socket whose page does not answer in time, over a slow line for example.
    From then on jupyter_server does not know the protocol: it would misread the next message of the
    page, take hundreds of megabytes for it and log a traceback. The page connects again by itself.
    """

    def on_message(self, ws_message: str | bytes) -> None:
        """Handle a message unless the socket is closed on this side."""
        if self.ws_connection is not None:
            super().on_message(ws_message)


class OwnKernelSpecs(KernelSpecManager):
    """The kernel of the Python that runs the server, and no others that are installed."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return its name, which is the one that notebooks have, and no folder."""
        return {"python3": ""}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """Return the specification; it is the same for any name."""
        return KernelSpec(argv=KERNEL_ARGUMENTS, display_name="Python 3", language="python")

    def get_all_specs(self) -> dict[str, Any]:
        """Return the specification by its name."""
        return {"python3": {"resource_dir": "", "spec": self.get_kernel_spec("python3").to_dict()}}


def serve(name: str, config: DashboardConfig, server: ServerConfig) -> None:
    """Serve a dashboard until it is interrupted or terminated.

    Args:
        name: name of the dashboard.
        config: settings of the dashboard, as `validate_settings` returns them.
        server: address of the server, and limit on its visitors.

    Raises:
        InputError: the port is taken, or this machine does not have the address.
    """
    server = replace(server, port=_choose_port(server))
    notebooks = resource_folder("dashboards")
    folder = create_server_folder(config.visitors_folder)
    try:
        _set_environment(replace(config, visitors_folder=str(folder)), notebooks)
        silence_ping_warning()
        app = DashboardServer(server, folder)
        app.config_file_paths = [str(notebooks)]
        app.initialize([str(notebooks / f"{name}.ipynb"), *_voila_flags(server)])
        app.voila_configuration.kernel_spec_manager_class = OwnKernelSpecs
        # a closed terminal ends the server as a termination does
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
        app.start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ensure_token(server: ServerConfig, *, allow_training: bool = False) -> ServerConfig:
    """Add a random token if none was given and others can reach the server or change files.

    Args:
        server: the given settings of the server.
        allow_training: whether visitors may start trainings, which read and write files.
    """
    if server.token or (server.host in _LOOPBACK and not allow_training):
        return server
    return replace(server, token=secrets.token_urlsafe(24))


def _set_environment(config: DashboardConfig, notebooks: Path) -> None:
    """Set what Voila and the visitors' kernels read from the environment."""
    os.environ[ENVIRONMENT] = json.dumps(config.to_json())
    jupyter_paths = [str(notebooks), os.environ.get("JUPYTER_PATH", "")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, jupyter_paths))
    n_threads = max(1, (os.cpu_count() or 1) // 2)  # several visitors compute at once
    os.environ.setdefault("OMP_NUM_THREADS", str(n_threads))


def _voila_flags(server: ServerConfig) -> list[str]:
    values = {
        "Voila.ip": server.host,
        "Voila.port": server.port,
        "Voila.port_retries": 0,
        "Voila.base_url": f"/{server.base_url.strip('/')}/".replace("//", "/"),
        "Voila.token": "" if server.token == NO_TOKEN else server.token,
        "Voila.open_browser": server.open_browser,
        "Voila.log_level": logging.ERROR,
        "VoilaConfiguration.preheat_kernel": server.preheat > 0,
        "VoilaConfiguration.default_pool_size": server.preheat,
        "MappingKernelManager.cull_idle_timeout": round(server.idle_time),
    }
    return [f"--{name}={value}" for name, value in values.items()]


def _choose_port(server: ServerConfig) -> int:
    """Return the port that was asked for if it is free; for 0, any that is free."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
            return int(probe.getsockname()[1])
        except OSError as error:
            raise InputError(
                f"cannot listen on {server.host}:{server.port} ({error.strerror}): "
                f"choose another host or port"
            ) from None


def _printable(line: str) -> str:
    """Replace characters with which a visitor could control the host's terminal."""
    return "".join(c if c.isprintable() else "?" for c in line.expandtabs())
