"""The addresses of the API: what a picture is, which classes there are, and how the server does."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from fieldguide.records import Prediction
from fieldguide.serving import Problem
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import metrics
from fieldguide.stages.serve.bodies import Sent, Uploads, most_body_bytes, read_pictures
from fieldguide.stages.serve.feedback import Correction, Feedback
from fieldguide.stages.serve.fetching import Fetcher
from fieldguide.stages.serve.schema import PICTURE_BODY, Answer, Answers, Classes, Health, Kept, problems
from fieldguide.stages.serve.service import Loaded, Service

Top = Annotated[int | None, Query(ge=1, le=100_000, description="how many classes to return; by default, all")]


def add_api(app: FastAPI, service: Service, uploads: Uploads, fetcher: Fetcher) -> None:
    """Add the addresses below `/v1`."""

    @app.get("/v1/guide", responses=problems())
    async def describe() -> JSONResponse:
        """Return everything in guide.json, and in forms.json where the guide was exported."""
        guide = service.loaded.guide
        return JSONResponse({**guide.about, **({"forms": guide.forms} if guide.forms else {})})

    @app.get("/v1/classes", response_model=Classes, responses=problems())
    async def list_classes() -> JSONResponse:
        """Return the classes, with what is known about each, and its examples."""
        return JSONResponse({"classes": service.loaded.guide.about["classes"]})

    @app.post("/v1/classify", response_model=Answer | Answers, openapi_extra=PICTURE_BODY,
              responses=problems(403, 408, 413, 415, 422))  # fmt: skip
    async def classify(request: Request, top_k: Top = None) -> Response:
        """Return the classes of a picture with their probabilities, or that it is none of them.

        Several pictures, or a list of them, have a list of answers.
        """
        service.check_room()
        with service.using() as loaded, uploads.holding() as hold:
            sent = await read_pictures(request, loaded.limits.max_bytes, hold)
            if sent.url:
                data = await fetcher.fetch(sent.url, loaded.limits.max_bytes)
                hold(len(data))
                sent = Sent((("", data),))
            if sent.many:
                return _json(await _answer_many(service, loaded, sent, top_k))
            answer = await service.classify(loaded, sent.pictures[0][1])
            return _json({**as_json(answer, top_k), "model": loaded.model})


def add_feedback(app: FastAPI, service: Service, uploads: Uploads, feedback: Feedback | None) -> None:
    """Add the address at which a visitor says what a picture really shows.

    Args:
        app: the application.
        service: what answers; a picture that it cannot read is not kept.
        uploads: the count of what all uploads hold.
        feedback: where it is kept; None where the server keeps nothing.
    """

    @app.post("/v1/feedback", response_model=Kept, openapi_extra=PICTURE_BODY,
              responses=problems(403, 408, 413, 415, 422, 507))  # fmt: skip
    async def keep_feedback(request: Request, class_name: Annotated[str, Query(max_length=400)] = "") -> JSONResponse:
        """Keep a picture with what it really shows, one of the classes, or "" for none of these.

        Only where the server's settings allow it; nothing else that is sent is ever kept.
        """
        if feedback is None:
            raise Problem(403, "feedback_off", "this server keeps no pictures")
        service.check_room()
        with service.using() as loaded, uploads.holding() as hold:
            if class_name and class_name not in loaded.guide.class_names:
                raise Problem(422, "unknown_class", "the guide has no class of this name")
            sent = await read_pictures(request, loaded.limits.max_bytes, hold)
            if len(sent.pictures) != 1:
                raise Problem(422, "one_picture", "send one picture, not an address or several")
            data = sent.pictures[0][1]
            answer = await service.classify(loaded, data)
            prob = max(answer.probs.values())
            correction = Correction(data, class_name, answer.class_name, prob, loaded.sha256)
            if not await asyncio.to_thread(feedback.keep, correction):
                raise Problem(507, "feedback_full", "there is no room for more pictures here")
        return JSONResponse({"kept": True})


def add_health(app: FastAPI, service: Service) -> None:
    """Add the addresses by which other programs watch the server."""

    @app.get("/health", response_model=Health, responses=problems())
    async def health() -> JSONResponse:
        """Say that the server is up."""
        return JSONResponse({"status": "ok", "guide": str(service.loaded.guide.about["name"])})

    @app.get("/ready", response_model=Health, responses=problems())
    async def is_ready() -> JSONResponse:
        """Say that a picture would be answered soon: the model has answered once, and few are waiting."""
        check_ready(service)
        return JSONResponse({"status": "ready", "guide": str(service.loaded.guide.about["name"])})

    @app.get("/metrics", response_class=Response, responses=problems())
    async def count() -> Response:
        """Return what the server has counted, in the text format of Prometheus."""
        return Response(service.metrics.write(), media_type=metrics.CONTENT_TYPE)


def check_ready(service: Service) -> None:
    """Refuse where a picture would not be answered soon.

    Raises:
        Problem: 503.
    """
    if not service.ready:
        detail = "the server is shutting down" if service.ending else "too many pictures are waiting"
        raise Problem(503, "not_ready", detail)


def make_uploads(service: Service, settings: ServeSettings) -> Uploads:
    """Return the count of what all uploads may hold: at least the largest one."""
    largest = most_body_bytes("application/json", service.loaded.limits.max_bytes)
    return Uploads(max(settings.max_held_bytes, largest))


async def _answer_many(service: Service, loaded: Loaded, sent: Sent, top_k: int | None) -> dict[str, Any]:
    """Answer each of several pictures, as many at once as there are processes.

    Raises:
        Problem: none of them can be classified; the first one's.
    """
    at_once = asyncio.Semaphore(loaded.answerer.size)

    async def answer(data: bytes) -> Prediction | Problem:
        async with at_once:
            try:
                return await service.classify(loaded, data)
            except Problem as problem:
                return problem

    results = await asyncio.gather(*(answer(data) for _, data in sent.pictures))
    rows = [
        {"file": name, "answer": None, "problem": {"code": result.code, "reason": result.detail}}
        if isinstance(result, Problem)
        else {"file": name, "answer": as_json(result, top_k), "problem": None}
        for (name, _), result in zip(sent.pictures, results, strict=True)
    ]
    first = results[0]
    if isinstance(first, Problem) and all(isinstance(result, Problem) for result in results):
        raise Problem(first.status, first.code, first.detail, {"answers": rows})
    return {"answers": rows, "model": loaded.model}


def as_json(answer: Prediction, top_k: int | None) -> dict[str, Any]:
    """Return the answer for programs, the most probable class first."""
    probs = [{"class_name": name, "prob": prob} for name, prob in answer.probs.items()]
    return {
        "class_name": answer.class_name or None,
        "declined": answer.declined,
        "familiarity": answer.familiarity,
        "certainty": answer.certainty,
        "parent": answer.parent or None,
        "parent_prob": answer.parent_prob if answer.parent else None,
        "probs": probs[:top_k],
    }


def _json(content: dict[str, Any]) -> Response:
    """Return an answer that is plain already: FastAPI's own way walks over every number twice."""
    return Response(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
                    media_type="application/json")  # fmt: skip
