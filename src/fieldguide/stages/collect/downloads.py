"""Downloads: from an address to an original on the disk, decoded in full and named by its bytes.

Knows nothing about queries or classes. What came of each address goes to the ledger in batches; only what stands there
is done.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from yarl import URL

from fieldguide.checks.files import DECODE_SIDE
from fieldguide.engine import core_count
from fieldguide.errors import BadImage
from fieldguide.images import Limits, look
from fieldguide.net import Client, Fetched, NetRules
from fieldguide.project import Project
from fieldguide.project.ledger import Fetch, Ledger
from fieldguide.records import ImageRow

# Reasons for which [images] refuses a picture, and the limits that decide.
REFUSED_BY_LIMITS: Mapping[str, tuple[str, ...]] = {
    "too_large": ("max_bytes",),
    "too_many_bytes": ("max_bytes",),
    "too_many_pixels": ("max_pixels",),
    "too_many_scans": ("max_scans", "max_pixels"),
    "unsupported_format": ("formats",),
}
_BATCH = 256
_FLUSH_S = 0.3


class Downloader:
    """Downloads pictures with one client for all classes; an address asked for twice at once is fetched once."""

    def __init__(self, project: Project, ledger: Ledger, client: Client, limits: Limits, rules: NetRules) -> None:
        self._project = project
        self._ledger = ledger
        self._client = client
        self._limits = limits
        self._rules = rules
        # what is fetched and not decoded yet lies in memory, and answers come in bursts; and a host that is slow must
        # not take every slot
        self._slots = asyncio.Semaphore(rules.connections + 8 * core_count())
        self._host_slots: dict[str, asyncio.Semaphore] = {}
        self._threads = ThreadPoolExecutor(core_count(), thread_name_prefix="fieldguide-decode")
        self._running: dict[str, asyncio.Task[Fetched | None]] = {}
        self._fresh: list[Fetch] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._failed: Exception | None = None

    async def fetch_all(self, urls: Mapping[str, str], landed: Callable[[], None]) -> list[Fetched]:
        """Fetch what was not fetched before, into the ledger, and return what could not be asked for now.

        Args:
            urls: by their keys: addresses that are fetched, but for those that were before.
            landed: called from time to time, when the ledger knows more.
        """
        self.flush()  # what another class has just fetched is known too
        known = self._ledger.fetched(list(urls))
        self._listeners.append(landed)
        tasks = [self._running.get(key) or self._begin(key, url) for key, url in urls.items() if key not in known]
        try:
            results = await asyncio.gather(*tasks)
            self._check()
        finally:
            self.flush()
            self._listeners.remove(landed)
        return [fetched for fetched in results if fetched is not None]

    def _begin(self, key: str, url: str) -> asyncio.Task[Fetched | None]:
        task = asyncio.create_task(self._fetch(key, url))
        self._running[key] = task
        return task

    async def _fetch(self, key: str, url: str) -> Fetched | None:
        """Return None where it stands in the ledger soon; else why nobody was asked."""
        try:
            async with self._host_slot(key), self._slots:
                self._check()
                fetched = await self._client.fetch(url)
                if fetched.not_asked:
                    return replace(fetched, data=b"")
                work = partial(store_picture, key, fetched, self._project, self._limits)
                self._write_soon(await asyncio.get_running_loop().run_in_executor(self._threads, work))
            return None
        finally:
            del self._running[key]

    def _write_soon(self, fetch: Fetch) -> None:
        """Write it into the ledger in a third of a second, or when many others have come."""
        if not self._fresh:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_soon)
        self._fresh.append(fetch)
        if len(self._fresh) == _BATCH:
            self._flush_soon()

    def _host_slot(self, key: str) -> asyncio.Semaphore:
        """Return what lets twice as many through as the host of an address answers at once."""
        try:
            host = URL(key).host or ""
        except ValueError:
            host = ""
        if host not in self._host_slots:
            self._host_slots[host] = asyncio.Semaphore(2 * self._rules.limit(host).concurrency)
        return self._host_slots[host]

    def _flush_soon(self) -> None:
        """Begin `_flush_aside`, unless it is under way."""
        if self._timer:
            self._timer.cancel()
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_aside())

    async def _flush_aside(self) -> None:
        """Flush while others go on as the disk is waited for; what goes wrong is raised by `_check`."""
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
        if self._failed:
            raise self._failed

    def flush(self) -> None:
        """Write what was fetched into the ledger, once the originals are on the disk."""
        if self._timer:
            self._timer.cancel()
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._project.flush_images()
            self._write(fresh)

    def _write(self, fresh: list[Fetch]) -> None:
        with self._ledger.transaction():  # one wait for the disk
            self._ledger.add_fetches(fresh, self._project.now())
            for landed in list(self._listeners):
                landed()

    async def close(self) -> None:
        """End what is under way, and the threads."""
        rest = list(self._running.values())
        for task in rest:
            task.cancel()
        if self._flushing:
            rest.append(self._flushing)
        await asyncio.gather(*rest, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)


def store_picture(key: str, fetched: Fetched, project: Project, limits: Limits) -> Fetch:
    """Return what the ledger says of a download; a picture that decodes in full is stored as an original."""
    fetch = Fetch(
        url_key=key,
        url=fetched.url,
        final_url=fetched.final_url,
        status=fetched.status,
        reason=fetched.reason,
        detail=fetched.detail,
        transient=fetched.transient,
        content_type=fetched.content_type,
        elapsed_ms=fetched.elapsed_ms,
    )
    if fetched.reason:
        return _note_limits(fetch, limits)
    try:
        header, prints = look(fetched.data, limits, at_least=DECODE_SIDE)
    except BadImage as error:
        refused = replace(fetch, reason=error.reason, detail=error.detail, transient=error.reason == "truncated")
        return _note_limits(refused, limits)
    size = len(fetched.data)
    sha256 = project.store_image(fetched.data, header.format, durable=False)
    image = ImageRow(sha256, header.format, size, header.width, header.height, header.mode, header.frames)
    return replace(fetch, image=image, prints=prints)


def _note_limits(fetch: Fetch, limits: Limits) -> Fetch:
    """Return it with the limits, where it is for them that there is no picture."""
    return replace(fetch, limits=json.dumps(vars(limits))) if fetch.reason in REFUSED_BY_LIMITS else fetch


def may_pass(reason: str, refused_by: str, limits: Limits) -> bool:
    """Tell whether a picture that other limits refused for this reason may pass these.

    Args:
        reason: one of `REFUSED_BY_LIMITS`.
        refused_by: those limits as JSON; "" for the usual ones, since an earlier version wrote none.
        limits: those of today.
    """
    before = json.loads(refused_by) if refused_by else vars(Limits())
    if reason == "unsupported_format":
        return not set(limits.formats) <= set(before["formats"])
    return any(getattr(limits, name) > before[name] for name in REFUSED_BY_LIMITS[reason])
