"""One question and one answer over one connection: no redirects, no second tries, nothing read past the limits.

Knows nothing of turns, robots or what a picture is. aiohttp's exceptions end here, as `Trouble`.
"""

import asyncio
import os
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

from fieldguide.net.addresses import asking, was_refused
from fieldguide.net.rules import NetRules, Trouble
from fieldguide.net.signs import opted_out

__all__ = ["Reply", "Wish", "exchange"]

_GOOD = (200, 203)
_REFUSAL_BYTES = 65_536  # of a page that is read only to see whose refusal it is
_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True)
class Wish:
    """How an address is asked.

    Attributes:
        headers: beside User-Agent.
        max_bytes: largest body, as sent and inflated.
        cut: whether a longer one is cut there, not refused.
        picture: whether only a whole picture's bytes are wanted: opt-outs count, and of refusals only the beginning.
        robots: whether robots.txt is asked first.
    """

    headers: Mapping[str, str]
    max_bytes: int
    cut: bool = False
    picture: bool = False
    robots: bool = True


@dataclass(frozen=True)
class Reply:
    """One answer; the body of a redirect is not read."""

    url: URL
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether this is what was asked for."""
        return self.status in _GOOD

    @property
    def redirects(self) -> bool:
        """Whether it points elsewhere."""
        return self.status in (301, 302, 303, 307, 308)

    @property
    def content_type(self) -> str:
        """As the server says it, in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]


async def exchange(session: aiohttp.ClientSession, url: URL, wish: Wish, left_s: float, rules: NetRules) -> Reply:
    """The answer to one GET.

    Raises:
        Trouble: bad_response, bad_url, dns, opted_out, refused_address, reset, timeout, tls, too_large, truncated,
            unreachable; with the status where an answer had begun.
    """
    limits = aiohttp.ClientTimeout(total=left_s, connect=rules.connect_s, sock_read=rules.read_s)
    reply = None
    try:
        with asking(url.host or ""):
            asked = await session.get(
                url,
                headers=wish.headers,
                timeout=limits,
                allow_redirects=False,
                trace_request_ctx={"host": url.host},
                middlewares=(_once,),
            )
        async with asked as response:
            reply = Reply(url, response.status, response.headers, b"")
            if reply.redirects:
                return reply
            return Reply(url, reply.status, reply.headers, await _body(response, reply, wish))
    except _ERRORS as error:
        raise _with_head(_trouble(error, url.host or ""), reply) from error
    except Trouble as trouble:
        raise _with_head(trouble, reply) from trouble.__cause__


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The answer; a cut connection is told at once, or aiohttp would quietly ask a second time out of turn."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _trouble(error, request.url.host or "") from error


def _with_head(trouble: Trouble, reply: Reply | None) -> Trouble:
    if reply is not None:
        trouble.status, trouble.content_type = reply.status, reply.content_type
    return trouble


async def _body(response: aiohttp.ClientResponse, reply: Reply, wish: Wish) -> bytes:
    """The body, inflated."""
    limit, cut = wish.max_bytes, wish.cut
    if wish.picture and reply.good:
        line = opted_out(reply.headers)
        if line:
            raise Trouble("opted_out", line)
    elif wish.picture:
        limit, cut = min(limit, _REFUSAL_BYTES), True
    if not cut and (response.content_length or 0) > limit:
        raise Trouble("too_large", f"{response.content_length} bytes, more than {limit}")
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            if not cut:
                raise Trouble("too_large", f"more than {limit} bytes")
            break
    body = b"".join(parts)[:limit]
    coding = reply.headers.get("content-encoding", "").strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        if cut:
            return b""
        raise Trouble("bad_response", f"coded as {coding[:20]!r}, which was not asked for")
    return await asyncio.to_thread(_inflate, body, limit, cut)


def _inflate(body: bytes, limit: int, cut: bool) -> bytes:
    """The bytes inside gzip members or a deflate stream, zlib-wrapped (RFC 9110, 8.4.1.2) or bare as some send it."""
    bare = body[:2] != b"\x1f\x8b" and (body[0] & 0x0F != 8 or int.from_bytes(body[:2], "big") % 31 != 0)
    inflated, rest = b"", body
    try:
        while rest:
            stream = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
            inflated += stream.decompress(rest, limit + 1 - len(inflated))
            if len(inflated) > limit:
                if not cut:
                    raise Trouble("too_large", f"more than {limit} bytes once inflated")
                return inflated[:limit]
            if not stream.eof:
                if not cut:
                    raise Trouble("truncated", "the compressed body ends before its end")
                return inflated
            rest = stream.unused_data if stream.unused_data[:2] == b"\x1f\x8b" else b""
    except zlib.error as error:
        if cut:
            return inflated
        raise Trouble("bad_response", "the body is not compressed as its header says") from error
    return inflated


def _trouble(error: Exception, host: str) -> Trouble:
    """What an exception of aiohttp or of the system means; no text of theirs that could hold the address."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Trouble("dns", f"no address found for {host}")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Trouble("tls", f"{host} could not prove who it is, or speaks no TLS known here")
        case aiohttp.InvalidURL():
            if "canonical" in str(error):
                return Trouble("refused_address", f"{host} is a number, not a name or an address in the usual form")
            return Trouble("bad_url", "the address cannot be asked")
        case TimeoutError():
            return Trouble("timeout", f"{host} did not answer, or not to the end, in the time allowed")
        case aiohttp.ClientConnectorError() if was_refused(error.os_error):
            return Trouble("refused_address", f"{host} is on this machine or in a private network")
        case aiohttp.ClientConnectorError():
            return Trouble("unreachable", f"{host} takes no connection: {os.strerror(error.os_error.errno or 0)}")
        case aiohttp.ClientPayloadError():
            return Trouble("truncated", f"{host} ended its answer before its end")
        case aiohttp.ServerDisconnectedError() | OSError():
            return Trouble("reset", f"{host} cut the connection")
        case aiohttp.ClientError() | HttpProcessingError():
            return Trouble("bad_response", f"what {host} said is not HTTP, or its head is longer than allowed")
    return Trouble("bad_url", "the address or a header cannot be sent")
