"""The journey of a candidate: from a query's page of results over its download to a verdict and a kept picture.

All classes go at once; read `_ClassRun.run` first. A class goes on over its queries and their pages until it has
enough good pictures or its sources have no more, and fetches no more than it still misses. Verdicts are given in the
order of the offers, so neither a kill nor the speed of a server changes the final set.
"""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, cast

from fieldguide.checks.duplicates import CopyIndex
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.errors import (
    BadImage,
    Blocked,
    FieldguideError,
    KeyNeeded,
    LayoutChanged,
    NetworkDown,
    RateLimited,
    SourceError,
)
from fieldguide.images import copy_prints, decode_image
from fieldguide.licences import Licence, allowed, licence_url, read_licence
from fieldguide.net import Client, NetRules, Stopped
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.project.ledger import Fetch, Ledger, Offer, Search
from fieldguide.records import NO_PRINTS, ImageRow, Label, Origin, Prints
from fieldguide.records.candidates import Answer, Candidate, Query, Request, ResultPage, SimilarSource, Source, url_key
from fieldguide.settings import Settings
from fieldguide.stages.collect.downloads import Downloader
from fieldguide.stages.collect.queries import QueryPlan, net_rules, source_query
from fieldguide.text import plural

Connect = Callable[[NetRules, asyncio.Event], Client]
_BLOCK = 64  # offers judged at a time
_MAX_WAITING = 4000  # downloads that wait for their host, of all classes together
_DRAIN_S = 10.0
_MAX_RESTS = 3
_REST_S = 60.0  # where a source asks to wait and does not say how long


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        good: good pictures of each class now.
        short: classes with fewer than asked, and why.
        errors: source to its first error.
    """

    good: dict[str, int]
    short: dict[str, str]
    errors: dict[str, FieldguideError]


async def run_classes(
    project: Project, settings: Settings, catalog: Catalog, plan: QueryPlan, progress: Progress, connect: Connect
) -> Outcome | None:
    """Collect for every class; return None where the person pressed Ctrl-C.

    Downloads that are under way then have ten seconds, and what comes is written down.
    """
    stop = asyncio.Event()
    rules = net_rules(settings, plan.sources)
    async with connect(rules, stop) as client:
        downloader = Downloader(project, Ledger(catalog), client, decode_limits(settings), rules)
        shared = _Run(project, settings, catalog, plan.sources, client, downloader, progress, stop)
        try:
            with _stop_on_interrupt(stop, progress):
                runs = [_ClassRun(shared, name, queries) for name, queries in plan.queries.items()]
                progress.start_parts("collecting", {run.name: settings.collect.per_class for run in runs})
                await _run_together([run.run() for run in runs], stop)
        finally:
            await downloader.close()
            downloader.flush()
    if stop.is_set():
        return None
    short = {run.name: run.explain() for run in runs if run.missing > 0}
    return Outcome({run.name: run.pictures.good for run in runs}, short, shared.errors)


@dataclass
class _Run:
    """What all classes share: the means, and where each source stands in this run.

    A source that asks to wait rests; one that cannot be reached, or refuses, is left alone until the next run.

    Attributes:
        resting: source to the moment, by the event loop's clock, until which it is left alone.
        rests: source to how often it asked to wait without an answer between.
        silent: source to the error for which it is left alone in this run.
        errors: source to its first error of any kind.
    """

    project: Project
    settings: Settings
    catalog: Catalog
    sources: Mapping[str, Source]
    client: Client
    downloader: Downloader
    progress: Progress
    stop: asyncio.Event
    resting: dict[str, float] = field(default_factory=dict)
    rests: dict[str, int] = field(default_factory=dict)
    silent: dict[str, FieldguideError] = field(default_factory=dict)
    errors: dict[str, FieldguideError] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """Return the ledger in the run's catalogue."""
        return Ledger(self.catalog)

    async def wait(self, seconds: float) -> None:
        """Wait for that time, or until the person wants to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def rest_s(self, source: str) -> float:
        """Return the seconds for which a source is still to be left alone."""
        return self.resting.get(source, 0.0) - asyncio.get_running_loop().time()

    def let_rest(self, source: str, seconds: float) -> None:
        """Leave a source alone for that time."""
        self.resting[source] = asyncio.get_running_loop().time() + seconds

    def skip_reason(self, candidate: Candidate, source: str) -> str:
        """Return why a candidate need not be fetched; "" where it is to be."""
        if not allowed(_read_licence(candidate, source), self.settings.collect.licences):
            return "licence"
        small = min(candidate.width, candidate.height) < self.settings.clean.min_side
        return "too_small" if candidate.width and candidate.height and small else ""

    # ---- a page of results

    async def read_page(self, search: Search) -> None:
        """Write the search's next page into the ledger; trouble is remembered, and told where it matters."""
        answers: list[Answer] = []

        async def ask(request: Request) -> Answer:
            answers[:] = [await self.client.ask(request)]
            return answers[0]

        source = self.sources[search.query.source]
        query = source_query(search.query, self.project.root)
        try:
            self._check_daily_budget(source)
            if search.parent:
                parent = self.ledger.offer(query.class_name, search.parent)
                similar = cast(SimilarSource, source)  # only such sources are asked for the like of a picture
                page = await similar.similar(query, parent.candidate, search.cursor, ask)
            else:
                page = await source.search(query, search.cursor, ask)
        except Stopped:
            return
        except RateLimited as error:
            self._handle_rate_limit(source.name, error)
        except LayoutChanged as error:
            self._refuse(search, error, answers)
        except NetworkDown as error:
            self.silent[source.name] = self.errors[source.name] = error
        except SourceError as error:
            self._refuse(search, error)
        else:
            self._keep_page(search, page)
            self.rests.pop(source.name, None)
            if source.facts.drives_browser:  # its pages do not pass through the client, which would space them
                self.let_rest(source.name, max((limit.spacing_s for limit in source.facts.hosts.values()), default=1.0))

    def _check_daily_budget(self, source: Source) -> None:
        facts = source.facts
        if not facts.per_day or (facts.key and os.environ.get(facts.key)):
            return
        yesterday = (self.project.clock() - timedelta(days=1)).isoformat(timespec="seconds")
        if self.ledger.requests_since(source.name, yesterday) >= facts.per_day:
            message = f"{source.name} allows {facts.per_day} requests a day without a key, and they are used up"
            hint = "run fieldguide collect again tomorrow" + (f", or set {facts.key} to a key" if facts.key else "")
            raise RateLimited(message, hint, 86_400.0)

    def _handle_rate_limit(self, source: str, error: RateLimited) -> None:
        """Let the source rest as it asks, or silence it where that is too long or comes again and again."""
        self.errors.setdefault(source, error)
        self.rests[source] = self.rests.get(source, 0) + 1
        seconds = error.retry_after_s or _REST_S
        if seconds > self.settings.collect.max_wait_s or self.rests[source] > _MAX_RESTS:
            self.silent[source] = error
        else:
            self.progress.say(f"{source} asks to wait {seconds:.0f} s")
            self.let_rest(source, seconds)

    def _refuse(self, search: Search, error: SourceError, answers: Sequence[Answer] = ()) -> None:
        """Ask the query no more in this run, and where no query would help, its source neither.

        A page that is not understood is kept, in the ledger and as a file that a person can look at.
        """
        source = search.query.source
        if answers:
            path = self.project.keep_answer(source, answers[0].body)
            error = type(error)(error.message, f"{error.hint}; its answer is kept in {path}")
            page = ResultPage((), search.cursor, answers[0])
            self.ledger.add_page(search, page, [], self.project.now(), refused=error.message)
        else:
            self.ledger.set_state(search.id, "refused", error.message)
        self.errors.setdefault(source, error)
        if isinstance(error, Blocked | KeyNeeded) and self.sources[source].facts.hosts:  # a file says nothing of others
            self.silent[source] = error

    def _keep_page(self, search: Search, page: ResultPage) -> None:
        """Write the page into the ledger, each candidate with what can be said of it without fetching it."""
        source, settings = search.query.source, self.settings.collect
        most = settings.similar_each if search.parent else settings.per_query
        room = max(0, most - search.seen) if most else len(page.candidates)
        candidates = tuple(_storable(candidate) for candidate in page.candidates[:room])
        enough = bool(most) and len(page.candidates) >= room
        rows = [(url_key(candidate.url), candidate, self.skip_reason(candidate, source)) for candidate in candidates]
        page = replace(page, candidates=candidates, cursor="" if enough else page.cursor)
        self.ledger.add_page(search, page, rows, self.project.now())


class _ClassRun:
    """The candidates of one class on their way."""

    def __init__(self, shared: _Run, name: str, queries: tuple[Query, ...]) -> None:
        self.name = name
        self.pictures = _ClassPictures(shared.project, shared.settings, shared.catalog, name)
        self._shared = shared
        self._ledger = shared.ledger
        self._settings = shared.settings.collect
        self._queries = queries
        self._waited_s = 0.0  # for hosts that were left alone
        self._stuck = ""  # why it waits no longer

    @property
    def missing(self) -> int:
        """Return how many good pictures the class still misses."""
        return self._settings.per_class - self.pictures.good

    async def run(self) -> None:
        """Collect until the class has enough, or no more is to be had, or the person wants to stop."""
        self._open()
        self._shared.progress.advance(min(self.pictures.good, self._settings.per_class), self.name)
        share = max(_MAX_WAITING // len(self._shared.settings.classes), self._settings.connections)
        while self.missing > 0 and not self._shared.stop.is_set():
            searches = self._searches()
            most = min(self.missing, share)
            offers = self._ledger.offers(self.name, list(searches), limit=most)
            if len(offers) < most and await self._search_on(searches, patient=not offers):
                continue
            if not offers:
                return
            if not self._skip_by_settings(offers, searches) and not await self._download(offers, searches):
                return

    def _open(self) -> None:
        """Make the queries known to the ledger, and judge anew by today's settings what needed no fetching."""
        for query in self._queries:
            self._ledger.open_search(query)
        for search in self._searches().values():
            self._ledger.take_over(search)
            if search.state == "refused":  # it may try again
                self._ledger.set_state(search.id, "open")
        searches = self._searches()
        for reason in ("licence", "too_small"):
            self._skip_by_settings(self._ledger.offers(self.name, list(searches), reason), searches)

    def _searches(self) -> dict[int, Search]:
        """Return the searches of this class's queries, by id, and those for pictures like what they found."""
        queries = {(query.source, query.text, tuple(sorted(query.options.items()))): query for query in self._queries}
        searches = {}
        for search in self._ledger.searches(self.name):
            key = (search.query.source, search.query.text, tuple(sorted(search.query.options.items())))
            if key in queries:
                searches[search.id] = replace(search, query=queries[key])
        return searches

    async def _search_on(self, searches: Mapping[int, Search], patient: bool) -> bool:
        """Take the next step in searching, and return whether there was one to take now.

        The query with the fewest pages is asked, so that all get their turn, whatever their sources' speed; those for
        similar pictures come last, and are opened when nothing else is left. Where the query's source rests, that is
        waited for, if one is patient.
        """
        shared = self._shared
        able = [
            search
            for search in searches.values()
            if search.state == "open"
            and search.query.source not in shared.silent
            and (self.pictures.wants_similar or not search.parent)
        ]
        if not able:
            return self._open_similar(searches)
        search = min(able, key=lambda search: (bool(search.parent), search.pages, search.id))
        rest_s = shared.rest_s(search.query.source)
        if rest_s <= 0:
            await shared.read_page(search)
        elif patient:
            await shared.wait(rest_s)
        return rest_s <= 0 or patient

    def _open_similar(self, searches: Mapping[int, Search]) -> bool:
        """Search for pictures like the first ones kept, and return whether that was not open before."""
        if not self._settings.similar_seeds or not self.pictures.wants_similar:
            return False
        able = [
            search.id
            for search in searches.values()
            if not search.parent and hasattr(self._shared.sources[search.query.source], "similar")
        ]
        for seed in self._ledger.offers(self.name, able, "kept", self._settings.similar_seeds):
            self._ledger.open_search(searches[seed.search].query, seed.url_key)
        return len(self._searches()) > len(searches)

    def _skip_by_settings(self, offers: Sequence[Offer], searches: Mapping[int, Search]) -> bool:
        """Judge offers without fetching them, and return whether one is judged otherwise than before."""
        reasons = [self._shared.skip_reason(offer.candidate, searches[offer.search].query.source) for offer in offers]
        changed = [(offer.id, why) for offer, why in zip(offers, reasons, strict=True) if why != offer.judged]
        self._ledger.judge(changed)
        return bool(changed)

    async def _download(self, offers: list[Offer], searches: Mapping[int, Search]) -> bool:
        """Fetch and judge the offers, and return whether it is worth going on: their hosts will answer soon."""
        shared, waiting = self._shared, list(offers)

        def judge_landed() -> None:
            before = self.pictures.good
            while (judged := self.pictures.judge(waiting[:_BLOCK], searches)) > 0:
                del waiting[:judged]
            shared.progress.advance(self.pictures.good - before, self.name)

        urls = {offer.url_key: offer.candidate.url for offer in offers}
        not_asked = await shared.downloader.fetch_all(urls, judge_landed)
        judge_landed()
        delayed = [fetched for fetched in not_asked if fetched.reason != "stopped"]
        if not delayed:
            return True
        wait_s = max(min(fetched.retry_after_s for fetched in delayed), 1.0)
        max_wait_s = self._settings.max_wait_s
        if wait_s > max_wait_s or self._waited_s > max_wait_s or not shared.client.answered:
            self._stuck = f"{delayed[0].detail}; {plural(len(waiting), 'picture')} left for the next run"
            return False
        shared.progress.say(f"{self.name}: {delayed[0].detail}; waiting {wait_s:.0f} s")
        self._waited_s += wait_s
        await shared.wait(wait_s)
        return True

    def explain(self) -> str:
        """Return how many pictures the class misses, and why."""
        searches = self._searches().values()
        errors = [self._shared.silent.get(search.query.source) for search in searches]
        reasons = [self._stuck, *(error.message for error in errors if error), *(search.reason for search in searches)]
        skipped = self._ledger.skipped().get(self.name)
        if skipped and not any(search.seen for search in searches):
            reasons.append("nothing usable: " + ", ".join(f"{count} {why}" for why, count in skipped.items()))
        why = "; ".join(dict.fromkeys(filter(None, reasons))) or "the sources have no more"
        return f"{self.missing} missing: {why}"


class _ClassPictures:
    """The pictures that a class has, and the verdict on each that was fetched: whole, large enough and no copy.

    Attributes:
        good: how many the class has, collected or added, that are not rejected.
    """

    def __init__(self, project: Project, settings: Settings, catalog: Catalog, class_name: str) -> None:
        self._project = project
        self._settings = settings
        self._catalog = catalog
        self._ledger = Ledger(catalog)
        self._class_name = class_name
        self._copies = CopyIndex(settings.clean.copy_distance, settings.clean.copy_likeness)
        self._known: set[str] = set()
        self._rows: list[tuple[ImageRow, Origin, Label]] = []  # not in the catalogue yet
        self._similar = 0
        self.good = 0
        self._remember()

    @property
    def wants_similar(self) -> bool:
        """Return whether the class may still take pictures that were found by their likeness."""
        return self._similar < self._settings.collect.similar_share * self._settings.collect.per_class

    def _remember(self) -> None:
        """Learn what the class has already: collected or added, and not rejected since."""
        collected = self._ledger.prints(self._class_name)
        for holding in self._catalog.holdings(self._class_name):
            prints = holding.prints if holding.prints.dhash else collected.get(holding.sha256, NO_PRINTS)
            prints = self._complete(prints, holding.sha256, holding.format)
            self._known.add(holding.sha256)
            if prints.colour:
                self.good += not holding.rejected
                self._similar += holding.similar
                self._copies.add(prints)

    def _complete(self, prints: Prints, sha256: str, suffix: str) -> Prints:
        """Return the prints, taken from the original where they are not known or of an older form.

        They are empty where it does not decode.
        """
        if prints.colour:
            return prints
        try:
            data = self._project.read_image(sha256, suffix)
            return copy_prints(decode_image(data, decode_limits(self._settings), at_least=DECODE_SIDE))
        except BadImage:
            return NO_PRINTS

    def judge(self, offers: Sequence[Offer], searches: Mapping[int, Search]) -> int:
        """Judge the first of these offers, up to one that is not fetched yet, and return how many.

        Args:
            offers: in order, none judged yet.
            searches: by id.
        """
        if not self._ledger.fetched([offer.url_key for offer in offers[:1]]):  # most often, and soon told
            return 0
        fetches = self._ledger.fetches([offer.url_key for offer in offers])
        judged = []
        for offer in offers:
            fetch = fetches.get(offer.url_key)
            if fetch is None:
                break
            judged.append((offer.id, self._verdict(offer, fetch, searches[offer.search])))
        with self._catalog.transaction():
            self._catalog.add_images(self._rows, self._project.now())
            self._ledger.judge(judged)
        self._rows.clear()
        return len(judged)

    def _verdict(self, offer: Offer, fetch: Fetch, search: Search) -> str:
        """Return `kept`, or why not."""
        image = fetch.image
        if image is None:
            return fetch.reason
        if min(image.width, image.height) < self._settings.clean.min_side:
            return "too_small"
        if search.parent and not self.wants_similar:
            return "enough_similar"
        copy = image.sha256 in self._known
        prints = self._complete(fetch.prints, image.sha256, image.format)
        if not prints.colour:
            return "damaged"
        if not copy and self._copies.has(prints):
            return "near_copy"
        # a copy is written too: another source may know more of its author and terms
        label = Label(image.sha256, self._class_name, "query")
        self._rows.append((image, self._origin(offer.candidate, image.sha256, search), label))
        if copy:
            return "copy"
        self._known.add(image.sha256)
        self._copies.add(prints)
        self._similar += bool(search.parent)
        self.good += 1
        return "kept"

    def _origin(self, candidate: Candidate, sha256: str, search: Search) -> Origin:
        """Return where a kept picture came from and under what terms."""
        licence = _read_licence(candidate, search.query.source)
        parent = self._ledger.offer(self._class_name, search.parent).candidate if search.parent else None
        return Origin(
            sha256=sha256,
            source=search.query.source,
            location=candidate.url,
            author=candidate.author,
            licence=licence.spdx,
            licence_url=licence.url or licence_url(licence.spdx),
            title=candidate.title,
            page=candidate.page_url,
            author_url=candidate.author_url,
            licence_raw=candidate.licence,
            query=search.query.text,
            parent=parent.url if parent else "",
            family=str(candidate.extra.get("group", "")),
        )


def _read_licence(candidate: Candidate, source: str) -> Licence:
    """Return the licence of a candidate; a picture is one's own only by one's own list, whatever a server says."""
    licence = read_licence(candidate.licence, candidate.licence_url)
    return replace(licence, spdx="") if licence.spdx == "own" and source != "urls" else licence


def _storable(candidate: Candidate) -> Candidate:
    """Return the candidate without half characters, which servers send and no file can hold."""
    with suppress(UnicodeEncodeError):
        json.dumps(vars(candidate), ensure_ascii=False).encode()
        return candidate
    values: dict[str, Any] = {part.name: getattr(candidate, part.name) for part in fields(candidate)}
    extra = {_whole(name): _whole(value) for name, value in candidate.extra.items()}
    return Candidate(**{name: _whole(value) for name, value in values.items()} | {"extra": extra})


def _whole(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


async def _run_together(runs: Sequence[Any], stop: asyncio.Event) -> None:
    """Run the classes at once; what a stop has not ended after ten seconds is ended."""

    async def end_late() -> None:
        await stop.wait()
        _, late = await asyncio.wait(tasks, timeout=_DRAIN_S)
        for task in late:
            task.cancel()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
            watcher = asyncio.create_task(end_late())
    except BaseExceptionGroup as several:
        raise _first_error(several) from None
    finally:
        watcher.cancel()


def _first_error(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error = several.exceptions[0]
    return _first_error(error) if isinstance(error, BaseExceptionGroup) else error


@contextmanager
def _stop_on_interrupt(stop: asyncio.Event, progress: Progress) -> Iterator[None]:
    """Set the event at the first Ctrl-C inside the block; a second one ends everything at once."""

    def interrupt() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        progress.say(f"stopping: running downloads have {_DRAIN_S:.0f} s to finish; press Ctrl-C again to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
