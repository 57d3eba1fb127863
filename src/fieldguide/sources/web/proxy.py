"""The only way out for a browser: a proxy on this machine that looks at each address when it connects to it.

A browser has no guard of its own against addresses in private networks, and a name that was looked up before it
starts may mean another address a moment later. Here the address that was checked is the one that is connected to.
What goes through is not looked into: TLS stays between the browser and the server. Knows nothing about pages.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from fieldguide.errors import BadQuery
from fieldguide.net.addresses import is_public

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_PORTS = (80, 443)
# What Chromium asks for on its own account (updates, sign-in, its start page): no page of results needs it.
_NOT_THE_PAGES = (
    "accounts.google.com",
    "clients*.google.com",
    "content-autofill.googleapis.com",
    "optimizationguide-pa.googleapis.com",
    "redirector.gvt1.com",
    "safebrowsing*.googleapis.com",
    "start.duckduckgo.com",
    "update.googleapis.com",
)
_CONNECT_S = 10.0
_HEAD_S = 30.0
_PIECE_BYTES = 65_536
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_FAILED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_DROPPED_HEADERS = (b"proxy-", b"connection:", b"keep-alive:")


async def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
    """Return the addresses of a host with the port, as the system knows them; none where it knows none."""
    try:
        places = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return [(str(place[0]), int(place[1])) for *_, place in places]


def parse_networks(text: str) -> tuple[_Network, ...]:
    """Return the networks in a text with commas between, such as "192.168.7.0/24"."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise BadQuery(f"allow_networks: {error}", "write networks as 192.168.7.0/24, with commas between") from error


class GuardProxy:
    """A proxy that connects to public addresses and to the opened networks only, open as long as its block.

    `refused` counts the hosts that it did not connect to.
    """

    def __init__(self, resolve: Resolve, opened: Sequence[_Network], max_bytes: int) -> None:
        self._resolve = resolve
        self._opened = opened
        self._left_bytes = max_bytes
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.refused: Counter[str] = Counter()
        self.port = 0

    async def __aenter__(self) -> "GuardProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_PIECE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the server and all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def allowed(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the addresses of a host that may be connected to; none for what Chromium asks on its own account."""
        if any(fnmatchcase(host, pattern) for pattern in _NOT_THE_PAGES):
            return []
        places = await self._resolve(host.strip("[]"), port)
        return [place for place in places if is_public(place[0], self._opened)] if port in _PORTS else []

    async def resolves(self, host: str, port: int) -> bool:
        """Return whether a host has any address at all."""
        return bool(await self._resolve(host, port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._running.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            pass  # one side went away or speaks no HTTP: the browser sees a closed connection
        except asyncio.CancelledError:
            pass  # the session is over; the task ends here
        finally:
            self._running.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request of the browser, which is one connection onwards."""
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_S)
        first, *headers = head[:-4].split(b"\r\n")
        method, target, _ = first.decode("latin-1").split(" ", 2)
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname or "", parts.port or (443 if method == "CONNECT" else 80)
        places = await self.allowed(host, port)
        refused = not places or (method != "CONNECT" and parts.scheme != "http")
        there = None if refused else await self._connect(places)
        if there is None:
            self.refused[host] += refused
            writer.write(_REFUSED if refused else _FAILED)
            await writer.drain()
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            kept = [header for header in headers if not header.lower().startswith(_DROPPED_HEADERS)]
            lines = [f"{method} {path} HTTP/1.1".encode("latin-1"), *kept, b"Connection: close", b"", b""]
            there[1].write(b"\r\n".join(lines))
        try:
            await self._join((reader, writer), there)
        finally:
            there[1].close()

    async def _connect(self, places: Sequence[tuple[str, int]]) -> _Connection | None:
        """Return a connection to the first of the checked addresses that answers."""
        for address, port in places:
            with suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(address, port), _CONNECT_S)
        return None

    async def _join(self, here: _Connection, there: _Connection) -> None:
        pumps = {asyncio.create_task(self._pump(*pair)) for pair in ((here[0], there[1]), (there[0], here[1]))}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                return  # a page that never ends
            writer.write(piece)
            await writer.drain()
