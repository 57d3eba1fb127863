"""The web application of the review: the built page, the pictures made anew, and an API on decisions.

No GET changes what the project is. What a POST has answered is on the disk. Trouble is a JSON problem (RFC 9457).
"""

import asyncio
import mimetypes
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Request
from fastapi import Query as Parameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fieldguide.errors import BadImage, DiskFull, FieldguideError, InputMissing, ProjectBusy
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.project.decisions import Author, Choice, Decisions, Outcome
from fieldguide.project.review_details import read_format
from fieldguide.project.review_list import FILTERS, Order, Query, ReviewList, class_names_of
from fieldguide.serving import Problem, answer_problems, show_problem
from fieldguide.settings import Settings
from fieldguide.stages.review import answers
from fieldguide.stages.review.access import HEADERS, Access
from fieldguide.stages.review.neighbours import best_store, find_neighbours
from fieldguide.stages.review.thumbnails import Thumbnails

_MOST_AT_ONCE = 10_000
_MAX_BODY = 4_000_000
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NO_STORE = {"Cache-Control": "no-store"}
_STATUS = {DiskFull: (507, "disk_full"), ProjectBusy: (503, "busy"), InputMissing: (404, "not_found")}
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Kind = TypeVar("Kind", bound=BaseModel)
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Decision(_Body):
    sha256: Hash
    decision: Literal["keep", "drop", "relabel"]
    class_name: str = ""
    revision: int = Field(ge=0)


class _Decisions(_Body):
    by: Name
    view: Literal["worst", "audit", "class", "picture"] = "worst"
    decisions: list[_Decision] = Field(min_length=1, max_length=_MOST_AT_ONCE)


class _By(_Body):
    by: Name


def page_folder() -> Traversable:
    """Return where the built page lies."""
    return files("fieldguide").joinpath("web", "studio")


def make_app(project: Project, settings: Settings, access: Access) -> FastAPI:
    """Make the application.

    Args:
        project: what is reviewed.
        settings: what its fieldguide.toml says.
        access: who is let in.
    """
    app = FastAPI(title="fieldguide review", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            response = access.check(request) or await call(request)
        except Problem as problem:
            response = await show_problem(request, problem)
        response.headers.update(HEADERS)
        return response

    app.middleware("http")(guard)
    answer_problems(app, HEADERS)
    app.add_exception_handler(FieldguideError, _show_error)
    app.add_exception_handler(RequestValidationError, _show_invalid)
    _add_page(app)
    _add_reading(app, project, settings)
    _add_pictures(app, project, settings)
    _add_deciding(app, project, settings)
    return app


async def _show_error(request: Request, error: Exception) -> Response:
    """Answer an error of the project: a full disk, a catalogue that another program holds."""
    assert isinstance(error, FieldguideError)
    status, code = next((shown for kind, shown in _STATUS.items() if isinstance(error, kind)), (500, "fault"))
    # here nobody runs a command again: the page does
    hint = "free some space on its disk" if isinstance(error, DiskFull) else error.hint
    return await show_problem(request, Problem(status, code, f"{error.message}; {hint}"))


async def _show_invalid(request: Request, error: Exception) -> Response:
    """Answer a parameter that cannot be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return await show_problem(request, Problem(422, "unusable", f"{first['loc'][-1]}: {first['msg']}"))


def _add_page(app: FastAPI) -> None:
    """Add the built page: a fixed list of addresses, no path is ever joined."""
    parts = dict(_walk(page_folder(), ""))

    @app.get("/")
    async def show_page() -> Response:
        if "index.html" not in parts:
            raise Problem(404, "not_built", "the page is not built: run make pages in the folder of the source")
        headers = {"Cache-Control": "no-cache"}
        return Response(parts["index.html"], media_type="text/html; charset=utf-8", headers=headers)

    def add(name: str, data: bytes) -> None:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = _FOR_EVER if name.startswith("assets/") else {"Cache-Control": "no-cache"}

        @app.get(f"/{name}")
        async def show_part() -> Response:
            return Response(data, media_type=kind, headers=headers)

    for name, data in parts.items():
        if name != "index.html":
            add(name, data)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of the page."""
    for item in folder.iterdir() if folder.is_dir() else ():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        elif not item.name.startswith("."):
            yield f"{prefix}{item.name}", item.read_bytes()


class _Audit:
    """The estimate of wrong labels, made again when something was decided; may be asked by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made_from: tuple[int, int] | None = None
        self._audit: dict[str, Any] = {}

    def read(self, catalog: Catalog, version: int) -> dict[str, Any]:
        with self._lock:
            made_from = (version, Decisions(catalog).last_id())
            if made_from != self._made_from:
                self._audit, self._made_from = answers.describe_audit(catalog), made_from
            return self._audit


def _add_reading(app: FastAPI, project: Project, settings: Settings) -> None:
    """Add what is read: the frame, the pages, one picture, its neighbours."""
    audit = _Audit()

    @contextmanager
    def listed() -> Iterator[tuple[Catalog, int]]:
        with project.catalog() as catalog:
            yield catalog, ReviewList(catalog).update()

    @app.get("/api/state")
    def describe_state(by: Annotated[str, Parameter(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = "") -> Response:
        with listed() as (catalog, version):
            state = answers.describe_state(catalog, settings, by, version)
            state["audit"] = audit.read(catalog, version)
        state["features"] = best_store(project.features_folder) is not None
        return JSONResponse(state, headers=_NO_STORE)

    @app.get("/api/pictures")
    def list_pictures(
        request: Request,
        order: Order = "worst",
        limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
        offset: Annotated[int, Parameter(ge=0, le=1 << 40)] = 0,
        after: str | None = None,
    ) -> Response:
        filters = {kind: request.query_params[kind] for kind in FILTERS if kind in request.query_params}
        query = Query(order, filters, limit)
        try:
            query = replace(query, offset=offset, after=answers.read_cursor(query, after) if after else None)
        except ValueError as error:
            raise Problem(422, "unusable", "after: this is not the end of a page of this order") from error
        with listed() as (catalog, version):
            return JSONResponse(answers.list_pictures(catalog, query, version), headers=_NO_STORE)

    @app.get("/api/pictures/{sha256}")
    def show_picture(sha256: str) -> Response:
        with listed() as (catalog, _):
            picture = answers.show_picture(catalog, sha256)
        if picture is None:
            raise Problem(404, "not_found", "there is no such picture in this project")
        return JSONResponse(picture, headers=_NO_STORE)

    @app.get("/api/pictures/{sha256}/neighbours")
    def show_neighbours(sha256: str, limit: Annotated[int, Parameter(ge=1, le=200)] = 24) -> Response:
        with listed() as (catalog, _):
            by, nearest = find_neighbours(catalog, project.features_folder, sha256, limit)
            similarity = dict(nearest)
            items = ReviewList(catalog).items(list(similarity))[:limit]
            pictures = answers.show_items(catalog, items)
        neighbours = [{**picture, "similarity": round(similarity[picture["sha256"]], 4)} for picture in pictures]
        return JSONResponse({"by": by, "neighbours": neighbours}, headers=_NO_STORE)


def _add_pictures(app: FastAPI, project: Project, settings: Settings) -> None:
    """Add the pictures themselves, made anew."""
    thumbnails = Thumbnails(project, decode_limits(settings))

    def answer(sha256: str, make: Callable[[str, str], bytes]) -> Response:
        with project.catalog() as catalog:
            known = read_format(catalog, sha256)
        if known is None:
            raise Problem(404, "not_found", "there is no such picture in this project")
        image_format, readable = known
        try:
            if not readable:
                raise BadImage("unreadable", "it cannot be read as a picture")
            data = make(sha256, image_format)
        except BadImage as error:
            raise Problem(422, error.reason, error.detail) from error
        return Response(data, media_type="image/jpeg", headers=_FOR_EVER)

    @app.get("/api/pictures/{sha256}/thumbnail")
    def show_thumbnail(sha256: str) -> Response:
        return answer(sha256, thumbnails.thumbnail)

    @app.get("/api/pictures/{sha256}/preview")
    def show_preview(sha256: str) -> Response:
        return answer(sha256, thumbnails.preview)


def _add_deciding(app: FastAPI, project: Project, settings: Settings) -> None:
    """Add what writes: decisions, undo and redo."""

    def write(by: str, act: Callable[[Catalog], Outcome]) -> Response:
        with project.catalog() as catalog:
            ReviewList(catalog).update()  # so that each picture has its row
            outcome = act(catalog)
            shown = answers.show_outcome(catalog, outcome, by)
        status, code, detail = answers.explain_outcome(outcome)
        if status != 200:
            raise Problem(status, code, detail, shown)
        return JSONResponse(shown, headers=_NO_STORE)

    @app.post("/api/decisions")
    async def decide(request: Request) -> Response:
        body = _parse(_Decisions, await _read_body(request))
        choices = [Choice(item.sha256, item.decision, item.class_name, item.revision) for item in body.decisions]
        author = Author(body.by, project.now(), body.view)

        def act(catalog: Catalog) -> Outcome:
            return Decisions(catalog).decide(choices, author, class_names_of(catalog, settings))

        return await asyncio.to_thread(write, body.by, act)

    @app.post("/api/undo")
    async def undo(request: Request) -> Response:
        author = Author(_parse(_By, await _read_body(request)).by, project.now())
        return await asyncio.to_thread(write, author.by, lambda catalog: Decisions(catalog).undo(author))

    @app.post("/api/redo")
    async def redo(request: Request) -> Response:
        author = Author(_parse(_By, await _read_body(request)).by, project.now())
        return await asyncio.to_thread(write, author.by, lambda catalog: Decisions(catalog).redo(author))


async def _read_body(request: Request) -> bytes:
    """Return the body of a JSON request, never more than a few megabytes of it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "not_json", "send application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Problem(413, "too_many", f"at most {_MOST_AT_ONCE:,} decisions at once")
    return bytes(body)


def _parse(kind: type[Kind], body: bytes) -> Kind:
    """Return the body as a record."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Problem(422, "unusable", f"{place}: {first['msg']}" if place else str(first["msg"])) from error
