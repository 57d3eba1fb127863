"""Whether robots.txt lets an address be asked: RFC 9309, read once per origin and kept for the client's life.

Knows nothing about connections: it is given a function that reads an address through the same guard and spacing as
everything else. The rules themselves are read by protego.
"""

import asyncio
from collections.abc import Awaitable, Callable

from protego import Protego
from yarl import URL

from fieldguide.net.rules import Reply, RequestFailed

AGENT = "Fieldguide"
MAX_BYTES = 500 * 1024  # RFC 9309, 2.5
_Verdict = Protego | RequestFailed


class Robots:
    """The robots.txt of every origin that was asked for."""

    def __init__(self, read: Callable[[URL], Awaitable[Reply]], slow_down: Callable[[str, float], None]) -> None:
        self._read = read
        self._slow_down = slow_down
        self._verdicts: dict[URL, asyncio.Task[_Verdict]] = {}

    async def check(self, url: URL) -> None:
        """Check that the address may be asked."""
        origin = url.origin()
        if origin not in self._verdicts:
            self._verdicts[origin] = asyncio.create_task(self._judge(origin))
        reading = self._verdicts[origin]
        verdict = reading.result() if reading.done() else await asyncio.shield(reading)  # others wait for it too
        if isinstance(verdict, RequestFailed):
            detail = f"while reading robots.txt: {verdict.detail}"
            wait = verdict.retry_after_s
            failure = RequestFailed(
                verdict.reason, detail, transient=verdict.transient, retry=False, retry_after_s=wait
            )
            failure.not_asked = verdict.not_asked
            raise failure
        if not verdict.can_fetch(str(url), AGENT):
            raise RequestFailed("robots", f"robots.txt of {url.host} does not allow {AGENT} to read this address")

    async def close(self) -> None:
        """End what is being read."""
        for task in self._verdicts.values():
            task.cancel()
        await asyncio.gather(*self._verdicts.values(), return_exceptions=True)

    async def _judge(self, origin: URL) -> _Verdict:
        try:
            reply = await self._read(origin / "robots.txt")
        except RequestFailed as failure:
            if failure.reason.startswith("http_5"):
                return RequestFailed("robots", f"the host answers {failure.reason[5:]}", transient=True)
            return failure
        if reply.status >= 500:
            return RequestFailed("robots", f"the host answers {reply.status}", transient=True)
        # RFC 9309, 2.3.1.3: a host that answers 4xx has no rules; so has one that shows a page or nothing
        rules = Protego.parse(reply.body.decode("utf-8-sig", "replace") if reply.ok else "")
        delay = rules.crawl_delay(AGENT)
        if delay:
            self._slow_down(origin.host or "", delay)
        return rules
