"""The names by which a server answers, so that no other web site reaches it by one of its own.

A site could otherwise let its own name lead to this machine, and read through a visitor's browser
what the server says (DNS rebinding). Addresses in numbers can't be taken over like that.
"""

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import RequestHandler

from absslab.core.common.errors import InputError

LOCAL_NAMES = ("localhost",)
_HOST = re.compile(r"\[?(?P<name>[^\]]*?)\]?(?::\d+)?")  # with or without a port
_NAME = re.compile(r"[\w.:-]+")
_MAX_NAME = 80  # letters of a name that are shown


class HostNames:
    """Which names in a request's Host are this server's.

    Args:
        public_hosts: names that a proxy or the network gives to the server; a port is ignored.
        is_local: whether only this machine can reach the server: then no address but its own
            passes.
        accepts_all: whether a proxy in front decides, and any name passes.

    Raises:
        InputError: a public host is not a name.
    """

    def __init__(self, public_hosts: Collection[str], *, is_local: bool, accepts_all: bool = False):
        own_names = () if is_local else (socket.gethostname(), socket.getfqdn())
        for host in public_hosts:
            if not _NAME.fullmatch(host_name(host)):
                raise InputError(
                    f"public_host is {host!r}: expected a name such as sounds.example.org"
                )
        self._names = {host_name(name) for name in (*LOCAL_NAMES, *own_names, *public_hosts)}
        self._is_local = is_local
        self._accepts_all = accepts_all

    def accepts(self, host: str) -> bool:
        """Whether requests with this Host are answered.

        Args:
            host: with or without a port.
        """
        name = host_name(host)
        return self._accepts_all or self._is_own(name) or (not self._is_local and _is_number(name))

    def accepts_page(self, page_host: str, host: str) -> bool:
        """Whether a page may open a web socket.

        Args:
            page_host: the address of the page in the browser, as in its Origin.
            host: Host of its request, which a proxy may have replaced.
        """
        page_name = host_name(page_host)
        if page_name and page_host.lower() == host.lower():
            return True
        if _is_loopback(
            page_name
        ):  # a page of the visitor's own machine, or of a proxy on this one
            return _is_loopback(host_name(host))
        return page_name in self._names

    def _is_own(self, name: str) -> bool:
        return name in self._names or _is_loopback(name)


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port, in small letters."""
    match = _HOST.fullmatch(host.strip().lower())
    return match["name"].rstrip(".") if match else ""


def _is_loopback(name: str) -> bool:
    """Whether a name or an address always leads to the machine of who uses it."""
    return name in LOCAL_NAMES or (_is_number(name) and ipaddress.ip_address(name).is_loopback)


def _is_number(name: str) -> bool:
    """Whether a name is an address in numbers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class ForeignHostMatcher(Matcher):
    """Matches requests with a Host that is not this server's."""

    def __init__(self, names: HostNames):
        self._names = names

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return no arguments for the handler, or None where the Host is this server's."""
        return None if self._names.accepts(request.host) else {}


class PageOriginMixin:
    """For handlers of requests that a page of this server sends: no page of another site may.

    jupyter_server compares Origin with Host, which a proxy may have replaced.
    """

    def check_origin(self: Any, origin: str = "") -> bool:
        """Whether a request comes from a page of this server, or from no page at all."""
        origin = origin or self.get_origin()
        if origin is None:  # no browser asks: it would say whose page it is
            return True
        names = self.settings["voila"].host_names
        return bool(names.accepts_page(urlsplit(origin).netloc, self.request.host))


class ForeignHostHandler(RequestHandler):
    """Says which name was not accepted, and what its host or a proxy has to do."""

    async def prepare(self) -> None:
        """Answer all methods alike."""
        name = host_name(self.request.host)[:_MAX_NAME]
        template = self.settings["jinja2_env"].get_template("foreign_host.html")
        self.set_status(403)
        self.finish(template.render(host=name))

    def compute_etag(self) -> None:
        """Give no tag: the page is not to be kept."""
