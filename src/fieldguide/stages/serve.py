"""The stage that serves a guide on this computer: an API, and a plain page to try it.

Knows nothing about projects. Listens on 127.0.0.1 unless told otherwise. Pictures are read into memory up to a limit,
decoded in threads, and forgotten. Trouble is a JSON problem (RFC 9457) with a code; nothing from outside becomes HTML.
"""

import asyncio
import base64
import binascii
import errno
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fieldguide.engine import core_count
from fieldguide.errors import BadImage, NoPermission, PortBusy, SettingsError
from fieldguide.guide import Guide, open_guide
from fieldguide.images import Limits
from fieldguide.records import Prediction
from fieldguide.settings import ServeSettings
from fieldguide.text import render

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_QUEUE = 32
_STATUS = {"unsupported_format": 415, "not_an_image": 415, "too_many_bytes": 413, "too_many_pixels": 413}
_MAX_SCANS = 30  # honest progressive JPEGs have up to 14; each scan costs a pass over all pixels
_READ_TIMEOUT_S = 30.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def serve(guide_folder: Path, settings: ServeSettings, *, ready: Callable[[str], None]) -> None:
    """Serve a guide until interrupted.

    Args:
        guide_folder: a published guide.
        settings: address, port and limits.
        ready: called with the address of the page once the server answers and shuts down cleanly on an interrupt.

    Raises:
        InputMissing: there is no guide in the folder.
        GuideDamaged: the guide is altered or unsafe.
        PortBusy: the port is in use.
        NoPermission: the port may not be opened.
        SettingsError: this machine has no such address.
    """
    guide = open_guide(guide_folder, threads=1)  # a picture on each core, not one on all
    listener = _listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    hosts = (*_LOOPBACK, settings.host) if settings.host not in ("0.0.0.0", "::") else ("*",)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    config = uvicorn.Config(
        make_app(guide, settings, hosts), log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=5, limit_concurrency=256, timeout_graceful_shutdown=10, lifespan="off",
    )  # fmt: skip
    _Server(config, lambda: ready(address)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Reports when it answers; the first interrupt then shuts it down cleanly, a second one at once, both quietly."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use"
            raise PortBusy(message, "stop the program that uses it, or give --port 0 for a free port") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NoPermission(f"port {port} may not be opened", "give --port 8000 or another above 1023") from error
        raise SettingsError(f"cannot listen on {host}: {error.strerror}", "give --host 127.0.0.1") from error
    return listener


class _Problem(Exception):
    """An answer that is not a classification."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def make_app(guide: Guide, settings: ServeSettings, hosts: Sequence[str]) -> FastAPI:
    """Make the web application of a guide.

    Args:
        guide: an open guide.
        settings: the limits.
        hosts: values of the Host header that are accepted; others get 400, which stops DNS rebinding.
    """
    from fieldguide import __version__

    app = FastAPI(title=str(guide.about["name"]), version=__version__, docs_url=None, redoc_url=None)
    app.middleware("http")(partial(_guard, hosts=hosts))
    app.add_middleware(_ShutdownAnswer)
    app.add_exception_handler(_Problem, _show_problem)
    app.add_exception_handler(HTTPException, _show_refusal)
    _add_pages(app, guide)
    _add_api(app, guide, settings)
    return app


async def _guard(request: Request, call: Callable[[Request], Awaitable[Response]], hosts: Sequence[str]) -> Response:
    """Add the security headers, and answer a foreign host with a problem."""
    if "*" in hosts or _host_name(request.headers.get("host", "")) in hosts:
        response = await call(request)
    else:
        response = await _show_problem(request, _Problem(400, "foreign_host", "this server is not known by that name"))
    response.headers.update(_HEADERS)
    return response


class _ShutdownAnswer:
    """Answers the requests that a server cuts off while it shuts down, which would otherwise be logged as faults."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except asyncio.CancelledError:
            if started or scope["type"] != "http":
                raise
            answer = await _show_problem(Request(scope), _Problem(503, "ending", "this server is shutting down"))
            await answer(scope, receive, send)


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port and without the brackets of IPv6."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


async def _show_problem(_: Request, problem: Exception) -> Response:
    """Answer with a problem as JSON, RFC 9457."""
    assert isinstance(problem, _Problem)
    body = {"title": problem.code, "status": problem.status, "code": problem.code, "detail": problem.detail}
    headers = {"Retry-After": "1"} if problem.status == 503 else {}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


async def _show_refusal(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses, in the same form."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    response = await _show_problem(request, _Problem(error.status_code, code, error.detail))
    response.headers.update(error.headers or {})
    return response


def _add_pages(app: FastAPI, guide: Guide) -> None:
    """Add the page, its parts and the example pictures: a fixed list of addresses, no path is ever joined."""
    about = guide.about
    values = {"name": about["name"], "about": about["about"], "classes": about["classes"]}
    page = render("upload.html", {**values, "accuracy": about["scores"]["accuracy"]})
    parts = {name: files("fieldguide").joinpath("templates", name).read_text("utf-8") for name in
             ("upload.css", "upload.js")}  # fmt: skip
    shown = {example["file"] for row in about["classes"] for example in row["examples"]}

    @app.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/upload.css", include_in_schema=False)
    async def show_style() -> Response:
        return Response(parts["upload.css"], media_type="text/css")

    @app.get("/upload.js", include_in_schema=False)
    async def show_script() -> Response:
        return Response(parts["upload.js"], media_type="text/javascript")

    @app.get("/examples/{name}", include_in_schema=False)
    async def show_example(name: str) -> Response:
        if f"examples/{name}" not in shown:
            raise _Problem(404, "not_found", "there is no such example")
        return FileResponse(guide.folder / "examples" / name, media_type="image/jpeg")


def _add_api(app: FastAPI, guide: Guide, settings: ServeSettings) -> None:
    """Add the addresses of the API."""
    limits = Limits(
        max_bytes=settings.max_bytes, max_pixels=settings.max_pixels, max_scans=_MAX_SCANS, formats=guide.formats
    )
    slots = asyncio.Semaphore(core_count())
    waiting = 0

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the guide is loaded and answers."""
        return {"status": "ok", "guide": str(guide.about["name"])}

    @app.get("/v1/guide")
    async def describe() -> JSONResponse:
        """Return everything in guide.json."""
        return JSONResponse(dict(guide.about))

    @app.post("/v1/classify", openapi_extra=_REQUEST_BODY, responses=_RESPONSES)
    async def classify(request: Request) -> dict[str, Any]:
        """Return the classes of a picture with their probabilities, or that it is none of them."""
        nonlocal waiting
        data = await _read_picture(request, settings.max_bytes)
        if waiting >= _QUEUE:
            raise _Problem(503, "busy", "too many pictures are waiting; try again in a second")
        waiting += 1
        try:
            async with slots:
                answer = await asyncio.to_thread(guide.classify, data, limits)
        except BadImage as error:
            raise _Problem(_STATUS.get(error.reason, 422), error.reason, error.detail) from error
        finally:
            waiting -= 1
        return _as_json(answer)


def _as_json(answer: Prediction) -> dict[str, Any]:
    """Return the answer for programs, the most probable class first."""
    probs = [{"class_name": name, "prob": prob} for name, prob in answer.probs.items()]
    return {
        "class_name": answer.class_name or None,
        "declined": answer.declined,
        "familiarity": answer.familiarity,
        "probs": probs,
    }


async def _read_picture(request: Request, max_bytes: int) -> bytes:
    """Return the picture's bytes: from a form's field `file`, from JSON `{"image": base64}`, or the body itself."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    room = max_bytes * 4 // 3 + 4096 if kind == "application/json" else max_bytes + 4096
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            body = await _read_body(request, room)
    except ClientDisconnect as error:
        raise _Problem(400, "cut_off", "the picture did not arrive whole") from error
    except TimeoutError as error:
        raise _Problem(408, "too_slow", f"the picture did not arrive within {_READ_TIMEOUT_S:.0f} s") from error
    if kind == "multipart/form-data":
        return await _from_form(request, body)
    if kind == "application/json":
        return _from_json(body)
    return body


async def _read_body(request: Request, room: int) -> bytes:
    """Return the body, never more than `room` bytes of it."""
    too_large = _Problem(413, "too_many_bytes", f"the picture is larger than {room:,} bytes")
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > room:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > room:
            raise too_large
    return bytes(body)


async def _from_form(request: Request, body: bytes) -> bytes:
    """Return the bytes of the form's field `file`."""
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form(max_files=1, max_fields=16) as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise _Problem(422, "no_file", "send the picture as the form's field 'file'")
            return await file.read()
    except (MultiPartException, HTTPException, KeyError, ValueError) as error:
        raise _Problem(400, "broken_form", "the form cannot be read") from error


def _from_json(body: bytes) -> bytes:
    """Return the bytes in `{"image": …}`, base64 or a data: address."""
    try:
        text = json.loads(body)["image"]
        encoded = text.partition(",")[2] if text.startswith("data:") else text
        return base64.b64decode(encoded, validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise _Problem(422, "broken_json", 'send {"image": "base64 of the picture"}') from error


_PICTURE = {"type": "string", "format": "binary"}
_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _PICTURE}}
            },
            "application/json": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}}
            },
            "application/octet-stream": {"schema": _PICTURE},
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "the form is broken"},
    408: {"description": "the picture arrived too slowly"},
    413: {"description": "the picture has too many bytes"},
    415: {"description": "not a picture, or a format that is not accepted"},
    422: {"description": "the picture cannot be decoded, or none was sent"},
    503: {"description": "too many pictures are waiting"},
}
