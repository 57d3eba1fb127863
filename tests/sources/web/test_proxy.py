"""The proxy between a browser and the world: where it connects, where it does not, and what goes through."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from fieldguide.errors import BadQuery
from fieldguide.sources.web.proxy import GuardProxy, look_up, parse_networks

LOOPBACK = parse_networks("127.0.0.0/8")


class World:
    """A server that repeats the first line it gets and its headers, then ends; every host leads to it."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0
        self.lookups: list[str] = []
        self.answers: dict[str, list[str]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello" + b"x" * (200_000 if "/long" in head else 0))
        await writer.drain()
        writer.close()

    async def resolve(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        self.lookups.append(host)
        addresses = self.answers.get(host, ["127.0.0.1"])
        return [(addresses.pop(0) if len(addresses) > 1 else address, self.port) for address in addresses[:1]]


async def talk(proxy: GuardProxy, text: str) -> bytes:
    """Return all that the proxy answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(text.encode())
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()


def within(
    work: Callable[[GuardProxy, World], Awaitable[None]], opened: str = "127.0.0.0/8", max_bytes: int = 10**6
) -> World:
    """Do the work with a proxy; return the world afterwards."""
    world = World()

    async def whole() -> None:
        server = await asyncio.start_server(world.serve, "127.0.0.1", 0)
        world.port = server.sockets[0].getsockname()[1]
        async with server, GuardProxy(world.resolve, parse_networks(opened), max_bytes) as proxy:
            await work(proxy, world)

    asyncio.run(whole())
    return world


def test_plain_http_and_tunnels_go_through() -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        reply = await talk(proxy, "GET http://a.example/b?c=d HTTP/1.1\r\nHost: a.example\r\nProxy-Secret: x\r\n\r\n")
        assert reply.endswith(b"hello")
        reply = await talk(proxy, "CONNECT a.example:443 HTTP/1.1\r\n\r\nGET /in/the/tunnel HTTP/1.1\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK")
        assert not proxy.refused

    world = within(work)
    assert world.heads[0] == "GET /b?c=d HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    assert world.heads[1].startswith("GET /in/the/tunnel")


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT a.example:443",
        "CONNECT 127.0.0.1:443",
        "CONNECT [::1]:443",
        "GET http://a.example/",
        "GET http://localhost/",
        "GET http://169.254.169.254/latest",
    ],
)
def test_private_addresses_are_not_connected_to(line: str) -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        assert (await talk(proxy, f"{line} HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 403")
        assert proxy.refused.total() == 1

    assert within(work, opened="10.0.0.0/8").heads == []


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT a.example:22",
        "CONNECT update.googleapis.com:443",
        "GET http://a.example:8080/",
        "GET ftp://a.example/",
        "GET /",
    ],
)
def test_other_ports_and_schemes_are_refused(line: str) -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        assert (await talk(proxy, f"{line} HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 403")

    assert within(work).heads == []


def test_a_name_that_changes_its_address_is_checked_each_time() -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        world.answers["turncoat.example"] = ["127.0.0.1", "127.9.9.9"]
        line = "GET http://turncoat.example/ HTTP/1.1\r\n\r\n"
        assert (await talk(proxy, line)).endswith(b"hello")
        assert (await talk(proxy, line)).startswith(b"HTTP/1.1 403")

    world = within(work, opened="127.0.0.1/32")
    assert len(world.heads) == 1
    assert len(world.lookups) == 2  # one look-up a connection: what was checked is what is connected to


@pytest.mark.parametrize(
    "text", ["nonsense\r\n\r\n", "GET http://[ HTTP/1.1\r\n\r\n", "x" * 200_000 + "\r\n\r\n", "GET a"]
)
def test_what_is_no_request_ends_the_connection(text: str) -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(text.encode())
            writer.write_eof()
            with suppress(ConnectionResetError):  # closed with our bytes unread
                assert await reader.read(-1) == b""
            writer.close()
        assert (await talk(proxy, "GET http://a.example/ HTTP/1.1\r\n\r\n")).endswith(b"hello")

    within(work)


def test_a_page_that_never_ends_is_cut() -> None:
    async def work(proxy: GuardProxy, world: World) -> None:
        reply = await talk(proxy, "GET http://a.example/long HTTP/1.1\r\n\r\n")
        assert 0 < len(reply) < 200_000

    within(work, max_bytes=150_000)


def test_networks_and_names() -> None:
    assert [str(network) for network in parse_networks(" 10.0.0.0/8, fd00::/8,")] == ["10.0.0.0/8", "fd00::/8"]
    for wrong in ("home", "10.0.0.1/8", "10.0.0.0/8 11.0.0.0/8"):
        with pytest.raises(BadQuery, match="allow_networks"):
            parse_networks(wrong)
    assert ("127.0.0.1", 80) in asyncio.run(look_up("127.0.0.1", 80))
    assert asyncio.run(look_up("x" * 70 + ".invalid", 80)) == ()
