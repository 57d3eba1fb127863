"""The address guard: whatever a URL spells, a name resolves to or a redirect names, nothing private is connected to."""

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import Iterator

import pytest
from aiohttp.abc import ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from faulty import HERE, QUICK, FaultServer, Rebinding, located
from fieldguide.errors import SettingsError
from fieldguide.net import Client, Fetched, NetRules
from fieldguide.net.addresses import asking, guard, is_public

# {port} is that of a listener on loopback.
PRIVATE = (
    "http://127.0.0.1:{port}/", "http://127.0.0.1.:{port}/", "http://127.1:{port}/", "http://127.0.1:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.1:{port}/", "http://0x7F.0.0.0x1:{port}/",
    "http://0177.0.0.1:{port}/", "http://017700000001:{port}/", "http://00000177.0.0.1:{port}/", "http://0:{port}/",
    "http://0.0.0.0:{port}/", "http://0.0.0.0.:{port}/", "http://127.255.255.254:{port}/", "http://127.0.0.2:{port}/",
    "http://[::1]:{port}/", "http://[::]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000::0001]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::127.0.0.1]:{port}/", "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/", "http://[2001:0:7f00:1::1]:{port}/", "http://[::1%25lo]:{port}/",
    "http://[fe80::1%25lo]:{port}/", "http://[fe80::1]:{port}/", "http://[fd00::1]:{port}/",
    "http://[fec0::1]:{port}/", "http://[ff02::1]:{port}/", "http://[2001:db8::1]:{port}/",
    "http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/", "http://127\u30020\u30020\u30021:{port}/",
    "http://\u2460\u2461\u2466.0.0.1:{port}/", "http://%31%32%37.0.0.1:{port}/", "http://127%2e0%2e0%2e1:{port}/",
    "http://10.0.0.1:{port}/", "http://172.16.0.1:{port}/", "http://192.168.0.1:{port}/", "http://100.64.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/", "http://[fd00:ec2::254]:{port}/", "http://168.63.129.16:{port}/",
    "http://100.100.100.200:{port}/", "http://192.0.0.192:{port}/", "http://198.18.0.1:{port}/",
    "http://192.0.2.1:{port}/", "http://224.0.0.1:{port}/", "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/", "http://192.88.99.1:{port}/", "http://user@127.0.0.1:{port}/",
    "http://8.8.8.8@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@8.8.8.8/", "http://127.0.0.1:{port}\\@8.8.8.8/",
    "  http://127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}\\", "http:/127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/", "http:127.0.0.1:{port}", "http://127.0.0.1\t:{port}/", "http://127.0.0.1\n:{port}/",
    "http://127.0.0.1\0:{port}/", "file://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/",
)  # fmt: skip
REFUSALS = {"refused_address", "refused_scheme", "bad_url", "dns"}


@pytest.fixture(scope="module")
def listener() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def closed(server: FaultServer) -> NetRules:
    """Return rules that allow the port and no private network."""
    return dataclasses.replace(QUICK, ports=frozenset({80, 443, server.port}), tries=1, robots=False)


def test_no_spelling_of_a_private_address_is_connected_to(listener: FaultServer) -> None:
    async def fetch_all() -> list[Fetched]:
        async with Client(closed(listener)) as client:
            return [await client.fetch(text.format(port=listener.port)) for text in PRIVATE]

    for fetched in asyncio.run(fetch_all()):
        assert fetched.reason in REFUSALS and not fetched.data, fetched
    assert listener.log == []


def test_the_listener_would_have_been_reached(listener: FaultServer) -> None:
    assert asyncio.run(listener.fetch("good")).reason == ""


@pytest.mark.parametrize("path", ["to_name", "to_loopback", "to_number", "to_literal", "to_metadata", "file", "data"])
def test_a_redirect_reaches_nothing_that_an_address_would_not(path: str) -> None:
    """127.0.0.2 alone is opened; its server leads to one on 127.0.0.1."""
    with FaultServer("127.0.0.2") as server, FaultServer() as inner:
        server.other = inner.port
        ports = frozenset({80, 443, server.port, inner.port})
        rules = dataclasses.replace(closed(server), ports=ports, allow_networks=("127.0.0.2/32",))

        async def fetch() -> Fetched:
            async with Client(rules) as client:
                return await client.fetch(server.url(path))

        fetched = asyncio.run(fetch())
        assert fetched.reason in {"refused_address", "refused_scheme"}, fetched
        assert fetched.final_url != fetched.url
        assert server.log == [path] and inner.log == []


def test_a_resolver_that_changes_its_mind_reaches_nothing_private() -> None:
    """127.0.0.2 stands for a public address: it alone is opened, and nothing listens there."""
    with FaultServer() as server:
        rules = dataclasses.replace(QUICK, tries=3, robots=False, allow_networks=("127.0.0.2/32",))
        resolver = Rebinding("127.0.0.2", HERE, server.port)

        async def fetch() -> list[Fetched]:
            async with Client(rules, resolver=resolver) as client:  # each port is looked up on its own
                return [await client.fetch(f"{scheme}://rebinding.example/good") for scheme in ("http", "https")]

        by_http, by_https = asyncio.run(fetch())
        assert by_http.reason == "unreachable"
        assert by_https.reason == "refused_address" and not by_https.transient
        assert server.log == []


def test_a_name_with_a_public_and_a_private_address_never_reaches_the_private_one() -> None:
    class Both(Rebinding):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [located(host, "127.0.0.2", self.port), located(host, HERE, self.port)]

    with FaultServer() as server:
        rules = dataclasses.replace(QUICK, tries=1, robots=False, allow_networks=("127.0.0.2/32",))

        async def fetch() -> Fetched:
            async with Client(rules, resolver=Both("", "", server.port)) as client:
                return await client.fetch("http://both.example/good")

        assert asyncio.run(fetch()).reason in ("refused_address", "unreachable")
        assert server.log == []


@pytest.mark.parametrize("places", [(HERE,), ("127.0.0.3", HERE)])  # several addresses are tried in tasks of their own
def test_a_private_host_is_reached_under_its_own_name_alone(places: tuple[str, ...]) -> None:
    class Home(Rebinding):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [located(host, place, self.port) for place in places]

    with FaultServer() as server, FaultServer() as inner:
        server.other = inner.port
        own = {"nas.example": frozenset({server.port})}
        rules = dataclasses.replace(
            QUICK,
            tries=1,
            robots=False,
            private_hosts=frozenset(own),
            host_ports=own,
            ports=frozenset({80, inner.port}),
        )

        async def fetch(*urls: str) -> list[str]:
            async with Client(rules, resolver=Home("", "", server.port)) as client:
                return [(await client.fetch(url)).reason for url in urls]

        port = server.port
        assert asyncio.run(fetch(f"http://nas.example:{port}/good", f"http://NAS.example.:{port}/good")) == ["", ""]
        urls = [f"http://{host}:{port}/good" for host in ("other.example", "a.nas.example", HERE)]
        assert asyncio.run(fetch(*urls)) == ["refused_port"] * 3
        urls = [
            "http://other.example/good",
            f"http://nas.example:{port}/to_loopback",
            f"http://{HERE}:{inner.port}/good",
        ]
        assert asyncio.run(fetch(*urls)) == ["refused_address"] * 3
        assert server.log == ["good", "good", "to_loopback"] and inner.log == []


@pytest.mark.parametrize("place", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1", "0.0.0.0"])
def test_a_private_host_is_no_way_to_the_services_of_a_cloud(place: str) -> None:
    make = guard(dataclasses.replace(QUICK, private_hosts=frozenset({"nas.example"})))
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    with asking("nas.example"), pytest.raises(OSError, match="refused"):
        make((family, socket.SOCK_STREAM, 0, "", (place, 80)))
    with asking("nas.example"):
        make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.168.7.5", 80))).close()


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, listener: FaultServer) -> None:
    hits = len(listener.log)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{HERE}:{listener.port}")
    with FaultServer() as server:
        assert asyncio.run(server.fetch("good")).reason == ""
    assert len(listener.log) == hits


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:81b::200e"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize(
    "text",
    (
        *("::ffff:10.0.0.1", "2002:0a00:0001::1", "2001:0:5ef5:79fd::1", "64:ff9b::8.8.8.8", "2a00::5efe:7f00:1"),
        *("2a00::200:5efe:7f00:1", "2001:2::1", "fe80::1%eth0", "2606:4700::1111%eth0", "example.org", "1", "127.1"),
        *("0x08.8.8.8", "8.8.8.8/32", "", "4000::1", "1fff::1", "::1.2.3.4"),
    ),
)
def test_what_carries_a_private_address_or_is_none_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses())
def test_the_guard_is_never_wider_than_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(str(address)):
        assert address.is_global and not address.is_multicast and not address.is_private


@pytest.mark.parametrize("network", ["x", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_no_network_is_a_settings_error(network: str) -> None:
    with pytest.raises(SettingsError, match="allow_networks") as caught:
        Client(dataclasses.replace(QUICK, allow_networks=(network,)))
    assert "192.168.7.0/24" in caught.value.hint


def test_an_opened_network_is_opened_and_nothing_beside_it() -> None:
    opened = (ipaddress.ip_network("192.168.7.0/24"), ipaddress.ip_network("fd00::/64"))
    assert is_public("192.168.7.9", opened) and is_public("::ffff:192.168.7.9", opened) and is_public("fd00::9", opened)
    assert not is_public("192.168.8.9", opened) and not is_public("127.0.0.1", opened)


@pytest.mark.parametrize("port", [0, 22, 25, 6379, 8080, 65535])
def test_other_ports_are_not_asked(port: int) -> None:
    async def fetch() -> Fetched:
        async with Client(QUICK) as client:
            return await client.fetch(f"http://127.0.0.1:{port}/")

    assert asyncio.run(fetch()).reason == "refused_port"
