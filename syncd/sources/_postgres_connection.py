"""A connection to PostgreSQL that gives up when nothing is heard: behind a proxy or a firewall a lost answer is never told."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.types.string import ByteaBinaryLoader

SILENCE_SECONDS = 45.0
"""The server ends a statement after 30 s of its own accord; the kernel notices a dead peer only where no proxy answers for it."""

T = TypeVar("T")


class ImpatientConnection(psycopg.Connection[Any]):
    """Raises OperationalError, and is closed, when a statement under way has brought no byte for `SILENCE_SECONDS`."""

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        return super().wait(self._heard(gen), *args, **options)

    def _heard(self, gen: PQGen[T]) -> Generator[Any, Any, T]:
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted  # now and then without anything being ready
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > SILENCE_SECONDS:
                    self.close()
                    raise psycopg.OperationalError(f"no answer for {SILENCE_SECONDS:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            answer: T = done.value
            return answer


def connected(conninfo: str) -> ImpatientConnection:
    """A connection in autocommit that prepares nothing; text comes as bytes."""
    fresh = ImpatientConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    for name in ("text", "varchar", "bpchar"):
        fresh.adapters.register_loader(name, ByteaBinaryLoader)
    return fresh
