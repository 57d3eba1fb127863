"""A browser session over one result page: scroll, ask for more, click for originals; its HTML comes back.

Drives the system's own Chromium through Selenium, headless, and says so: nothing is disguised, no challenge is
answered. Blocks while it runs, so it belongs in a thread. Knows nothing about candidates, queries or addresses: all
that the browser asks goes through the proxy that it is given.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from fieldguide.errors import MissingExtra, NetworkDown
from fieldguide.optional import require
from fieldguide.sources.web.extraction import is_small, judge
from fieldguide.sources.web.specs import PageSpec

__all__ = ["Reach", "Shown", "browse", "find_chromium"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_LOAD_S = 30.0
_APPEAR_S = 10.0
_STEP_S = 0.25
_POLL_S = 0.05
_STALE_ROUNDS = 4
_MAX_MORE_CLICKS = 50
_FLAGS = (
    "--headless=new",
    "--window-size=1280,1000",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--no-pings",
    "--homepage=about:blank",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # everything goes through the proxy, this machine's own names too, and nothing is looked up beside it
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_MEASURE = """
const [items, lazy] = arguments;
const count = one => one ? document.querySelectorAll(one).length : 0;
const page = document.documentElement;
const bottom = innerHeight + scrollY >= page.scrollHeight - 2;
return [items.map(count).reduce((a, b) => a + b, 0), count(lazy), page.scrollHeight, bottom];
"""
_SCROLL = "scrollBy(0, 0.9 * innerHeight)"
_MORE = """
const button = [...document.querySelectorAll(arguments[0])].find(one => one.checkVisibility() && !one.disabled);
if (button) button.click();
return Boolean(button);
"""
# a click on a result must not lead away from the page
_STAY = "addEventListener('click', event => event.preventDefault(), true)"
_CLICK = """
const [items, reveal, at] = arguments;
const item = document.querySelectorAll(items)[at];
if (!item) return false;
document.querySelectorAll(reveal).forEach(one => one.removeAttribute('src'));
item.scrollIntoView({block: 'center'});
item.click();
return true;
"""
_REVEALED = """
return [...document.querySelectorAll(arguments[0])].map(one => one.getAttribute('src') ? one.src : '');
"""
_KEEP = "document.querySelectorAll(arguments[0])[arguments[1]].setAttribute(arguments[2], arguments[3])"
_STATUS = "return (performance.getEntriesByType('navigation')[0] || {}).responseStatus || 0"


@dataclass(frozen=True)
class Reach:
    """How far a session goes, and by which way.

    Attributes:
        most_items: results after which it stops to scroll, and to click.
        most_seconds: longest session, but for starting and ending.
        click_seconds: longest wait for an original after a click.
        proxy: where all that the browser asks goes, as host:port.
        flags: further command line flags, for tests.
    """

    most_items: int
    most_seconds: float
    click_seconds: float
    proxy: str
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Shown:
    """What the browser shows in the end: where it is, the status of HTTP (0 where it does not say), the page."""

    url: str
    status: int
    html: str


def find_chromium() -> tuple[str, str]:
    """The paths of the system's Chromium and of its driver.

    Raises:
        MissingExtra: one of them, or Selenium, is not there.
    """
    require("selenium", extra="browser")
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        missing = "Chromium" if not browser else "chromedriver"
        raise MissingExtra(
            f"driving a browser needs {missing}, which is not on the path",
            "install the system's chromium and its driver, on Debian: apt-get install chromium chromium-driver",
        )
    return browser, driver


def browse(url: str, spec: PageSpec, reach: Reach, stop: Event, clock: Callable[[], float]) -> Shown:
    """What the page shows after scrolling and clicking as its spec says; the browser is gone in any case.

    A page that is known for a wall or for nothing is left at once, as it is.

    Raises:
        MissingExtra: there is no browser, or it does not start.
        NetworkDown: the page could not be loaded, or the browser failed.
    """
    from selenium.common.exceptions import WebDriverException

    with _session(reach) as driver:
        try:
            driver.get(url)
            until = clock() + reach.most_seconds
            if _appears(driver, spec, stop, clock, min(until, clock() + _APPEAR_S)):
                _scroll(driver, spec, reach, stop, lambda: clock() > until)
                if spec.drive.click:
                    _click(driver, spec, reach, stop, clock, until)
            return Shown(driver.current_url, int(driver.execute_script(_STATUS)), driver.page_source)
        except WebDriverException as error:
            said = (error.msg or type(error).__name__).splitlines()[0][:200]
            raise NetworkDown(
                f"the browser could not show the page of {spec.name}: {said}", "try again later, or look at the page"
            ) from error


@contextmanager
def _session(reach: Reach) -> Iterator[Any]:
    """A browser with an empty profile of its own; both are gone after the block.

    Raises:
        MissingExtra: there is none, or it does not start.
    """
    browser, chromedriver = find_chromium()
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    # ignore_cleanup_errors: the browser's last helper may still be writing into it
    with tempfile.TemporaryDirectory(prefix="fieldguide-", ignore_cleanup_errors=True) as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        options.page_load_strategy = "eager"
        for flag in (*_FLAGS, f"--proxy-server=http://{reach.proxy}", f"--user-data-dir={Path(folder) / 'profile'}"):
            options.add_argument(flag)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium does not start otherwise for root, as in a container
        for flag in reach.flags:
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download_restrictions": 3})
        # its own session: Ctrl-C is for us, who then end it in order
        service = Service(chromedriver, popen_kw={"start_new_session": True})
        try:
            driver = webdriver.Chrome(options=options, service=service)
        except WebDriverException as error:
            said = (error.msg or "").splitlines()[0][:200]
            raise MissingExtra(
                f"Chromium does not start: {said}", "check that chromium and its driver match"
            ) from error
        try:
            driver.set_page_load_timeout(min(_LOAD_S, reach.most_seconds))
            driver.set_script_timeout(10)
            yield driver
        finally:
            with suppress(WebDriverException, OSError):
                driver.quit()
            service.stop()


def _appears(driver: Any, spec: PageSpec, stop: Event, clock: Callable[[], float], until: float) -> bool:
    """Whether results are there; waits for a page that builds itself until a marker is seen."""
    while True:
        seen = judge(driver.page_source, spec)
        if seen != "unknown" or clock() > until or stop.wait(_STEP_S):
            return seen == "ok"


def _scroll(driver: Any, spec: PageSpec, reach: Reach, stop: Event, late: Callable[[], bool]) -> None:
    """Nothing, once enough is there or the bottom has stayed the same for four rounds.

    The same means: as many results, as many of them still without a picture, the same height. Counting results only
    stops too early: a page that waits for its pictures loads the next results after them.
    """
    items = [way.select for way in spec.find]
    before: Sequence[object] = ()
    stale = clicks = 0
    while spec.drive.scroll and stale < _STALE_ROUNDS and not late():
        driver.execute_script(_SCROLL)
        if stop.wait(_STEP_S):
            return
        now = driver.execute_script(_MEASURE, items, spec.drive.lazy)
        if now[0] >= reach.most_items and not now[1]:
            return
        stale = stale + 1 if now[3] and now == before else 0
        before = now
        asks = stale == 1 and spec.drive.more_button and clicks < _MAX_MORE_CLICKS
        if asks and driver.execute_script(_MORE, spec.drive.more_button):
            clicks += 1
            stale = 0


def _click(driver: Any, spec: PageSpec, reach: Reach, stop: Event, clock: Callable[[], float], until: float) -> None:
    """Nothing; each result that gave its original away carries its address in the attribute `keep_as`."""
    drive = spec.drive
    driver.execute_script(_STAY)
    for at in range(reach.most_items):
        if stop.is_set() or clock() > until or not driver.execute_script(_CLICK, drive.click, drive.reveal, at):
            return
        patience = min(until, clock() + reach.click_seconds)
        found = ""
        while True:
            shown = [one for one in driver.execute_script(_REVEALED, drive.reveal) if one.startswith("http")]
            found = next((one for one in shown if not is_small(one, spec)), shown[0] if shown else "")
            if (found and not is_small(found, spec)) or clock() > patience or stop.wait(_POLL_S):
                break
        if found:
            driver.execute_script(_KEEP, drive.click, at, drive.keep_as, found)
