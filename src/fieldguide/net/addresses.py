"""Which addresses may be connected to, decided on the bytes that the socket will use.

The guard is the connector's socket factory: whatever a URL spells, a resolver answers (the second time too) or a
redirect names, the one place where a socket is made sees the address itself. Knows nothing about HTTP. No name makes
an address public; one that a person has called private may lead into a private network, and no other name there.
Proxies would hide the address: the client uses none, not even those of the environment.
"""

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from aiohttp import AddrInfoType
from yarl import URL

from fieldguide.errors import SettingsError
from fieldguide.net.rules import NetRules, RequestFailed

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MARK = "refused address"
# Beside what `is_global` knows, which changes between patch releases of Python (CVE-2024-4032): the registries
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, the tunnels that carry
# an IPv4 address inside (6to4, Teredo, NAT64, ISATAP is an interface identifier and is told apart below), and more.
_NEVER: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "::/8", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
        "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        # Alibaba's, Oracle's and Azure's own services answer on public addresses of theirs
        "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",
    )
)  # fmt: skip
# What a host that a person calls private may have: RFC 1918, RFC 6598, RFC 4193 and this machine; no link-local ones,
# where clouds keep keys.
_PRIVATE: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
_SERVICES = tuple(ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254"))  # Alibaba's, Amazon's
_asked_host: ContextVar[str] = ContextVar("asked_host", default="")
_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, section 2.4: nothing else has been given out
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214, section 6.1: the upper half of the interface identifier


def guard(rules: NetRules) -> Callable[[AddrInfoType], socket.socket]:
    """Return a maker of sockets that makes none for an address that is not public and not in `rules.allow_networks`.

    For the hosts of `rules.private_hosts`, told by `asking`, private ones will do too. The maker
    itself raises OSError for a refused address.
    """
    try:
        opened = tuple(ipaddress.ip_network(text) for text in rules.allow_networks)
    except ValueError as error:
        raise SettingsError(f"allow_networks: {error}", "write a network like 192.168.7.0/24 or fd00::/64") from error

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = info
        text = str(place[0])
        own = _asked_host.get() in rules.private_hosts and _is_private(text)
        if not own and not is_public(text, opened):
            raise OSError(errno.EACCES, f"{_MARK} {place[0]}")
        return socket.socket(family, kind, protocol)

    return make


@contextmanager
def asking(host: str) -> Iterator[None]:
    """Make sockets inside the block, by the task and those that it starts, for that host."""
    token = _asked_host.set(_plain_name(host))
    try:
        yield
    finally:
        _asked_host.reset(token)


def _plain_name(host: str) -> str:
    return host.rstrip(".").lower()


def is_public(text: str, opened: Sequence[_Network] = ()) -> bool:
    """Return whether an address is on the public internet or in an opened network; no for what is no address."""
    address = _parse(text)
    if address is None:
        return False
    if any(address in network for network in opened):
        return True
    if any(address in network for network in _NEVER) or address.is_multicast or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    return address in _UNICAST and (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def _is_private(text: str) -> bool:
    """Return whether an address is one that a host of a private network may have."""
    address = _parse(text)
    return address is not None and address not in _SERVICES and any(address in network for network in _PRIVATE)


def _parse(text: str) -> _Address | None:
    """Return the address, that of IPv4 where it carries one; None for what is none or is good on one interface only."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return None if address.scope_id is not None else address.ipv4_mapped or address
    return address


def was_refused(error: OSError) -> bool:
    """Return whether a connection failed because the guard made no socket."""
    return _MARK in str(error)


def check_url(url: URL, rules: NetRules) -> None:
    """Check that the address may be asked at all, as far as it can be told without looking up its host."""
    if url.scheme not in ("http", "https"):
        raise RequestFailed("refused_scheme", f"{url.scheme[:20] or 'no scheme'}: only http and https are allowed")
    if url.user is not None or url.password is not None:
        raise RequestFailed("bad_url", "the address contains a user name or a password")
    if not url.host:
        raise RequestFailed("bad_url", "the address has no host")
    if url.port not in rules.ports and url.port not in rules.host_ports.get(_plain_name(url.host), ()):
        raise RequestFailed(
            "refused_port", f"port {url.port}: only {', '.join(map(str, sorted(rules.ports)))} are allowed"
        )
