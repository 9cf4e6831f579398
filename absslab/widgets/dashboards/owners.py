"""Which visitor a process belongs to: nobody else can use or end it, even who knows its id."""

import re
import secrets
from collections.abc import Collection
from typing import Any

from tornado.web import HTTPError

_SECRET = re.compile(r"[\w-]{32,64}")  # in a visitor's cookie


class KernelOwners:
    """The visitors that processes belong to.

    Args:
        port: of the server; browsers send a cookie to all servers of a machine.
    """

    def __init__(self, port: int):
        self.cookie_name = f"absslab-visitor-{port}"
        self._owners: dict[str, str] = {}  # process -> secret of its visitor

    def add(self, kernel_id: str, secret: str) -> None:
        """Give a process to a visitor."""
        self._owners[kernel_id] = secret

    def is_owner(self, kernel_id: str, secret: str) -> bool:
        """Whether a process belongs to the visitor with this secret."""
        owner = self._owners.get(kernel_id, "")
        return bool(owner) and secrets.compare_digest(owner.encode(), secret.encode())

    def forget_all_but(self, kernel_ids: Collection[str]) -> None:
        """Forget processes that have ended."""
        known = self._owners.keys() & set(kernel_ids)
        self._owners = {kernel_id: self._owners[kernel_id] for kernel_id in known}


class OwnerMixin:
    """For handlers of requests that concern a process."""

    def recognise_visitor(self: Any) -> str:
        """Return the secret of the visitor's browser, which gets one with its first page."""
        owners = self.settings["voila"].owners
        secret = self.get_cookie(owners.cookie_name, "")
        if not _SECRET.fullmatch(secret):
            secret = secrets.token_urlsafe(32)
        self.set_cookie(
            owners.cookie_name,
            secret,
            path=self.base_url,
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )
        return str(secret)

    def require_owner(self: Any, kernel_id: str) -> None:
        """Check that a process belongs to who asks.

        Raises:
            HTTPError: 404, it belongs to another visitor, or there is no such process.
        """
        server = self.settings["voila"]
        secret = self.get_cookie(server.owners.cookie_name, "")
        is_known = kernel_id in server.kernel_manager
        if not is_known or not server.owners.is_owner(kernel_id, secret):
            raise HTTPError(404)
