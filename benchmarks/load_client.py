"""A client that puts a server under load, in a process of its own: one request after the other on each connection, or
as many a second as are asked for, whether answers come or not (an open loop).

wrk has no open loop, autocannon needs Node, and neither tells an answer that refuses from one that is right; this one
costs a tenth of a millisecond for a request, and counts what it costs.

`python benchmarks/load_client.py '{"url": "http://...", "bodies": [FILES], "connections": 8, "seconds": 5, "rate": 0}'`
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MOST_WAITING = 400  # requests of an open loop; a server that lets more wait has failed


class Connection(asyncio.Protocol):
    """A connection that is kept; one request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        self._received += data
        head, mark, body = bytes(self._received).partition(b"\r\n\r\n")
        if not mark or self._answer is None:
            return
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        self._received.clear()
        if not self._answer.done():
            self._answer.set_result((int(head.split()[1]), body))
        if b"connection: close" in lines:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed without an answer"))


class Load:
    """Asks, and keeps the status and seconds of each answer."""

    def __init__(self, url: str, requests: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or 80)
        self._requests = requests
        self._number = 0
        self.rows: list[tuple[float, float, int]] = []  # when it was asked, seconds, status; 0: no answer
        self._idle: list[Connection] = []

    async def ask(self, due_s: float | None = None) -> None:
        """Send the next request, over an idle connection or a new one."""
        request = self._requests[self._number % len(self._requests)]
        self._number += 1
        start = time.perf_counter() if due_s is None else due_s
        status = 0
        try:
            while self._idle and self._idle[-1].transport.is_closing():
                self._idle.pop()
            if self._idle:
                connection = self._idle.pop()
            else:
                _, connection = await asyncio.get_running_loop().create_connection(Connection, *self._place)
            status, _ = await connection.ask(request)
            self._idle.append(connection)
        except OSError:
            pass
        self.rows.append((start, time.perf_counter() - start, status))

    async def closed(self, connections: int, seconds: float) -> None:
        """Ask on so many connections, each when its last answer has come."""
        end = time.perf_counter() + seconds

        async def go_on() -> None:
            while time.perf_counter() < end:
                await self.ask()

        await asyncio.gather(*(go_on() for _ in range(connections)))

    async def open(self, rate: float, seconds: float) -> None:
        """Ask so often a second; the time of an answer counts from when it was due."""
        start, waiting = time.perf_counter(), set[asyncio.Task[None]]()
        for number in range(max(3, int(rate * seconds))):
            due_s = start + number / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            if len(waiting) >= MOST_WAITING:
                self.rows.append((due_s, 0.0, 0))
                continue
            task = asyncio.create_task(self.ask(due_s))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        if waiting:
            await asyncio.wait(waiting, timeout=10)


def make_request(url: str, headers: str, body: bytes) -> bytes:
    """Return a request as it is sent."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def main() -> None:
    plan = json.loads(sys.argv[1])
    headers = plan.get("headers", "")
    requests = [make_request(plan["url"], headers, Path(path).read_bytes()) for path in plan["bodies"]]
    load = Load(plan["url"], requests)
    start = time.perf_counter()
    if plan.get("rate"):
        asyncio.run(load.open(plan["rate"], plan["seconds"]))
    else:
        asyncio.run(load.closed(plan["connections"], plan["seconds"]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "seconds": time.perf_counter() - start, "cpu_s": used.ru_utime + used.ru_stime,
        "times": [[status, took_s] for _, took_s, status in load.rows],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
