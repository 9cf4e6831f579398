"""What a dashboard's server answers over HTTP in place of Voila's own handlers."""

import asyncio
import re
import time
from typing import Any
from urllib.parse import unquote_to_bytes

import tornado.web
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import HTTPError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from absslab.widgets.dashboards.host_names import PageOriginMixin, host_name
from absslab.widgets.dashboards.owners import OwnerMixin

_PLACE_TIMEOUT = 10.0  # s to wait for a free place; a page that is reloaded soon frees its own
_SIGN = "voila_heartbeat()"  # Voila's sign of life in a page whose notebook runs
_KERNEL_ID = re.compile(r'"kernelId":\s*"([\w-]+)"')  # in the page's configuration


class PageHandler(OwnerMixin, TornadoVoilaHandler):
    """Voila's handler of the page, which waits for a free place."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Send the page, with a process of its own."""
        if path:  # Voila would lead to a file
            raise HTTPError(404)
        server = self.settings["voila"]
        address = self.request.remote_ip or ""
        await self._wait_for_place(server, address)
        server.reset_idle_times()
        _ = self.xsrf_token  # sets the cookie with which the page may end its process
        owner = self.recognise_visitor()
        server.places.arrive(address)
        is_arriving = True
        has_begun = False
        try:
            async for html in self.get_generator(path=path):
                if is_arriving and (match := _KERNEL_ID.search(html)):
                    server.places.end_arrival(address, match[1])
                    server.owners.add(match[1], owner)
                    is_arriving = False
                if not has_begun and _SIGN in html:
                    html = "\n"  # before its first line a page can have no script, but space
                else:
                    has_begun = True
                self.write(html)
                self.flush()
        finally:
            if is_arriving:
                server.places.end_arrival(address, None)

    async def _wait_for_place(self, server: Any, address: str) -> None:
        end = time.monotonic() + _PLACE_TIMEOUT
        while not server.has_place(address):
            if time.monotonic() > end:
                raise HTTPError(503, "the number of visitors is at its limit")
            await asyncio.sleep(0.2)


class ShutdownHandler(OwnerMixin, PageOriginMixin, VoilaShutdownKernelHandler):
    """Ends the process of a page that is left."""

    @tornado.web.authenticated
    async def post(self, kernel_id: str) -> None:
        """End the process, if the page is its visitor's."""
        self.require_owner(kernel_id)
        await super().post(kernel_id)


class OwnKernelHandler(OwnerMixin, PageOriginMixin, KernelHandler):
    """Tells a page about its process, and ends it."""

    @tornado.web.authenticated
    async def get(self, kernel_id: str) -> None:
        """Describe the process."""
        self.require_owner(kernel_id)
        await super().get(kernel_id)  # type: ignore[misc]

    @tornado.web.authenticated
    async def delete(self, kernel_id: str) -> None:
        """End the process."""
        self.require_owner(kernel_id)
        await super().delete(kernel_id)  # type: ignore[misc]


class PageOpenedHandler(OwnerMixin, JupyterHandler):
    """Is told by a page that a browser shows it, and says whether it can go on.

    A proxy may replace the Host of requests. The web socket would then be refused, and the page
    would load for ever, so that this is said at once, and the process ends.
    """

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Let a page ask that the server does not know: it is told why it can't go on."""
        return True

    @tornado.web.authenticated
    async def post(self, kernel_id: str) -> None:
        """Answer with the problem, or with no text if there is none."""
        server = self.settings["voila"]
        self.require_owner(kernel_id)
        page_host = self.get_argument("host", "")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if server.host_names.accepts_page(page_host, self.request.host):
            server.places.note_opened(kernel_id)
            return
        await server.kernel_manager.shutdown_kernel(kernel_id)
        self.write(
            f"This page can't reach its process. The proxy in front of the server asks for "
            f"{self.request.host} instead of {page_host}. Its host can pass the name on (nginx: "
            f"proxy_set_header Host $http_host), or start the dashboard with "
            f"--public_host {host_name(page_host)}."
        )


class UndecodableAddress(Matcher):
    """Fits requests whose address is no text, which tornado's handlers fail on."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return no arguments for the handler; None if the address is text."""
        try:
            unquote_to_bytes(request.uri or "").decode()
        except UnicodeDecodeError:
            return {}
        return None


class OutsideHandler(JupyterHandler):
    """Says where the dashboard is to those that ask for an address that it can't have."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Answer all methods alike."""
        template = self.settings["jinja2_env"].get_template("outside.html")
        self.set_status(404)
        self.finish(template.render(path=self.base_url))

    def compute_etag(self) -> None:
        """Give no tag: the page is not to be kept."""


class TemplateFileHandler(TemplateStaticFileHandler):
    """Voila's handler of the templates' files, which answers a bad address with 404.

    Voila's own raises errors that end with a traceback in the log.
    """

    def parse_url_path(self, path: str) -> str:
        """Return the path of a file within its folder."""
        try:
            return str(super().parse_url_path(path))
        except (AssertionError, ValueError):
            raise HTTPError(404) from None

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return the path of a file."""
        try:
            return str(super().get_absolute_path(root, path))
        except (AssertionError, ValueError):
            raise HTTPError(404) from None
