"""How gently and how far the client goes, what is sent, and what comes back: plain records.

Knows nothing about sockets. The closed list of reasons stands here, in `REASONS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from multidict import CIMultiDictProxy
from yarl import URL

from fieldguide.errors import NetworkDown
from fieldguide.records.candidates import HostLimit

# Why there are no bytes. Beside these: http_<status>, for any status that is not 200 or 203.
REASONS: Mapping[str, str] = {
    "bad_redirect": "a redirect without a valid target, or from https to http",
    "bad_response": "the answer is not valid HTTP, or in an encoding that was not requested",
    "bad_url": "not a web address, or one with a user name",
    "blocked": "a challenge, a consent page, or a host that refuses everything; the detail says which",
    "dns": "the host does not exist, or the name server does not answer",
    "empty": "the answer is empty",
    "not_image": "the file is something else; the detail says what",
    "opted_out": "the picture's owner does not allow this use",
    "rate_limited": "the host asks to wait",
    "refused_address": "the host is on this machine or in a private network",
    "refused_port": "a port that is not allowed",
    "refused_scheme": "neither http nor https",
    "reset": "the connection was closed before the answer",
    "robots": "robots.txt does not allow it, or could not be read",
    "stopped": "collecting was stopped before this was requested",
    "timeout": "no connection, no answer, or not finished in time",
    "tls": "the host's certificate is not valid",
    "too_large": "more bytes than allowed, as sent or once decompressed",
    "too_many_redirects": "more redirects than allowed, or a loop",
    "truncated": "the answer is incomplete",
    "unreachable": "the host accepts no connection",
}
# Reasons for which another try later may help. blocked and robots: only where nothing was asked.
TRANSIENT = frozenset({"dns", "empty", "rate_limited", "reset", "stopped", "timeout", "truncated", "unreachable"})
REFUSED_BY_RULES = frozenset({"refused_address", "refused_port", "robots"})  # other rules may allow it
_OK = (200, 203)
_REDIRECT = (301, 302, 303, 307, 308)
_RETRY = frozenset({"dns", "reset", "timeout", "truncated", "unreachable"})


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
        total_s: longest time for one try, all its hops together; waiting for the host's pace does not count.
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
        """Return how gently a host is asked: its own limit, else that of the longest pattern, else the default."""
        host = host.rstrip(".").lower()
        if host in self.hosts:
            return self.hosts[host]
        patterns = [pattern for pattern in self.hosts if matches(host, pattern)]
        return self.hosts[max(patterns, key=len)] if patterns else self.default

    def allow_now(self, reason: str, url: str) -> bool:
        """Return whether an address that other rules refused for this reason may be asked for by these."""
        try:
            address = URL(url)
        except ValueError:
            return False
        host = (address.host or "").rstrip(".").lower()
        if reason == "refused_address":  # which address a name has is seen when it is asked
            return host in self.private_hosts or bool(self.allow_networks)
        if reason == "refused_port":
            return address.port in self.ports or address.port in self.host_ports.get(host, ())
        return reason == "robots" and not self.asks_robots(host)

    def asks_robots(self, host: str) -> bool:
        """Return whether robots.txt counts at a host."""
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
        transient: whether another try later may help.
        retry_after_s: how long to wait before, 0 where that is not known.
        elapsed_ms: of the last try, over all its hops, without waiting for the host.
        not_asked: nobody was asked: the host is being left alone for `retry_after_s`, the person wants to stop, or
            there is most likely no network: nobody has answered yet.
    """

    url: str
    final_url: str
    status: int = 0
    content_type: str = ""
    data: bytes = field(default=b"", repr=False)
    reason: str = ""
    detail: str = ""
    transient: bool = False
    retry_after_s: float = 0.0
    elapsed_ms: float = 0.0
    not_asked: bool = False


@dataclass(frozen=True)
class RequestOptions:
    """How an address is asked.

    Attributes:
        headers: beside User-Agent.
        max_bytes: largest body, as sent and inflated.
        truncate: whether a longer one is cut there, not refused.
        picture: whether only a whole picture's bytes are wanted: opt-outs count, and of refusals only the beginning.
        robots: whether robots.txt is asked first.
    """

    headers: Mapping[str, str]
    max_bytes: int
    truncate: bool = False
    picture: bool = False
    robots: bool = True

    def for_stranger(self) -> "RequestOptions":
        """Return the options for another server than the first: without the headers that a source gave."""
        headers = {name: value for name, value in self.headers.items() if name in ("Accept", "Accept-Encoding")}
        return replace(self, headers=headers)


@dataclass(frozen=True)
class Reply:
    """One answer; the body of a redirect is not read."""

    url: URL
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = field(repr=False)
    elapsed_ms: float = 0.0

    @property
    def ok(self) -> bool:
        """Return whether this is what was asked for."""
        return self.status in _OK

    @property
    def is_redirect(self) -> bool:
        """Return whether it points elsewhere."""
        return self.status in _REDIRECT

    @property
    def content_type(self) -> str:
        """As the server says it, in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]


class Stopped(NetworkDown):
    """Nothing was asked, because the person wants to stop."""


class RequestFailed(Exception):
    """Why one address gave nothing, inside this package: data on its way to a `Fetched`, never seen outside.

    Attributes:
        transient: whether another try later may help.
        retry: whether one at once is worth it.
        not_asked: as in `Fetched`.
        url: the last that was tried; None where none was.
        status: that of the answer that went wrong, where one had begun; likewise `content_type`.
    """

    not_asked = False
    url: URL | None = None
    status = 0
    content_type = ""
    elapsed_ms = 0.0

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        transient: bool | None = None,
        retry: bool | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.transient = reason in TRANSIENT if transient is None else transient
        self.retry = reason in _RETRY if retry is None else retry
        self.retry_after_s = retry_after_s


def matches(host: str, pattern: str) -> bool:
    """Return whether a host name is the pattern or, where that begins with "*.", lies below it."""
    host, pattern = host.rstrip(".").lower(), pattern.lower()
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
