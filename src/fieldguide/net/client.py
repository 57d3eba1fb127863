"""The client: one session behind the guard, and what a journey's end is called.

Knows nothing about sources or pictures beyond their first bytes. No proxy is used, not even one of the environment:
it would stand between the guard and the address. Cookies are dropped.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from ssl import SSLContext
from types import SimpleNamespace
from typing import Any, Self
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from fieldguide import __version__
from fieldguide.net.addresses import guard
from fieldguide.net.exchange import Reply, Wish
from fieldguide.net.journey import Journeys, Trail, parse
from fieldguide.net.outcomes import Secrets, as_error
from fieldguide.net.robots import AGENT
from fieldguide.net.rules import Fetched, NetRules, Trouble
from fieldguide.net.sniffing import is_picture, sniff
from fieldguide.records.candidates import Answer, Request

__all__ = ["Client"]

# What `images` decodes by default comes first: a server that may choose would send AVIF where it is asked for.
_PICTURES = "image/jpeg,image/png,image/webp;q=0.9,image/gif;q=0.8,image/*;q=0.5,*/*;q=0.1"


def _utc_now() -> datetime:
    return datetime.now(UTC)


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

    Raises:
        SettingsError: one of `rules.allow_networks` is no network.
    """

    def __init__(
        self,
        rules: NetRules,
        *,
        resolver: AbstractResolver | None = None,
        ssl: SSLContext | None = None,
        random: Random | None = None,
        stop: asyncio.Event | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._ssl = ssl
        self._guard = guard(rules)
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._journeys = Journeys(rules, random or Random(), stop or asyncio.Event(), now)

    async def __aenter__(self) -> Self:
        contact = "".join(sign for sign in self._rules.contact.strip() if sign.isprintable())
        agent = f"{AGENT}/{__version__}" + (f" (+{contact})" if contact else "")
        connector = aiohttp.TCPConnector(
            limit=0,  # turns are given out by `Hosts`
            ttl_dns_cache=300,
            resolver=self._resolver,
            ssl=self._ssl if self._ssl is not None else True,
            socket_factory=self._make_socket,
        )
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._note_sent)
        self._journeys.session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[trace],
            max_line_size=8190,
            max_field_size=8190,
            max_headers=128,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._journeys.robots.close()
        await self._journeys.session.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Nothing; every connection is closed: a TLS farewell that a slow server never answers outlives the loop."""
        for _ in range(100):
            await asyncio.sleep(0)
            left = [one for one in self._sockets if one.fileno() != -1]
            if not left:
                return
            for one in left:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.01)

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        made = self._guard(info)
        self._sockets.add(made)
        return made

    @property
    def answered(self) -> bool:
        """Whether any host has ever answered."""
        return self._journeys.answered

    async def ask(self, request: Request) -> Answer:
        """What a server says to a question. Statuses that are no matter of the network are for the source to judge.

        Raises:
            NetworkDown: it cannot be reached, or is in trouble (408, 425, 5xx) however often it is asked;
                `Stopped`, one of these, where nothing new is to be started.
            RateLimited: it asks to wait, again and again or for too long.
            Blocked: a challenge, a robots.txt that says no, or an address that is never asked.
            LayoutChanged: its answer is larger than allowed, or redirects lead nowhere.
            BadQuery: the address or a header cannot be sent.
        """
        secrets = Secrets(request)
        headers = {"Accept": "application/json,*/*;q=0.5", "Accept-Encoding": "gzip, deflate"}
        trail = Trail(URL())
        try:
            given = _given(request)
            url = parse(request.url).extend_query(request.params)
            reply = await self._journeys.answer(url, Wish({**headers, **given}, self._rules.max_bytes), trail)
        except Trouble as trouble:
            trouble.__cause__ = None  # aiohttp's own words may hold the address, and so a key
            raise as_error(trouble, secrets, trail.url.host or "the server") from trouble
        names = {name.lower() for name in reply.headers}
        kept = {name: secrets.hide(", ".join(reply.headers.getall(name))) for name in sorted(names)}
        return Answer(secrets.hide_url(reply.url), reply.status, kept, reply.body)

    async def fetch(self, url: str) -> Fetched:
        """A picture's bytes, or the reason why there are none: a server's trouble is data."""
        trail = Trail(URL())
        try:
            asked = parse(url)
            wish = Wish({"Accept": _PICTURES, "Accept-Encoding": "identity"}, self._rules.max_bytes, picture=True)
            reply = await self._journeys.answer(asked, wish, trail)
            _check_picture(reply)
        except Trouble as trouble:
            return _fetched(url, trail, trouble)
        return _fetched(url, trail, data=reply.body)

    async def _note_sent(self, _: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        self._journeys.hosts.sent(context.trace_request_ctx["host"])


def _given(request: Request) -> dict[str, str]:
    """The headers of a question; a key that was copied with a line break at its end is forgiven."""
    given = {name: value.strip() for name, value in request.headers.items()}
    if any(ord(sign) < 32 or ord(sign) == 127 for pair in given.items() for sign in "".join(pair)):
        raise Trouble("bad_url", "a header holds a line break or another control character")
    return given


def _check_picture(reply: Reply) -> None:
    """Nothing; the answer holds bytes that may be a picture."""
    if not reply.good:
        raise Trouble(f"http_{reply.status}", f"{reply.url.host} answers {reply.status}", passing=reply.status >= 500)
    if not reply.body:
        raise Trouble("empty", "an answer of no bytes")
    found = sniff(reply.body, reply.content_type)
    if not is_picture(found):
        raise Trouble("not_image", found)


def _fetched(url: str, trail: Trail, trouble: Trouble | None = None, data: bytes = b"") -> Fetched:
    final = str(trail.url.with_user(None) if trail.url.user is not None else trail.url)
    if trouble is None:
        return Fetched(url, final, trail.status, trail.content_type, data, elapsed_ms=trail.elapsed_ms)
    status, content_type = trouble.status or trail.status, trouble.content_type or trail.content_type
    why = (trouble.reason, trouble.detail)
    return Fetched(
        url, final, status, content_type, b"", *why, trouble.passing, trouble.retry_after_s, trail.elapsed_ms,
        trouble.unasked,
    )  # fmt: skip
