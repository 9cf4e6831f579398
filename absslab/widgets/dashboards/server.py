"""The Voila server of a dashboard; each visitor has a separate process and folder."""

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from jinja2 import ChoiceLoader, FileSystemLoader
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_events import EventLogger
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.routing import PathMatches, Rule
from tornado.web import RedirectHandler, RequestHandler
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from absslab.core.common.errors import InputError
from absslab.core.common.jupyter_kernel import KERNEL_ARGUMENTS
from absslab.core.common.memory import release_memory
from absslab.core.common.resources import resource_folder
from absslab.widgets.dashboards.host_names import ForeignHostHandler, ForeignHostMatcher, HostNames
from absslab.widgets.dashboards.http_server import LimitedServer, TrustedProxies
from absslab.widgets.dashboards.kernel_socket import (
    MAX_UNSENT,
    MAX_UNSENT_TOTAL,
    KernelSocketHandler,
    SocketLimits,
)
from absslab.widgets.dashboards.owners import KernelOwners
from absslab.widgets.dashboards.page_handlers import (
    OutsideHandler,
    OwnKernelHandler,
    PageHandler,
    PageOpenedHandler,
    ShutdownHandler,
    TemplateFileHandler,
    UndecodableAddress,
)
from absslab.widgets.dashboards.page_sessions import PageSessions
from absslab.widgets.dashboards.settings import (
    ENVIRONMENT,
    NO_TOKEN,
    DashboardConfig,
    ServerConfig,
)
from absslab.widgets.dashboards.tokens import TokenIdentity
from absslab.widgets.dashboards.visitor_logs import VisitorLogs, printable
from absslab.widgets.dashboards.visitor_places import VisitorPlaces
from absslab.widgets.dashboards.visitors import create_server_folder, remove_abandoned_folders
from absslab.widgets.ui.compatibility import (
    n_page_connections,
    preheated_kernels,
    silence_harmless_warnings,
)

_log = logging.getLogger("tornado.access")
_TOKEN = re.compile(r"((?:token|password)=)[^&\s'\"]+")
_SWEEP_INTERVAL = 3.0  # s
_SIGN_INTERVAL = 2  # s between signs of life in a page whose notebook runs; proxies cut silent ones
_KILL_TIMEOUT = 5.0  # s to wait until killed processes are gone
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ALL_INTERFACES = ("0.0.0.0", "::", "")


class DashboardServer(Voila):
    """Voila with a limit on its visitors; it removes their files when they have left.

    Args:
        config: address of the server, and limit on its visitors.
        folder: contains the folders and the logs of the visitors.
        allow_training: whether visitors may start trainings.
        options: options of Voila.

    Raises:
        InputError: a public host is not a name, or a proxy no address.
    """

    def __init__(
        self, config: ServerConfig, folder: Path, *, allow_training: bool = False, **options: Any
    ):
        super().__init__(**options)
        own_host = () if config.host in _ALL_INTERFACES else (config.host,)
        self.identity_provider_class = TokenIdentity
        self.max_visitors = config.max_visitors
        self.folder = folder
        self.places = VisitorPlaces()
        self.owners = KernelOwners(config.port)
        self.page_sessions = PageSessions(MAX_UNSENT, MAX_UNSENT_TOTAL, timeout=config.idle_time)
        self.socket_limits: dict[str, SocketLimits] = {}  # by the id of the page's process
        self.host_names = HostNames(
            (*config.public_host, *own_host),
            is_local=config.host in _LOOPBACK,
            accepts_all=config.token == NO_TOKEN and not allow_training,
        )
        self._trusted_proxies = TrustedProxies(
            config.trusted_proxy, is_local=config.host in _LOOPBACK
        )
        self._server_config = config
        self._last_kernels: set[str] = set()  # of visitors, when `sweep` looked
        self.logs = VisitorLogs(folder)
        # Without one, jupyter_server makes one for each process, and Python keeps their loggers.
        self.event_logger = EventLogger()

    def init_settings(self) -> dict[str, Any]:
        """Let our templates come first, and keep tokens out of the log."""
        settings = super().init_settings()
        settings["allow_remote_access"] = True  # `HostNames` decides
        settings["log_function"] = _log_failure
        settings["compress_response"] = True  # the scripts of a page have 5 MB
        self.log.addFilter(_is_not_about_culling)
        templates = settings["jinja2_env"]
        templates.loader = ChoiceLoader([FileSystemLoader(self.template_paths), templates.loader])
        return settings

    def init_handlers(self) -> list[Any]:
        """Replace those handlers of Voila that trust the pages and networks of visitors."""
        replacements = {
            TornadoVoilaHandler: PageHandler,
            VoilaKernelWebsocketHandler: KernelSocketHandler,
            VoilaShutdownKernelHandler: ShutdownHandler,
            KernelHandler: OwnKernelHandler,
            TemplateStaticFileHandler: TemplateFileHandler,
        }
        handlers = [
            (path, replacements.get(handler, handler), *options)
            for path, handler, *options in super().init_handlers()
            if handler is not RequestInfoSocketHandler  # tells anybody what a visitor asked for
        ]
        opened = (rf"{self.server_url}voila/api/opened/([\w-]+)", PageOpenedHandler)
        return [opened, *handlers]

    def listen(self) -> None:
        """Serve until a signal comes."""
        rules = self.app.default_router.rules
        rules.insert(0, Rule(UndecodableAddress(), OutsideHandler))
        rules.insert(1, Rule(ForeignHostMatcher(self.host_names), ForeignHostHandler))
        if self.server_url != "/":
            without_slash = PathMatches(self.server_url.rstrip("/"))
            rules.insert(2, Rule(without_slash, RedirectHandler, {"url": self.server_url}))
            outside = PathMatches(rf"(?!{re.escape(self.server_url)}).*")
            rules.insert(3, Rule(outside, OutsideHandler))
        self.http_server = LimitedServer(self.app, self.max_visitors, self._trusted_proxies)
        self.http_server.listen(self.port, self.ip)
        PeriodicCallback(self.sweep, 1000 * _SWEEP_INTERVAL).start()
        self.ioloop = IOLoop.current()
        self.ioloop.add_callback(self._announce)
        if self.open_browser:
            self.launch_browser()
        try:
            self.ioloop.start()
        finally:
            self.stop()

    def stop(self) -> None:
        """Kill the processes of all visitors.

        Asked to end, a kernel that is starting or busy prints a traceback. It has nothing to save:
        files appear whole or not at all, trainings are processes of their own, and `serve` removes
        the folders.
        """
        self.logs.show()
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

    def has_place(self, address: str) -> bool:
        """Whether there is a place for one more visitor from an address."""
        kernel_ids = self._visitor_kernels()
        if self.places.count(kernel_ids) >= self.max_visitors:
            return False
        limit = self._server_config.max_visitors_per_address
        if limit == 0:  # visitors behind a proxy may all come from this machine's own address
            is_own = address in _LOOPBACK
            limit = self.max_visitors if is_own else max(1, 3 * self.max_visitors // 4)
        return self.places.count(kernel_ids, address) < limit

    def reset_idle_times(self) -> None:
        """Count the idle time of a preheated process from the moment a visitor gets it."""
        for kernel_id in preheated_kernels(self.kernel_manager):
            self.kernel_manager.get_kernel(kernel_id).last_activity = datetime.now(UTC)

    def sweep(self) -> None:
        """End processes without a page, remove abandoned folders, and show errors to the host."""
        manager = self.kernel_manager
        kernel_ids = self._visitor_kernels()
        connected = {key for key in kernel_ids if n_page_connections(manager, key)}
        busy = {key for key in kernel_ids if manager.get_kernel(key).execution_state != "idle"}
        self.socket_limits = {
            key: limits for key, limits in self.socket_limits.items() if key in kernel_ids
        }
        self.page_sessions.sweep(kernel_ids)
        self.owners.forget_all_but(manager.list_kernel_ids())
        for kernel_id in self.places.find_abandoned(kernel_ids, connected, busy):
            IOLoop.current().add_callback(manager.shutdown_kernel, kernel_id)
        remove_abandoned_folders(self.folder)
        self.logs.show()
        if self._last_kernels - kernel_ids:  # what they took is spread over the heap
            release_memory()
        self._last_kernels = kernel_ids

    def _visitor_kernels(self) -> set[str]:
        kernel_ids = set(self.kernel_manager.list_kernel_ids())
        return kernel_ids - preheated_kernels(self.kernel_manager)


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
        silence_harmless_warnings()
        for logger in ("tornado.application", "tornado.general", "tornado.access"):
            logging.getLogger(logger).addFilter(_hide_tokens)
        app = DashboardServer(server, folder, allow_training=config.allow_training)
        app.config_file_paths = [str(notebooks)]
        # with the visitors' folders, these files of a killed server are removed by the next one
        connection_files = f"--Voila.connection_dir_root={folder}"
        flags = [*_voila_flags(server), connection_files]
        app.initialize([str(notebooks / f"{name}.ipynb"), *flags])
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


def _log_failure(handler: RequestHandler) -> None:
    """Log a request that failed, without its query, which may hold the token."""
    if handler.get_status() >= 500:
        request = handler.request
        _log.error("%d %s %s", handler.get_status(), request.method, printable(request.path))


def _is_not_about_culling(record: logging.LogRecord) -> bool:
    """Whether a message is of interest; `sweep` may end a process just when it is looked at."""
    return "while checking the idle duration" not in record.getMessage()


def _hide_tokens(record: logging.LogRecord) -> bool:
    """Take tokens out of the addresses that a message names; a filter for loggers."""
    record.msg = _TOKEN.sub(r"\1…", record.getMessage())
    record.args = ()
    return True


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
        "VoilaConfiguration.http_keep_alive_timeout": _SIGN_INTERVAL,
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
