"""What the servers on this computer share: how they end, whom they answer, and trouble as JSON (RFC 9457).

`listening` opens the socket. Knows nothing about guides, projects or pages.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Problem", "Server", "answer_problems", "is_known_host", "show_problem"]

_TURNS = 5  # of the loop, from accepting a connection until it is made: 3, and 2 for what may come between


class Server(uvicorn.Server):
    """Reports when it answers; the first interrupt then shuts it down cleanly, a second one at once, both quietly."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._ready, self._ending = ready, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and answer whoever has been let in.

        A closed `asyncio` server drops what it has accepted a moment ago, so the listener is left open until all of
        that are connections which uvicorn knows. What the system holds for the next server is not touched.
        """
        loop = asyncio.get_running_loop()
        for listener in [each for server in self.servers for each in server.sockets]:
            loop.remove_reader(listener.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take an interrupt."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._ending()


class Problem(Exception):
    """An answer that says what is wrong; `more` are further members of its JSON."""

    def __init__(self, status: int, code: str, detail: str, more: Mapping[str, object] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more or {}


def answer_problems(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Make an application answer trouble as JSON, HEAD as GET, and what a shutdown cuts off.

    Args:
        app: the application.
        headers: what an answer to a fault inside has, which the application's own middleware does not see.
    """
    app.add_middleware(_ShutdownAnswer)
    app.add_middleware(_answer_head_as_get)
    app.add_exception_handler(Exception, partial(_show_fault, headers=headers))
    app.add_exception_handler(Problem, show_problem)
    app.add_exception_handler(HTTPException, _show_refusal)
    app.add_exception_handler(RequestValidationError, _show_wrong_parameter)


def is_known_host(request: Request, names: Sequence[str]) -> bool:
    """Tell whether a request is for one of these names; one for a foreign host comes by DNS rebinding."""
    host = _host_name(request.headers.get("host", ""))
    return any(_matches(host, name) for name in names)


def _matches(host: str, name: str) -> bool:
    """Tell whether a host is one of a name: itself, `*` for any, or `*.example.org` for all below a domain."""
    return name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:]))


def _answer_head_as_get(app: ASGIApp) -> ASGIApp:
    """Answer HEAD as GET is answered: the server sends no body for it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        as_get = {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
        await app(as_get, receive, send)

    return call


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
            answer = await show_problem(Request(scope), Problem(503, "ending", "this server is shutting down"))
            await answer(scope, receive, send)


def _host_name(host: str) -> str:
    """Return the name in a Host header in lower case, without its port and without the brackets of IPv6."""
    return (host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]).lower()


async def show_problem(request: Request, problem: Exception) -> Response:
    """Answer with a problem as JSON, RFC 9457."""
    assert isinstance(problem, Problem)
    body = {"title": problem.code, "status": problem.status, "code": problem.code, "detail": problem.detail}
    if identity := request.scope.get("request_id"):
        body |= {"reason": problem.detail, "request_id": identity}
        request.scope.setdefault("noted", {})["code"] = problem.code
    body |= problem.more
    headers = {"Retry-After": "1"} if problem.status in (429, 503) else {}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


async def _show_fault(request: Request, _: Exception, headers: Mapping[str, str]) -> Response:
    """Answer what went wrong inside in the same form; the server logs it."""
    response = await show_problem(request, Problem(500, "fault", "the server failed to answer; its log says why"))
    response.headers.update(headers)
    return response


async def _show_wrong_parameter(request: Request, error: Exception) -> Response:
    """Answer a parameter that is not allowed, in the same form."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    detail = f"{first['loc'][-1]}: {first['msg']}"
    return await show_problem(request, Problem(422, "bad_parameter", detail))


async def _show_refusal(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses, in the same form."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    response = await show_problem(request, Problem(error.status_code, code, error.detail))
    response.headers.update(error.headers or {})
    return response
