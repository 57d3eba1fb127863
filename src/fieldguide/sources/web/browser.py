"""Candidates from a search page that a real browser shows: by a page spec, off by default, robots.txt obeyed.

Before a browser is started: the person has allowed the spec, the host's robots.txt does not forbid the address, and
the host lies on the public internet. Then the system's own Chromium, headless, opens the page through Selenium,
scrolls, asks for more and clicks for originals. It says what it is: nothing is disguised, no challenge is answered. All
that it requests goes through `proxy`. Knows nothing about how a page is read: see `specs` and `extraction`.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from protego import Protego

from fieldguide.chromium import find_chromium, open_chromium
from fieldguide.errors import BadQuery, Blocked, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import check_options, cursor_number, host_of
from fieldguide.sources.web.extraction import classify_page, extract, is_small
from fieldguide.sources.web.proxy import GuardProxy, Resolve, look_up, parse_networks
from fieldguide.sources.web.specs import PageSpec, fill, load_spec

_AGENT = "Fieldguide"
_MAX_ROBOTS_BYTES = 500 * 1024  # RFC 9309, 2.5
_MAX_SESSION_BYTES = 500_000_000
# option: default, least, most
_NUMBERS: dict[str, tuple[float, float, float]] = {
    "most_items": (200, 1, 1000),
    "most_seconds": (120, 5, 600),
    "click_seconds": (2, 0.1, 10),
}
_OPTIONS = ("spec", "allow", "ignore_robots", "allow_networks", *_NUMBERS)
_LOAD_S = 30.0
_APPEAR_S = 10.0
_SCRIPT_S = 10.0
_STEP_S = 0.25
_POLL_S = 0.05
_STALE_ROUNDS = 4
_MAX_MORE_CLICKS = 50
_FLAGS = (
    "--window-size=1280,1000",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # everything goes through the proxy, this machine's own names too, and nothing is looked up beside it
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_MEASURE = """
const [items, lazy] = arguments;
const count = selector => selector ? document.querySelectorAll(selector).length : 0;
const page = document.documentElement;
const bottom = innerHeight + scrollY >= page.scrollHeight - 2;
return [items.map(count).reduce((a, b) => a + b, 0), count(lazy), page.scrollHeight, bottom];
"""
_SCROLL = "scrollBy(0, 0.9 * innerHeight)"
_MORE = """
const buttons = [...document.querySelectorAll(arguments[0])];
const button = buttons.find(button => button.checkVisibility() && !button.disabled);
if (button) button.click();
return Boolean(button);
"""
# a click on a result must not lead away from the page
_STAY = "addEventListener('click', event => event.preventDefault(), true)"
_CLICK = """
const [items, reveal, at] = arguments;
const item = document.querySelectorAll(items)[at];
if (!item) return false;
document.querySelectorAll(reveal).forEach(image => image.removeAttribute('src'));
item.scrollIntoView({block: 'center'});
item.click();
return true;
"""
_REVEALED = """
return [...document.querySelectorAll(arguments[0])].map(image => image.getAttribute('src') ? image.src : '');
"""
_KEEP = "document.querySelectorAll(arguments[0])[arguments[1]].setAttribute(arguments[2], arguments[3])"
_STATUS = "return (performance.getEntriesByType('navigation')[0] || {}).responseStatus || 0"


class BrowserSource:
    """Candidates from pages that only a browser shows.

    Options: `spec`, a page spec's name or path; `allow = "true"`, without which a spec that is off stays off;
    `ignore_robots = "true"`, to go against the host's robots.txt; `allow_networks`, private networks that may be
    reached, with commas between; `most_items`, `most_seconds` and `click_seconds`, how far one session goes.
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
        appear_s: float = _APPEAR_S,
    ) -> None:
        """Make a source; nothing is started yet.

        Args:
            resolve: looks up where a host lies; tests let it answer with a server of their own.
            flags: further flags of Chromium's command line, for tests.
            clock: seconds that only grow.
            appear_s: longest wait for the first result of a page that builds itself.
        """
        self._resolve = resolve
        self._flags = tuple(flags)
        self._clock = clock
        self._appear_s = appear_s

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the results after as many as the cursor says."""
        spec = _choose_spec(query)
        start = cursor_number(self.name, cursor, 0)
        template = spec.page_url if start and spec.page_url else spec.url
        offset, page = spec.first_offset + start, spec.first_page + start // spec.page_size
        url = fill(template, q=query.text, offset=offset, page=page, image_url="")
        results = await self._read(query, spec, url, ask)
        seen = start + len(results.candidates)
        more = results.candidates and spec.page_url and seen < spec.most
        return ResultPage(results.candidates, str(seen) if more else "", results.answer, results.skipped)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """Return the pictures that the engine finds similar to the candidate, one page; raises as `search`."""
        spec = _choose_spec(query)
        if not spec.similar:
            raise BadQuery(f"the page spec {spec.name} has no page of similar pictures", "use another, such as yandex")
        url = fill(spec.similar, image_url=candidate.url, q=query.text, offset=spec.first_offset, page=spec.first_page)
        return await self._read(query, spec, url, ask)

    async def _read(self, query: Query, spec: PageSpec, url: str, ask: Ask) -> ResultPage:
        items, session_s, click_s = (_number(query, name) for name in _NUMBERS)
        limits = _Limits(int(items), session_s, click_s, self._appear_s)
        opened = parse_networks(query.options.get("allow_networks", ""))
        find_chromium()
        if not _is_true(query, "ignore_robots"):
            await _obey_robots(url, ask)
        async with GuardProxy(self._resolve, opened, _MAX_SESSION_BYTES) as proxy:
            await _check_host(url, proxy)
            flags = (f"--proxy-server=http://127.0.0.1:{proxy.port}", *self._flags)
            stop = Event()
            session = partial(_browse, url, flags, _Visit(spec, limits, stop, self._clock))
            shown = await _in_thread(asyncio.to_thread(session), stop, proxy)
        _check_shown(shown, spec)
        results = extract(shown.html, spec, shown.url)
        body = shown.html.encode("utf-8", "replace")
        answer = Answer(shown.url, shown.status or 200, {"content-type": "text/html; charset=utf-8"}, body)
        return ResultPage(results.candidates[: limits.most_items], "", answer, results.skipped)


# Before a browser is started


def _choose_spec(query: Query) -> PageSpec:
    """Return the spec that the query names, if it may be used."""
    check_options(query, _OPTIONS)
    if not query.options.get("spec"):
        raise BadQuery("the source browser needs a page spec", "set the option spec, such as spec = 'bing'")
    spec = load_spec(query.options["spec"])
    if not spec.enabled and not _is_true(query, "allow"):
        raise Blocked(
            f"driving a browser over {spec.name} is off: its terms may forbid it ({spec.terms_url})",
            'if you may: [collect] hosts = {"HOST" = {browser = true}}; a page that you saved is read by `page`',
        )
    return spec


def _is_true(query: Query, name: str) -> bool:
    value = query.options.get(name, "false").strip().lower()
    if value not in ("true", "false"):
        raise BadQuery(f"{name} = {value[:40]!r} is neither true nor false", "write true or false")
    return value == "true"


def _number(query: Query, name: str) -> float:
    default, least, most = _NUMBERS[name]
    text = query.options.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise BadQuery(f"{name} = {text[:40]!r} is not possible", f"use a number from {least:g} to {most:g}")
    return number


async def _obey_robots(url: str, ask: Ask) -> None:
    """Check that the host's robots.txt allows the address (RFC 9309)."""
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
            'save the page yourself and use the source `page`; if you may: hosts = {"HOST" = {robots = "ignore"}}',
        )


async def _check_host(url: str, proxy: GuardProxy) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if await proxy.allowed(host, port):
        return
    if await proxy.resolves(host, port):
        raise Blocked(
            f"{host}:{port} is on this machine, in a private network, or not a port of the web",
            "open a network of your own with the option allow_networks",
        )
    raise NetworkDown(f"{host} has no address", "check the network and the spec's address")


async def _in_thread(work: Coroutine[Any, Any, "_LoadedPage"], stop: Event, proxy: GuardProxy) -> "_LoadedPage":
    """Return what the work gives; when this is cancelled, the browser is ended before the cancelling goes on."""
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


def _check_shown(shown: "_LoadedPage", spec: PageSpec) -> None:
    """Check that the browser is where it was sent, and was let in."""
    host = host_of(shown.url)
    if not any(fnmatchcase(host, pattern) for pattern in spec.hosts):
        raise Blocked(
            f"{spec.name} sent the browser to {host or 'no page'} instead of results",
            "open it in your own browser, save the page, and use the source `page`",
        )
    if shown.status == 429:
        raise RateLimited(f"{host} asks to wait", "try again later, with fewer queries")
    if shown.status in (401, 403):
        raise Blocked(f"{host} refuses with status {shown.status}", "use another source")
    if shown.status >= 500:
        raise NetworkDown(f"{host} answers with status {shown.status}", "try again later")


# The browser's session, in a thread of its own


@dataclass(frozen=True)
class _Limits:
    """How far a session goes.

    Attributes:
        most_items: results after which it stops to scroll, and to click.
        most_seconds: longest session, but for starting and ending.
        click_seconds: longest wait for an original after a click.
        appear_s: longest wait for the first result.
    """

    most_items: int
    most_seconds: float
    click_seconds: float
    appear_s: float


@dataclass(frozen=True)
class _LoadedPage:
    """What the browser shows in the end: where it is, the HTTP status (0 where it does not say), the page."""

    url: str
    status: int
    html: str


def _browse(url: str, flags: Sequence[str], visit: "_Visit") -> _LoadedPage:
    """Return what the page shows after the visit; the browser is gone in any case."""
    from selenium.common.exceptions import WebDriverException

    with open_chromium((*_FLAGS, *flags)) as driver:
        driver.set_script_timeout(_SCRIPT_S)
        driver.set_page_load_timeout(min(_LOAD_S, visit.limits.most_seconds))
        try:
            driver.get(url)
            visit.run(driver)
            return _LoadedPage(driver.current_url, int(driver.execute_script(_STATUS)), driver.page_source)
        except WebDriverException as error:
            message = (error.msg or type(error).__name__).splitlines()[0][:200]
            raise NetworkDown(
                f"the browser could not show the page of {visit.spec.name}: {message}",
                "try again later, or look at the page",
            ) from error


@dataclass(frozen=True)
class _Visit:
    """A visit to one result page: wait for results, scroll, click, as the spec says.

    A page that is a wall, or in which nothing is known, is left at once as it is.
    """

    spec: PageSpec
    limits: _Limits
    stop: Event
    clock: Callable[[], float]

    def run(self, driver: Any) -> None:
        until = self.clock() + self.limits.most_seconds
        if self._appears(driver, min(until, self.clock() + self.limits.appear_s)):
            self._scroll(driver, until)
            if self.spec.drive.click:
                self._click(driver, until)

    def _appears(self, driver: Any, until: float) -> bool:
        """Return whether results are there; wait for a page that builds itself until a marker is seen."""
        while True:
            kind = classify_page(driver.page_source, self.spec)
            if kind != "unknown" or self.clock() > until or self.stop.wait(_STEP_S):
                return kind == "ok"

    def _scroll(self, driver: Any, until: float) -> None:
        """Scroll until enough is there or the bottom has stayed the same for four rounds.

        The same means: as many results, as many of them still without a picture, the same height. Counting results
        only stops too early: a page that waits for its pictures loads the next results after them.
        """
        drive, items = self.spec.drive, [rule.select for rule in self.spec.find]
        before: Sequence[object] = ()
        stale = clicks = 0
        while drive.scroll and stale < _STALE_ROUNDS and self.clock() <= until:
            driver.execute_script(_SCROLL)
            if self.stop.wait(_STEP_S):
                return
            now = driver.execute_script(_MEASURE, items, drive.lazy)
            if now[0] >= self.limits.most_items and not now[1]:
                return
            stale = stale + 1 if now[3] and now == before else 0
            before = now
            wants_more = stale == 1 and drive.more_button and clicks < _MAX_MORE_CLICKS
            if wants_more and driver.execute_script(_MORE, drive.more_button):
                clicks += 1
                stale = 0

    def _click(self, driver: Any, until: float) -> None:
        """Click each result, and write the original's address into the attribute `keep_as` of it."""
        drive = self.spec.drive
        driver.execute_script(_STAY)
        for place in range(self.limits.most_items):
            late = self.stop.is_set() or self.clock() > until
            if late or not driver.execute_script(_CLICK, drive.click, drive.reveal, place):
                return
            url = self._revealed(driver, min(until, self.clock() + self.limits.click_seconds))
            if url:
                driver.execute_script(_KEEP, drive.click, place, drive.keep_as, url)

    def _revealed(self, driver: Any, until: float) -> str:
        """Return the original's address once it appears, else that of a small version, "" for none."""
        while True:
            shown = driver.execute_script(_REVEALED, self.spec.drive.reveal)
            urls = [url for url in shown if url.startswith("http")]
            large = next((url for url in urls if not is_small(url, self.spec)), "")
            if large or self.clock() > until or self.stop.wait(_POLL_S):
                return large or next(iter(urls), "")
