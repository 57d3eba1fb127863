"""The pages: one to try the guide, one that describes the API, and the example pictures.

A fixed list of addresses; no path is ever joined to a folder but one that guide.json names. All of it comes from this
machine.
"""

import asyncio
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from fieldguide.guide import Guide
from fieldguide.serving import Problem
from fieldguide.stages.serve.service import Service
from fieldguide.text import render

_PARTS = {"upload.css": "text/css", "upload.js": "text/javascript"}
_METHODS = ("get", "post")


def add_pages(app: FastAPI, service: Service) -> None:
    """Add the pages and their parts."""
    shown: tuple[Guide | None, str] = (None, "")

    @app.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        nonlocal shown
        guide = service.loaded.guide
        if shown[0] is not guide:
            shown = (guide, _make_page(guide))
        return HTMLResponse(shown[1])

    @app.get("/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return HTMLResponse(_make_docs(app.openapi()))

    for name, kind in _PARTS.items():
        app.get(f"/{name}", include_in_schema=False)(_make_part(name, kind))

    @app.get("/examples/{name}", include_in_schema=False)
    async def show_example(name: str) -> Response:
        guide = service.loaded.guide
        if f"examples/{name}" not in {each["file"] for row in guide.about["classes"] for each in row["examples"]}:
            raise Problem(404, "not_found", "there is no such example")
        try:
            picture = await asyncio.to_thread((guide.folder / "examples" / name).read_bytes)
        except OSError as error:
            raise Problem(404, "gone", f"the example cannot be read: {error.strerror}") from error
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _make_part(name: str, kind: str) -> Callable[[], Any]:
    """Return what answers with a file of the page."""
    content = files("fieldguide").joinpath("templates", name).read_text("utf-8")

    async def show_part() -> Response:
        return Response(content, media_type=kind)

    return show_part


def _make_page(guide: Guide) -> str:
    """Return the page of a guide."""
    about = guide.about
    values = {"name": about["name"], "about": about["about"], "classes": about["classes"]}
    scores = {"accuracy": about["scores"]["accuracy"], "tested": about["scores"].get("test_images", "")}
    return render("upload.html", {**values, **scores, "data": about.get("data", {})})


def _make_docs(about: dict[str, Any]) -> str:
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
