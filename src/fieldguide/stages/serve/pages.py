"""The pages: the guide's own, as it was built, one that describes the API, and the pictures and the model they show.

A fixed list of addresses; no path is ever joined to a folder but one that guide.json names. All of it comes from this
machine. What is the same for every guide, the page's own files, can be had without a key: the page asks for it.
"""

import asyncio
import gzip
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from fieldguide.guide.page import LOGO, NOT_BUILT, PAGE_KINDS, find_page, page_files, put_title
from fieldguide.hashing import hash_file
from fieldguide.serving import Problem
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.access import sent_key, session_cookie
from fieldguide.stages.serve.service import Loaded, Service
from fieldguide.text import render

_PACKED = {".js", ".css", ".svg", ".txt", ".wasm"}
_MANIFEST = '<link rel="manifest" href="./manifest.webmanifest" />'  # that an app is installed by: for those too
# of the page's worker, which runs the model in the browser; a worker has the policy that its own script came with
_WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
_FOREVER = "public, max-age=31536000, immutable"  # for what has another address when it changes
_METHODS = ("get", "post")


def add_pages(app: FastAPI, service: Service, settings: ServeSettings) -> None:
    """Add the pages and their parts."""
    _add_page(app, service)
    _add_session(app)
    _add_guide(app, service, settings)
    _add_docs(app)


def _add_page(app: FastAPI, service: Service) -> None:
    """Add the page as it was built."""
    folder = find_page()
    index = (folder / "index.html").read_text(encoding="utf-8").replace(_MANIFEST, "") if folder else ""
    parts = page_files()

    @app.get("/", include_in_schema=False)
    async def show_page(request: Request) -> HTMLResponse:
        if not index:
            raise Problem(404, "no_page", NOT_BUILT)
        if request.scope.get("locked"):  # the page asks for the key, and tells nothing of the guide until then
            return HTMLResponse(index, 401, {"Cache-Control": "no-store"})
        page = put_title(index, service.loaded.guide.about)
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    async def show_part(request: Request) -> Response:
        path = parts.get(request.scope["path"].removeprefix(request.scope.get("root_path", "")).lstrip("/"))
        if path is None:
            raise Problem(404, "not_found", "there is no such file of the page")
        return await _send_part(request, path)

    app.get("/assets/{name}", include_in_schema=False)(show_part)
    for name in parts:
        if "/" not in name:
            app.get(f"/{name}", include_in_schema=False)(show_part)


def _add_session(app: FastAPI) -> None:
    """Add the address at which the page gives in the key."""

    @app.post("/v1/session", include_in_schema=False)
    async def open_session(request: Request) -> Response:
        """Give the page a cookie in place of the key that it brought, which pictures and the model then come by."""
        response = Response(status_code=204)
        if key := sent_key(request):
            name, value = session_cookie(key)
            secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
            path = request.scope.get("root_path", "") or "/"
            response.set_cookie(name, value, path=path, secure=secure, httponly=True, samesite="strict")
        return response


def _add_guide(app: FastAPI, service: Service, settings: ServeSettings) -> None:
    """Add what the page shows: the guide, its examples, and its model."""

    @app.get("/guide.json", include_in_schema=False)
    async def describe_for_page(request: Request) -> Response:
        loaded = service.loaded
        digest = await asyncio.to_thread(_model_hash, loaded) if settings.browser_model else ""
        size_bytes = (loaded.guide.folder / "model.onnx").stat().st_size if digest else 0
        model = {"model": f"model/{digest}.onnx" if digest else None, "model_bytes": size_bytes}
        served = {**model, "feedback": settings.feedback}
        forms = {"forms": loaded.guide.forms} if loaded.guide.forms else {}
        about = {**loaded.guide.about, **forms, "served": served}
        content = json.dumps(about, ensure_ascii=False).encode()
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["Content-Encoding"] = await asyncio.to_thread(gzip.compress, content, 6, mtime=0), "gzip"
        return Response(content, media_type="application/json", headers=headers)

    @app.get("/model/{name}", include_in_schema=False)
    async def send_model(name: str) -> Response:
        """Send the model that the page's guide.json named; another one would not know its classes."""
        loaded = service.loaded
        digest = await asyncio.to_thread(_model_hash, loaded)
        if not settings.browser_model or not digest or name != f"{digest}.onnx":
            raise Problem(404, "not_found", "there is no such model; the guide may have been published anew")
        headers = {"Cache-Control": _FOREVER.replace("public", "private")}
        return FileResponse(loaded.guide.folder / "model.onnx", media_type="application/octet-stream", headers=headers)

    @app.get("/CREDITS.csv", include_in_schema=False)
    async def send_credits() -> Response:
        path = service.loaded.guide.folder / "CREDITS.csv"
        if not path.is_file():
            raise Problem(404, "not_found", "this guide lists no credits")
        return FileResponse(path, media_type="text/csv; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @app.get("/examples/{name}", include_in_schema=False)
    async def show_example(name: str) -> Response:
        guide = service.loaded.guide
        if f"examples/{name}" not in {each["file"] for row in guide.about["classes"] for each in row["examples"]}:
            raise Problem(404, "not_found", "there is no such example")
        return await _send_picture(guide.folder / "examples" / name, "image/jpeg")

    @app.get(f"/{LOGO}", include_in_schema=False)
    async def show_logo() -> Response:
        guide = service.loaded.guide
        if guide.about.get("branding", {}).get("logo") != LOGO:
            raise Problem(404, "not_found", "this guide has no logo")
        return await _send_picture(guide.folder / LOGO, "image/png")


async def _send_picture(path: Path, kind: str) -> Response:
    """Answer with a picture of the guide."""
    try:
        picture = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Problem(404, "gone", f"the picture cannot be read: {error.strerror}") from error
    return Response(picture, media_type=kind, headers={"Cache-Control": "private, max-age=3600"})


async def _send_part(request: Request, path: Path) -> Response:
    """Answer with a file of the page, compressed where the browser takes that."""
    headers = {"Cache-Control": _FOREVER if path.parent.name == "assets" else "no-cache", "Vary": "Accept-Encoding"}
    if path.name.startswith("worker-"):
        headers["Content-Security-Policy"] = _WORKER_POLICY
    kind = PAGE_KINDS[path.suffix]
    if path.suffix in _PACKED and "gzip" in request.headers.get("accept-encoding", ""):
        packed = await asyncio.to_thread(_pack, path)
        return Response(packed, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(path, media_type=kind, headers=headers)


@lru_cache(maxsize=64)
def _pack(path: Path) -> bytes:
    """Return a file compressed; kept, since the page's files never change while it is served."""
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def _model_hash(loaded: Loaded) -> str:
    """Return the hash of the model in the folder; "" where it is not the one that answers here, or gone."""
    path = loaded.guide.folder / "model.onnx"
    try:
        status = path.stat()
        digest = _hash_once(path, (status.st_mtime_ns, status.st_ino, status.st_size))
    except OSError:
        return ""
    return digest if loaded.sha256 in ("", digest) else ""


@lru_cache(maxsize=4)
def _hash_once(path: Path, stamp: tuple[int, ...]) -> str:
    return hash_file(path)


def _add_docs(app: FastAPI) -> None:
    """Add the page that describes the API."""
    style = files("fieldguide").joinpath("templates", "docs.css").read_text("utf-8")

    @app.get("/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return HTMLResponse(_make_docs(app.openapi()))

    @app.get("/docs.css", include_in_schema=False)
    async def show_style() -> Response:
        return Response(style, media_type="text/css")


def _make_docs(about: Mapping[str, Any]) -> str:
    """Return a page that shows an OpenAPI description."""
    schemas = about["components"]["schemas"]
    routes = []
    for path, methods in about["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            row = methods[method]
            answer = row["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
            routes.append({
                "method": method.upper(), "path": path, "text": row.get("description", ""),
                "parameters": row.get("parameters", []), "body": list(row.get("requestBody", {}).get("content", {})),
                "answers": _names_in(answer), "responses": row["responses"],
            })  # fmt: skip
    shapes = {name: json.dumps(schema, indent=1) for name, schema in schemas.items()}
    return render("docs.html", {"title": about["info"]["title"], "about": about["info"]["description"],
                                "routes": routes, "shapes": shapes})  # fmt: skip


def _names_in(schema: dict[str, Any]) -> list[str]:
    """Return the names of the records that an answer may be."""
    options = schema.get("anyOf", [schema])
    return [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]
