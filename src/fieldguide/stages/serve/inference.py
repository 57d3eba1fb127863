"""The Open Inference Protocol, version 2, over REST: as KServe, Triton and OpenVINO Model Server speak it.

The model takes one tensor `image` of BYTES, each the file of a picture in base64. Errors have the member `error`.
"""

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from fieldguide.records import Prediction
from fieldguide.serving import Problem
from fieldguide.stages.serve.bodies import MOST_PICTURES, Uploads, decode_base64, read_body
from fieldguide.stages.serve.routes import check_ready
from fieldguide.stages.serve.schema import problems
from fieldguide.stages.serve.service import Loaded, Service


class Tensor(BaseModel):
    """A tensor of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferRequest(BaseModel):
    """A request to classify pictures."""

    id: str = Field("", max_length=200)
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[dict[str, Any]] = Field(default_factory=list, max_length=16)


def add_inference(app: FastAPI, service: Service, uploads: Uploads) -> None:
    """Add the addresses below `/v2`."""
    where = "/v2/models/{name}"

    @app.get("/v2", responses=problems())
    async def describe_server() -> JSONResponse:
        """Return the name and version of this server."""
        return JSONResponse({"name": "fieldguide", "version": app.version, "extensions": []})

    @app.get("/v2/health/live", responses=problems())
    async def is_live() -> JSONResponse:
        """Say that the server is up."""
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready", responses=problems())
    async def is_ready() -> JSONResponse:
        """Say that a picture would be answered soon."""
        check_ready(service)
        return JSONResponse({"ready": True})

    @app.get(where + "/versions/{version}", responses=problems(404, 422))
    @app.get(where, responses=problems(404, 422))
    async def describe_model(name: str, version: str = "") -> JSONResponse:
        """Return the inputs and outputs of the model."""
        loaded = service.loaded
        _check_name(loaded, name, version)
        count = len(loaded.guide.class_names)
        outputs = [("class_name", "BYTES", [-1]), ("declined", "BOOL", [-1]), ("familiarity", "FP32", [-1]),
                   ("probs", "FP32", [-1, count])]  # fmt: skip
        return JSONResponse({
            "name": loaded.name, "versions": [loaded.version], "platform": "onnx_onnxruntime",
            "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
            "parameters": {"class_names": list(loaded.guide.class_names), "sha256": loaded.sha256},
        })  # fmt: skip

    @app.get(where + "/versions/{version}/ready", responses=problems(404, 422))
    @app.get(where + "/ready", responses=problems(404, 422))
    async def is_model_ready(name: str, version: str = "") -> JSONResponse:
        """Say that a picture would be answered soon."""
        _check_name(service.loaded, name, version)
        check_ready(service)
        return JSONResponse({"name": service.loaded.name, "ready": True})

    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": _describe_request()}}}}

    @app.post(where + "/versions/{version}/infer", openapi_extra=body, responses=problems(404, 408, 413, 415, 422))
    @app.post(where + "/infer", openapi_extra=body, responses=problems(404, 408, 413, 415, 422))
    async def infer(request: Request, name: str, version: str = "") -> JSONResponse:
        """Classify pictures."""
        with service.using() as loaded, uploads.holding() as hold:
            _check_name(loaded, name, version)
            service.check_room()
            sent = await read_body(request, loaded.limits.max_bytes, hold)
            asked, pictures = await asyncio.to_thread(_read, sent)
            try:
                answers = [await service.classify(loaded, data) for data in pictures]
            except Problem as problem:
                raise _error(problem.status, problem.code, problem.detail) from problem
            return JSONResponse(_respond(loaded, asked, answers))


def _describe_request() -> dict[str, Any]:
    """Return the schema of a request, with that of a tensor inside."""
    schema = InferRequest.model_json_schema()
    schema["properties"]["inputs"]["items"] = schema.pop("$defs")["Tensor"]
    return schema


def _check_name(loaded: Loaded, name: str, version: str) -> None:
    """Refuse a model that is not served here."""
    if name != loaded.name or version not in ("", loaded.version):
        raise _error(404, "not_found", f"there is no such model; there is {loaded.name}, version {loaded.version}")


def _error(status: int, code: str, detail: str) -> Problem:
    return Problem(status, code, detail, {"error": detail})


def _read(body: bytes) -> tuple[InferRequest, list[bytes]]:
    """Return the request and its pictures."""
    try:
        asked = InferRequest.model_validate_json(body)
    except ValidationError as error:
        detail = 'send {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["base64"]}]}'
        raise _error(422, "broken_json", detail) from error
    tensor = asked.inputs[0]
    if tensor.name != "image" or tensor.datatype != "BYTES":
        raise _error(422, "wrong_input", "the input is called image, and its datatype is BYTES")
    if tensor.shape not in ([len(tensor.data)], [len(tensor.data), 1]) or not 1 <= len(tensor.data) <= MOST_PICTURES:
        raise _error(422, "wrong_shape", f"the shape is [n], with n pictures in data, at most {MOST_PICTURES}")
    try:
        return asked, [decode_base64(text) for text in tensor.data]
    except (ValueError, AttributeError) as error:
        raise _error(422, "wrong_input", "data holds the files of pictures in base64") from error


def _respond(loaded: Loaded, asked: InferRequest, answers: list[Prediction]) -> dict[str, Any]:
    """Return the answers as tensors, those that were asked for."""
    names = loaded.guide.class_names
    count = len(answers)
    tensors = {
        "class_name": ("BYTES", [count], [answer.class_name for answer in answers]),
        "declined": ("BOOL", [count], [answer.declined for answer in answers]),
        "familiarity": ("FP32", [count], [answer.familiarity for answer in answers]),
        "probs": ("FP32", [count, len(names)], [answer.probs[name] for answer in answers for name in names]),
    }
    wanted = [str(row.get("name")) for row in asked.outputs] or list(tensors)
    outputs = [
        {"name": name, "datatype": kind, "shape": shape, "data": data}
        for name, (kind, shape, data) in tensors.items()
        if name in wanted
    ]
    response = {"model_name": loaded.name, "model_version": loaded.version, "outputs": outputs,
                "parameters": {"sha256": loaded.sha256}}  # fmt: skip
    return {**({"id": asked.id} if asked.id else {}), **response}
