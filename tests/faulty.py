"""Servers that tests collect from, all on loopback and each in a thread with a loop of its own.

- `LocalInternet`: any host name over real TLS, one handler a host, and a log of what was asked.
- `FaultServer`: raw sockets that break HTTP in a different way at each path.
- `ToxicProxy`: a TCP proxy that delays, cuts, slices and resets what passes through it.

They live in threads so that both `asyncio.run` in a test and a whole stage that runs its own loop can use them.
"""

import asyncio
import dataclasses
import fnmatch
import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, Self

import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from fieldguide.net import Client, Fetched, NetRules
from fieldguide.records.candidates import HostLimit

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
HERE = "127.0.0.1"
# No waiting at all: for tests that are not about politeness.
QUICK = NetRules(
    contact="tests@example.org",
    default=HostLimit(0.0, 16),
    connect_s=2,
    read_s=0.5,
    total_s=2,
    tries=2,
    backoff_s=0.01,
    max_bytes=300_000,
)


class Threaded:
    """A context manager whose `start` runs in a loop in a thread of its own until the end of the block."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    async def _end(self) -> None:
        await self.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@dataclasses.dataclass(frozen=True)
class Hit:
    """One request as the server saw it; `running` counts the requests to that host at that moment, itself too."""

    time: float
    host: str
    path_qs: str
    scheme: str
    headers: Mapping[str, str]
    running: int


class LocalInternet(Threaded):
    """Every host name of `handlers` on loopback, over https (and http), with certificates that its client trusts.

        async def api(request: web.BaseRequest) -> web.StreamResponse:
            return web.json_response({"q": request.query.get("q")})

        with LocalInternet({"api.example.org": api, "*.media.example": pictures}) as internet:
            async def ask() -> Answer:
                async with internet.client() as client:     # rules: QUICK, with loopback allowed
                    return await client.ask(Request("https://api.example.org/v1"))
            answer = asyncio.run(ask())
            assert [hit.path_qs for hit in internet.log if hit.host == "api.example.org"] == ["/robots.txt", "/v1"]

    - A key of `handlers` is a host name or a pattern; "*" is every other name. Names without a handler do not resolve.
    - Handlers run in the server's thread. /robots.txt is answered from `robots` (host to text), and with 404 for
      others, or by the handlers where `own_robots` says so; it is logged like all else.
    - `internet.client(rules)` is the guarded client itself, with a resolver that sends port 443 of any of the hosts to
      the TLS port here and port 80 to the plain one. A stage that makes its own client is given `internet.resolver()`,
      `internet.trust()` and rules that went through `internet.rules()`.
    """

    def __init__(
        self, handlers: Mapping[str, Handler], robots: Mapping[str, str] | None = None, own_robots: bool = False
    ) -> None:
        self.handlers = dict(handlers)
        self.own_robots = own_robots
        self.robots = dict(robots or {})
        self.log: list[Hit] = []
        self._running: dict[str, int] = {}
        self._ports: dict[str, int] = {}
        self._runners: list[web.ServerRunner] = []
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def hits(self, host: str) -> list[str]:
        """Return the paths and queries that a host was asked for, in order, but for /robots.txt."""
        return [hit.path_qs for hit in self.log if hit.host == host and hit.path_qs != "/robots.txt"]

    def rules(self, rules: NetRules = QUICK) -> NetRules:
        """Return the rules, with loopback allowed."""
        return dataclasses.replace(rules, allow_networks=(*rules.allow_networks, "127.0.0.0/8"))

    def client(self, rules: NetRules = QUICK, **more: Any) -> Client:
        """Return a client that finds every host here and trusts it."""
        return Client(self.rules(rules), resolver=self.resolver(), ssl=self.trust(), **more)

    def resolver(self) -> AbstractResolver:
        """Return what sends each host with a handler to the right port here."""
        return _Resolver(self)

    def trust(self) -> ssl.SSLContext:
        """Return a context for clients that trusts these servers and nobody else."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def handler(self, host: str) -> Handler | None:
        """Return the handler of a host: its own, that of a pattern, or none."""
        if host in self.handlers:
            return self.handlers[host]
        return next((handler for key, handler in self.handlers.items() if fnmatch.fnmatchcase(host, key)), None)

    def port(self, scheme: str) -> int:
        """Return the real port behind https or http."""
        return self._ports[scheme]

    async def start(self) -> None:
        outer = self._context("localhost")
        outer.sni_callback = self._by_name
        self._ports.clear()
        for scheme, context in (("https", outer), ("http", None)):
            runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, HERE, 0, ssl_context=context).start()
            self._runners.append(runner)
            self._ports[scheme] = runner.addresses[0][1]

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    def _context(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._authority.issue_cert(name).configure_cert(context)
            self._contexts[name] = context
        return self._contexts[name]

    def _by_name(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = self._context(name)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = (request.host or "").rpartition(":")[0] or request.host
        self._running[host] = self._running.get(host, 0) + 1
        running = self._running[host]
        hit = Hit(time.monotonic(), host, request.path_qs, request.scheme, dict(request.headers), running)
        self.log.append(hit)
        try:
            if request.path == "/robots.txt" and not self.own_robots:
                text = self.robots.get(host)
                return web.Response(text=text) if text is not None else web.Response(status=404)
            handler = self.handler(host)
            return await handler(request) if handler else web.Response(status=404)
        finally:
            self._running[host] -= 1


class _Resolver(AbstractResolver):
    def __init__(self, internet: LocalInternet) -> None:
        self._internet = internet

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._internet.handler(host) is None:
            raise OSError(None, f"no handler for {host}")
        real = self._internet.port("http" if port == 80 else "https")
        return [located(host, HERE, real)]

    async def close(self) -> None:
        return None


class Rebinding(AbstractResolver):
    """Says one address first and another one from then on."""

    def __init__(self, first: str, then: str, port: int) -> None:
        self.answers = [first, then]
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [located(host, address, self.port)]

    async def close(self) -> None:
        return None


def located(name: str, address: str, port: int) -> ResolveResult:
    """Return what a resolver says of a name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {"hostname": name, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}


class FaultServer(Threaded):
    """Plain sockets on loopback that answer each path of `FAULTS` in a broken way of its own.

    with FaultServer() as server:
        fetched = asyncio.run(server.fetch("short_length"))

    `log` holds the path of every request, and `good` is the body of the paths that answer well in the end.
    """

    def __init__(self, address: str = HERE, good: bytes = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4) -> None:
        self.address = address
        self.good = good
        self.log: list[str] = []
        self.port = 0
        self.other = 0  # the port that to_name and to_loopback lead to; its own where none is said

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://{self.address}:{self.port}/{path}"

    def client(self, rules: NetRules = QUICK, **more: Any) -> Client:
        """Return a client that may ask this server, and does not ask for robots.txt."""
        opened = (*rules.allow_networks, "127.0.0.0/8")
        ports = rules.ports | {self.port}
        return Client(dataclasses.replace(rules, allow_networks=opened, ports=ports, robots=False), **more)

    async def fetch(self, path: str, rules: NetRules = QUICK) -> Fetched:
        """Return what a fresh client makes of a path."""
        async with self.client(rules) as client:
            return await client.fetch(self.url(path))

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode().lstrip("/").partition("?")[0]
            self.log.append(path)
            await FAULTS[path](self, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def seen(self, path: str) -> int:
        """Return how often a path was asked for."""
        return self.log.count(path)


Fault = Callable[[FaultServer, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole answer; a header's "_" is "-", and Content-Length is right where none is given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"Content-Length": str(len(body)), "Connection": "close", **named}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _says(body: bytes = b"", status: str = "200 OK", **headers: str) -> Fault:
    async def fault(_: FaultServer, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(body, status, **headers))

    return fault


def _raw(data: bytes) -> Fault:
    async def fault(_: FaultServer, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return fault


def _repeats(head: bytes, part: bytes, pause_s: float) -> Fault:
    async def fault(_: FaultServer, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return fault


def _first(times: int, bad: bytes) -> Fault:
    """Give the bad answer so many times, then the good one."""

    async def fault(server: FaultServer, writer: asyncio.StreamWriter) -> None:
        path = server.log[-1]
        writer.write(bad if server.seen(path) <= times else answer(server.good, Content_Type="image/jpeg"))

    return fault


async def _silent(_: FaultServer, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _reset(_: FaultServer, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def _reset_later(_: FaultServer, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(JPEG, Content_Length="5000"))
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


async def _date_later(server: FaultServer, writer: asyncio.StreamWriter) -> None:
    now = datetime.now(UTC) - timedelta(days=400)  # a server whose clock is wrong
    dates = {"Date": format_datetime(now, usegmt=True), "Retry_After": format_datetime(now, usegmt=True)}
    await _first(1, answer(b"", "429 Too Many Requests", **dates))(server, writer)


def _leads_to(host: str) -> Fault:
    async def fault(server: FaultServer, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", "302 Found", Location=f"http://{host}:{server.other or server.port}/good"))

    return fault


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection with RST; what was not sent is lost."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _gzip(data: bytes, level: int = 9) -> bytes:
    return gzip.compress(data, level)


JPEG = b"\xff\xd8\xff\xe0" + b"j" * 996
PAGE = b"<!DOCTYPE html><html><head><title>Not here</title></head><body>Not here.</body></html>"
CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>wait</body></html>"
IMPERVA = (
    b'<html><head></head><body><iframe src="/_Incapsula_Resource?a=1">Request unsuccessful.</iframe></body></html>'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FAULTS: dict[str, Fault] = {
    "good": _first(0, b""),
    "short_length": _says(JPEG, Content_Length="5000"),
    "long_length": _says(JPEG, Content_Length="400000"),
    "cut_chunk": _raw(CHUNKED + b"400\r\n" + JPEG[:100]),
    "no_last_chunk": _raw(CHUNKED + b"3e8\r\n" + JPEG + b"\r\n"),
    "bad_chunk": _raw(CHUNKED + b"zz\r\n" + JPEG),
    "reset": _reset,
    "reset_later": _reset_later,
    "hang_up": _raw(b""),
    "half_head": _raw(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "close_delimited": _raw(HEAD + b"\r\n" + JPEG[:500]),
    "drip": _repeats(HEAD + b"Content-Length: 5000\r\n\r\n\xff\xd8\xff", b"j", 0.05),
    "drip_head": _repeats(b"HTTP/1.1 200 OK\r\nX: ", b"j", 0.05),
    "silent": _silent,
    "endless": _repeats(HEAD + b"\r\n" + JPEG, b"j" * 65_536, 0),
    "gone_endless": _repeats(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", b"j" * 65_536, 0),
    "gzip": _says(_gzip(JPEG), Content_Encoding="gzip"),
    "gzip_members": _says(_gzip(JPEG[:500]) + _gzip(JPEG[500:]), Content_Encoding="gzip"),
    "deflate": _says(zlib.compress(JPEG), Content_Encoding="deflate"),
    "bare_deflate": _says(zlib.compress(JPEG)[2:-4], Content_Encoding="deflate"),
    "gzip_bomb": _says(_gzip(bytes(50_000_000)), Content_Encoding="gzip"),
    "gzip_cut": _says(_gzip(JPEG + bytes(range(256)))[:-20], Content_Encoding="gzip"),
    "gzip_lie": _says(JPEG, Content_Encoding="gzip"),
    "brotli": _says(JPEG, Content_Encoding="br"),
    "big_header": _says(JPEG, X_Long="x" * 200_000),
    "many_headers": _says(JPEG, **{f"X_{number}": "x" for number in range(5000)}),
    "garbage": _raw(b"\0\x01\x02 this is not HTTP \xff\r\n\r\n"),
    "bad_status": _raw(b"HTTP/1.1 two hundred\r\n\r\n"),
    "ssh": _raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "bad_location": _says(status="302 Found", Location="http://[::1/"),
    "no_location": _says(status="302 Found"),
    "file": _says(status="302 Found", Location="file:///etc/passwd"),
    "data": _says(status="302 Found", Location="data:image/png;base64,AAAA"),
    "userinfo": _says(status="302 Found", Location="http://root:toor@example.org/"),
    "loop": _says(status="302 Found", Location="/loop2"),
    "loop2": _says(status="302 Found", Location="/loop"),
    **{f"hop{number}": _says(status="302 Found", Location=f"/hop{number - 1}") for number in range(2, 8)},
    "hop1": _says(status="302 Found", Location="/good"),
    "to_name": _leads_to("localhost"),
    "to_loopback": _leads_to(HERE),
    "to_number": _leads_to("2130706433"),
    "to_literal": _says(status="302 Found", Location="http://10.0.0.1/admin"),
    "to_metadata": _says(status="301 Moved", Location="http://169.254.169.254/latest/meta-data/"),
    "wait_seconds": _first(1, answer(b"", "429 Too Many Requests", Retry_After="0")),
    "wait_date": _date_later,
    "wait_nothing": _first(1, answer(b"", "429 Too Many Requests")),
    "wait_long": _says(status="429 Too Many Requests", Retry_After="86400"),
    "wait_garbage": _first(1, answer(b"", "429 Too Many Requests", Retry_After="soon")),
    "busy_once": _first(1, answer(b"", "503 Service Unavailable")),
    "reset_once": _first(1, HEAD + b"Content-Length: 5000\r\n\r\n\xff\xd8"),
    "busy": _says(status="503 Service Unavailable"),
    "html": _says(PAGE, Content_Type="image/jpeg"),
    "json": _says(b'{"error": "gone"}', Content_Type="image/jpeg"),
    "wrong_type": _says(JPEG, Content_Type="text/html"),
    "no_type": _says(JPEG),
    "no_content": _says(status="204 No Content", Content_Length=""),
    "not_modified": _says(status="304 Not Modified", Content_Length=""),
    "nothing": _says(b"", Content_Type="image/jpeg"),
    "gone": _says(PAGE, "410 Gone"),
    "forbidden": _says(PAGE, "403 Forbidden"),
    "noai": _says(JPEG, X_Robots_Tag="noai, noimageai"),
    "tdm": _says(JPEG, TDM_Reservation="1"),
    "cloudflare": _says(CLOUDFLARE, "403 Forbidden", cf_mitigated="challenge"),
    "imperva": _says(IMPERVA, Content_Type="text/html"),
    "captcha": _says(b'<html><form class="g-recaptcha"></form></html>', "429 Too Many Requests"),
}


class ToxicProxy(Threaded):
    """A TCP proxy in front of a port that does each connection some harm, drawn from `toxics` with the seed.

    The toxics have the names of https://github.com/Shopify/toxiproxy: latency, jitter, bandwidth, slow_close,
    reset_peer, limit_data, slicer, timeout, down; and "none".
    """

    TOXICS = ("none", "latency", "jitter", "bandwidth", "slow_close", "reset_peer", "limit_data", "slicer", "timeout")

    def __init__(self, target: int, seed: int, toxics: Sequence[str] = (*TOXICS, "down")) -> None:
        self._target = target
        self._dice = Random(seed)
        self._first = self._dice.sample(list(toxics), len(toxics))  # each occurs, however few connections there are
        self._toxics = toxics
        self.used: dict[str, int] = {}
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HERE, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        toxic = self._first.pop() if self._first else self._dice.choice(list(self._toxics))
        self.used[toxic] = self.used.get(toxic, 0) + 1
        if toxic == "down":
            reset(writer)
            return
        there, away = await asyncio.open_connection(HERE, self._target)
        try:
            await asyncio.gather(self._up(reader, away), self._down(toxic, there, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            away.close()

    async def _up(self, reader: asyncio.StreamReader, away: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            away.write(data)
            await away.drain()
        away.write_eof()

    async def _down(self, toxic: str, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bytes_left = self._dice.randrange(1, 3000)
        while data := await there.read(65_536):
            if toxic == "timeout":
                await asyncio.sleep(30)
            if toxic in ("latency", "jitter"):
                await asyncio.sleep(0.05 if toxic == "latency" else self._dice.uniform(0, 0.1))
            if toxic in ("limit_data", "reset_peer"):
                writer.write(data[:bytes_left])
                bytes_left -= len(data)
                if bytes_left <= 0:
                    await writer.drain()
                    if toxic == "reset_peer":
                        reset(writer)
                    raise ConnectionResetError
            elif toxic in ("slicer", "bandwidth"):
                for place in range(0, len(data), 200):
                    writer.write(data[place : place + 200])
                    await writer.drain()
                    await asyncio.sleep(0 if toxic == "slicer" else 0.002)
            else:
                writer.write(data)
            await writer.drain()
        if toxic == "slow_close":
            await asyncio.sleep(0.1)
        raise ConnectionResetError
