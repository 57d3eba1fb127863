"""The client: one session behind the guard, and how its ends are told: a record, or an error without secrets.

Knows nothing about sources or pictures beyond their first bytes. No proxy is used, not even one of the environment:
it would stand between the guard and the address. Cookies are dropped.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from ssl import SSLContext
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import quote, quote_plus
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from fieldguide import __version__
from fieldguide.errors import BadQuery, Blocked, FieldguideError, LayoutChanged, NetworkDown, RateLimited
from fieldguide.filetypes import is_picture, sniff
from fieldguide.net.addresses import guard
from fieldguide.net.robots import AGENT
from fieldguide.net.rules import Fetched, NetRules, RequestFailed, RequestOptions, Stopped
from fieldguide.net.transport import Transport, parse_url
from fieldguide.records.candidates import Answer, Request

# What `images` decodes by default comes first: a server that may choose would send AVIF where it is asked for.
_PICTURES = "image/jpeg,image/png,image/webp;q=0.9,image/gif;q=0.8,image/*;q=0.5,*/*;q=0.1"
_SHORTEST_SECRET = 6  # characters: a shorter value may stand anywhere by chance, so it is hidden by its name alone
_LATER = "wait, then run the same command again: it continues where it stopped"
_CONNECTION = "check the connection, then run the same command again: it continues where it stopped"


class Client:
    """Asks servers politely, and nothing but public ones. An asynchronous context manager; one per collecting.

    Args:
        rules: how gently and how far.
        resolver: finds hosts; the system's where none is given.
        ssl: whom to trust; the system's authorities where none is given.
        random: for jitter.
        stop: once set nothing new is started: `fetch` comes back with "stopped" and `ask` raises `Stopped`; what is
            running runs to its end, which is at most `total_s` away.
        now: the wall clock, for dates in Retry-After.
    """

    def __init__(
        self,
        rules: NetRules,
        *,
        resolver: AbstractResolver | None = None,
        ssl: SSLContext | None = None,
        random: Random | None = None,
        stop: asyncio.Event | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._ssl = ssl
        self._guard = guard(rules)
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._transport = Transport(rules, random or Random(), stop or asyncio.Event(), now)

    async def __aenter__(self) -> Self:
        contact = "".join(character for character in self._rules.contact.strip() if character.isprintable())
        agent = f"{AGENT}/{__version__}" + (f" (+{contact})" if contact else "")
        connector = aiohttp.TCPConnector(
            limit=0,  # how many run at once is for `Hosts` to say
            ttl_dns_cache=300,
            resolver=self._resolver,
            ssl=self._ssl if self._ssl is not None else True,
            socket_factory=self._open_socket,
        )
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._note_sent)
        self._transport.session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": agent}, cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False, trust_env=False, trace_configs=[trace],
            max_line_size=8190, max_field_size=8190, max_headers=128,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.robots.close()
        await self._transport.session.close()
        await self._close_sockets()

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        guarded = self._guard(info)
        self._sockets.add(guarded)
        return guarded

    async def _close_sockets(self) -> None:
        """Close what aiohttp leaves open: a TLS farewell that a slow server never answers outlives the event loop."""
        for _ in range(100):
            await asyncio.sleep(0)
            still_open = [each for each in self._sockets if each.fileno() != -1]
            if not still_open:
                return
            for each in still_open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.01)

    async def _note_sent(self, _: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        self._transport.hosts.sent(context.trace_request_ctx["host"])

    @property
    def answered(self) -> bool:
        """Return whether any host has ever answered."""
        return self._transport.answered

    async def ask(self, request: Request) -> Answer:
        """Return a server's answer to a question. Most statuses are for the source to judge.

        Raises:
            NetworkDown: it cannot be reached, or is in trouble (408, 425, 5xx) however often it is asked;
                `Stopped`, one of these, where nothing new is to be started.
            RateLimited: it asks to wait, again and again or for too long.
            Blocked: a challenge, a robots.txt that says no, or an address that is never asked.
            LayoutChanged: its answer is larger than allowed, or redirects lead nowhere.
            BadQuery: the address or a header cannot be sent.
        """
        secrets = _Secrets(request)
        headers = {"Accept": "application/json,*/*;q=0.5", "Accept-Encoding": "gzip, deflate"}
        try:
            options = RequestOptions({**headers, **_checked_headers(request)}, self._rules.max_bytes)
            reply = await self._transport.get(parse_url(request.url).extend_query(request.params), options)
        except RequestFailed as failure:
            failure.__cause__ = None  # aiohttp's own words may hold the address, and so a key
            raise _as_error(failure, secrets) from failure
        names = sorted({name.lower() for name in reply.headers})
        answered = {name: secrets.hide(", ".join(reply.headers.getall(name))) for name in names}
        return Answer(secrets.hide_url(reply.url), reply.status, answered, reply.body)

    async def fetch(self, url: str) -> Fetched:
        """Return a picture's bytes, or the reason why there are none: a server's trouble is data."""
        headers = {"Accept": _PICTURES, "Accept-Encoding": "identity"}
        try:
            options = RequestOptions(headers, self._rules.max_bytes, picture=True)
            reply = await self._transport.get(parse_url(url), options)
        except RequestFailed as failure:
            last = failure.url or URL()
            return Fetched(
                url=url,
                final_url=str(last.with_user(None) if last.user is not None else last),
                status=failure.status,
                content_type=failure.content_type,
                reason=failure.reason,
                detail=failure.detail,
                transient=failure.transient,
                retry_after_s=failure.retry_after_s,
                elapsed_ms=failure.elapsed_ms,
                not_asked=failure.not_asked,
            )
        head = (url, str(reply.url), reply.status, reply.content_type)
        media_type = sniff(reply.body, reply.content_type)
        if not reply.ok:
            detail = f"{reply.url.host} answers {reply.status}"
            transient = reply.status >= 500
            return Fetched(*head, b"", f"http_{reply.status}", detail, transient, elapsed_ms=reply.elapsed_ms)
        if not reply.body:
            return Fetched(*head, b"", "empty", "the answer is empty", True, elapsed_ms=reply.elapsed_ms)
        if not is_picture(media_type):
            return Fetched(*head, b"", "not_image", media_type, elapsed_ms=reply.elapsed_ms)
        return Fetched(*head, reply.body, elapsed_ms=reply.elapsed_ms)


def _checked_headers(request: Request) -> dict[str, str]:
    """Return the headers of a question; a key that was copied with a line break at its end is forgiven."""
    headers = {name: value.strip() for name, value in request.headers.items()}
    if any(ord(character) < 32 or ord(character) == 127 for pair in headers.items() for character in "".join(pair)):
        raise RequestFailed("bad_url", "a header holds a line break or another control character")
    return headers


class _Secrets:
    """What must not be written down of one request: the values of its secret parameters and of its headers."""

    def __init__(self, request: Request) -> None:
        self._names = request.secret_params
        values = {value for name, value in request.params if name in self._names}
        for value in request.headers.values():
            values |= {value.strip(), value.strip().rpartition(" ")[2]}  # "Bearer KEY": the key alone too
        spellings = {form for value in values for form in (value, quote(value, safe=""), quote_plus(value))}
        longest_first = sorted((form for form in spellings if len(form) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, text: str) -> str:
        """Return the text with three stars for each secret."""
        for name in self._names:
            text = re.sub(rf"([?&;]{re.escape(name)}=)[^&#;\s\">]*", r"\1***", text)
        return self._values.sub("***", text) if self._values else text

    def hide_url(self, url: URL) -> str:
        """Return the address without its secret parameters, and without their values elsewhere."""
        kept = [(name, value) for name, value in url.query.items() if name not in self._names]
        return self.hide(str(url if len(kept) == len(url.query) else url.with_query(kept)))


def _as_error(failure: RequestFailed, secrets: _Secrets) -> FieldguideError:
    host = (failure.url.host if failure.url is not None else None) or "the server"
    detail = secrets.hide(failure.detail)
    message = detail if host in detail else f"{host}: {detail}"
    match failure.reason:
        case "stopped":
            return Stopped(f"{host} was not contacted: {failure.detail}", "run the same command again to continue")
        case "rate_limited":
            return RateLimited(message, _LATER, failure.retry_after_s)
        case "blocked":
            return Blocked(message, "use another source, or try again in a few hours; challenges are never solved")
        case "robots":
            return Blocked(
                message,
                f'use another source, or, with its owner\'s permission: [collect.hosts."{host}"] robots = "ignore"',
            )
        case "refused_address":
            return Blocked(message, f'if this is your own server: [collect.hosts."{host}"] private = true')
        case "refused_scheme" | "refused_port":
            return Blocked(message, "use an address that begins with https:// and has no port")
        case "bad_url":
            return BadQuery(message, "check the address and the key for line breaks and blanks")
        case "too_large" | "bad_redirect" | "too_many_redirects":
            return LayoutChanged(message, "the source has changed, or this is not the address of its interface")
    return NetworkDown(message, _CONNECTION)
