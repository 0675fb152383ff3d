"""Connections that ask for nothing: they have to within seconds, and make room for others when there are many."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""How long a connection may take to send the head of a request."""
MOST = 256
"""Connections at once: enough for probes, people and scripts, and far below the files that a process may open."""


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to waiting for a request: by time, and where the next caller needs the place."""

    _idle_since = 0.0
    _late: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """No request has come whole, or its answer is done."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        """Take the connection; beyond MOST the one that has been idle for longest goes, this one when all are busy."""
        super().connection_made(transport)
        self._wait_for_request()
        there = [c for c in self.connections if isinstance(c, Connection) and not c.transport.is_closing()]
        if len(there) > MOST:
            min((c for c in there if c.idle), key=lambda c: c._idle_since).transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.idle:
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._idle_since = self.loop.time()
        self._late = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.idle:
            self.transport.close()
