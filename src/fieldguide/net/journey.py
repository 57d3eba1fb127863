"""From an address to its answer: turns, robots, redirects and second tries, each hop checked as the first is.

Knows nothing about what is asked for or how the end is told.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

import aiohttp
from yarl import URL

from fieldguide.net import signs
from fieldguide.net.addresses import check_url
from fieldguide.net.exchange import Reply, Wish, exchange
from fieldguide.net.hosts import Hosts
from fieldguide.net.robots import MAX_BYTES, Robots
from fieldguide.net.rules import NetRules, Trouble
from fieldguide.net.sniffing import sniff

__all__ = ["Journeys", "Trail", "parse"]

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_DEAD = frozenset({"dns", "timeout", "tls", "unreachable"})
_ABSENT = frozenset({"dns", "unreachable"})  # what is told at once where there is no network at all
_LONGEST_BACKOFF = 60  # times `backoff_s`
_ROBOTS = Wish(
    {"Accept": "text/plain,*/*;q=0.1", "Accept-Encoding": "gzip, deflate"}, MAX_BYTES, cut=True, robots=False
)


@dataclass
class Trail:
    """How far one try came."""

    url: URL
    status: int = 0
    content_type: str = ""
    elapsed_ms: float = 0.0


class Journeys:
    """All that one client asks. `session` is set before the first, and its hosts and robots live as long.

    Attributes:
        answered: whether any host ever has.
    """

    session: aiohttp.ClientSession
    answered = False

    def __init__(self, rules: NetRules, random: Random, stop: asyncio.Event, now: Callable[[], datetime]) -> None:
        self._rules = rules
        self._random = random
        self._now = now
        self._deaf = False
        self.hosts = Hosts(rules, random, stop)
        self.robots = Robots(self._read_robots, self.hosts.slow_down)

    async def _read_robots(self, url: URL) -> Reply:
        return await self.answer(url, _ROBOTS, Trail(url))

    async def answer(self, url: URL, wish: Wish, trail: Trail) -> Reply:
        """The answer of the last of several tries; the trail tells how far that one came.

        Raises:
            Trouble: for any reason but empty and not_image, and with http_<status> for one that may pass.
        """
        for attempt in itertools.count(1):
            try:
                return await self._walk(url, wish, trail)
            except Trouble as trouble:
                if not trouble.again or self._is_last(attempt, trouble):
                    raise
                wait = max(self._backoff(attempt), trouble.retry_after_s)
            await self.hosts.pause(wait)
        raise AssertionError("unreachable")

    def _is_last(self, attempt: int, trouble: Trouble) -> bool:
        """Whether an address is not asked again after that many tries, the last of which ended so.

        Where nobody can be found and nobody has answered yet there is most likely no network: the first address has a
        second try, the others have none, and none of them counts as asked.
        """
        if self.answered or trouble.reason not in _ABSENT:
            return attempt >= self._rules.tries
        trouble.unasked = True
        last, self._deaf = self._deaf or self._rules.tries < 2, True
        return last

    def _backoff(self, attempt: int) -> float:
        """Seconds, full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
        shortest = self._rules.backoff_s
        return self._random.uniform(shortest, shortest * min(_LONGEST_BACKOFF, 2.0**attempt))

    async def _walk(self, first: URL, wish: Wish, trail: Trail) -> Reply:
        """The answer at the end of the redirects; each hop is checked as the first is."""
        url, seen, left_s = first, {first}, self._rules.total_s
        trail.elapsed_ms = 0.0
        for _ in range(self._rules.max_redirects + 1):
            trail.url, trail.status, trail.content_type = url, 0, ""
            check_url(url, self._rules)
            host = url.host or ""
            if wish.robots and self._rules.asks_robots(host):
                await self.robots.check(url)
            # what a person's key is for is told to that server alone
            told = wish if url is first or url.origin() == first.origin() else _without_secrets(wish)
            async with self.hosts.turn(host):
                began = asyncio.get_running_loop().time()
                try:
                    reply = await exchange(self.session, url, told, left_s, self._rules)
                except Trouble as trouble:
                    if trouble.reason in _DEAD and not trouble.status:
                        self.hosts.count(host, trouble.reason, "could not be reached")
                    raise
                finally:
                    spent = asyncio.get_running_loop().time() - began
                    left_s -= spent
                    trail.elapsed_ms += spent * 1000
            self.answered = True
            trail.status, trail.content_type = reply.status, reply.content_type
            self._judge(reply, wish)
            if not reply.redirects:
                return reply
            url = _next(reply)
            if url in seen:
                raise Trouble("too_many_redirects", "the redirects go in a circle")
            seen.add(url)
            if left_s <= 0:
                raise Trouble("timeout", "the redirects took longer than allowed")
        raise Trouble("too_many_redirects", f"more than {self._rules.max_redirects} redirects")

    def _judge(self, reply: Reply, wish: Wish) -> None:
        """Nothing, where the answer is no refusal to be waited for or gone away from."""
        host, status = reply.url.host or "", reply.status
        refused = not reply.good or (wish.picture and sniff(reply.body, "") == "text/html")
        page = reply.body if refused or not wish.picture else b""
        wall = signs.challenge(reply.headers, page, refused)
        if reply.redirects and not wall:
            wall = signs.wall_address(reply.url, _next(reply))
        if wall:
            detail = f"{host} shows a challenge: {wall}"
            self.hosts.park(host, self._rules.challenge_park_s, "blocked", detail)
            raise Trouble("blocked", detail)
        if status in (403, 429):
            self.hosts.count(host, "blocked" if status == 403 else "rate_limited", f"answered {status}")
        elif not reply.redirects:
            self.hosts.count(host)
        if status not in _AGAIN:
            return
        wait = signs.retry_after(reply.headers, reply.body, self._now)
        reason, detail = ("rate_limited", "asks to wait") if status == 429 else (f"http_{status}", f"answers {status}")
        too_long = wait > self._rules.max_wait_s
        if too_long:
            detail = f"asks to wait {wait:.0f} s"
            self.hosts.park(host, wait, "rate_limited", f"{host} {detail}")
            reason = "rate_limited"
        elif wait:
            self.hosts.wait(host, wait)
        raise Trouble(reason, f"{host} {detail}", passing=True, again=not too_long, retry_after_s=wait)


def parse(text: str) -> URL:
    """The address that a text spells.

    Raises:
        Trouble: bad_url.
    """
    try:
        url = URL(text.strip())
        _ = url.port, url.host  # some are looked at only when asked for
        return url.with_fragment(None)
    except ValueError as error:
        raise Trouble("bad_url", "the text is no address") from error


def _next(reply: Reply) -> URL:
    """Where a redirect leads."""
    said = reply.headers.get("location", "").strip()
    if not said:
        raise Trouble("bad_redirect", f"{reply.status} without saying where to")
    try:
        url = reply.url.join(parse(said))
    except (Trouble, ValueError) as error:
        raise Trouble("bad_redirect", f"{reply.status} to what is no address") from error
    if reply.url.scheme == "https" and url.scheme == "http":
        raise Trouble("bad_redirect", "from https to http")
    return url


def _without_secrets(wish: Wish) -> Wish:
    """The wish for another server than the first: without the headers of the question."""
    kept = {name: value for name, value in wish.headers.items() if name in ("Accept", "Accept-Encoding")}
    return replace(wish, headers=kept)
