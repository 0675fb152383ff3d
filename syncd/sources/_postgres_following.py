"""Three looks at PostgreSQL, each surer and dearer than the one before, and none while nothing is committed.

Every `poll_seconds` a quick look at what people just did; every `id_sweep_seconds` the versions of all rows, which finds whatever
adds, removes or writes one; every `sweep_minutes` the content of all tasks, which finds what other tables changed.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog

from syncd.sources import Memory, Signals, chosen
from syncd.sources._pace import Pace
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_rows import Moment, PostgresRows, QuickLook
from syncd.sources._postgres_versions import Versions
from syncd.sources.postgres import Settings

log = structlog.get_logger()

READ = 1024
"""Tasks per compared range: few round trips, and still tens of milliseconds."""

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
        self._settings, self._rows, self._memory, self._stop = settings, rows, memory, stop
        self._start, self._shared = rows.moment(), rows.shared_version()
        self._quick, self._versions = QuickLook(rows, self._start), Versions(database)
        self._versions.learn()
        self._looked = Look(self._start.state, every=0)
        self._written = Look(self._start.state, every=settings.id_sweep_seconds)
        self._swept = Look(self._start.state, every=settings.sweep_minutes * 60)
        self._warned = False

    def look(self) -> Iterator[Signals]:
        """Whatever is due, and what that proves."""
        through = self._rows.true_through(datetime.now(UTC))  # before the snapshot, which then shows as much
        now = self._rows.moment()
        self.over = now.server != self._start.server
        if not self.over and self._looked.due(now.state):
            yield from self._quickly(now)
        if not self.over and self._written.due(now.state):
            yield from self._by_version(now)
        if not self.over and self._swept.due(now.state):
            yield from self._by_content(now)
        if not self.over and now.state == self._written.state:
            yield Signals(synced=through, swept=through if now.state == self._swept.state else None)

    def _quickly(self, now: Moment) -> Iterator[Signals]:
        began, tasks = time.monotonic(), sorted(self._quick.look(now))
        self._looked.done(now.state, began=began)
        yield Signals(projects=chosen(self._settings.projects, self._rows.projects()))
        for at in range(0, len(tasks), READ):
            yield Signals(self._rows.compare_tasks(tasks[at : at + READ], self._memory, self._live()))
        self._warn()

    def _by_version(self, now: Moment) -> Iterator[Signals]:
        began, live = time.monotonic(), self._live()
        if self._rows.shared_version() != self._shared:
            self.over = True
            return
        for span in self._versions.differing(self._stop):
            yield Signals(self._rows.compare(*span, self._memory, live))
        if not self._stop.is_set():  # else it may have been cut short, and proves nothing
            self._written.done(now.state, began=began)

    def _by_content(self, now: Moment) -> Iterator[Signals]:
        began = time.monotonic()
        yield from compared(self._rows, self._memory, self._live(), Pace(self._stop, share=0.1))
        if not self._stop.is_set():
            self._swept.done(now.state, began=began)

    def _warn(self) -> None:
        held = self._quick.held_for() > LONG
        if held and not self._warned:
            log.warning(
                "a long transaction slows the quick look",
                open_for=str(self._quick.held_for()).partition(".")[0],
                way_out="find it in pg_stat_activity; nothing is lost, the sweeps see everything",
            )
        self._warned = held

    def _live(self) -> frozenset[int]:
        return frozenset(project.id for project in chosen(self._settings.projects, self._rows.projects()))


def compared(rows: PostgresRows, memory: Memory, live: frozenset[int], pace: Pace) -> Iterator[Signals]:
    """Every task's content, compared with what is remembered; ends early when it is time to stop."""
    for first, last in rows.spans(memory, READ):
        if not pace.breathe():
            return
        yield Signals(rows.compare(first, last, memory, live), urgency="backfill")
