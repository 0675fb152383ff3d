"""Task rows of PostgreSQL, and the quick look that finds what people have just done.

A timestamp alone loses a transaction that commits late. What is new since the last look is therefore told by transaction ids:
a row version is new when its `xmin` was not finished at the last look, however old its `updated_at`. The times of earlier looks
only say how far back an index has to be read: to the newest look before which nothing was open that was open at the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from syncd.labelstudio import tables
from syncd.sources import ProjectChoice
from syncd.sources._postgres_database import Database
from syncd.sources._rows import ProjectRow, Rows

CLOCK_MARGIN = timedelta(seconds=120)
"""How far clocks may differ, and a time lie before its transaction has an id, for the quick look. The id sweep does not care."""

MARKS = 256

MOST = 10_000
"""Rows per quick look and table: what a bulk action writes beyond is left to the look at all versions."""

ROW_VERSION = "hashtextextended({0}.xmin::text || {0}.ctid::text, 0)"
"""Differs with every INSERT and UPDATE of a row, whatever that changed; VACUUM FULL moves it too, which costs only a look."""

_MOMENT = """
    SELECT pg_current_snapshot()::text, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint, clock_timestamp(), pg_postmaster_start_time()::text,
        (SELECT max(id) FROM task_completion)"""

_NEW = "mod({}.xmin::text::bigint - ? + 8589934592, 4294967296) < 2147483648"
"""Transaction ids are 32 bits in a row and wrap around: newer is what lies less than half the circle ahead."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The database as one snapshot shows it."""

    server: bytes
    """The server's run: it changes with a restart, a failover, a restored copy."""
    state: tuple[bytes, bytes | None]
    """Equal only while nothing has been committed."""
    open_from: int
    """The oldest transaction that was not finished (xmin)."""
    next: int
    """The first transaction that had no id yet (xmax)."""
    at: datetime
    """The server's clock."""
    last_annotation: int


class PostgresRows(Rows):
    """Task rows; the projects, whose label configurations are large, are read anew only when one was written."""

    def __init__(self, database: Database, choice: ProjectChoice) -> None:
        super().__init__(database, choice)
        self._postgres = database
        self._projects: tuple[tuple[Any, ...], list[ProjectRow]] | None = None

    def shared_version(self) -> bytes:
        columns = sorted((table, sorted(types.items())) for table, types in self._postgres.schema().items())
        return super().shared_version() + blake2b(repr(columns).encode(), digest_size=16).digest()

    def _project_rows(self) -> list[ProjectRow]:
        version = self._database.rows(f"SELECT count(*), sum({ROW_VERSION.format('project')})::text FROM project")[0]
        if self._projects is None or self._projects[0] != version:
            self._projects = version, super()._project_rows()
        return self._projects[1]

    def moment(self) -> Moment:
        """Now."""
        replayed = self._replayed()  # before the snapshot: later, it could vouch for what the snapshot does not show
        state, open_from, following, at, server, annotation = self._database.rows(_MOMENT)[0]
        return Moment(server, (state, replayed), open_from, following, at, annotation or 0)

    def _replayed(self) -> bytes | None:
        """How far a standby is. Its snapshots do not name the transactions in the middle, so they cannot prove a standstill."""
        sql = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END"
        found: bytes | None = self._database.rows(sql)[0][0]
        return found

    def true_through(self, now: datetime) -> datetime | None:
        """Up to when everything committed is in a snapshot taken at `now` or later; on a standby as far as it has replayed."""
        standby, level, replayed = self._database.rows(
            "SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() "
            "AND EXISTS (SELECT FROM pg_stat_wal_receiver), pg_last_xact_replay_timestamp()"
        )[0]
        return now if level or not standby else replayed

    def new(self, bound: Moment, last: Moment) -> Iterator[tuple[int, bytes]]:
        """(task, row version) of the tasks touched and annotations added since `last`, of a look that `bound` reaches back to."""
        xid = last.open_from % 2**32
        yield from self._database.rows(
            f"SELECT id, xmin::text || ctid::text FROM task WHERE updated_at >= ? AND {_NEW.format('task')} LIMIT ?",
            (bound.at - CLOCK_MARGIN, xid, MOST),
        )
        yield from self._database.rows(
            f"SELECT task_id, xmin::text || ctid::text FROM {tables.ANNOTATION.name} "
            f"WHERE id > ? AND task_id IS NOT NULL AND {_NEW.format(tables.ANNOTATION.name)} LIMIT ?",
            (bound.last_annotation, xid, MOST),
        )


class QuickLook:
    """What was seen since the oldest open transaction began, so that each new row version is shown once."""

    def __init__(self, rows: PostgresRows, start: Moment) -> None:
        self._rows = rows
        self._marks = [start]
        self._seen: set[tuple[int, bytes]] = set()

    def look(self, now: Moment) -> set[int]:
        """Tasks that moved since the last look. A hint: what moves no `updated_at` and adds no annotation escapes it."""
        last = self._marks[-1]
        while len(self._marks) > 1 and self._marks[1].next <= last.open_from:
            self._marks.pop(0)
        found = set(self._rows.new(self._marks[0], last))
        fresh = {task for task, _ in found - self._seen}
        self._seen = found
        if len(self._marks) >= MARKS:
            self._marks[1:] = self._marks[2::2]  # a mark less only reaches further back
        self._marks.append(now)
        return fresh

    def held_for(self) -> timedelta:
        """For how long a transaction has kept the look from moving on."""
        return self._marks[-1].at - self._marks[0].at
