"""Where a guide is served: the socket, who may use it, and the addresses that a person can open.

Knows nothing about guides or HTTP.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from fieldguide.errors import NoPermission, PortBusy, SettingsError
from fieldguide.settings import ServeSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_FIRST_INHERITED = 3
_NEW_KEY = "export FIELDGUIDE_API_KEY=$(openssl rand -hex 16)"
# addresses for documentation (RFC 5737, RFC 3849): nothing is sent to them, they only choose a way out
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def listen(settings: ServeSettings, api_key: str) -> socket.socket:
    """Open the socket that a guide is served on; one that others can reach wants a key, or `insecure`.

    A supervisor such as systemd may hold the socket and hand it over: nobody is refused then while a server restarts.

    Raises:
        PortBusy: the port is in use.
        NoPermission: the port may not be opened.
        SettingsError: this machine has no such address, or others could use it without a key.
    """
    host, port = settings.host.strip("[] "), settings.port
    if not host:
        hint = "give --host 127.0.0.1, or --host 0.0.0.0 for every address of this computer"
        raise SettingsError("the address to listen on is empty", hint)
    if api_key and not all(re.fullmatch(r"[!-~]{16,}", key) for key in api_key.split(" ")):
        raise SettingsError("the API key is not 16 or more letters, digits and ASCII signs", f"make one: {_NEW_KEY}")
    if listener := _inherited():
        _check_access(listener, settings, api_key)
        return listener
    try:
        ways = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, place = min(ways, key=lambda way: way[0] != socket.AF_INET)
        # asyncio turns Nagle's delay off only where the protocol is named; it holds an answer back for 40 ms
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        _check_access(listener, settings, api_key)
        listener.listen(128)
    except (OSError, UnicodeError, SettingsError) as error:
        if listener:
            listener.close()
        if isinstance(error, SettingsError):
            raise
        raise _explain(error, host, port) from error
    return listener


def _inherited() -> socket.socket | None:
    """Return the socket that a supervisor holds open over restarts, as systemd does: sd_listen_fds(3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    try:
        return socket.socket(fileno=_FIRST_INHERITED)
    except OSError as error:
        raise SettingsError("LISTEN_FDS is set, and there is no socket", "unset LISTEN_FDS and LISTEN_PID") from error


def _check_access(listener: socket.socket, settings: ServeSettings, api_key: str) -> None:
    """Check that an address that others can reach is protected by a key, or open by the person's will."""
    address = listener.getsockname()[0]
    if not (api_key or settings.insecure or ip_address(address).is_loopback):
        message = f"{address} can be reached from the network, so it needs an API key"
        raise SettingsError(message, f"set one: {_NEW_KEY}; or add --insecure to let anybody use the guide")


def _explain(error: OSError | UnicodeError, host: str, port: int) -> PortBusy | NoPermission | SettingsError:
    """Return what the refusal of the system means."""
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        message = f"port {port} of {host} is in use"
        return PortBusy(message, "stop the program that uses it, or give --port 0 for a free port")
    if number in (errno.EACCES, errno.EPERM):
        return NoPermission(f"port {port} may not be opened", "give --port 8000 or another above 1023")
    reason = getattr(error, "strerror", None) or "this is not an address"
    return SettingsError(f"cannot listen on {host}: {reason}", "give --host 127.0.0.1, or an address of this computer")


def accepted_hosts(listener: socket.socket, settings: ServeSettings) -> tuple[str, ...]:
    """Return the values of the Host header that are answered, in lower case; `*` is any.

    Those of the settings, and the loopback. Without any in the settings: also the address that is listened on, and all
    where that is every address of the computer, since any name may lead there.
    """
    chosen = tuple(name.lower() for name in settings.allowed_hosts)
    if not chosen and ip_address(listener.getsockname()[0]).is_unspecified:
        chosen = ("*",)
    return (*LOOPBACK, settings.host.strip("[] ").lower(), listener.getsockname()[0], *chosen)


def page_addresses(listener: socket.socket) -> list[str]:
    """Return the addresses of the page that a person can open, on this computer first."""
    address, port = listener.getsockname()[:2]
    if not ip_address(address).is_unspecified:
        hosts = [address]
    else:
        families = (socket.AF_INET, socket.AF_INET6) if listener.family == socket.AF_INET6 else (socket.AF_INET,)
        hosts = ["127.0.0.1", *_own_addresses(families)]
    return [f"http://{f'[{host}]' if ':' in host else host}:{port}/" for host in dict.fromkeys(hosts)]


def _own_addresses(families: tuple[socket.AddressFamily, ...]) -> Iterator[str]:
    """Yield the addresses from which this computer would reach others; nothing is sent."""
    for family, elsewhere in _ELSEWHERE:
        if family in families:
            with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                yield probe.getsockname()[0]
