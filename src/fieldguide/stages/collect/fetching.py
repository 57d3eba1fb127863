"""From an address to an original on the disk: fetched, decoded in full, named by its bytes.

Knows nothing about queries or classes. What came of each address goes to the ledger in batches; only what stands there
is done.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from yarl import URL

from fieldguide.checks.files import look_at_bytes
from fieldguide.engine import core_count
from fieldguide.errors import BadImage
from fieldguide.images import Limits
from fieldguide.net import Client, Fetched, NetRules
from fieldguide.project import Project
from fieldguide.project.ledger import Fetch, Ledger
from fieldguide.records import ImageRow

__all__ = ["Fetcher"]

_BATCH = 256
_FLUSH_S = 0.3


class Fetcher:
    """Fetches pictures with one client for all classes; an address asked for twice at once is fetched once."""

    def __init__(self, project: Project, ledger: Ledger, client: Client, limits: Limits, rules: NetRules) -> None:
        self._project = project
        self._ledger = ledger
        self._client = client
        self._limits = limits
        self._rules = rules
        # what is fetched and not decoded yet lies in memory, and answers come in bursts; and a host that is slow must
        # not take every turn
        self._turns = asyncio.Semaphore(rules.connections + 8 * core_count())
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._threads = ThreadPoolExecutor(core_count(), thread_name_prefix="fieldguide-decode")
        self._running: dict[str, asyncio.Task[Fetched | None]] = {}
        self._fresh: list[Fetch] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._failed: Exception | None = None

    @property
    def answered(self) -> bool:
        """Whether any host has ever answered."""
        return self._client.answered

    async def fetch_all(self, urls: Mapping[str, str], landed: Callable[[], None]) -> list[Fetched]:
        """What could not be asked for, because its host is being left alone; of the rest the ledger knows.

        Args:
            urls: by their keys: addresses that are fetched, but for those that were before.
            landed: called from time to time, when the ledger knows more.
        """
        self.flush()  # what another class has just fetched is known too
        known = self._ledger.fetched(list(urls))
        todo = {key: url for key, url in urls.items() if key not in known}
        self._listeners.append(landed)
        tasks = [self._running.get(key) or self._begin(key, url) for key, url in todo.items()]
        try:
            found = await asyncio.gather(*tasks)
            self._check()
        finally:
            self.flush()
            self._listeners.remove(landed)
        return [one for one in found if one is not None]

    def _begin(self, key: str, url: str) -> asyncio.Task[Fetched | None]:
        """The task that fetches an address."""
        task = asyncio.create_task(self._fetch(key, url))
        self._running[key] = task
        return task

    async def _fetch(self, key: str, url: str) -> Fetched | None:
        """None where it stands in the ledger soon; else why nobody was asked."""
        try:
            async with self._gate(key), self._turns:
                self._check()
                got = await self._client.fetch(url)
                if got.not_asked:
                    return replace(got, data=b"")
                work = partial(look_at, key, got, self._project, self._limits)
                self._write_soon(await asyncio.get_running_loop().run_in_executor(self._threads, work))
            return None
        finally:
            del self._running[key]

    def _write_soon(self, found: Fetch) -> None:
        """Nothing; it stands in the ledger in a third of a second, or when many others have come."""
        if not self._fresh:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_soon)
        self._fresh.append(found)
        if len(self._fresh) == _BATCH:
            self._flush_soon()

    def _gate(self, key: str) -> asyncio.Semaphore:
        """What lets twice as many through as a host answers at once."""
        try:
            host = URL(key).host or ""
        except ValueError:
            host = ""
        if host not in self._gates:
            self._gates[host] = asyncio.Semaphore(2 * self._rules.limit(host).concurrency)
        return self._gates[host]

    def _flush_soon(self) -> None:
        """Nothing; `_flush_aside` is under way, unless it was already."""
        if self._timer:
            self._timer.cancel()
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_aside())

    async def _flush_aside(self) -> None:
        """Nothing; as `flush`, but others go on while the disk is waited for.

        Nobody hears what this raises: it is raised where pictures are asked for.
        """
        try:
            while self._fresh:
                fresh = self._fresh
                count = len(fresh)
                await asyncio.get_running_loop().run_in_executor(None, self._project.flush_images)
                if self._fresh is fresh:  # nobody else has written them meanwhile
                    self._fresh = fresh[count:]
                    self._write(fresh[:count])
                if len(self._fresh) < _BATCH:
                    break
            if self._fresh:
                self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_soon)
        except Exception as error:  # whatever it is
            self._failed = error

    def _check(self) -> None:
        """Nothing; what `_flush_aside` met is raised here."""
        if self._failed:
            raise self._failed

    def flush(self) -> None:
        """Nothing; what was fetched stands in the ledger, its original on the disk.

        Raises:
            DiskFull: no space.
            NoPermission: the project cannot be written.
        """
        if self._timer:
            self._timer.cancel()
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._project.flush_images()  # originals are on the disk before the ledger speaks of them
            self._write(fresh)

    def _write(self, fresh: list[Fetch]) -> None:
        """Nothing; what was fetched stands in the ledger; its originals are on the disk."""
        with self._ledger.together():  # one wait for the disk
            self._ledger.add_fetches(fresh, self._project.now())
            for landed in list(self._listeners):
                landed()

    async def close(self) -> None:
        """Nothing; what was under way has ended, and so have the threads."""
        rest = list(self._running.values())
        for task in rest:
            task.cancel()
        if self._flushing:
            rest.append(self._flushing)
        await asyncio.gather(*rest, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)


def look_at(key: str, got: Fetched, project: Project, limits: Limits) -> Fetch:
    """What the ledger says of a fetch; a picture that decodes in full is stored as an original.

    Raises:
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    made = partial(Fetch, key, got.url, got.final_url, got.status)
    if got.reason:
        return made(got.reason, got.detail, got.transient, got.content_type, got.elapsed_ms)
    try:
        header, prints = look_at_bytes(got.data, limits)
    except BadImage as error:
        return made(error.reason, error.detail, error.reason == "truncated", got.content_type, got.elapsed_ms)
    sha256 = project.store_image(got.data, header.format, durable=False)
    image = ImageRow(sha256, header.format, len(got.data), header.width, header.height, header.mode, header.frames)
    return made("", "", False, got.content_type, got.elapsed_ms, image, prints)
