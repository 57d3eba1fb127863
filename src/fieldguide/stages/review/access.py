"""Who may use the review page: the person at this computer, in the page that this server sent, and nobody else.

A program on the web can make a browser send requests to this computer. So the name that a request is for has to be
known (DNS rebinding), everything below /api/ wants the token that the terminal shows, and what changes something has
to come from the page itself. Knows nothing about projects.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from fieldguide.serving import Problem, is_known_host

_SAFE_METHODS = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Access:
    """The key of one run of the server.

    Attributes:
        hosts: names in the Host header that are answered.
        port: that of the server; cookies are shared by all ports of a host.
    """

    hosts: Sequence[str]
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds the token."""
        return f"fieldguide_review_{self.port}"

    def check(self, request: Request) -> Response | None:
        """Return the answer to the start address, None where the request may go on.

        Raises:
            Problem: it may not.
        """
        if not is_known_host(request, self.hosts):
            raise Problem(400, "foreign_host", "this server is not known by that name")
        path = request.url.path
        if path == "/" and "token" in request.query_params:
            return self._enter(request)
        by_header = self._matches(request.headers.get("authorization", "").removeprefix("Bearer "))
        if path.startswith("/api/") and not (by_header or self._matches(request.cookies.get(self.cookie, ""))):
            raise Problem(401, "token_needed", "open the address that the terminal shows: it lets this browser in")
        if request.method not in _SAFE_METHODS and not by_header and not _is_from_page(request):
            raise Problem(403, "foreign_origin", "another page must not change anything here")
        return None

    def _matches(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    def _enter(self, request: Request) -> Response:
        """Let the browser in: the token moves from the address, where it could be seen, into a cookie."""
        if not self._matches(request.query_params["token"]):
            raise Problem(401, "token_needed", "this address is of an earlier start; open the one in the terminal")
        rest = [pair for pair in parse_qsl(request.url.query) if pair[0] != "token"]
        answer = RedirectResponse(f"/?{urlencode(rest)}" if rest else "/", 303, {"Cache-Control": "no-store"})
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer


def _is_from_page(request: Request) -> bool:
    """Tell whether a browser says that a request comes from a page of this very server."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host", "") != ""
    return request.headers.get("sec-fetch-site") == "same-origin"
