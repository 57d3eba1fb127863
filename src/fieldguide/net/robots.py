"""Whether robots.txt lets an address be asked: RFC 9309, read once per origin and kept for the client's life.

Knows nothing about connections: it is given a function that reads an address through the same guard and turns as
everything else. The rules themselves are read by protego.
"""

import asyncio
from collections.abc import Awaitable, Callable

from protego import Protego
from yarl import URL

from fieldguide.net.exchange import Reply
from fieldguide.net.rules import Trouble

__all__ = ["AGENT", "MAX_BYTES", "Robots"]

AGENT = "Fieldguide"
MAX_BYTES = 500 * 1024  # RFC 9309, 2.5
_Verdict = Protego | Trouble


class Robots:
    """The robots.txt of every origin that was asked for."""

    def __init__(self, read: Callable[[URL], Awaitable[Reply]], slow_down: Callable[[str, float], None]) -> None:
        self._read = read
        self._slow_down = slow_down
        self._verdicts: dict[URL, asyncio.Task[_Verdict]] = {}

    async def check(self, url: URL) -> None:
        """Nothing; the address may be asked.

        Raises:
            Trouble: robots, or why its robots.txt could not be read, which counts as a no for now.
        """
        origin = url.origin()
        if origin not in self._verdicts:
            self._verdicts[origin] = asyncio.create_task(self._judge(origin))
        reading = self._verdicts[origin]
        verdict = reading.result() if reading.done() else await asyncio.shield(reading)  # others wait for it too
        if isinstance(verdict, Trouble):
            detail = f"while reading robots.txt: {verdict.detail}"
            wait = verdict.retry_after_s
            trouble = Trouble(verdict.reason, detail, passing=verdict.passing, again=False, retry_after_s=wait)
            trouble.unasked = verdict.unasked
            raise trouble
        if not verdict.can_fetch(str(url), AGENT):
            raise Trouble("robots", f"robots.txt of {url.host} keeps {AGENT} from this address")

    async def close(self) -> None:
        """Nothing; no reading goes on."""
        for task in self._verdicts.values():
            task.cancel()
        await asyncio.gather(*self._verdicts.values(), return_exceptions=True)

    async def _judge(self, origin: URL) -> _Verdict:
        try:
            reply = await self._read(origin / "robots.txt")
        except Trouble as trouble:
            if trouble.reason.startswith("http_5"):
                return Trouble("robots", f"the host answers {trouble.reason[5:]}", passing=True)
            return trouble
        if reply.status >= 500:
            return Trouble("robots", f"the host answers {reply.status}", passing=True)
        # RFC 9309, 2.3.1.3: a host that answers 4xx has no rules; so has one that shows a page or nothing
        rules = Protego.parse(reply.body.decode("utf-8-sig", "replace") if reply.good else "")
        delay = rules.crawl_delay(AGENT)
        if delay:
            self._slow_down(origin.host or "", delay)
        return rules
