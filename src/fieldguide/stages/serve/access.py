"""What stands before every address: whom it answers, how often, under which headers, and what is written down of it.

A plain ASGI middleware, since Starlette's own form costs a task group for each request. Nothing of a picture, no query
and no key is ever written down.
"""

import base64
import hmac
import json
import logging
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fieldguide.guide.page import page_files
from fieldguide.serving import Problem, is_known_host, show_problem
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.metrics import Metrics

_POLICY = "Content-Security-Policy"
HEADERS = {
    _POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
REQUEST_ID = "X-Request-ID"
PAGE_HEADER = "X-Fieldguide-Page"  # sent by the page's own scripts
_OPEN_PATHS = ("/health", "/ready", "/v2/health/live", "/v2/health/ready")  # for whoever restarts it
_MOST_CALLERS = 10_000
_MOST_AT_ONCE = 256  # requests; connections that have not asked yet are for the protocol to limit
_LOG = logging.getLogger("fieldguide.serve")


class Gate:
    """Stands before an application.

    Args:
        app: the application.
        hosts: values of the Host header that are accepted; others get 400, which stops DNS rebinding.
        api_key: what every request but those for the server's health has to bring, or several, with spaces between
            them; "" where none is wanted.
        settings: how often one key or address may ask, the path below which a proxy shows the application, whether it
            takes it away or not, and whose frames it may be in.
        metrics: where requests are counted.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Sequence[str], api_key: str, settings: ServeSettings, metrics: Metrics
    ) -> None:
        self._app = app
        self._hosts, self._keys, self._metrics = hosts, [key.encode() for key in api_key.split()], metrics
        self._open_paths = {*_OPEN_PATHS, *(f"/{path}" for path in page_files())}
        rate = settings.rate_limit
        self._rate = None if rate == "auto" or not rate else Rate(rate)
        self._root_path = settings.root_path
        self._at_once = 0
        self._headers = dict(HEADERS)
        if settings.frame_origins:
            policy, _, _ = HEADERS[_POLICY].rpartition(" ")
            self._headers[_POLICY] = " ".join([policy, *settings.frame_origins])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path:
            path = scope["path"].removeprefix(self._root_path) or "/"
            scope = {**scope, "root_path": self._root_path, "path": f"{self._root_path}{path}"}
        request = Request(scope)
        scope["request_id"] = _request_id(request)
        start, status = time.perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID] = scope["request_id"]
            await send(message)

        self._at_once += 1
        self._metrics.in_flight.set(self._at_once)
        try:
            if problem := self._refuse(request):
                self._metrics.rejected.add(problem.code)
                response = await show_problem(request, problem)
                if problem.status == 401:  # a browser asks for it, unless the page does
                    scheme = "Bearer" if PAGE_HEADER in request.headers else "Basic"
                    response.headers["WWW-Authenticate"] = f'{scheme} realm="fieldguide", charset="UTF-8"'
                await response(scope, receive, send_on)
            else:
                await self._app(scope, receive, send_on)
        finally:
            self._at_once -= 1
            self._metrics.in_flight.set(self._at_once)
            self._note(scope, status, time.perf_counter() - start)

    def _refuse(self, request: Request) -> Problem | None:
        """Return why a request is not answered: a foreign host, no key, or too many, from there or in all."""
        if not is_known_host(request, self._hosts):
            detail = "this server is not known by that name; name it in allowed_hosts under [serve], or with "
            return Problem(400, "foreign_host", detail + "--allowed-host")
        root = request.scope.get("root_path", "")
        path = request.scope["path"].removeprefix(root)
        preflight = request.method == "OPTIONS" and "access-control-request-method" in request.headers
        key = sent_key(request)
        # all are compared: the time says nothing
        known = any([hmac.compare_digest(key, each) or _has_session(request, key, each) for each in self._keys])
        if self._keys and not known and path not in self._open_paths and not preflight:
            if path == "/" and "text/html" in request.headers.get("accept", ""):
                request.scope["locked"] = True
                return None
            return Problem(401, "key_needed", "send the API key: Authorization: Bearer KEY, or as a password")
        if self._rate and request.method == "POST":
            caller = key.decode("utf-8", "replace") if known and key else request.client.host if request.client else ""
            if (wait_s := self._rate.take(caller, time.monotonic())) > 0:
                return Problem(429, "too_many", f"too many requests; try again in {wait_s:.1f} s")
        if self._at_once > _MOST_AT_ONCE and path not in _OPEN_PATHS:
            return Problem(503, "busy", "too many requests at once; try again in a second")
        return None

    def _note(self, scope: MutableMapping[str, Any], status: int, took_s: float) -> None:
        """Count an answer, and log it where the log is on."""
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.add(route, str(status))
        self._metrics.request_s.observe(took_s)
        if _LOG.isEnabledFor(logging.INFO):
            row = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "request_id": scope["request_id"],
                "method": scope["method"], "route": route, "status": status, "ms": round(1000 * took_s, 1),
                **scope.get("noted", {}),
            }  # fmt: skip
            _LOG.info(json.dumps(row))


class Rate:
    """How often each caller may ask: a bucket of tokens, as large as two seconds' worth.

    Args:
        rate: tokens per second.
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._most = rate, max(1.0, 2 * rate)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller: tokens left, when

    def take(self, caller: str, now_s: float) -> float:
        """Take a token of the caller; return 0, or in how many seconds there will be one."""
        left, then_s = self._buckets.pop(caller, (self._most, now_s))
        left = min(self._most, left + self._rate * (now_s - then_s))
        wait_s = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[caller] = (left if wait_s else left - 1, now_s)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        return wait_s


def _request_id(request: Request) -> str:
    """Return the id that a request brings, where it is a plain word, or a new one."""
    brought = request.headers.get(REQUEST_ID, "")
    return brought if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", brought) else uuid.uuid4().hex


def sent_key(request: Request) -> bytes:
    """Return the key that a request brings: as a bearer token, as a password, or as X-API-Key; b"" for none."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            sent = base64.b64decode(sent, validate=True).decode().partition(":")[2]
    return request.headers.get("x-api-key", sent).strip().encode()


def session_cookie(key: bytes) -> tuple[str, str]:
    """Return the name and value of the cookie that stands for a key; neither tells the key."""
    name, value = (hmac.digest(key, purpose, "sha256").hex() for purpose in (b"cookie name", b"cookie value"))
    return f"fieldguide-{name[:16]}", value


def _has_session(request: Request, sent: bytes, key: bytes) -> bool:
    """Tell whether a request brings the cookie of a key and no key of its own; another site's cannot use it."""
    if sent or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    name, value = session_cookie(key)
    return hmac.compare_digest(request.cookies.get(name, "").encode(), value.encode())
