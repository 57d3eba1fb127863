"""The description of the API for programs: OpenAPI 3.1, with every answer and every error.

Knows nothing about guides: what the routes answer stands here as records.
"""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

ERRORS = {
    400: "the request is broken, or for a host that this server is not",
    401: "the API key is missing or wrong",
    403: "this server fetches no pictures from addresses",
    404: "there is no such thing",
    405: "the address does not take this method",
    408: "the picture arrived too slowly",
    413: "the picture has too many bytes or pixels",
    415: "not a picture, or a format that is not accepted",
    422: "the picture cannot be decoded, or the request holds none",
    429: "too many requests from one address or key; Retry-After says when to come back",
    500: "the server failed; its log says why",
    503: "too many pictures are waiting, or the server is shutting down; Retry-After says when to come back",
    507: "there is no room for more pictures that visitors named",
}
_ALWAYS = (400, 401, 405, 429, 500, 503)
_TEXT: dict[str, Any] = {"type": "string"}


class Prob(BaseModel):
    """How probable a class is."""

    class_name: str
    prob: float = Field(ge=0, le=1.0001)


class Model(BaseModel):
    """The model that answered."""

    name: str
    version: str = Field(description="the run that it was published from")
    sha256: str = Field(description="hash of model.onnx")


class Answer(BaseModel):
    """The classes of a picture."""

    class_name: str | None = Field(description="the most probable class; null where it is none of them")
    declined: bool = Field(description="whether it is none of these")
    familiarity: float = Field(description="how near it is to what was learnt; at most 0, higher is nearer")
    probs: list[Prob] = Field(description="the most probable first")
    certainty: Literal["sure", "leaning", "unsure"] = Field(
        "unsure", description="sure from 90 %; unsure below what the guide calls so, usually 60 %"
    )
    parent: str | None = Field(None, description="what it is a kind of, where that is sure and the class is not")
    parent_prob: float | None = Field(None, description="how probable that is")
    model: Model | None = Field(None, description="the model that answered")


class Refusal(BaseModel):
    """A picture of several that could not be classified."""

    code: str
    reason: str


class AnswerOfMany(BaseModel):
    """One of several pictures."""

    file: str = Field(description="its name in the form, or empty")
    answer: Answer | None
    problem: Refusal | None


class Answers(BaseModel):
    """The answers for several pictures, in their order."""

    answers: list[AnswerOfMany]
    model: Model


class Class(BaseModel):
    """One of the names."""

    model_config = ConfigDict(extra="allow")
    name: str
    about: str
    links: list[dict[str, str] | str] = Field(description="addresses, with labels")


class Classes(BaseModel):
    """All the names that the guide tells apart."""

    classes: list[Class]


class Kept(BaseModel):
    """A picture that was kept with its right name."""

    kept: bool


class Health(BaseModel):
    """A server that answers."""

    status: str
    guide: str


class ProblemBody(BaseModel):
    """Trouble, RFC 9457."""

    model_config = ConfigDict(extra="allow")
    title: str
    status: int
    code: str = Field(description="one short word, for programs")
    detail: str = Field(description="a sentence, for people")
    reason: str = Field(description="the same sentence")
    request_id: str = Field(description="stands in the server's log, and in the header X-Request-ID")


PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1,
                                 "maxItems": 32},
                    },
                }
            },
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "object", "required": ["image"], "properties": {"image": _TEXT}},
                        {"type": "object", "required": ["images"], "properties": {
                            "images": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 32}}},
                        {"type": "object", "required": ["url"], "properties": {"url": _TEXT}},
                    ]
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}  # fmt: skip


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of errors: those named, and those that every address may answer."""
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    content = {"application/problem+json": {"schema": schema}}
    return {status: {"description": ERRORS[status], "content": content} for status in sorted({*_ALWAYS, *statuses})}


def describe_api(app: FastAPI, *, keyed: bool, root_path: str) -> None:
    """Make the application describe its problems, and the key where it wants one.

    Args:
        app: the application, with all its routes.
        keyed: whether requests have to bring an API key.
        root_path: the path below which it is shown.
    """

    def describe() -> Mapping[str, Any]:
        if not app.openapi_schema:
            about = get_openapi(
                title=app.title, version=app.version, routes=app.routes, description=_ABOUT,
                servers=[{"url": root_path}] if root_path else None,
            )  # fmt: skip
            parts = about.setdefault("components", {})
            parts.setdefault("schemas", {})["ProblemBody"] = ProblemBody.model_json_schema()
            if keyed:
                header = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
                parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}, "header": header}
                about["security"] = [{"key": []}, {"header": []}]
            app.openapi_schema = about
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign,assignment]  # as FastAPI asks for, to extend what it writes


_ABOUT = (
    "Tells what is on a picture, how sure it is, or that it is none of its classes. Pictures are not kept, but for "
    "those that are sent as feedback where the server takes it."
)
