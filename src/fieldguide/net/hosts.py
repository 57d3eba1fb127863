"""Whose turn it is: per host so many requests at once and so far apart, and hosts that are left alone for a while.

Knows nothing about HTTP. Times are the running loop's own clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from fieldguide.net.rules import NetRules, Trouble

__all__ = ["Hosts"]

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
    """The turns of all hosts of one client."""

    def __init__(self, rules: NetRules, random: Random, stop: asyncio.Event) -> None:
        self._rules = rules
        self._random = random
        self._stop = stop
        self._pool = asyncio.Semaphore(rules.connections)
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Nothing; inside the block a request to the host may run.

        Raises:
            Trouble: the host is left alone for now, or nothing new is to be started.
        """
        host = self._host(name)
        async with host.slots:
            async with host.starting:
                await self._wait_for_start(host)
                await self._pool.acquire()
                counted = self._started(host)
            try:
                yield
            except Trouble as trouble:
                if trouble.reason == "dns" and host.next_start == counted:
                    host.next_start = 0.0  # nobody was asked, so nobody needs a pause
                raise
            finally:
                self._pool.release()

    async def pause(self, seconds: float) -> None:
        """Nothing, after that time.

        Raises:
            Trouble: stopped, as soon as that is asked for.
        """
        if seconds > 0 and not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return
        if self._stop.is_set():
            trouble = Trouble("stopped", "collecting was asked to stop")
            trouble.unasked = True
            raise trouble

    def sent(self, name: str) -> None:
        """Nothing; the next start is counted from now: the connection took its time, and the request left only now."""
        self._started(self._host(name))

    def slow_down(self, name: str, spacing_s: float) -> None:
        """Nothing; starts at the host are at least that far apart from now on, as its robots.txt asks."""
        host = self._host(name)
        host.spacing_s = max(host.spacing_s, min(spacing_s, _SLOWEST_S))

    def wait(self, name: str, seconds: float) -> None:
        """Nothing; nothing is started at the host for that time, as it asked."""
        host = self._host(name)
        host.next_start = max(host.next_start, _now() + seconds)

    def park(self, name: str, seconds: float, reason: str, detail: str) -> None:
        """Nothing; for that time every turn at the host is refused with this reason."""
        host = self._host(name)
        host.parked_until, host.parked = _now() + seconds, (reason, detail)

    def count(self, name: str, trouble: str = "", said: str = "") -> None:
        """Nothing; after `storm` troubles with no good word between them the host is left alone, for this reason.

        After that time a single one more is enough, and any other answer forgives all.

        Args:
            name: the host's.
            trouble: the reason that later turns are refused with; "" where the host did answer.
            said: what happened, such as "answered 403".
        """
        host = self._host(name)
        host.troubles = host.troubles + 1 if trouble else 0
        if trouble and host.troubles >= self._rules.storm:
            self.park(name, self._rules.park_s, trouble, f"{name} {said} {host.troubles} times in a row")

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
                trouble = Trouble(
                    reason, f"{detail}; left alone for now", passing=True, again=False, retry_after_s=left
                )
                trouble.unasked = True
                raise trouble
            delay = host.next_start - _now()
            await self.pause(delay)
            if delay <= 0:
                return

    def _started(self, host: _Host) -> float:
        """The earliest moment of the next start, counted from now."""
        spacing = host.spacing_s * (1 + _JITTER * self._random.random())
        host.next_start = max(host.next_start, _now() + spacing)
        return host.next_start


def _now() -> float:
    return asyncio.get_running_loop().time()
