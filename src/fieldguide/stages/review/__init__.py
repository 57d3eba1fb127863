"""The stage in which a person reviews the pictures: a page on this computer, the worst first, each decision at once.

Takes no lock: a decision is one transaction, and any number of pages and commands may be open. Listens on 127.0.0.1
unless told otherwise, and lets in who has the token of this start.
"""

import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import uvicorn

from fieldguide.errors import NotReady, PortBusy
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.review_list import FILTERS, Query, ReviewList
from fieldguide.records import ReviewReport
from fieldguide.serving import Server
from fieldguide.serving.listening import accepted_hosts, listen, page_addresses
from fieldguide.settings import ServeSettings, Settings
from fieldguide.stages.review.access import Access
from fieldguide.stages.review.answers import describe_audit, show_items
from fieldguide.stages.review.app import make_app, page_folder

_USUAL_PORT = 8765  # the same each time, so that a page left open finds its server again
_CHUNK = 500


@dataclass(frozen=True)
class Place:
    """Where the page is served.

    Attributes:
        port: None takes the usual one, or a free one where that is in use.
        browser: whether to open it in a browser.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    browser: bool = True


def review(
    project: Project, settings: Settings, *, place: Place | None, progress: Progress, ready: Callable[[str], None]
) -> ReviewReport:
    """Serve the page until interrupted, and report what was looked at; without a place, report the list at once.

    Args:
        project: what is reviewed.
        settings: what its fieldguide.toml says.
        place: where the page is served; None for the list alone, worst first.
        progress: told what takes long.
        ready: called with the address of the page, token and all, once the server answers.

    Raises:
        NotReady: there are no pictures, or the page is not built.
        PortBusy: the port is in use.
        SettingsError: this machine has no such address.
    """
    if place and not page_folder().joinpath("index.html").is_file():
        raise NotReady("the review page is not built", "build it in the folder of the source: make pages")
    with project.catalog() as catalog:  # open all the time: closing the last connection moves the log into the file
        progress.start("putting the worst first", None)
        listed = ReviewList(catalog)
        listed.update()
        if not listed.counts()["state"]:
            raise NotReady("there are no pictures yet", "add some with: fieldguide add FOLDER")
        if place is None:
            return _report(catalog, settings, tuple(_flagged(catalog)))
        _serve(project, settings, place, ready)
        listed.update()
        return _report(catalog, settings, ())


def _serve(project: Project, settings: Settings, place: Place, ready: Callable[[str], None]) -> None:
    """Serve the page until interrupted."""
    access, listener = _listen(place)
    config = uvicorn.Config(
        make_app(project, settings, access), log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=30, limit_concurrency=256, timeout_graceful_shutdown=5, lifespan="off",
    )  # fmt: skip

    def announce() -> None:
        address = f"{page_addresses(listener)[0]}?{urlencode({'token': access.token})}"
        ready(address)
        if place.browser:  # in a thread: a browser in the terminal would not return
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    Server(config, announce).run(sockets=[listener])


def _listen(place: Place) -> tuple[Access, Any]:
    """Open the socket, on another port where the usual one is in use."""
    port = _USUAL_PORT if place.port is None else place.port
    chosen = ServeSettings(host=place.host, port=port)
    access = Access((), port)
    try:
        listener = listen(chosen, access.token)
    except PortBusy:
        if place.port is not None:
            raise
        listener = listen(chosen.model_copy(update={"port": 0}), access.token)
    return Access(accepted_hosts(listener, chosen), listener.getsockname()[1], access.token), listener


def _flagged(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Yield the pictures that some check suspects or rejects and nobody has decided on, the worst first."""
    listed, after = ReviewList(catalog), (0,)
    while items := listed.page(Query(filters={"decision": ""}, limit=_CHUNK, after=after)):
        after = (items[-1].place,)
        flagged = [item for item in items if item.state in ("suspect", "rejected")]
        yield from show_items(catalog, flagged)


def _report(catalog: Catalog, settings: Settings, pictures: tuple[dict[str, Any], ...]) -> ReviewReport:
    counts = ReviewList(catalog).counts()
    by_value = {kind: counts[kind] for kind in FILTERS}
    total = sum(counts["state"].values())
    return ReviewReport(total, by_value, describe_audit(catalog), pictures, settings.review.rules)
