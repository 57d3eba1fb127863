"""Connections of a server: nobody who was let in goes without an answer, and nobody holds one for ever."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from command import TIMEOUT_S
from fieldguide.serving import Server, patience
from fieldguide.serving.patience import PatientProtocol

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, and read nothing of a body."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


class Ending(Server):
    """Ends where a test says so."""

    def __init__(self, work: Callable[[], Any], app: Any = refuse) -> None:
        config = uvicorn.Config(
            app, http=PatientProtocol, ws="none", lifespan="off", log_level="warning", loop="asyncio"
        )
        super().__init__(config, lambda: None)
        self._work = work

    async def main_loop(self) -> None:
        await self._work()


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=TIMEOUT_S)


@contextmanager
def running(server: Server, listener: socket.socket, ending: threading.Event | None = None) -> Iterator[None]:
    """Run a server inside the block; whether that succeeds or not, set what its end waits for."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        if ending:
            ending.set()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def read_all(client: socket.socket) -> bytes:
    """Return what the server sends until it closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("turns", range(7))
def test_who_connects_while_the_server_ends_is_answered_or_left_to_the_next(turns: int) -> None:
    """The server ends so many turns of its loop after the connection, from before to after it is accepted."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        held.settimeout(TIMEOUT_S)
        clients: list[socket.socket] = []

        async def meet() -> None:
            clients.append(connect(held.getsockname()))
            for _ in range(turns):
                await asyncio.sleep(0)
            clients[0].sendall(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        with running(Ending(meet), held.dup()):
            pass
        held.setblocking(False)
        with clients[0] as client:
            try:
                left, _ = held.accept()
            except BlockingIOError:
                assert read_all(client).startswith(b"HTTP/1.1 413")
            else:
                with left:
                    left.settimeout(TIMEOUT_S)
                    assert left.recv(100).startswith(b"GET")


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_request_on_its_way_when_the_server_ends_is_answered(asked_before: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held, connect(held.getsockname()) as client:
        ending = threading.Event()

        async def wait() -> None:
            if asked_before:
                await asyncio.to_thread(client.sendall, ASK)
                with client.makefile("rb") as answers:
                    while await asyncio.to_thread(answers.readline) != b"\r\n":
                        pass
                    assert await asyncio.to_thread(answers.read, 2) == b"no"
            else:
                await asyncio.sleep(0.1)  # the connection is made
            asyncio.get_running_loop().call_later(0.2, ending.set)

        with running(Ending(wait), held.dup()):
            assert ending.wait(TIMEOUT_S)  # the server is shutting down by now
            client.sendall(ASK[:10])
            client.sendall(ASK[10:])
            answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer, answer


@pytest.mark.parametrize("kept", [b"close", b"keep-alive"])
def test_a_refused_upload_is_told_why_whatever_it_still_sends(kept: bytes) -> None:
    size = 30_000_000  # more than the system holds for a connection
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: " + kept + b"\r\nContent-Length: %d\r\n\r\n" % size
    with socket.create_server(("127.0.0.1", 0)) as held, connect(held.getsockname()) as client:
        ending = threading.Event()

        async def wait() -> None:
            await asyncio.to_thread(ending.wait)

        with running(Ending(wait), held.dup(), ending):
            client.sendall(head)
            for _ in range(size // 1_000_000):
                client.sendall(bytes(1_000_000))
            answer = client.recv(100)
            client.close()
        assert answer.startswith(b"HTTP/1.1 413")


def test_a_request_that_is_none_is_told_so_whatever_it_still_sends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held, connect(held.getsockname()) as client:
        ending = threading.Event()

        async def wait() -> None:
            await asyncio.to_thread(ending.wait)

        with running(Ending(wait), held.dup(), ending):
            client.sendall(b"no request\r\n\r\n" + bytes(20_000_000))
            answer = client.recv(100)
            client.close()
        assert answer.startswith(b"HTTP/1.1 400")


async def answer_at_length(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(40):
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_who_does_not_read_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "READ_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as held, connect(held.getsockname()) as client:
        ended = threading.Event()

        async def wait() -> None:
            await asyncio.to_thread(ended.wait)

        server = Ending(wait, answer_at_length)
        with running(server, held.dup()):
            client.sendall(ASK)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            while server.server_state.connections:
                time.sleep(0.05)
            monkeypatch.undo()
            with connect(held.getsockname()) as reader:
                reader.sendall(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                assert sum(len(part) for part in iter(lambda: reader.recv(100_000), b"")) > 40_000_000
            ended.set()
