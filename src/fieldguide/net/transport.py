"""One request from its URL to its reply: checked, spaced, sent, followed over redirects, and tried again.

Knows nothing about what is asked for or how the end is told. aiohttp sends and reads; its exceptions end here, as
`RequestFailed`. Redirects are followed here and not by aiohttp, because each hop has its own host, robots.txt and
spacing, and a key must not travel on to another server. Bodies are inflated here because aiohttp takes a gzip stream
that ends too early for a whole one.
"""

import asyncio
import itertools
import os
import ssl
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from fieldguide.filetypes import sniff
from fieldguide.net import signs
from fieldguide.net.addresses import asking, check_url, was_refused
from fieldguide.net.hosts import Hosts
from fieldguide.net.robots import MAX_BYTES, Robots
from fieldguide.net.rules import NetRules, Reply, RequestFailed, RequestOptions

_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_DEAD = frozenset({"dns", "timeout", "tls", "unreachable"})
_ABSENT = frozenset({"dns", "unreachable"})  # what is known at once where there is no network at all
_LONGEST_BACKOFF = 60  # times `backoff_s`
_REFUSAL_BYTES = 65_536  # of a page that is read only to see whose refusal it is
_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)


_ROBOTS = RequestOptions(
    {"Accept": "text/plain,*/*;q=0.1", "Accept-Encoding": "gzip, deflate"}, MAX_BYTES, truncate=True, robots=False
)


class Transport:
    """Everything that one client sends. `session` is set before the first request; hosts and robots live as long.

    Attributes:
        answered: whether any host ever has.
    """

    session: aiohttp.ClientSession
    answered = False

    def __init__(self, rules: NetRules, random: Random, stop: asyncio.Event, now: Callable[[], datetime]) -> None:
        self._rules = rules
        self._random = random
        self._now = now
        self._no_network = False
        self.hosts = Hosts(rules, random, stop)
        self.robots = Robots(lambda url: self.get(url, _ROBOTS), self.hosts.slow_down)

    async def get(self, url: URL, options: RequestOptions) -> Reply:
        """Return the reply of the last of several tries."""
        wait_s = 0.0
        for attempt in itertools.count(1):
            try:
                return await self._follow(url, options, wait_s)
            except RequestFailed as failure:
                if not failure.retry or self._is_last(attempt, failure):
                    raise
                wait_s = max(self._backoff_s(attempt), failure.retry_after_s)
        raise AssertionError("unreachable")

    def _is_last(self, attempt: int, failure: RequestFailed) -> bool:
        """Return whether an address is not asked again after that many tries.

        Where nobody can be reached and nobody has answered yet there is most likely no network: the first address has
        a second try, the others have none, and none of them counts as asked.
        """
        if self.answered or failure.reason not in _ABSENT:
            return attempt >= self._rules.tries
        failure.not_asked = True
        last, self._no_network = self._no_network or self._rules.tries < 2, True
        return last

    def _backoff_s(self, attempt: int) -> float:
        """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
        shortest = self._rules.backoff_s
        return self._random.uniform(shortest, shortest * min(_LONGEST_BACKOFF, 2.0**attempt))

    async def _follow(self, first: URL, options: RequestOptions, wait_s: float) -> Reply:
        """Wait, then return the reply at the end of the redirects; each hop is checked as the first is."""
        url, seen, spent_s, reply = first, {first}, 0.0, None
        clock = asyncio.get_running_loop().time
        try:
            if wait_s:
                await self.hosts.pause(wait_s)
            while True:
                reply = None
                check_url(url, self._rules)
                host = url.host or ""
                if options.robots and self._rules.asks_robots(host):
                    await self.robots.check(url)
                # what a person's key is for is told to that server alone
                own = options if url.origin() == first.origin() else options.for_stranger()
                async with self.hosts.slot(host):
                    began = clock()
                    try:
                        reply = await self._send(url, own, self._rules.total_s - spent_s)
                    finally:
                        spent_s += clock() - began
                self._check_reply(reply, options)
                if not reply.is_redirect:
                    return replace(reply, elapsed_ms=1000 * spent_s)
                target = _redirect_target(reply)
                if target in seen:
                    raise RequestFailed("too_many_redirects", "the redirects form a loop")
                if len(seen) > self._rules.max_redirects:
                    raise RequestFailed("too_many_redirects", f"more than {self._rules.max_redirects} redirects")
                if spent_s >= self._rules.total_s:
                    raise RequestFailed("timeout", "the redirects took longer than allowed")
                seen.add(target)
                url = target
        except RequestFailed as failure:
            failure.url, failure.elapsed_ms = url, 1000 * spent_s
            if reply is not None:
                failure.status, failure.content_type = reply.status, reply.content_type
            raise

    async def _send(self, url: URL, options: RequestOptions, left_s: float) -> Reply:
        """Return the answer to one GET: no redirects, no second tries, nothing read past the limits."""
        timeout = aiohttp.ClientTimeout(total=left_s, connect=self._rules.connect_s, sock_read=self._rules.read_s)
        host = url.host or ""
        reply = None
        try:
            with asking(host):
                response = await self.session.get(
                    url, headers=options.headers, timeout=timeout, allow_redirects=False,
                    trace_request_ctx={"host": host}, middlewares=(_send_once,),
                )  # fmt: skip
            async with response:
                reply = Reply(url, response.status, response.headers, b"")
                body = b"" if reply.is_redirect else await _read(response, reply, options)
            self.answered = True
            return replace(reply, body=body)
        except (*_ERRORS, RequestFailed) as error:
            failure = error if isinstance(error, RequestFailed) else _translate(error, host)
            if reply is not None:
                failure.status, failure.content_type = reply.status, reply.content_type
            elif failure.reason in _DEAD:
                self.hosts.count(host, failure.reason, "could not be reached")
            if failure is error:
                raise
            raise failure from error

    def _check_reply(self, reply: Reply, options: RequestOptions) -> None:
        """Check that the answer is no challenge, and no refusal to be waited for or gone away from."""
        host, status = reply.url.host or "", reply.status
        refused = not reply.ok or (options.picture and sniff(reply.body, "") == "text/html")
        page = reply.body if refused or not options.picture else b""
        challenge = signs.challenge(reply.headers, page, refused)
        if reply.is_redirect and not challenge:
            challenge = signs.challenge_address(reply.url, _redirect_target(reply))
        if challenge:
            detail = f"{host} shows a challenge: {challenge}"
            self.hosts.park(host, self._rules.challenge_park_s, "blocked", detail)
            raise RequestFailed("blocked", detail)
        if status in (403, 429):
            self.hosts.count(host, "blocked" if status == 403 else "rate_limited", f"answered {status}")
        elif not reply.is_redirect:
            self.hosts.count(host)
        if status not in _RETRY_STATUS:
            return
        wait_s = signs.retry_after(reply.headers, reply.body, self._now)
        reason, detail = ("rate_limited", "asks to wait") if status == 429 else (f"http_{status}", f"answers {status}")
        too_long = wait_s > self._rules.max_wait_s
        if too_long:
            reason, detail = "rate_limited", f"asks to wait {wait_s:.0f} s"
            self.hosts.park(host, wait_s, reason, f"{host} {detail}")
        elif wait_s:
            self.hosts.wait(host, wait_s)
        raise RequestFailed(reason, f"{host} {detail}", transient=True, retry=not too_long, retry_after_s=wait_s)


def parse_url(text: str) -> URL:
    """Return the address that a text spells, without its fragment."""
    try:
        url = URL(text.strip())
        _ = url.port, url.host  # some are looked at only when asked for
        return url.with_fragment(None)
    except ValueError as error:
        raise RequestFailed("bad_url", "this is not a web address") from error


def _redirect_target(reply: Reply) -> URL:
    location = reply.headers.get("location", "").strip()
    if not location:
        raise RequestFailed("bad_redirect", f"a redirect ({reply.status}) without a target")
    try:
        url = reply.url.join(parse_url(location))
    except (RequestFailed, ValueError) as error:
        raise RequestFailed(
            "bad_redirect", f"a redirect ({reply.status}) to something that is not a web address"
        ) from error
    if reply.url.scheme == "https" and url.scheme == "http":
        raise RequestFailed("bad_redirect", "a redirect from https to http")
    return url


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Report a cut connection at once, or aiohttp would quietly ask a second time, unspaced."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _translate(error, request.url.host or "") from error


async def _read(response: aiohttp.ClientResponse, reply: Reply, options: RequestOptions) -> bytes:
    limit, truncate = options.max_bytes, options.truncate
    if options.picture and reply.ok:
        line = signs.opted_out(reply.headers)
        if line:
            raise RequestFailed("opted_out", line)
    elif options.picture:
        limit, truncate = min(limit, _REFUSAL_BYTES), True
    if not truncate and (response.content_length or 0) > limit:
        raise RequestFailed("too_large", f"{response.content_length} bytes, more than {limit}")
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            if not truncate:
                raise RequestFailed("too_large", f"more than {limit} bytes")
            break
    body = b"".join(parts)[:limit]
    coding = reply.headers.get("content-encoding", "").strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        if truncate:
            return b""
        raise RequestFailed("bad_response", f"the body is encoded as {coding[:20]!r}, which was not requested")
    return await asyncio.to_thread(_inflate, body, limit, truncate)


def _inflate(body: bytes, limit: int, truncate: bool) -> bytes:
    """Inflate gzip members or a deflate stream, zlib-wrapped (RFC 9110, 8.4.1.2) or bare as some send it."""
    bare = body[:2] != b"\x1f\x8b" and (body[0] & 0x0F != 8 or int.from_bytes(body[:2], "big") % 31 != 0)
    inflated, rest = b"", body
    try:
        while rest:
            stream = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
            inflated += stream.decompress(rest, limit + 1 - len(inflated))
            if len(inflated) > limit:
                if not truncate:
                    raise RequestFailed("too_large", f"more than {limit} bytes once inflated")
                return inflated[:limit]
            if not stream.eof:
                if not truncate:
                    raise RequestFailed("truncated", "the compressed body is incomplete")
                return inflated
            rest = stream.unused_data if stream.unused_data[:2] == b"\x1f\x8b" else b""
    except zlib.error as error:
        if truncate:
            return inflated
        raise RequestFailed("bad_response", "the body is not compressed as its header claims") from error
    return inflated


def _translate(error: Exception, host: str) -> RequestFailed:
    """Return what an exception of aiohttp or of the system means; no text of theirs that could hold the address."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return RequestFailed("dns", f"no address found for {host}")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return RequestFailed("tls", f"the certificate of {host} is not valid, or its TLS version is not supported")
        case aiohttp.InvalidURL():
            if "canonical" in str(error):
                return RequestFailed(
                    "refused_address", f"{host} is neither a host name nor an address in the usual form"
                )
            return RequestFailed("bad_url", "this address cannot be requested")
        case TimeoutError():
            return RequestFailed("timeout", f"{host} did not answer completely in the time allowed")
        case aiohttp.ClientConnectorError() if was_refused(error.os_error):
            return RequestFailed("refused_address", f"{host} is on this machine or in a private network")
        case aiohttp.ClientConnectorError():
            return RequestFailed(
                "unreachable", f"{host} accepts no connection: {os.strerror(error.os_error.errno or 0)}"
            )
        case aiohttp.ClientPayloadError():
            return RequestFailed("truncated", f"{host} sent an incomplete answer")
        case aiohttp.ServerDisconnectedError() | OSError():
            return RequestFailed("reset", f"{host} closed the connection")
        case aiohttp.ClientError() | HttpProcessingError():
            return RequestFailed("bad_response", f"the answer of {host} is not valid HTTP, or its headers are too long")
    return RequestFailed("bad_url", "this address or header cannot be sent")
