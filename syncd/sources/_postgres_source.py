"""The `postgres` source: three looks, each surer and dearer than the one before, and none while nothing is committed.

Every `poll_seconds` a quick look at what people just did; every `id_sweep_seconds` the versions of all rows, which finds whatever
adds, removes or writes one; every `sweep_minutes` the content of all tasks, which finds what other tables changed. Signals carry
content tokens, as of SQLite, not `xmin` and `ctid`: a row that was rewritten without a change is then no signal.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog

from syncd.model import DocumentShape, Project
from syncd.sources import Memory, Read, Signals, chosen
from syncd.sources._pace import Pace
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_rows import Moment, PostgresRows, QuickLook
from syncd.sources._postgres_versions import Versions
from syncd.sources.postgres import Settings
from syncd.targets import Finding

log = structlog.get_logger()

READ = 1024
"""Tasks per compared range: few round trips, and still tens of milliseconds."""

HELD = timedelta(minutes=5)


@dataclass(slots=True)
class _Proof:
    """The newest state of the database for which something is known, and when that was found out."""

    state: object
    at: float = field(default_factory=time.monotonic)
    took: float = 0.0

    def due(self, seconds: float) -> bool:
        """Whether to look again; never more than a fifth of the time is spent looking."""
        return time.monotonic() - self.at >= max(seconds, 4 * self.took)


class PostgresSource:
    """One database. Thread-safe: each thread reads on its own connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(settings.dsn.get_secret_value())
        self._rows = PostgresRows(self._database)

    @property
    def where(self) -> str:
        return self._database.where

    def identity(self) -> str:
        return self._rows.identity(self.where)

    def projects(self) -> Sequence[Project]:
        return chosen(self.settings.projects, self._rows.projects())

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        started = self._rows.true_through(datetime.now(UTC))
        yield Signals(urgency="backfill", projects=self.projects())
        yield from self._compared(memory, Pace(stop, share=1.0))
        if not stop.is_set():
            yield Signals(synced=started, swept=started)

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        """Ends when the server is another one, or something that every document draws from changed: then all over."""
        start, began = self._rows.moment(), self._rows.shared_version()
        quick, versions = QuickLook(self._rows, start), Versions(self._database)
        versions.learn()
        yield from self.sweep(memory, stop)
        looked: object = start.state
        written, swept, warned = _Proof(start.state), _Proof(start.state), False
        while not stop.is_set():
            through = self._rows.true_through(datetime.now(UTC))  # before the snapshot, which then shows as much
            now = self._rows.moment()
            if now.server != start.server:
                return
            if now.state != looked:
                looked = now.state
                yield from self._quickly(quick, now, memory)
                warned = self._warn(quick, warned)
            if now.state != written.state and written.due(self.settings.id_sweep_seconds):
                if self._rows.shared_version() != began:
                    return
                since = time.monotonic()
                yield from self._written(versions, memory, stop)
                if stop.is_set():
                    return  # the look may have been cut short: it proves nothing
                written = _Proof(now.state, took=time.monotonic() - since)
                yield Signals(synced=through)
            elif now.state == written.state:
                yield Signals(synced=through, swept=through if now.state == swept.state else None)
            if written.state != swept.state and swept.due(self.settings.sweep_minutes * 60):
                yield from self._compared(memory, Pace(stop, share=0.1))
                if stop.is_set():
                    return
                swept = _Proof(now.state)
                yield Signals(swept=through)
            stop.wait(self.settings.poll_seconds)

    def _quickly(self, quick: QuickLook, now: Moment, memory: Memory) -> Iterator[Signals]:
        tasks = sorted(quick.look(now))
        live = self._live()
        yield Signals(projects=self.projects())
        for at in range(0, len(tasks), READ):
            yield Signals(self._rows.compare_tasks(tasks[at : at + READ], memory, live))

    def _written(self, versions: Versions, memory: Memory, stop: Event) -> Iterator[Signals]:
        live = self._live()
        yield Signals(projects=self.projects())
        for span in versions.differing(stop):
            yield Signals(self._rows.compare(*span, memory, live))

    def _compared(self, memory: Memory, pace: Pace) -> Iterator[Signals]:
        live = self._live()
        for first, last in self._rows.spans(memory, READ):
            if not pace.breathe():
                return
            yield Signals(self._rows.compare(first, last, memory, live), urgency="backfill")

    def _warn(self, quick: QuickLook, warned: bool) -> bool:
        held = quick.held_since() > HELD
        if held and not warned:
            log.warning(
                "a long transaction slows the quick look",
                source=self.where,
                open_for=str(quick.held_since()).partition(".")[0],
                way_out="find it in pg_stat_activity; nothing is lost, the sweeps see everything",
            )
        return held

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        return self._rows.documents(tasks, shape, self._live())

    def tasks(self, project: int) -> Iterator[int]:
        return self._rows.tasks_of_project(project)

    def check(self) -> Iterable[Finding]:
        version, standby, tls = self._database.rows(
            "SELECT current_setting('server_version'), pg_is_in_recovery(), "
            "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"
        )[0]
        kind = "standby" if standby else "primary"
        yield Finding("server", True, f"PostgreSQL {version.decode()}, {kind}, {'TLS' if tls else 'no TLS'}")
        count = self._database.rows("SELECT count(*) FROM task")[0][0]
        yield Finding("read the database", True, f"{self.where}: {len(self.projects())} projects, {count} tasks")

    def close(self) -> None:
        self._database.close()

    def _live(self) -> frozenset[int]:
        return frozenset(project.id for project in self.projects())
