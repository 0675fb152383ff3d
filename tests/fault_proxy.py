"""A proxy before any HTTP store that fails as networks and stores do, on demand or at random with a seed.

It runs a loop on a thread of its own, so that tests and targets of any kind can use it. Requests pass byte for byte: signatures
hold, since the `Host` that a client signed is the one the store sees.
"""

import asyncio
import random
import socket
import ssl
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum

from tests.http_wire import Message, read_body, read_head, response

LARGEST_HEAD = 1 << 20
SLOW_PIECES = 8


class Fault(Enum):
    """What can happen to one request."""

    UNAVAILABLE = "503, nothing done"
    TOO_MANY = "429, nothing done"
    RESET = "the connection is reset, nothing done"
    SLOW_BODY = "done; the answer's body trickles in"
    TRUNCATED = "done; the answer breaks off in the middle"
    ANSWER_LOST = "done; the connection is reset instead of the answer"


EVERY_FAULT = tuple(Fault)
_DONE_FIRST = {Fault.SLOW_BODY, Fault.TRUNCATED, Fault.ANSWER_LOST}
_REFUSALS = {Fault.UNAVAILABLE: 503, Fault.TOO_MANY: 429}


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int
    when: Callable[[Message], bool]


class FaultProxy:
    """The proxy, as its tests see it. All of this may be called from any thread."""

    def __init__(self, upstream: int, *, tls: ssl.SSLContext | None = None, gate: "Gate | None" = None) -> None:
        self.delay_seconds = 0.0
        """Added to every request."""
        self.slow_seconds = 0.4
        """How long a slow body takes."""
        self.clock_skew_seconds = 0.0
        """How far the store's clock seems to be ahead in its `Date`."""
        self.requests = 0
        """How many requests came in."""
        self.faults: Counter[Fault] = Counter()
        """How often each fault was made."""
        self.seen: deque[Message] = deque(maxlen=1000)
        """The last requests, without their bodies."""
        self.port = 0
        self._upstream = upstream
        self._tls = tls
        self._gate = gate
        self._planned: list[_Planned] = []
        self._chance = 0.0
        self._random = random.Random()
        self._faults: Sequence[Fault] = EVERY_FAULT
        self._connections: set[StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def fail(self, fault: Fault, *, times: int = 1, when: Callable[[Message], bool] = lambda _: True) -> None:
        """Make the next `times` requests that `when` holds for meet this fault."""
        self._planned.append(_Planned(fault, times, when))

    def forget(self) -> None:
        """Let what was planned by `fail` and did not happen yet not happen."""
        self._planned.clear()

    def fail_at_random(self, chance: float, *, seed: int, faults: Sequence[Fault] = EVERY_FAULT) -> None:
        """From now on each request fails with this chance; 0 ends it. The same seed picks the same faults in turn."""
        self._random, self._faults, self._chance = random.Random(seed), faults, chance

    def down(self) -> None:
        """Refuse connections and drop those there are, as a dead store does."""
        self._call(self._stop_listening())

    def up(self) -> None:
        """Listen again, on the same port."""
        self._call(self._listen())

    async def ask(self, method: str, target: str) -> Message:
        """A request of the gate's own to the store."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=LARGEST_HEAD)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n".encode())
        head = await read_head(reader)
        assert head, "the store closed the connection"
        answer = await read_body(reader, head, answers=method)
        writer.close()
        return answer

    def start(self) -> None:
        self._thread.start()
        self.up()

    def stop(self) -> None:
        self.down()
        self._call(_end_the_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls, limit=LARGEST_HEAD, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.transport.abort()
        while self._connections:
            await asyncio.sleep(0.001)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._connections.add(writer)
        store: tuple[StreamReader, StreamWriter] | None = None
        try:
            while (request := await self._read(reader, writer)) is not None:
                fault = self._fault_for(request)
                await asyncio.sleep(self.delay_seconds)
                if fault and fault not in _DONE_FIRST:
                    await self._refuse(fault, writer)
                    continue
                answer = await self._gate(self, request) if self._gate else None
                if answer is None:
                    store = store or await asyncio.open_connection("127.0.0.1", self._upstream, limit=LARGEST_HEAD)
                    answer = await _exchange(request, *store)
                await self._answer(self._skewed(answer), fault, writer)
                if answer.header("Connection") == "close":
                    break
        except ConnectionResetError:
            _reset(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client or the store went away; so do we
        finally:
            for end in (writer, *(store or ())[1:]):
                end.close()
            self._connections.discard(writer)

    async def _read(self, reader: StreamReader, writer: StreamWriter) -> Message | None:
        head = await read_head(reader)
        if head is None:
            return None
        if head.header("Expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = head.without("Expect")
        self.requests += 1
        self.seen.append(head)
        return await read_body(reader, head)

    def _fault_for(self, request: Message) -> Fault | None:
        planned = next((one for one in self._planned if one.left and one.when(request)), None)
        fault = planned.fault if planned else None
        if planned:
            planned.left -= 1
        elif self._random.random() < self._chance:
            fault = self._random.choice(self._faults)
        if fault:
            self.faults[fault] += 1
        return fault

    def _skewed(self, answer: Message) -> Message:
        if not self.clock_skew_seconds:
            return answer
        told = datetime.now(UTC) + timedelta(seconds=self.clock_skew_seconds)
        return answer.without("Date").adding("Date", format_datetime(told, usegmt=True))

    async def _refuse(self, fault: Fault, writer: StreamWriter) -> None:
        if fault is Fault.RESET:
            raise ConnectionResetError
        writer.write(bytes(response(_REFUSALS[fault], b"slow down", retry_after="0")))
        await writer.drain()

    async def _answer(self, answer: Message, fault: Fault | None, writer: StreamWriter) -> None:
        if fault is Fault.ANSWER_LOST:
            raise ConnectionResetError
        whole = bytes(answer)
        if fault is Fault.TRUNCATED:
            writer.write(whole[: max(len(answer.head) + len(answer.body) // 2, 1) - (not answer.body)])
            await writer.drain()
            raise ConnectionAbortedError
        if fault is Fault.SLOW_BODY:
            for piece in _pieces(whole):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self.slow_seconds / SLOW_PIECES)
            return
        writer.write(whole)
        await writer.drain()


Gate = Callable[[FaultProxy, Message], Awaitable[Message | None]]
"""Looks at a request and may answer it in the store's place; it can `ask` the store first."""


@contextmanager
def fault_proxy(upstream: int, *, tls: ssl.SSLContext | None = None, gate: Gate | None = None) -> Iterator[FaultProxy]:
    """A proxy before the store on a local port, until the block ends."""
    proxy = FaultProxy(upstream, tls=tls, gate=gate)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


async def _end_the_others() -> None:
    """Connections that were accepted in the very last moment too: what is left open when the loop ends, Python complains of."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)  # transports close in the next turns


async def _exchange(request: Message, reader: StreamReader, writer: StreamWriter) -> Message:
    writer.write(bytes(request))
    await writer.drain()
    head = await read_head(reader)
    while head and head.status == 100:
        head = await read_head(reader)
    if head is None:
        raise ConnectionResetError
    return await read_body(reader, head, answers=request.method)


def _reset(writer: StreamWriter) -> None:
    """Close so that the other side gets a reset, not an end."""
    one = writer.get_extra_info("socket")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _pieces(whole: bytes) -> Iterator[bytes]:
    size = max(1, -(-len(whole) // SLOW_PIECES))
    return (whole[start : start + size] for start in range(0, len(whole), size))
