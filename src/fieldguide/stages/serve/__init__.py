"""The stage that serves a guide on this computer: an API, and a plain page to try it.

Knows nothing about projects. Listens on 127.0.0.1 unless told otherwise. Pictures are
read into memory up to a limit, decoded in threads, and forgotten. Trouble is a JSON problem (RFC 9457) with a code;
nothing from outside becomes HTML.
"""

import asyncio
import base64
import binascii
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from fieldguide.engine import core_count
from fieldguide.errors import BadImage
from fieldguide.guide import Guide, open_guide
from fieldguide.images import Limits, read_header
from fieldguide.progress import Progress
from fieldguide.records import Prediction
from fieldguide.serving import Problem, Server, answer_problems, is_known_host, show_problem
from fieldguide.serving.listening import accepted_hosts, listen, page_addresses
from fieldguide.settings import ServeSettings
from fieldguide.text import render

_QUEUE = 32
_LARGE_PIXELS = 16_000_000  # from here on a picture may take half a gigabyte while it is decoded
_LARGE_AT_ONCE = 2
_STATUS = {"unsupported_format": 415, "not_an_image": 415, "too_many_bytes": 413, "too_many_pixels": 413}
_MAX_SCANS = 30  # honest progressive JPEGs have up to 14; each scan costs a pass over all pixels
_READ_TIMEOUT_S = 30.0
_INSECURE = "insecure: whoever can reach this computer's port can use the guide, with no key and unencrypted"
_URL_ALPHABET = str.maketrans("-_", "+/")  # of base64, RFC 4648, section 5
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def serve(
    guide_folder: Path, settings: ServeSettings, *, api_key: str = "", progress: Progress, ready: Callable[[str], None]
) -> None:
    """Serve a guide until interrupted.

    Args:
        guide_folder: a published guide.
        settings: address, port and limits.
        api_key: what every request but `/health` has to bring; "" where none is wanted.
        progress: told what the person should know.
        ready: called with each address of the page, once the server answers and shuts down cleanly on an interrupt.

    Raises:
        InputMissing: there is no guide in the folder.
        GuideDamaged: the guide is altered or unsafe.
        PortBusy: the port is in use.
        NoPermission: the port may not be opened.
        SettingsError: this machine has no such address, or others could use it without a key.
    """
    guide = open_guide(guide_folder, threads=1)  # a picture on each core, not one on all
    listener = listen(settings, api_key)
    app = make_app(guide, settings, accepted_hosts(listener, settings), api_key)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5, limit_concurrency=256,
        timeout_graceful_shutdown=10, lifespan="off",
    )  # fmt: skip
    if guide.edited:
        progress.say(guide.describe_edited())
    if settings.insecure and not api_key:
        progress.say(_INSECURE)

    def show_addresses() -> None:
        for address in page_addresses(listener):
            ready(address)

    Server(config, show_addresses).run(sockets=[listener])


def make_app(guide: Guide, settings: ServeSettings, hosts: Sequence[str], api_key: str = "") -> FastAPI:
    """Make the web application of a guide.

    Args:
        guide: an open guide.
        settings: the limits.
        hosts: values of the Host header that are accepted; others get 400, which stops DNS rebinding.
        api_key: what every request but `/health` has to bring; "" where none is wanted.
    """
    from fieldguide import __version__

    app = FastAPI(
        title=str(guide.about["name"]), version=__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False,  # it would lead out of the path that a proxy shows the page below
    )  # fmt: skip
    app.middleware("http")(partial(_guard, hosts=hosts, api_key=api_key))
    answer_problems(app, _HEADERS)
    _add_pages(app, guide)
    _add_api(app, guide, settings)
    return app


async def _guard(
    request: Request, call: Callable[[Request], Awaitable[Response]], hosts: Sequence[str], api_key: str
) -> Response:
    """Add the security headers; answer a foreign host, and a request without the key, with a problem."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if not is_known_host(request, hosts):
        detail = "this server is not known by that name; name it in allowed_hosts under [serve], or with --allowed-host"
        response = await show_problem(request, Problem(400, "foreign_host", detail))
    elif api_key and path != "/health" and not _has_key(request, api_key):
        problem = Problem(401, "key_needed", "send the API key: Authorization: Bearer KEY, or as a password")
        response = await show_problem(request, problem)
        response.headers["WWW-Authenticate"] = 'Basic realm="fieldguide", charset="UTF-8"'  # a browser asks for it
    else:
        response = await call(request)
    response.headers.update(_HEADERS)
    return response


def _has_key(request: Request, api_key: str) -> bool:
    """Tell whether a request brings the key: as a bearer token, as a password, or as X-API-Key."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            sent = base64.b64decode(sent, validate=True).decode().partition(":")[2]
    sent = request.headers.get("x-api-key", sent)
    return hmac.compare_digest(sent.strip().encode(), api_key.encode())


def _add_pages(app: FastAPI, guide: Guide) -> None:
    """Add the page, its parts and the example pictures: a fixed list of addresses, no path is ever joined."""
    about = guide.about
    values = {"name": about["name"], "about": about["about"], "classes": about["classes"]}
    scores = {"accuracy": about["scores"]["accuracy"], "tested": about["scores"].get("test_images", "")}
    page = render("upload.html", {**values, **scores, "data": about.get("data", {})})
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
            raise Problem(404, "not_found", "there is no such example")
        try:
            picture = await asyncio.to_thread((guide.folder / "examples" / name).read_bytes)
        except OSError as error:
            raise Problem(404, "gone", f"the example cannot be read: {error.strerror}") from error
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _add_api(app: FastAPI, guide: Guide, settings: ServeSettings) -> None:
    """Add the addresses of the API."""
    limits = _limits(guide, settings)
    uploads = _Uploads(max(settings.max_held_bytes, _most_body_bytes("application/json", limits.max_bytes)))
    slots = asyncio.Semaphore(core_count())
    large = threading.Semaphore(_LARGE_AT_ONCE)
    waiting = 0

    def answer_picture(data: bytes) -> Prediction:
        """Classify in a thread: as many as there are cores, but only a few large pictures, at once."""
        header = read_header(data, limits)
        with large if header.width * header.height >= _LARGE_PIXELS else nullcontext():
            return guide.classify(data, limits)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the guide is loaded and answers."""
        return {"status": "ok", "guide": str(guide.about["name"])}

    @app.get("/v1/guide")
    async def describe() -> JSONResponse:
        """Return everything in guide.json, and in forms.json where the guide was exported."""
        return JSONResponse({**guide.about, **({"forms": guide.forms} if guide.forms else {})})

    @app.post("/v1/classify", openapi_extra=_REQUEST_BODY, responses=_RESPONSES)
    async def classify(request: Request) -> dict[str, Any]:
        """Return the classes of a picture with their probabilities, or that it is none of them."""
        nonlocal waiting
        with uploads.holding() as hold:
            data = await _read_picture(request, limits.max_bytes, hold)
            if waiting >= _QUEUE:
                raise Problem(503, "busy", "too many pictures are waiting; try again in a second")
            waiting += 1
            try:
                async with slots:
                    answer = await asyncio.to_thread(answer_picture, data)
            except BadImage as error:
                raise Problem(_STATUS.get(error.reason, 422), error.reason, error.detail) from error
            finally:
                waiting -= 1
        return _as_json(answer)


def _limits(guide: Guide, settings: ServeSettings) -> Limits:
    """Return the limits of the settings; where they leave it open, those that the guide's project had."""
    of_guide = guide.limits
    return Limits(
        formats=guide.formats,
        max_bytes=of_guide.max_bytes if settings.max_bytes == "auto" else settings.max_bytes,
        max_pixels=of_guide.max_pixels if settings.max_pixels == "auto" else settings.max_pixels,
        max_scans=min(_MAX_SCANS, of_guide.max_scans),
    )


class _Uploads:
    """Counts the bytes of all uploads that are held at once, and refuses more than there is room for."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held_bytes = 0

    @contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Yield what takes room for so many more bytes of one upload; the room is given back at the end."""
        own_bytes = 0

        def hold(size_bytes: int) -> None:
            nonlocal own_bytes
            if self._held_bytes + size_bytes > self._most_bytes:
                raise Problem(503, "busy", "too many uploads at once; try again in a second")
            self._held_bytes += size_bytes
            own_bytes += size_bytes

        try:
            yield hold
        finally:
            self._held_bytes -= own_bytes


def _as_json(answer: Prediction) -> dict[str, Any]:
    """Return the answer for programs, the most probable class first."""
    probs = [{"class_name": name, "prob": prob} for name, prob in answer.probs.items()]
    return {
        "class_name": answer.class_name or None,
        "declined": answer.declined,
        "familiarity": answer.familiarity,
        "probs": probs,
    }


def _most_body_bytes(kind: str, max_bytes: int) -> int:
    """Return how long a body of a media type may be that holds a picture of so many bytes."""
    return 4096 + (max_bytes * 3 // 2 if kind == "application/json" else max_bytes)  # base64 with line ends


async def _read_picture(request: Request, max_bytes: int, hold: Callable[[int], None]) -> bytes:
    """Return the picture's bytes: from a form's field `file`, from JSON `{"image": base64}`, or the body itself."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    too_large = Problem(413, "too_many_bytes", f"the picture is larger than {max_bytes:,} bytes")
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            body = await _read_body(request, _most_body_bytes(kind, max_bytes), hold, too_large)
    except ClientDisconnect as error:
        raise Problem(400, "cut_off", "the picture did not arrive whole") from error
    except TimeoutError as error:
        raise Problem(408, "too_slow", f"the picture did not arrive within {_READ_TIMEOUT_S:.0f} s") from error
    if kind == "multipart/form-data":
        return await _from_form(request, body)
    if kind == "application/json":
        return _from_json(body)
    return body


async def _read_body(request: Request, most_bytes: int, hold: Callable[[int], None], too_large: Problem) -> bytes:
    """Return the body, never more than so many bytes of it; `hold` is asked for room before a piece is kept."""
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > most_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > most_bytes:
            raise too_large
        hold(len(chunk))
        body += chunk
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
                raise Problem(422, "no_file", "send the picture as the form's field 'file'")
            return await file.read()
    except (MultiPartException, HTTPException, KeyError, ValueError) as error:
        raise Problem(400, "broken_form", "the form cannot be read") from error


def _from_json(body: bytes) -> bytes:
    """Return the bytes in `{"image": …}`: a data: address, or base64 in either alphabet, with or without line ends."""
    try:
        text = json.loads(body)["image"]
        encoded = text.partition(",")[2] if text.startswith("data:") else text
        encoded = "".join(encoded.split()).translate(_URL_ALPHABET).rstrip("=")
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise Problem(422, "broken_json", 'send {"image": "base64 of the picture"}') from error


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
    401: {"description": "the API key is missing or wrong"},
    408: {"description": "the picture arrived too slowly"},
    413: {"description": "the picture has too many bytes"},
    415: {"description": "not a picture, or a format that is not accepted"},
    422: {"description": "the picture cannot be decoded, or none was sent"},
    503: {"description": "too many pictures are waiting"},
}
