"""Which host may be asked now: so many requests at once and so far apart, and hosts that are left alone for a while.

Knows nothing about HTTP. Times are the running loop's own clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from fieldguide.net.rules import NetRules, RequestFailed

_JITTER = 0.15  # of the spacing, added to it: never less than what was asked for
_SLOWEST_S = 30.0  # the longest crawl-delay that is obeyed; a host that asks for more is as good as closed


@dataclass
class _Host:
    slots: asyncio.Semaphore
    spacing_s: float
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_start: float = 0.0
    parked_until: float = 0.0
    parked: tuple[str, str] = ("", "")
    troubles: int = 0


class Hosts:
    """The limits of all hosts of one client, and where each stands."""

    def __init__(self, rules: NetRules, random: Random, stop: asyncio.Event) -> None:
        self._rules = rules
        self._random = random
        self._stop = stop
        self._pool = asyncio.Semaphore(rules.connections)
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """Hold one of the host's slots: inside the block a request to it may run."""
        host = self._host(name)
        async with host.slots:
            async with host.starting:
                await self._wait_for_start(host)
                await self._pool.acquire()
                counted = self._started(host)
            try:
                yield
            except RequestFailed as failure:
                if failure.reason == "dns" and host.next_start == counted:
                    host.next_start = 0.0  # nobody was asked, so nobody needs a pause
                raise
            finally:
                self._pool.release()

    async def pause(self, seconds: float) -> None:
        """Wait for that time, or raise `RequestFailed` as soon as a stop is asked for."""
        if seconds > 0 and not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return
        if self._stop.is_set():
            failure = RequestFailed("stopped", "collecting was stopped")
            failure.not_asked = True
            raise failure

    def sent(self, name: str) -> None:
        """Count the next start from now: the connection took its time, and the request left only now."""
        self._started(self._host(name))

    def slow_down(self, name: str, spacing_s: float) -> None:
        """Space starts at the host at least that far apart from now on, as its robots.txt asks."""
        host = self._host(name)
        host.spacing_s = max(host.spacing_s, min(spacing_s, _SLOWEST_S))

    def wait(self, name: str, seconds: float) -> None:
        """Start nothing at the host for that time, as it asked."""
        host = self._host(name)
        host.next_start = max(host.next_start, _now() + seconds)

    def park(self, name: str, seconds: float, reason: str, detail: str) -> None:
        """Refuse every slot at the host with this reason for that time."""
        host = self._host(name)
        host.parked_until, host.parked = _now() + seconds, (reason, detail)

    def count(self, name: str, trouble: str = "", event: str = "") -> None:
        """Count a trouble with the host; after `storm` of them with no good word between them it is left alone.

        After that time a single one more is enough, and any other answer forgives all.

        Args:
            name: the host's.
            trouble: the reason that later slots are refused with; "" where the host did answer.
            event: what happened, such as "answered 403".
        """
        host = self._host(name)
        host.troubles = host.troubles + 1 if trouble else 0
        if trouble and host.troubles >= self._rules.storm:
            self.park(name, self._rules.park_s, trouble, f"{name} {event} {host.troubles} times in a row")

    def _host(self, name: str) -> _Host:
        name = name.rstrip(".").lower()
        if name not in self._hosts:
            limit = self._rules.limit(name)
            self._hosts[name] = _Host(asyncio.Semaphore(max(1, limit.concurrency)), limit.spacing_s)
        return self._hosts[name]

    async def _wait_for_start(self, host: _Host) -> None:
        while True:
            left = host.parked_until - _now()
            if left > 0:
                reason, detail = host.parked
                failure = RequestFailed(
                    reason, f"{detail}; paused for now", transient=True, retry=False, retry_after_s=left
                )
                failure.not_asked = True
                raise failure
            delay = host.next_start - _now()
            await self.pause(delay)
            if delay <= 0:
                return

    def _started(self, host: _Host) -> float:
        """Return the earliest moment of the next start, counted from now."""
        spacing = host.spacing_s * (1 + _JITTER * self._random.random())
        host.next_start = max(host.next_start, _now() + spacing)
        return host.next_start


def _now() -> float:
    return asyncio.get_running_loop().time()
