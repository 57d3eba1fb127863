"""Pictures that a request names by their web address: off unless the person who serves allows it.

Fetched by the guarded client, which never asks an address in a private network, whatever leads there.
"""

import asyncio
from dataclasses import replace

from fieldguide.net import Client, NetRules
from fieldguide.serving import Problem

RULES = NetRules(connect_s=5, read_s=10, total_s=15, tries=1, max_wait_s=0, max_redirects=5)
_AT_ONCE = 4


class Fetcher:
    """Fetches pictures.

    Args:
        allowed: whether it does so at all.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        """Return the picture at an address.

        Raises:
            Problem: this server fetches none, or there is none that may be fetched.
        """
        if not self._allowed:
            detail = "this server fetches no pictures: send the picture itself, or start it with --allow-urls"
            raise Problem(403, "urls_off", detail)
        # one client for each: what one person asks for has no bearing on when the next is answered
        async with self._slots, Client(replace(RULES, max_bytes=max_bytes)) as client:
            fetched = await client.fetch(url)
        if fetched.reason:
            raise Problem(422, f"url_{fetched.reason}", f"the picture could not be fetched: {fetched.detail}")
        return fetched.data
