"""The next page of results for a class: which query is asked, and what becomes of a source that does not answer.

Knows nothing about downloads. A source that asks to wait, or cannot be reached, rests; one that refuses is left alone
until the next run.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, cast

from fieldguide.errors import (
    Blocked,
    FieldguideError,
    KeyNeeded,
    LayoutChanged,
    NetworkDown,
    RateLimited,
    SourceError,
)
from fieldguide.licences import Licence, allowed, read_licence
from fieldguide.net import Stopped
from fieldguide.project import Project
from fieldguide.project.ledger import Ledger, Search
from fieldguide.records.candidates import (
    Answer,
    Ask,
    Candidate,
    Query,
    Request,
    ResultPage,
    SimilarSource,
    Source,
    url_key,
)
from fieldguide.settings import Settings
from fieldguide.stages.collect.queries import as_asked

__all__ = ["Searcher", "read_terms"]

_MOST_RESTS = 3
_PAUSE_S = 60.0  # where a source asks to wait and does not say how long


def read_terms(candidate: Candidate, source: str) -> Licence:
    """The licence of a candidate; a picture is one's own only by one's own list, whatever a server says."""
    licence = read_licence(candidate.licence, candidate.licence_url)
    return replace(licence, spdx="") if licence.spdx == "own" and source != "urls" else licence


def _storable(candidate: Candidate) -> Candidate:
    """The candidate without half characters, which servers send and no file can hold."""
    with suppress(UnicodeEncodeError):
        json.dumps(vars(candidate), ensure_ascii=False).encode()
        return candidate
    said: dict[str, Any] = {one.name: getattr(candidate, one.name) for one in fields(candidate)}
    extra = {_whole(name): _whole(value) for name, value in candidate.extra.items()}
    return Candidate(**{name: _whole(value) for name, value in said.items()} | {"extra": extra})


def _whole(value: Any) -> Any:
    """A text in characters that UTF-8 knows; anything else as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@dataclass
class Searcher:
    """Asks sources for pages, one at a time for each class.

    Attributes:
        resting: source to the moment, by the event loop's clock, until which it is left alone.
        silent: source to the error for which it is left alone in this run.
        troubles: source to its first error of any kind.
        rests: source to how often it asked to wait without an answer between.
        say: tells the person.
    """

    project: Project
    settings: Settings
    ledger: Ledger
    sources: Mapping[str, Source]
    ask: Ask
    stop: asyncio.Event
    environ: Mapping[str, str]
    say: Callable[[str], None]
    resting: dict[str, float] = field(default_factory=dict)
    silent: dict[str, FieldguideError] = field(default_factory=dict)
    troubles: dict[str, FieldguideError] = field(default_factory=dict)
    rests: dict[str, int] = field(default_factory=dict)

    def open(self, queries: tuple[Query, ...]) -> None:
        """Nothing; these queries are in the ledger, and those that were refused before may try again."""
        for query in queries:
            self.ledger.open_search(query)
        for search in self.wanted(queries):
            self.ledger.adopt(search)
            if search.state == "refused":
                self.ledger.set_state(search.id, "open")

    def wanted(self, queries: tuple[Query, ...]) -> list[Search]:
        """The searches of these queries of one class, and those for pictures like what they found."""
        known = {(one.source, one.text, tuple(sorted(one.options.items()))): one for one in queries}
        found = []
        for search in self.ledger.searches(queries[0].class_name) if queries else []:
            one = known.get((search.query.source, search.query.text, tuple(sorted(search.query.options.items()))))
            if one is not None:
                found.append(replace(search, query=one))
        return found

    async def next_page(self, queries: tuple[Query, ...], with_similar: bool, patient: bool) -> bool:
        """Whether another page of the class was read; False when there is none to be had now.

        The query with the fewest pages is asked, so that all get their turn, whatever their sources' speed; those for
        similar pictures come last. Where its source rests, that is waited for, if one is patient.
        """
        while not self.stop.is_set():
            able = [
                one
                for one in self.wanted(queries)
                if one.state == "open" and one.query.source not in self.silent and (with_similar or not one.parent)
            ]
            if not able:
                return False
            search = min(able, key=lambda one: (bool(one.parent), one.pages, one.id))
            left = self.resting.get(search.query.source, 0.0) - asyncio.get_running_loop().time()
            if left > 0 and not patient:
                return False
            if left > 0:
                await self.wait(left)
            elif await self._read(search):
                return True
        return False

    async def wait(self, seconds: float) -> None:
        """Nothing; the time has passed, or the person wants to stop."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return

    async def _read(self, search: Search) -> bool:
        """Whether the search's next page stands in the ledger."""
        last: list[Answer] = []

        async def ask(request: Request) -> Answer:
            last[:] = [await self.ask(request)]
            return last[0]

        source = self.sources[search.query.source]
        try:
            self._check_budget(source)
            page = await self._page(source, search, ask)
        except Stopped:
            return False
        except RateLimited as error:
            self._rest(source.name, error)
            return False
        except LayoutChanged as error:
            self._refuse(search, error, last)
            return False
        except NetworkDown as error:
            self.silent[source.name] = self.troubles[source.name] = error
            return False
        except SourceError as error:
            self._refuse(search, error)
            return False
        self._keep(search, page)
        self.rests.pop(source.name, None)
        if source.facts.drives_browser:  # its pages do not pass through the client, which would space them
            spacing = max((one.spacing_s for one in source.facts.hosts.values()), default=1.0)
            self.resting[source.name] = asyncio.get_running_loop().time() + spacing
        return True

    async def _page(self, source: Source, search: Search, ask: Ask) -> ResultPage:
        """The page as the source gives it."""
        query = as_asked(search.query, self.project.root)
        if not search.parent:
            return await source.search(query, search.cursor, ask)
        parent = self.ledger.offer(search.query.class_name, search.parent)
        similar = cast(SimilarSource, source)  # only such sources are asked for the like of a picture
        return await similar.similar(query, parent.candidate, search.cursor, ask)

    def _check_budget(self, source: Source) -> None:
        """Nothing; the source may be asked once more today.

        Raises:
            RateLimited: its daily number of requests without a key is used up.
        """
        facts = source.facts
        if not facts.per_day or (facts.key and self.environ.get(facts.key)):
            return
        day = (self.project.clock() - timedelta(days=1)).isoformat(timespec="seconds")
        if self.ledger.requests_since(source.name, day) >= facts.per_day:
            message = f"{source.name} allows {facts.per_day} requests a day without a key, and they are used up"
            hint = "run: fieldguide collect again tomorrow" + (f", or put a key into {facts.key}" if facts.key else "")
            raise RateLimited(message, hint, 86_400.0)

    def _rest(self, name: str, error: RateLimited) -> None:
        """Nothing; the source is left alone for as long as it asks, or for this run where that is too long.

        A source that asks again and again, without an answer between, is left alone for this run too.
        """
        self.troubles.setdefault(name, error)
        self.rests[name] = self.rests.get(name, 0) + 1
        seconds = error.retry_after_s or _PAUSE_S
        if seconds > self.settings.collect.max_wait_s or self.rests[name] > _MOST_RESTS:
            self.silent[name] = error
        else:
            self.say(f"{name} asks to wait {seconds:.0f} s")
            self.resting[name] = asyncio.get_running_loop().time() + seconds

    def _refuse(self, search: Search, error: SourceError, seen: Sequence[Answer] = ()) -> None:
        """Nothing; the query is not asked again in this run, and where no query would help, nor is its source.

        A page that is not understood is kept, in the ledger and as a file that a person can look at.
        """
        name = search.query.source
        if seen:
            kept = self.project.keep_answer(name, seen[0].body)
            error = type(error)(error.message, f"{error.hint}; what it answered lies in {kept}")
        self.troubles.setdefault(name, error)
        if seen:
            page = ResultPage((), search.cursor, seen[0])
            self.ledger.add_page(search, page, [], self.project.now(), refused=error.message)
        else:
            self.ledger.set_state(search.id, "refused", error.message)
        if isinstance(error, Blocked | KeyNeeded) and self.sources[name].facts.hosts:  # a file says nothing of others
            self.silent[name] = error

    def _keep(self, search: Search, page: ResultPage) -> None:
        """Nothing; the page is in the ledger, each candidate with what can be said of it without fetching it."""
        chosen, source = self.settings.collect, search.query.source
        most = chosen.similar_each if search.parent else chosen.per_query
        room = max(0, most - search.seen) if most else len(page.candidates)
        candidates = tuple(_storable(one) for one in page.candidates[:room])
        enough = bool(most) and len(page.candidates) >= room
        judged = [(url_key(one.url), one, self.foretell(one, source)) for one in candidates]
        kept = replace(page, candidates=candidates, cursor="" if enough else page.cursor)
        self.ledger.add_page(search, kept, judged, self.project.now())

    def foretell(self, candidate: Candidate, source: str) -> str:
        """Why a candidate need not be fetched; "" where it is to be."""
        if not allowed(read_terms(candidate, source), self.settings.collect.licences):
            return "licence"
        small = min(candidate.width, candidate.height) < self.settings.clean.min_side
        return "too_small" if candidate.width and candidate.height and small else ""
