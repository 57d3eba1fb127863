"""The stage that serves a guide on this computer: an API, and the guide's page.

Knows nothing about projects. Listens on 127.0.0.1 unless told otherwise. Pictures are read into memory up to a limit
(`bodies`), decoded and classified in processes of their own (`workers`, `service`), and forgotten. Trouble is a JSON
problem (RFC 9457) with a code; nothing from outside becomes HTML.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from socket import socket

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from fieldguide.errors import SettingsError
from fieldguide.guide import Guide
from fieldguide.progress import Progress
from fieldguide.serving import Server, answer_problems
from fieldguide.serving.listening import accepted_hosts, listen, page_addresses
from fieldguide.serving.patience import ACCEPTED_AT_ONCE, PatientProtocol
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.access import HEADERS, REQUEST_ID, Gate
from fieldguide.stages.serve.feedback import Feedback
from fieldguide.stages.serve.fetching import Fetcher
from fieldguide.stages.serve.inference import add_inference
from fieldguide.stages.serve.metrics import Metrics
from fieldguide.stages.serve.pages import add_pages
from fieldguide.stages.serve.routes import add_api, add_feedback, add_health, make_uploads
from fieldguide.stages.serve.schema import describe_api
from fieldguide.stages.serve.service import Loaded, Reloading, Service, limits_of, load
from fieldguide.stages.serve.streamlit import serve_page
from fieldguide.stages.serve.workers import Classifier, Threads

_INSECURE = "insecure: whoever can reach this computer's port can use the guide, with no key and unencrypted"
_DRAIN_S = 30
_BACKLOG = 1024
_OPEN_RATE = 20.0


def serve(
    guide_folder: Path, settings: ServeSettings, *, api_key: str = "", progress: Progress, ready: Callable[[str], None]
) -> None:
    """Serve a guide until interrupted; anew whenever it is published anew.

    Args:
        guide_folder: a published guide.
        settings: address, port and limits.
        api_key: what every request but those for the server's health has to bring, or several with spaces between
            them; "" where none is wanted.
        progress: told what the person should know.
        ready: called with each address of the page, once the server answers and shuts down cleanly on an interrupt.

    Raises:
        InputMissing: there is no guide in the folder.
        GuideDamaged: the guide is altered or unsafe.
        PortBusy: the port is in use.
        NoPermission: the port may not be opened.
        SettingsError: this machine has no such address, others could use it without a key, or what visitors send has
            no folder.
        MissingExtra: Streamlit is not installed, and its page is wanted.
    """
    if settings.ui == "streamlit":
        serve_page(guide_folder, settings, progress=progress, ready=ready)
        return
    if settings.feedback and not settings.feedback_folder:
        hint = "name one: feedback_folder under [serve], or --feedback FOLDER"
        raise SettingsError("pictures that visitors send should be kept, and there is no folder for them", hint)
    listener, settings, service = _open(guide_folder, settings, api_key)
    if service.loaded.guide.edited:
        progress.say(service.loaded.guide.describe_edited())
    if settings.insecure and not api_key:
        progress.say(_INSECURE)
    app = _assemble(service, settings, accepted_hosts(listener, settings), api_key)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5,
        timeout_graceful_shutdown=_DRAIN_S, backlog=ACCEPTED_AT_ONCE, lifespan="off", loop="asyncio",
        http=PatientProtocol, ws="none",
    )  # fmt: skip
    reloading = Reloading(service, guide_folder, settings, progress.say)
    tasks = []

    def begin() -> None:
        listener.listen(_BACKLOG)  # more than are accepted at once
        tasks.append(asyncio.get_running_loop().create_task(reloading.watch()))
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading.ask)
        for address in page_addresses(listener):
            ready(address)

    def end() -> None:
        service.ending = True

    try:
        with _logging(settings.log):
            Server(config, begin, end).run(sockets=[listener])
    finally:
        service.loaded.answerer.close()


def _open(guide_folder: Path, settings: ServeSettings, api_key: str) -> tuple[socket, ServeSettings, Service]:
    """Open the socket and the guide; return them, and the settings with what the address asks for."""
    listener = listen(settings, api_key)
    if settings.rate_limit == "auto" and not ip_address(listener.getsockname()[0]).is_loopback:
        settings = settings.model_copy(update={"rate_limit": _OPEN_RATE})
    try:
        metrics = Metrics()
        service = Service(load(guide_folder, settings, metrics), metrics)
    except BaseException:
        listener.close()
        raise
    return listener, settings, service


def make_app(guide: Guide, settings: ServeSettings, hosts: Sequence[str], api_key: str = "") -> FastAPI:
    """Make the web application of a guide, which answers in threads of this process.

    Args:
        guide: an open guide.
        settings: the limits.
        hosts: values of the Host header that are accepted; others get 400, which stops DNS rebinding.
        api_key: see `serve`.
    """
    limits = limits_of(guide, settings)
    service = Service(Loaded(guide, limits, Threads(Classifier(guide, limits))), Metrics())
    return _assemble(service, settings, hosts, api_key)


def _assemble(service: Service, settings: ServeSettings, hosts: Sequence[str], api_key: str) -> FastAPI:
    """Put the application together: the gate, the pages, the API."""
    from fieldguide import __version__

    app = FastAPI(
        title=str(service.loaded.guide.about["name"]), version=__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False,  # it would lead out of the path that a proxy shows the page below
    )  # fmt: skip
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", REQUEST_ID], expose_headers=[REQUEST_ID],
        )  # fmt: skip
    app.add_middleware(Gate, hosts=hosts, api_key=api_key, settings=settings, metrics=service.metrics)
    answer_problems(app, HEADERS)
    uploads = make_uploads(service, settings)
    add_pages(app, service, settings)
    add_api(app, service, uploads, Fetcher(settings.allow_urls))
    feedback = Feedback(Path(settings.feedback_folder), settings.feedback_max_bytes) if settings.feedback else None
    add_feedback(app, service, uploads, feedback)
    add_inference(app, service, uploads)
    add_health(app, service)
    describe_api(app, keyed=bool(api_key), root_path=settings.root_path)
    service.metrics.show_model(service.loaded.model)
    return app


@contextmanager
def _logging(wanted: bool) -> Iterator[None]:
    """Write the log of requests to the standard output inside the block, where it is wanted."""
    log, handler = logging.getLogger("fieldguide.serve"), logging.StreamHandler(sys.stdout)
    if wanted:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
