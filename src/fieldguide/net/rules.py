"""How gently and how far the client goes, and what a fetch comes back with: plain records.

Knows nothing about sockets. The closed list of reasons stands here, in `REASONS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fieldguide.errors import NetworkDown
from fieldguide.records.candidates import HostLimit

__all__ = ["PASSING", "REASONS", "Fetched", "NetRules", "Stopped", "Trouble", "matches"]

# Why there are no bytes. Beside these: http_<status>, for any status that is not 200 or 203.
REASONS: Mapping[str, str] = {
    "bad_redirect": "a redirect to nowhere, to an address that is none, or from https to http",
    "bad_response": "what was said is no HTTP, or is coded as was not asked for",
    "bad_url": "no address, or one that carries a user name",
    "blocked": "a challenge, a consent page, or a host that refuses all; the detail names it",
    "dns": "the host has no address, or the name server is silent",
    "empty": "an answer of no bytes",
    "not_image": "the bytes are of something else; the detail says what",
    "opted_out": "the picture's owner does not want it used so",
    "rate_limited": "the host asks to wait",
    "refused_address": "the host is on this machine or in a private network",
    "refused_port": "a port that is not allowed",
    "refused_scheme": "neither http nor https",
    "reset": "the connection was cut before the answer",
    "robots": "robots.txt says no, or could not be read",
    "stopped": "collecting was asked to stop before this was asked for",
    "timeout": "no connection, no word, or not done in time",
    "tls": "the host could not prove who it is",
    "too_large": "more bytes than allowed, as sent or once inflated",
    "too_many_redirects": "more hops than allowed, or a circle",
    "truncated": "the answer ended before its end",
    "unreachable": "nobody listens there",
}
# Reasons for which another try later may help. blocked and robots: only where nothing was asked.
PASSING = frozenset({"dns", "empty", "rate_limited", "reset", "stopped", "timeout", "truncated", "unreachable"})
_AGAIN = frozenset({"dns", "reset", "timeout", "truncated", "unreachable"})


@dataclass(frozen=True)
class NetRules:
    """What the client may do.

    Attributes:
        contact: how the person can be reached, an address or a page; it stands in the User-Agent.
        hosts: limits by host name or by pattern: "*.example.org" is each host below example.org, on its own.
        default: the limit of every other host.
        connections: most requests at once, all hosts together.
        max_bytes: largest body, both as sent and inflated.
        max_redirects: most hops from the first address.
        connect_s: longest wait for a connection, seconds.
        read_s: longest silence.
        total_s: longest time for one try, all its hops together; waiting for one's turn does not count.
        tries: most times that one address is asked.
        max_wait_s: longest wait that a server may ask for; when it asks for more, its host is left alone that long.
        backoff_s: shortest wait before a second try; the longest is 60 times that.
        robots: whether robots.txt is asked for and obeyed.
        robots_exempt: hosts and patterns that are documented interfaces, or that a person has explicitly freed.
        private_hosts: names of hosts, in lower case, that may lie in a private network: a person's own servers.
        host_ports: ports that are asked at one host alone, beside `ports`.
        allow_networks: private networks that a person has opened to every address, such as "192.168.7.0/24".
        ports: the only ports that are asked everywhere.
        storm: refusals (403 or 429), or connections that fail, in a row, after which a host is left alone.
        park_s: for how long.
        challenge_park_s: for how long after a challenge.
    """

    contact: str = ""
    hosts: Mapping[str, HostLimit] = field(default_factory=dict)
    default: HostLimit = field(default_factory=HostLimit)
    connections: int = 32
    max_bytes: int = 25_000_000
    max_redirects: int = 5
    connect_s: float = 10
    read_s: float = 20
    total_s: float = 60
    tries: int = 4
    max_wait_s: float = 600
    backoff_s: float = 1.0
    robots: bool = True
    robots_exempt: frozenset[str] = frozenset()
    private_hosts: frozenset[str] = frozenset()
    host_ports: Mapping[str, frozenset[int]] = field(default_factory=dict)
    allow_networks: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    storm: int = 10
    park_s: float = 180
    challenge_park_s: float = 3600

    def limit(self, host: str) -> HostLimit:
        """How gently a host is asked: its own limit, else that of the longest pattern, else the default."""
        host = host.rstrip(".").lower()
        if host in self.hosts:
            return self.hosts[host]
        found = [pattern for pattern in self.hosts if matches(host, pattern)]
        return self.hosts[max(found, key=len)] if found else self.default

    def asks_robots(self, host: str) -> bool:
        """Whether robots.txt counts at a host."""
        return self.robots and not any(matches(host, pattern) for pattern in self.robots_exempt)


@dataclass(frozen=True)
class Fetched:
    """A picture's bytes, or why there are none.

    Attributes:
        url: as it was asked for.
        final_url: where it ended after redirects.
        status: of HTTP; 0 where no answer came.
        content_type: as the server says it, without parameters, in lower case.
        data: whole by HTTP's own account where `reason` is ""; else empty. Whether it decodes is for others to say.
        reason: "" or one of `REASONS` or http_<status>.
        detail: a sentence for a person.
        passing: whether another try later may help.
        retry_after_s: how long to wait before, 0 where that is not known.
        elapsed_ms: of the last try, over all its hops, without waiting for turns.
        unasked: nobody was asked: the host is being left alone for `retry_after_s`, the person wants to stop, or there
            is most likely no network: nobody has answered yet.
    """

    url: str
    final_url: str
    status: int = 0
    content_type: str = ""
    data: bytes = field(default=b"", repr=False)
    reason: str = ""
    detail: str = ""
    passing: bool = False
    retry_after_s: float = 0.0
    elapsed_ms: float = 0.0
    unasked: bool = False


class Stopped(NetworkDown):
    """Nothing was asked, because the person wants to stop."""


class Trouble(Exception):
    """Why one address gave nothing, inside this package: data on its way to a `Fetched`, never seen outside.

    `passing` says whether another try later may help, `again` whether one at once is worth it; `status` and
    `content_type` are those of the answer that went wrong, where one had begun. `unasked`: as in `Fetched`.
    """

    unasked = False
    status = 0
    content_type = ""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        passing: bool | None = None,
        again: bool | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.passing = reason in PASSING if passing is None else passing
        self.again = reason in _AGAIN if again is None else again
        self.retry_after_s = retry_after_s


def matches(host: str, pattern: str) -> bool:
    """Whether a host name is the pattern or, where that begins with "*.", lies below it."""
    host, pattern = host.rstrip(".").lower(), pattern.lower()
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
