"""The `postgres` source: the database is read as SQLite is, and followed as `_postgres_following` says.

Signals carry content tokens, not `xmin` and `ctid`: a row that was rewritten without a change is then no signal.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from threading import Event

from syncd.labelstudio.storages import Storage
from syncd.model import DocumentShape, Project
from syncd.sources import Memory, Read, Signals
from syncd.sources._abreast import abreast
from syncd.sources._postgres_capture import LogicalCapture
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_following import BATCH, Following
from syncd.sources._postgres_rows import PostgresRows
from syncd.sources._postgres_slot_orders import report
from syncd.sources.postgres import Settings
from syncd.targets import Finding

COUNTED = 1_000_000
"""Tasks that `check` counts at most, to stay within the time limit of a statement."""


class PostgresSource:
    """One database. Thread-safe: each thread reads on its own connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(settings.dsn.get_secret_value())
        self._rows = PostgresRows(self._database, settings.projects)

    @property
    def where(self) -> str:
        return self._database.where

    def identity(self) -> str:
        return self._rows.identity(self.where)

    def projects(self) -> Sequence[Project]:
        return self._rows.projects()

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        started = self._rows.true_through(datetime.now(UTC))
        yield Signals(urgency="backfill", projects=self.projects())
        compared = abreast(lambda span: self._rows.compare(*span, memory), self._rows.spans(memory, BATCH))
        try:
            with closing(compared):
                for signals in compared:
                    if stop.is_set():
                        return
                    yield Signals(signals, urgency="backfill")
        finally:
            self._database.close_ended()
        yield Signals(synced=started, swept=started)

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        if self.settings.capture == "poll":
            return self._poll(memory, stop)
        poll = partial(self._poll, memory, stop)
        return LogicalCapture(self.settings, self._database, self._rows, memory, poll).watch(position, stop)

    def _poll(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        following = Following(self.settings, self._database, self._rows, memory, stop)
        yield from self.sweep(memory, stop)
        while not (stop.is_set() or following.over):
            yield from following.look()
            yield Signals()  # whoever polls for want of a log gets a turn, whether there was anything or not
            stop.wait(min(self.settings.poll_seconds, following.rest()))

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        return self._rows.documents(tasks, shape)

    def tasks(self, project: int) -> Iterator[int]:
        return self._rows.tasks_of_project(project)

    def storages(self) -> Sequence[Storage]:
        return ()  # their rows hold secrets, which our role has no right to see

    def check(self) -> Iterable[Finding]:
        version, standby, tls = self._database.rows(
            "SELECT current_setting('server_version'), pg_is_in_recovery(), "
            "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"
        )[0]
        kind = "standby" if standby else "primary"
        yield Finding("server", True, f"PostgreSQL {version.decode()}, {kind}, {'TLS' if tls else 'no TLS'}")
        count = self._database.rows("SELECT count(*) FROM (SELECT FROM task LIMIT ?) AS first", (COUNTED,))[0][0]
        tasks = f"{count:,} tasks" + (" or more" if count == COUNTED else "")
        yield Finding("read the database", True, f"{self.where}: {len(self.projects())} projects, {tasks}")
        if self.settings.capture == "logical":
            yield self._log_found()

    def _log_found(self) -> Finding:
        found = report(self.settings)
        if found.to_do:
            return Finding("follow the log", False, f"run `syncd slot create`, or there: {' '.join(found.to_do)}")
        slot = f"slot {found.slot}, {found.wal_status}" if found.exists else f"slot {found.slot} will be made"
        kept = f"max_slot_wal_keep_size {found.max_slot_wal_keep_size}"
        return Finding("follow the log", True, f"publication {found.publication}, {slot}, {kept}")

    def close(self) -> None:
        self._database.close()
