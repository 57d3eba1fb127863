"""The web application of a guide: what each address answers.

Pictures are read into memory up to a limit, decoded in threads, and forgotten. Trouble is a JSON problem (RFC 9457)
with a code; nothing from outside becomes HTML.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fieldguide.engine import core_count
from fieldguide.errors import BadImage
from fieldguide.guide import Guide
from fieldguide.images import Limits
from fieldguide.records import Prediction
from fieldguide.settings import ServeSettings
from fieldguide.text import render

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


class _Problem(Exception):
    """An answer that is not a classification."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def make_app(guide: Guide, settings: ServeSettings, hosts: Sequence[str]) -> FastAPI:
    """The application that answers for a guide.

    Args:
        guide: an open guide.
        settings: the limits.
        hosts: values of the Host header that are answered; others get 400, which stops DNS rebinding.
    """
    from fieldguide import __version__

    app = FastAPI(title=str(guide.about["name"]), version=__version__, docs_url=None, redoc_url=None)
    app.middleware("http")(partial(_guard, hosts=hosts))
    app.add_middleware(_Ending)
    app.add_exception_handler(_Problem, _show_problem)
    app.add_exception_handler(HTTPException, _show_refusal)
    _add_pages(app, guide)
    _add_api(app, guide, settings)
    return app


async def _guard(request: Request, call: Callable[[Request], Awaitable[Response]], hosts: Sequence[str]) -> Response:
    """The answer with its headers; none but a problem for a host that is not ours."""
    if "*" in hosts or _host_name(request.headers.get("host", "")) in hosts:
        response = await call(request)
    else:
        response = await _show_problem(request, _Problem(400, "foreign_host", "this server has another name"))
    response.headers.update(_HEADERS)
    return response


class _Ending:
    """Answers those whom an ending server waits for no longer, where their cut-off would else be told as a fault."""

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
            answer = await _show_problem(Request(scope), _Problem(503, "ending", "this server ends"))
            await answer(scope, receive, send)


def _host_name(host: str) -> str:
    """The name in a Host header, without its port and without the brackets of IPv6."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


async def _show_problem(_: Request, problem: Exception) -> Response:
    """The problem as JSON, RFC 9457."""
    assert isinstance(problem, _Problem)
    body = {"title": problem.code, "status": problem.status, "code": problem.code, "detail": problem.detail}
    headers = {"Retry-After": "1"} if problem.status == 503 else {}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


async def _show_refusal(request: Request, error: Exception) -> Response:
    """What the framework itself refuses, in the same form."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    response = await _show_problem(request, _Problem(error.status_code, code, error.detail))
    response.headers.update(error.headers or {})
    return response


def _add_pages(app: FastAPI, guide: Guide) -> None:
    """Nothing; the page, its parts and the example pictures have addresses: a fixed list, no path is ever joined."""
    about = guide.about
    said = {"name": about["name"], "about": about["about"], "classes": about["classes"]}
    page = render("upload.html", {**said, "accuracy": about["scores"]["accuracy"]})
    parts = {name: files("fieldguide").joinpath("templates", name).read_text("utf-8") for name in
             ("upload.css", "upload.js")}  # fmt: skip
    shown = {one["file"] for each in about["classes"] for one in each["examples"]}

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
    """Nothing; the API has its addresses."""
    limits = Limits(
        max_bytes=settings.max_bytes, max_pixels=settings.max_pixels, max_scans=_MAX_SCANS, formats=guide.formats
    )
    slots = asyncio.Semaphore(core_count())
    waiting = 0

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the guide is loaded and answers."""
        return {"status": "ok", "guide": str(guide.about["name"])}

    @app.get("/v1/guide")
    async def describe() -> JSONResponse:
        """Everything that the guide says of itself."""
        return JSONResponse(dict(guide.about))

    @app.post("/v1/classify", openapi_extra=_REQUEST_BODY, responses=_RESPONSES)
    async def classify(request: Request) -> dict[str, Any]:
        """The classes of a picture with their probabilities, or that it is none of them."""
        nonlocal waiting
        data = await _read_picture(request, settings.max_bytes)
        if waiting >= _QUEUE:
            raise _Problem(503, "busy", "too many pictures are waiting; try again in a second")
        waiting += 1
        try:
            async with slots:
                answer = await asyncio.to_thread(guide.classify, data, "", limits)
        except BadImage as error:
            raise _Problem(_STATUS.get(error.reason, 422), error.reason, error.detail) from error
        finally:
            waiting -= 1
        return _as_json(answer)


def _as_json(answer: Prediction) -> dict[str, Any]:
    """The answer for programs, most probable class first."""
    probs = [{"class_name": name, "prob": prob} for name, prob in answer.probs.items()]
    return {
        "class_name": answer.class_name or None,
        "declined": answer.declined,
        "familiarity": answer.familiarity,
        "probs": probs,
    }


async def _read_picture(request: Request, max_bytes: int) -> bytes:
    """The picture's bytes: from a form's field `file`, from JSON `{"image": base64}`, or the body itself.

    Raises:
        _Problem: too large, too slow, or of none of these forms.
    """
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
    """The body, never more than `room` bytes of it.

    Raises:
        _Problem: it is larger.
    """
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
    """The bytes of the form's field `file`.

    Raises:
        _Problem: there is no such file, or the form is broken.
    """
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
    """The bytes in `{"image": …}`, base64 or a data: address.

    Raises:
        _Problem: it is not of that form.
    """
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
    415: {"description": "not a picture, or of a format that is not taken"},
    422: {"description": "the picture cannot be decoded, or none was sent"},
    503: {"description": "too many pictures are waiting"},
}
