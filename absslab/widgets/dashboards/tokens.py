"""The token of a dashboard: compared in constant time, with a brake on guesses."""

import secrets
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from tornado.web import HTTPError, RequestHandler

from absslab.widgets.dashboards.rate_limit import RateLimit

_GUESS_RATE = 0.2  # wrong tokens per second and address, in the long run
_GUESS_BURST = 10.0
_LONG_TOKEN = 24  # characters; a token that the server makes has 32
_MAX_ADDRESSES = 10_000  # that are remembered


class TokenIdentity(PasswordIdentityProvider):
    """Admits who has the token.

    After ten wrong tokens from an address no token from there is looked at for a while, unless the
    token is too long to be guessed. Visitors who were admitted before have a cookie, and notice
    nothing.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._guesses: dict[str, RateLimit] = {}  # address -> its wrong tokens

    def get_token(self, handler: RequestHandler) -> str | None:
        """Return the token of a request if it is the right one; not that of who has a cookie."""
        token = super().get_token(handler)
        if not token or self.get_user_cookie(handler) is not None or self._must_wait(handler):
            return None
        return self.token if self._is_right(token, handler) else None

    def process_login_form(self, handler: RequestHandler) -> User | None:
        """Return a user if the form holds the right token, or if none is needed.

        Raises:
            HTTPError: 429, there were too many wrong ones from this address.
        """
        token = handler.get_argument("password", "")
        if self.auth_enabled and self._must_wait(handler):
            raise HTTPError(429, "too many wrong tokens")
        if self.auth_enabled and not self._is_right(token, handler):
            return None
        return self.generate_anonymous_user(handler)

    def _must_wait(self, handler: RequestHandler) -> bool:
        """Whether there were too many wrong tokens from an address."""
        guesses = self._guesses.get(handler.request.remote_ip or "")
        return guesses is not None and guesses.delay(0) > 0

    def _is_right(self, token: str, handler: RequestHandler) -> bool:
        if self.token and secrets.compare_digest(token.encode(), self.token.encode()):
            return True
        if len(self.token) < _LONG_TOKEN:
            self._count_guess(handler.request.remote_ip or "")
        return False

    def _count_guess(self, address: str) -> None:
        if address not in self._guesses:
            if len(self._guesses) >= _MAX_ADDRESSES:
                del self._guesses[next(iter(self._guesses))]
            self._guesses[address] = RateLimit(_GUESS_RATE, _GUESS_BURST)
        self._guesses[address].delay(1)
