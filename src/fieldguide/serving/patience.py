"""HTTP connections that are closed when they take too long: to send a request's head, or the rest of a refused body.

uvicorn has a limit of time only between two requests; a client that sends half a head, or a byte now and then, would
hold its connection for ever. How slowly a body may come is for the application to say.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0  # from the first byte, or the connection, to the end of a request's head
ENDING_S = 2.0  # the same while the server shuts down: somebody has connected and is about to ask
REST_S = 10.0  # for what is still sent of a body after its answer: to close at once would take the answer with it


class PatientProtocol(H11Protocol):
    """A connection with limits of time."""

    _head: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None
    _ending = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and see what they leave open."""
        super().data_received(data)
        if self._ending and self.cycle:
            self.cycle.keep_alive = False
        waits_for_head = self.conn.their_state is h11.IDLE and self.conn.trailing_data[0] != b""
        if waits_for_head and not self._head:
            self._head = self.loop.call_later(HEAD_S, self._give_up)
        elif self._head and not waits_for_head:
            self._head.cancel()
            self._head = None
        if self._rest and self.conn.their_state is not h11.SEND_BODY:
            self._rest.cancel()
            self._rest = None

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        if self.conn.their_state is h11.SEND_BODY and not self._rest:
            self._rest = self.loop.call_later(REST_S, self._give_up)
        super().on_response_complete()

    def shutdown(self) -> None:
        """End after the answer that is under way, or that to the first request where none has come yet."""
        if self.cycle or self.transport.is_closing():
            super().shutdown()
            return
        self._ending = True
        if self._head:
            self._head.cancel()
        self._head = self.loop.call_later(ENDING_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        for timer in (self._head, self._rest):
            if timer:
                timer.cancel()
        self._head = self._rest = None
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """Close the connection."""
        self.transport.close()
