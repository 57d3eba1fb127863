"""Until N clean: pages, downloads and judgement in turn, every class at once, until each has what was asked for.

Each class goes on over its queries and their pages until it has enough good pictures or its sources have no more. No
more is fetched than is still missing. The order of judgement is that of the offers, so neither a kill nor the speed of
a server changes the final set.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fieldguide.candidates import Query
from fieldguide.catalog import Catalog
from fieldguide.catalog.ledger import Ledger, Offer, Search
from fieldguide.collect.fetching import Fetcher
from fieldguide.collect.judging import Judge
from fieldguide.collect.queries import Wanted, net_rules
from fieldguide.collect.searching import Searcher
from fieldguide.errors import FieldguideError
from fieldguide.net import Client, NetRules
from fieldguide.project import Project, decode_limits
from fieldguide.records import Progress
from fieldguide.settings import Settings

__all__ = ["Connect", "Gathered", "gather"]

Connect = Callable[[NetRules, asyncio.Event], Client]
_ROUND = 1000  # most downloads between two judgements
_DRAIN_S = 10.0


@dataclass(frozen=True)
class Gathered:
    """What came of gathering.

    Attributes:
        good: good pictures of each class now.
        short: classes with fewer than asked, and why.
        troubles: source to its first error.
    """

    good: dict[str, int]
    short: dict[str, str]
    troubles: dict[str, FieldguideError]


async def gather(
    project: Project, settings: Settings, catalog: Catalog, wanted: Wanted, progress: Progress, connect: Connect
) -> Gathered | None:
    """What came of gathering every class; None where the person pressed Ctrl-C.

    Downloads that were under way then had ten seconds, and what came is written down.

    Raises:
        DiskFull: no space; what is written down stays.
        NoPermission: the project cannot be written.
    """
    stop = asyncio.Event()
    ledger = Ledger(catalog)
    rules = net_rules(settings, wanted.sources)
    async with connect(rules, stop) as client:
        fetcher = Fetcher(project, ledger, client, decode_limits(settings), rules)
        searcher = Searcher(project, settings, ledger, wanted.sources, client.ask, stop, os.environ)
        work = _Work(settings, ledger, searcher, fetcher, progress)
        judges = {name: Judge(project, settings, catalog, name) for name in wanted.queries}
        progress.start_parts("collecting", {name: settings.collect.per_class for name in judges})
        try:
            with _stopping(stop):
                await work.run(judges, wanted.queries)
        finally:
            fetcher.flush()
            fetcher.close()
    if stop.is_set():
        return None
    good = {name: judge.good for name, judge in judges.items()}
    return Gathered(good, work.explain(judges, wanted), searcher.troubles)


@dataclass(frozen=True)
class _Work:
    """What the classes share."""

    settings: Settings
    ledger: Ledger
    searcher: Searcher
    fetcher: Fetcher
    progress: Progress

    async def run(self, judges: Mapping[str, Judge], queries: Mapping[str, tuple[Query, ...]]) -> None:
        """Nothing; every class has enough, or no more is to be had, or the person wants to stop."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._gather(judge, queries[name])) for name, judge in judges.items()]
                watcher = asyncio.create_task(_end_late(tasks, self.searcher.stop))
        except BaseExceptionGroup as several:
            raise _first(several) from None
        finally:
            watcher.cancel()

    async def _gather(self, judge: Judge, queries: tuple[Query, ...]) -> None:
        """Nothing; one class has enough, or no more is to be had."""
        name = queries[0].class_name
        self.searcher.open(queries)
        known = {one.id: one for one in self.searcher.wanted(queries)}
        self._foretell(self.ledger.offers(name, list(known), "licence"), known)
        self.progress.advance(min(judge.good, self.settings.collect.per_class), name)
        while (need := self.settings.collect.per_class - judge.good) > 0 and not self.searcher.stop.is_set():
            searches = {one.id: one for one in self.searcher.wanted(queries)}
            offers = self.ledger.offers(name, list(searches), limit=min(need, _ROUND))
            if len(offers) < min(need, _ROUND) and await self._search(judge, queries):
                continue
            if not offers:
                return
            if self._foretell(offers, searches):
                continue
            await self.fetcher.fetch_all(one.candidate for one in offers)
            self.progress.advance(judge.judge(offers, searches), name)

    def _foretell(self, offers: Sequence[Offer], searches: Mapping[int, Search]) -> bool:
        """Whether some of these offers were judged otherwise than before, because the settings have changed."""
        said = ((one, self.searcher.foretell(one.candidate, searches[one.search].query.source)) for one in offers)
        changed = [(one.id, why) for one, why in said if why != one.judged]
        self.ledger.judge(changed)
        return bool(changed)

    async def _search(self, judge: Judge, queries: tuple[Query, ...]) -> bool:
        """Whether another page was read; pictures like the first ones are asked for when nothing else is left."""
        if await self.searcher.next_page(queries, judge.may_widen):
            return True
        if not self.settings.collect.similar_seeds or not judge.may_widen:
            return False
        return self._widen(queries) and await self.searcher.next_page(queries, True)

    def _widen(self, queries: tuple[Query, ...]) -> bool:
        """Whether searches for pictures like the first ones kept were opened that were not open before."""
        by_id = {one.id: one for one in self.searcher.wanted(queries)}
        firsts = [
            one.id
            for one in by_id.values()
            if not one.parent and hasattr(self.searcher.sources[one.query.source], "similar")
        ]
        seeds = self.ledger.offers(queries[0].class_name, firsts, "kept")
        for seed in seeds[: self.settings.collect.similar_seeds]:
            self.ledger.open_search(by_id[seed.search].query, seed.url_key)
        return len(self.searcher.wanted(queries)) > len(by_id)

    def explain(self, judges: Mapping[str, Judge], wanted: Wanted) -> dict[str, str]:
        """Each class that fell short, by how much and why."""
        short = {}
        for name, judge in judges.items():
            missing = self.settings.collect.per_class - judge.good
            if missing > 0:
                sources = {one.query.source for one in self.searcher.wanted(wanted.queries[name])}
                errors = [str(self.searcher.silent[one].message) for one in sorted(sources & {*self.searcher.silent})]
                refused = [one.reason for one in self.searcher.wanted(wanted.queries[name]) if one.reason]
                why = "; ".join(dict.fromkeys([*errors, *refused])) or "the sources have no more"
                short[name] = f"{missing} missing: {why}"
        return short


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep it lies."""
    error = several.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _end_late(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Nothing; tasks that a stop did not end in ten seconds were ended."""
    await stop.wait()
    _, late = await asyncio.wait(tasks, timeout=_DRAIN_S)
    for task in late:
        task.cancel()


@contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """Nothing; inside the block the first Ctrl-C sets the event, and a second one ends everything at once."""

    def press() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, press)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
