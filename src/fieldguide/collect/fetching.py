"""From an address to an original on the disk: fetched, decoded in full, named by its bytes.

Knows nothing about queries or classes. What came of each address goes to the ledger in batches; only what stands there
is done.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from yarl import URL

from fieldguide.candidates import Candidate, url_key
from fieldguide.catalog.ledger import Fetch, Ledger
from fieldguide.checks.files import look_at_bytes
from fieldguide.engine import core_count
from fieldguide.errors import BadImage
from fieldguide.images import Limits
from fieldguide.net import Client, Fetched, NetRules
from fieldguide.project import Project
from fieldguide.records import ImageRow

__all__ = ["Fetcher"]

_BATCH = 64
_FLUSH_S = 0.3


class Fetcher:
    """Fetches pictures with one client for all classes; an address asked for twice at once is fetched once."""

    def __init__(self, project: Project, ledger: Ledger, client: Client, limits: Limits, rules: NetRules) -> None:
        self._project = project
        self._ledger = ledger
        self._client = client
        self._limits = limits
        self._rules = rules
        # what is fetched and not decoded yet lies in memory; and a host that is slow must not take every turn
        self._turns = asyncio.Semaphore(rules.connections + 2 * core_count())
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._threads = ThreadPoolExecutor(core_count(), thread_name_prefix="fieldguide-decode")
        self._running: dict[str, asyncio.Task[Fetch]] = {}
        self._fresh: list[Fetch] = []
        self._flushed = 0.0

    async def fetch_all(self, candidates: Iterable[Candidate]) -> None:
        """Nothing; each address that was not fetched before is, and the ledger knows."""
        by_key = {url_key(one.url): one.url for one in candidates}
        known = self._ledger.fetches(list(by_key))
        todo = {key: url for key, url in by_key.items() if key not in known}
        tasks = [self._running.get(key) or self._begin(key, url) for key, url in todo.items()]
        try:
            await asyncio.gather(*tasks)
        finally:
            self.flush()

    def _begin(self, key: str, url: str) -> asyncio.Task[Fetch]:
        """The task that fetches an address."""
        task = asyncio.create_task(self._fetch(key, url))
        self._running[key] = task
        return task

    async def _fetch(self, key: str, url: str) -> Fetch:
        """What came of an address; it stands in the ledger soon."""
        try:
            async with self._gate(key), self._turns:
                got = await self._client.fetch(url)
                work = partial(look_at, key, got, self._project, self._limits)
                found = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            if found.reason != "stopped":
                self._fresh.append(found)
                if len(self._fresh) >= _BATCH or asyncio.get_running_loop().time() > self._flushed + _FLUSH_S:
                    self.flush()
            return found
        finally:
            del self._running[key]

    def _gate(self, key: str) -> asyncio.Semaphore:
        """What lets twice as many through as a host answers at once."""
        try:
            host = URL(key).host or ""
        except ValueError:
            host = ""
        if host not in self._gates:
            self._gates[host] = asyncio.Semaphore(2 * self._rules.limit(host).concurrency)
        return self._gates[host]

    def flush(self) -> None:
        """Nothing; what was fetched stands in the ledger."""
        fresh, self._fresh = self._fresh, []
        self._flushed = asyncio.get_running_loop().time()
        if fresh:
            self._project.flush_images()  # originals are on the disk before the ledger speaks of them
            self._ledger.add_fetches(fresh, self._project.now())

    def close(self) -> None:
        """Nothing; the threads have ended."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def look_at(key: str, got: Fetched, project: Project, limits: Limits) -> Fetch:
    """What the ledger says of a fetch; a picture that decodes in full is stored as an original.

    Raises:
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    made = partial(Fetch, key, got.url, got.final_url, got.status)
    if got.reason:
        return made(got.reason, got.detail, got.passing, got.content_type, got.elapsed_ms)
    try:
        header, prints = look_at_bytes(got.data, limits)
    except BadImage as error:
        return made(error.reason, error.detail, error.reason == "truncated", got.content_type, got.elapsed_ms)
    sha256 = project.store_image(got.data, header.format, durable=False)
    image = ImageRow(sha256, header.format, len(got.data), header.width, header.height, header.mode, header.frames)
    return made("", "", False, got.content_type, got.elapsed_ms, image, prints)
