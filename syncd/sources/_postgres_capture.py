"""`capture: logical`: the log while it can be followed, the tables polled while it cannot."""

import time
from collections.abc import Callable, Generator, Iterator
from threading import Event

import structlog

from syncd.sources import Memory, Signals
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_logical import FollowingLog, basis_of
from syncd.sources._postgres_rows import PostgresRows
from syncd.sources._postgres_slot import LogBroken, LogUnavailable
from syncd.sources._postgres_slot_care import SlotCare, Start
from syncd.sources.postgres import Settings

log = structlog.get_logger()

RETRY_SECONDS = 30.0
"""How long the tables are polled before the log is tried again."""


class LogicalCapture:
    """Follows one database for one run of `watch`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        rows: PostgresRows,
        memory: Memory,
        poll: Callable[[], Iterator[Signals]],
    ) -> None:
        self._care = SlotCare(settings, database)
        self._database, self._rows, self._memory, self._poll = database, rows, memory, poll

    def watch(self, position: str | None, stop: Event) -> Iterator[Signals]:
        """Ends by itself where another Label Studio may be in its place now."""
        start: Start | None = None
        while not stop.is_set():
            try:
                start = start or self._start(position)
            except LogUnavailable as error:
                start = yield from self._polled(str(error), position)
                if start is None:
                    return
            following = FollowingLog(self._care, self._database, self._rows, self._memory, start)
            began = time.monotonic()
            try:
                yield Signals(projects=self._rows.projects())  # before any of their tasks
                while not (stop.is_set() or following.over):
                    yield from following.look()
                    stop.wait(following.rest())
            except LogUnavailable as error:
                position, start = following.remembered, None
                if isinstance(error, LogBroken):
                    self._care.give_up()
                log.warning("the log cannot be followed any more", source=self._database.where, reason=str(error))
                if time.monotonic() - began < RETRY_SECONDS:  # it was tried a moment ago
                    start = yield from self._polled(str(error), position)
                    if start is None:
                        return
            else:
                return

    def _start(self, position: str | None) -> Start:
        return self._care.start(position, basis_of(self._rows))

    def _polled(self, why: str, position: str | None) -> Generator[Signals, None, Start | None]:
        """Poll until the log can be followed, from the start that is returned; None when polling ended."""
        log.warning("polling the tables, as the log cannot be followed", source=self._database.where, reason=why)
        retry_at = time.monotonic() + RETRY_SECONDS
        yield Signals(story={"capture": "poll", "because": why})
        for batch in self._poll():
            yield batch
            if time.monotonic() >= retry_at:
                try:
                    return self._start(position)
                except LogUnavailable as error:
                    retry_at = time.monotonic() + RETRY_SECONDS
                    if str(error) != why:
                        why = str(error)
                        yield Signals(story={"capture": "poll", "because": why})
        return None
