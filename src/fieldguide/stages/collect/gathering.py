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
from dataclasses import dataclass, field

from fieldguide.errors import FieldguideError
from fieldguide.net import Client, NetRules
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.project.ledger import Ledger, Offer, Search
from fieldguide.records.candidates import Query
from fieldguide.settings import Settings
from fieldguide.stages.collect.fetching import Fetcher
from fieldguide.stages.collect.judging import Judge
from fieldguide.stages.collect.queries import Wanted, net_rules
from fieldguide.stages.collect.searching import Searcher

__all__ = ["Connect", "Gathered", "gather"]

Connect = Callable[[NetRules, asyncio.Event], Client]
_BLOCK = 64  # offers judged at a time
_WAITING = 4000  # downloads that wait for their turn, of all classes together
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
        searcher = Searcher(project, settings, ledger, wanted.sources, client.ask, stop, os.environ, progress.say)
        work = _Work(settings, ledger, searcher, fetcher, progress)
        try:
            with _stopping(stop, progress):
                judges = {name: Judge(project, settings, catalog, name) for name in wanted.queries}
                progress.start_parts("collecting", {name: settings.collect.per_class for name in judges})
                await work.run(judges, wanted.queries)
        finally:
            await fetcher.close()
            fetcher.flush()
    if stop.is_set():
        return None
    good = {name: judge.good for name, judge in judges.items()}
    return Gathered(good, work.explain(judges, wanted), searcher.troubles)


@dataclass(frozen=True)
class _Work:
    """What the classes share.

    Attributes:
        waited: class to the seconds that it has waited for hosts that were left alone.
        stuck: class to why it waits no longer.
    """

    settings: Settings
    ledger: Ledger
    searcher: Searcher
    fetcher: Fetcher
    progress: Progress
    waited: dict[str, float] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)

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
        for why in ("licence", "too_small"):
            self._foretell(self.ledger.offers(name, list(known), why), known)
        self.progress.advance(min(judge.good, self.settings.collect.per_class), name)
        while (need := self.settings.collect.per_class - judge.good) > 0 and not self.searcher.stop.is_set():
            searches = {one.id: one for one in self.searcher.wanted(queries)}
            most = min(need, max(_WAITING // len(self.settings.classes), self.settings.collect.connections))
            offers = self.ledger.offers(name, list(searches), limit=most)
            if len(offers) < most and await self._search(judge, queries, patient=not offers):
                continue
            if not offers:
                return
            if self._foretell(offers, searches):
                continue
            if not await self._fetch(judge, offers, searches):
                return

    async def _fetch(self, judge: Judge, offers: list[Offer], searches: Mapping[int, Search]) -> bool:
        """Whether it is worth going on: these offers were fetched and judged, or their hosts will answer soon."""
        name = offers[0].class_name
        left = list(offers)

        def landed() -> None:
            before = judge.good
            while (done := judge.judge(left[:_BLOCK], searches)) > 0:
                del left[:done]
            self.progress.advance(judge.good - before, name)

        unasked = await self.fetcher.fetch_all({one.url_key: one.candidate.url for one in offers}, landed)
        landed()
        waits = [one for one in unasked if one.reason != "stopped"]
        if not waits:
            return True
        wait = max(min(one.retry_after_s for one in waits), 1.0)
        most = self.settings.collect.max_wait_s
        if wait > most or self.waited.get(name, 0.0) > most or not self.fetcher.answered:
            self.stuck[name] = f"{waits[0].detail}; {len(left)} pictures wait for the next run"
            return False
        self.progress.say(f"{name}: {waits[0].detail}; waiting {wait:.0f} s")
        self.waited[name] = self.waited.get(name, 0.0) + wait
        await self.searcher.wait(wait)
        return True

    def _foretell(self, offers: Sequence[Offer], searches: Mapping[int, Search]) -> bool:
        """Whether some of these offers were judged otherwise than before, because the settings have changed."""
        said = ((one, self.searcher.foretell(one.candidate, searches[one.search].query.source)) for one in offers)
        changed = [(one.id, why) for one, why in said if why != one.judged]
        self.ledger.judge(changed)
        return bool(changed)

    async def _search(self, judge: Judge, queries: tuple[Query, ...], patient: bool) -> bool:
        """Whether another page was read; pictures like the first ones are asked for when nothing else is left."""
        if await self.searcher.next_page(queries, judge.may_widen, patient):
            return True
        if not self.settings.collect.similar_seeds or not judge.may_widen:
            return False
        return self._widen(queries) and await self.searcher.next_page(queries, True, patient)

    def _widen(self, queries: tuple[Query, ...]) -> bool:
        """Whether searches for pictures like the first ones kept were opened that were not open before."""
        by_id = {one.id: one for one in self.searcher.wanted(queries)}
        firsts = [
            one.id
            for one in by_id.values()
            if not one.parent and hasattr(self.searcher.sources[one.query.source], "similar")
        ]
        seeds = self.ledger.offers(queries[0].class_name, firsts, "kept", self.settings.collect.similar_seeds)
        for seed in seeds:
            self.ledger.open_search(by_id[seed.search].query, seed.url_key)
        return len(self.searcher.wanted(queries)) > len(by_id)

    def explain(self, judges: Mapping[str, Judge], wanted: Wanted) -> dict[str, str]:
        """Each class that fell short, by how much and why."""
        short = {}
        skipped = self.ledger.skipped()
        for name, judge in judges.items():
            missing = self.settings.collect.per_class - judge.good
            if missing > 0:
                searches = self.searcher.wanted(wanted.queries[name])
                silent = [self.searcher.silent.get(one.query.source) for one in searches]
                said = [self.stuck.get(name, ""), *(one.message for one in silent if one)]
                said += [one.reason for one in searches]
                if not sum(one.seen for one in searches) and name in skipped:
                    said.append("nothing usable: " + ", ".join(f"{n} {why}" for why, n in skipped[name].items()))
                why = "; ".join(dict.fromkeys(filter(None, said))) or "the sources have no more"
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
def _stopping(stop: asyncio.Event, progress: Progress) -> Iterator[None]:
    """Nothing; inside the block the first Ctrl-C sets the event, and a second one ends everything at once."""

    def press() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        progress.say(f"stopping: at most {_DRAIN_S:.0f} s for what is under way; Ctrl-C again ends it at once")

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
