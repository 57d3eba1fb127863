"""HTTP connections that end well: slow ones after a while, refused uploads with their answer, the last ones announced.

uvicorn has a limit of time only between two requests; a client that sends half a head, or a byte now and then, would
hold its connection for ever. How slowly a body may come is for the application to say.
"""

import asyncio
import resource
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0  # from the first byte, or the connection, to the end of a request's head
AGAIN_S = 2.0  # while the server shuts down: for a client that has had an answer, and may be sending the next request
REST_S = 10.0  # for what is still sent of a body after its answer: to close at once would take the answer with it
READ_S = 10.0  # in which a client has to read so many bytes of its answer, or all
READ_BYTES = 10_000
ACCEPTED_AT_ONCE = 64  # connections, before any of them is made; asyncio floods the log where files run out on the way
_OTHER_FILES = 100 + 2 * ACCEPTED_AT_ONCE  # that a server may have open beside its connections
_MOST_CONNECTIONS = 4096


class PatientProtocol(H11Protocol):
    """A connection with limits of time."""

    _head: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _ending = False
    _leaving = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request; where there are too many connections, close the one that waited longest."""
        super().connection_made(cast(asyncio.Transport, _Closing(transport, self._leave)))
        self._head = self.loop.call_later(HEAD_S, self._give_up)
        if len(self.connections) > _most_connections():
            patient = (each for each in self.connections if isinstance(each, PatientProtocol))
            waiting = [each for each in patient if each._head and not each.transport.is_closing()]
            min(waiting, key=lambda each: each._head.when() if each._head else 0.0)._give_up()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and see what they leave open."""
        if self._leaving:
            return
        super().data_received(data)
        if self._ending and self.cycle:
            self._announce_end()
        waits_for_head = self.conn.their_state is h11.IDLE and self.conn.trailing_data[0] != b""
        if self._rest and not self._leaving and self.conn.their_state is not h11.SEND_BODY:
            self._rest.cancel()
            self._rest = None
            waits_for_head = self.conn.their_state is h11.IDLE
        if waits_for_head and not self._head:
            self._head = self.loop.call_later(HEAD_S, self._give_up)
        elif self._head and not waits_for_head:
            self._head.cancel()
            self._head = None

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        if self.conn.their_state is h11.SEND_BODY and not self._rest:
            self._rest = self.loop.call_later(REST_S, self._give_up)
        super().on_response_complete()
        self._watch_reading()

    def pause_writing(self) -> None:
        """See that the client reads what waits to be sent."""
        super().pause_writing()
        self._watch_reading()

    def shutdown(self) -> None:
        """End after the answer that is under way, or that to the request which may be on its way."""
        self._ending = True
        if self.cycle and not self.cycle.response_complete:
            self._announce_end()
        elif self.cycle and not self._head and not self.transport.is_closing():
            self._head = self.loop.call_later(AGAIN_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        for timer in (self._head, self._rest, self._reading):
            if timer:
                timer.cancel()
        self._head = self._rest = self._reading = None
        super().connection_lost(exc)

    def _announce_end(self) -> None:
        """Close after this answer, which says so: a client could else send its next request just too late."""
        self.cycle.keep_alive = False
        if CLOSE_HEADER not in self.headers:
            self.headers.append(CLOSE_HEADER)  # uvicorn answers as it is asked

    def _leave(self, transport: asyncio.Transport) -> bool:
        """Keep a connection that is to be closed open for what is still sent of a request; return whether it is."""
        if self._leaving:
            return True
        if self.conn.their_state not in (h11.SEND_BODY, h11.ERROR) or transport.is_closing():
            return False
        self._leaving = True
        self.flow.resume_reading()
        transport.write_eof()
        self._rest = self._rest or self.loop.call_later(REST_S, self._give_up)
        return True

    def _watch_reading(self, read_bytes: int = -READ_BYTES) -> None:
        """End a connection whose client has read too little since it had read so many bytes; look again later."""
        transport = cast(_Closing, self.transport)
        if self._reading and read_bytes < 0:
            return
        self._reading = None
        if not transport.unread_bytes:
            return
        if transport.read_bytes < read_bytes + READ_BYTES:
            transport.transport.abort()
        else:
            self._reading = self.loop.call_later(READ_S, self._watch_reading, transport.read_bytes)

    def _give_up(self) -> None:
        """Close the connection."""
        cast(_Closing, self.transport).transport.close()


class _Closing:
    """A transport; one that still receives a request when it is to be closed is closed when that has come.

    The system takes back what was sent a moment ago, such as why an upload is refused, where more arrives at a closed
    connection.
    """

    def __init__(self, transport: asyncio.Transport, leave: Callable[[asyncio.Transport], bool]) -> None:
        self.transport = transport
        self._leave = leave
        self._left = False
        self._written_bytes = 0

    @property
    def unread_bytes(self) -> int:
        """How much of what was written the system has not taken yet, since the client does not read."""
        return self.transport.get_write_buffer_size()

    @property
    def read_bytes(self) -> int:
        """How much of what was written is on its way."""
        return self._written_bytes - self.unread_bytes

    def write(self, data: bytes) -> None:
        """Send bytes, and count them."""
        self._written_bytes += len(data)
        self.transport.write(data)

    def close(self) -> None:
        """Close the connection, now or when the rest of the request has come."""
        self._left = self._leave(self.transport)
        if not self._left:
            self.transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing more will be sent."""
        return self._left or self.transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


def _most_connections() -> int:
    """Return how many connections there may be: fewer than the system lets this process open files."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(16, min(_MOST_CONNECTIONS, soft - _OTHER_FILES)) if soft > 0 else _MOST_CONNECTIONS
