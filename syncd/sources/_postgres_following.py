"""Three looks at PostgreSQL, each surer and dearer than the one before, and none while nothing is committed.

Every `poll_seconds` a quick look at what people just did; every `id_sweep_seconds` the versions of all rows, which finds whatever
adds, removes or writes one; every `sweep_minutes` the content of all tasks, which finds what other tables changed.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog

from syncd.sources import Memory, Signals
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_rows import Moment, PostgresRows, QuickLook
from syncd.sources._postgres_versions import Versions
from syncd.sources._sweep import RollingSweep
from syncd.sources.postgres import Settings

log = structlog.get_logger()

BATCH = 1024
"""Tasks compared at once when many moved: few round trips, and still tens of milliseconds."""

LONG = timedelta(minutes=5)
"""A transaction that is open for longer is worth a warning."""


class Look:
    """When something was last looked at, and in which state the database was."""

    def __init__(self, state: object, *, every: float) -> None:
        self.state = state
        self._every = every
        self._ended = time.monotonic()
        self._took = 0.0

    def due(self, state: object) -> bool:
        """Whether to look again; never more than a fifth of the time is spent looking."""
        return state != self.state and time.monotonic() - self._ended >= max(self._every, 4 * self._took)

    def done(self, state: object, *, began: float) -> None:
        """The look showed `state`, or something later."""
        self.state = state
        self._ended = time.monotonic()
        self._took = self._ended - began


class Following:
    """One run of `watch`, from before its sweep: what is known of which state of the database."""

    def __init__(self, settings: Settings, database: Database, rows: PostgresRows, memory: Memory, stop: Event) -> None:
        self.over = False
        """The server is another one, or what every document draws from has changed: begin anew."""
        self._rows, self._memory, self._stop = rows, memory, stop
        self._start, self._shared = rows.moment(), rows.shared_version()
        self._quick, self._versions = QuickLook(rows, self._start), Versions(database)
        self._versions.learn()
        self._looked = Look(self._start.state, every=0)
        self._written = Look(self._start.state, every=settings.id_sweep_seconds)
        self._state: object = self._start.state
        every = settings.sweep_minutes * 60
        self._sweep = RollingSweep(rows, memory, every=every, swept_at=self._start.state, clock=self._through)
        self._warned = False

    def look(self) -> Iterator[Signals]:
        """Whatever is due, and what that proves."""
        through = self._through()  # before the snapshot, which then shows as much
        now = self._rows.moment()
        self.over, self._state = now.server != self._start.server, now.state
        if not self.over and self._looked.due(now.state):
            yield from self._quickly(now)
        if not self.over and self._written.due(now.state):
            yield from self._by_version(now)
        if not self.over and now.state == self._written.state:
            yield Signals(synced=through, swept=through if self._sweep.proves(now.state) else None)
        if not self.over:
            yield from self._sweep.step(now.state)

    def rest(self) -> float:
        """Seconds until the rolling sweep's next turn; infinite when it has none."""
        return self._sweep.rest(self._state)

    def _through(self) -> datetime | None:
        return self._rows.true_through(datetime.now(UTC))

    def _quickly(self, now: Moment) -> Iterator[Signals]:
        began, tasks = time.monotonic(), sorted(self._quick.look(now))
        self._looked.done(now.state, began=began)
        yield Signals(projects=self._rows.projects())
        for at in range(0, len(tasks), BATCH):
            yield Signals(self._rows.compare_tasks(tasks[at : at + BATCH], self._memory))
        self._warn()

    def _by_version(self, now: Moment) -> Iterator[Signals]:
        began = time.monotonic()
        if self._rows.shared_version() != self._shared:
            self.over = True
            return
        for span in self._versions.differing(self._stop):
            yield Signals(self._rows.compare(*span, self._memory))
        if not self._stop.is_set():  # else it may have been cut short, and proves nothing
            self._written.done(now.state, began=began)

    def _warn(self) -> None:
        held = self._quick.held_for() > LONG
        if held and not self._warned:
            log.warning(
                "a long transaction slows the quick look",
                open_for=str(self._quick.held_for()).partition(".")[0],
                way_out="find it in pg_stat_activity; nothing is lost, the sweeps see everything",
            )
        self._warned = held
