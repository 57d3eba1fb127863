"""Candidates from a search page that a real browser shows: by a page spec, off by default, robots.txt obeyed.

Before a browser is started: the spec must be allowed by the person's explicit word, the host's robots.txt must not say
no, and the host must lie on the public internet. Knows nothing about pages and how they are read: the spec says it,
`driving` does it, `extraction` reads it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from fnmatch import fnmatchcase
from functools import partial
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from protego import Protego

from fieldguide.errors import BadQuery, Blocked, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import check_options, cursor_number, host_of
from fieldguide.sources.web.driving import Reach, Shown, browse, find_chromium
from fieldguide.sources.web.extraction import extract
from fieldguide.sources.web.proxy import GuardProxy, Resolve, look_up, parse_networks
from fieldguide.sources.web.specs import PageSpec, fill, load_spec

__all__ = ["BrowserSource"]

_AGENT = "Fieldguide"
_MAX_ROBOTS_BYTES = 500 * 1024  # RFC 9309, 2.5
_MAX_SESSION_BYTES = 500_000_000
# name: default, least, most
_NUMBERS: dict[str, tuple[float, float, float]] = {
    "most_items": (200, 1, 1000),
    "most_seconds": (120, 5, 600),
    "click_seconds": (2, 0.1, 10),
}
_OPTIONS = ("spec", "allow", "ignore_robots", "allow_networks", *_NUMBERS)


class BrowserSource:
    """Candidates from pages that only a browser shows.

    Options: `spec`, a page spec's name or path; `allow = "true"`, without which a spec that is off stays off;
    `ignore_robots = "true"`, to go against the host's robots.txt; `allow_networks`, private networks that may be
    asked, with commas between; `most_items`, `most_seconds` and `click_seconds`, how far one session goes.
    """

    name = "browser"
    facts = SourceFacts(
        about="search pages in a real browser, by a page spec; off unless you allow it",
        terms_url="",
        licence_fields=False,
        page_size=int(_NUMBERS["most_items"][2]),
        per_query=1000,
        hosts={"www.google.com": HostLimit(5.0, 1), "www.bing.com": HostLimit(5.0, 1), "yandex.com": HostLimit(5.0, 1)},
        drives_browser=True,
    )

    def __init__(
        self,
        resolve: Resolve = look_up,
        flags: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A source that starts nothing yet.

        Args:
            resolve: looks up where a host lies; tests let it answer with a server of their own.
            flags: further flags of Chromium's command line, for tests.
            clock: seconds that only grow.
        """
        self._resolve = resolve
        self._flags = tuple(flags)
        self._clock = clock

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The results after as many as the cursor says.

        Raises:
            Blocked: not allowed, kept out by robots.txt, on a private network, or shown a wall or another site.
            LayoutChanged: nothing that the spec knows is there.
            RateLimited: the engine asks to wait.
            BadQuery: an option or the spec cannot be.
            MissingExtra: no Selenium, no Chromium or no driver.
            NetworkDown: the page cannot be reached.
        """
        spec = self._spec(query)
        start = cursor_number(self.name, cursor, 0)
        template = spec.page_url if start and spec.page_url else spec.url
        offset, page = spec.first_offset + start, spec.first_page + start // spec.page_size
        url = fill(template, q=query.text, offset=offset, page=page, image_url="")
        found = await self._page(query, spec, url, ask)
        seen = start + len(found.candidates)
        goes_on = bool(found.candidates and spec.page_url and seen < spec.most)
        return ResultPage(found.candidates, str(seen) if goes_on else "", found.answer, found.skipped)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """The pictures that the engine holds for like the candidate, one page; raises as `search`."""
        spec = self._spec(query)
        if not spec.similar:
            raise BadQuery(f"the page spec {spec.name} has no page of similar pictures", "use another, such as yandex")
        url = fill(spec.similar, image_url=candidate.url, q=query.text, offset=spec.first_offset, page=spec.first_page)
        return await self._page(query, spec, url, ask)

    def _spec(self, query: Query) -> PageSpec:
        """The spec that the query names, if it may be used.

        Raises:
            BadQuery: none is named, or an option cannot be.
            Blocked: it is off.
        """
        check_options(query, _OPTIONS)
        if not query.options.get("spec"):
            raise BadQuery("the source browser needs a page spec", "set the option spec, such as spec = 'bing'")
        spec = load_spec(query.options["spec"])
        if not spec.enabled and not _is_true(query, "allow"):
            raise Blocked(
                f"driving a browser over {spec.name} is off: its terms may forbid it ({spec.terms_url})",
                'with leave: [collect] hosts = {"HOST" = {browser = true}}; a page you saved is read by `page`',
            )
        return spec

    async def _page(self, query: Query, spec: PageSpec, url: str, ask: Ask) -> ResultPage:
        """The candidates of one address; raises as `search`."""
        reach = {name: _number(query, name) for name in _NUMBERS}
        opened = parse_networks(query.options.get("allow_networks", ""))
        find_chromium()
        if not _is_true(query, "ignore_robots"):
            await _obey_robots(url, ask)
        async with GuardProxy(self._resolve, opened, _MAX_SESSION_BYTES) as proxy:
            await _check_place(url, proxy)
            limits = Reach(
                most_items=int(reach["most_items"]),
                most_seconds=reach["most_seconds"],
                click_seconds=reach["click_seconds"],
                proxy=f"127.0.0.1:{proxy.port}",
                flags=self._flags,
            )
            stop = Event()
            work = partial(browse, url, spec, limits, stop, self._clock)
            shown = await _in_thread(asyncio.to_thread(work), stop, proxy)
        _check_shown(shown, spec)
        found = extract(shown.html, spec, shown.url)
        body = shown.html.encode("utf-8", "replace")
        answer = Answer(shown.url, shown.status or 200, {"content-type": "text/html; charset=utf-8"}, body)
        return ResultPage(found.candidates[: limits.most_items], "", answer, found.skipped)


async def _obey_robots(url: str, ask: Ask) -> None:
    """Nothing; the host's robots.txt lets the address be asked (RFC 9309).

    Raises:
        Blocked: it says no.
        NetworkDown: it cannot be read now.
    """
    parts = urlsplit(url)
    answer = await ask(Request(f"{parts.scheme}://{parts.netloc}/robots.txt"))
    if answer.status >= 500:
        raise NetworkDown(f"{parts.netloc} answers {answer.status} for its robots.txt", "try again later")
    if answer.status != 200:
        return
    rules = Protego.parse(answer.body[:_MAX_ROBOTS_BYTES].decode("utf-8", "replace"))
    if not rules.can_fetch(url, _AGENT):
        raise Blocked(
            f"robots.txt of {parts.netloc} keeps programs from {parts.path}",
            'save the page yourself and use the source `page`; with leave: hosts = {"HOST" = {robots = "ignore"}}',
        )


async def _check_place(url: str, proxy: GuardProxy) -> None:
    """Nothing; the page's own host lies where it may be asked.

    Raises:
        Blocked: it does not.
        NetworkDown: it has no address.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if await proxy.allowed(host, port):
        return
    if await proxy.lies_somewhere(host, port):
        raise Blocked(f"{host}:{port} is on this machine, in a private network, or a port that is not asked",
                      "open a network of your own with the option allow_networks")  # fmt: skip
    raise NetworkDown(f"{host} has no address", "check the network and the spec's address")


async def _in_thread(work: Coroutine[Any, Any, Shown], stop: Event, proxy: GuardProxy) -> Shown:
    """What the work gives; when this is cancelled, the browser is ended before the cancelling goes on."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except BaseException:
        stop.set()
        if not task.done():
            await proxy.close()  # whatever the browser waits for ends now
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: it is the cancelling that counts
        raise


def _check_shown(shown: Shown, spec: PageSpec) -> None:
    """Nothing; the browser is where it was sent and was let in.

    Raises:
        Blocked: it was sent elsewhere or refused.
        RateLimited: it is asked to wait.
    """
    host = host_of(shown.url)
    if not any(fnmatchcase(host, pattern) for pattern in spec.hosts):
        raise Blocked(
            f"{spec.name} sent the browser to {host or 'no page'} instead of results",
            "nothing is answered there: open it in your own browser, save the page, and use the source `page`",
        )
    if shown.status == 429:
        raise RateLimited(f"{host} asks to wait", "try again later, with fewer queries")
    if shown.status in (401, 403):
        raise Blocked(f"{host} refuses with {shown.status}", "use another source")
    if shown.status >= 500:
        raise NetworkDown(f"{host} answers {shown.status}", "try again later")


def _is_true(query: Query, name: str) -> bool:
    """Whether an option is set.

    Raises:
        BadQuery: it is neither "true" nor "false".
    """
    said = query.options.get(name, "false").strip().lower()
    if said not in ("true", "false"):
        raise BadQuery(f"{name} = {said[:40]!r} is neither true nor false", "write true or false")
    return said == "true"


def _number(query: Query, name: str) -> float:
    """An option's number, in its bounds.

    Raises:
        BadQuery: it is none, or out of them.
    """
    default, least, most = _NUMBERS[name]
    said = query.options.get(name, str(default))
    try:
        number = float(said)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise BadQuery(f"{name} = {said[:40]!r} cannot be", f"it must be a number from {least:g} to {most:g}")
    return number
