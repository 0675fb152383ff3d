"""A logical replication slot, used with SQL alone: looked into without being consumed, then moved on.

The slot keeps the server's write-ahead log from where syncd has not read it yet, which is its use and its danger: see
`_postgres_slot_care`. All calls work on an ordinary connection of a role with REPLICATION. Places in the log are byte counts.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from syncd.errors import SyncdError, Unavailable
from syncd.sources._pgoutput import TornMessage
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_log import Place, Transaction, transactions

ENOUGH = 10_000
"""Messages after which an answer ends, at the end of a transaction."""

PAGE = 2_000
"""Messages fetched at once."""

_PLACE = "({} - '0/0')::bigint"

_STATE = f"""
    SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, current_setting('wal_level'), pg_is_in_recovery(),
        log.*, slot.plugin = 'pgoutput' AND slot.database = current_database(), {_PLACE.format("slot.restart_lsn")},
        {_PLACE.format("slot.confirmed_flush_lsn")}, slot.wal_status
    FROM (SELECT {_PLACE.format("pg_current_wal_flush_lsn()")}, {_PLACE.format("pg_current_wal_insert_lsn()")},
        left(pg_walfile_name(pg_current_wal_lsn()), 8) WHERE NOT pg_is_in_recovery()) AS log
    RIGHT JOIN (SELECT) AS always ON true LEFT JOIN pg_replication_slots slot ON slot.slot_name = ?"""

_PEEK = f"""
    SELECT data FROM pg_logical_slot_peek_binary_changes(
        ?, NULL, {ENOUGH}, 'proto_version', '1', 'publication_names', ?)"""

_TROUBLE = {
    "42501": "the role of `source.dsn` may not use replication slots; run there, as a superuser: ALTER ROLE … REPLICATION",
    "42704": "the slot, or the publication at that point of the log, is not there any more",
    "53400": "the server has no replication slot free; raise max_replication_slots",
    "55000": "the server does not decode its log for syncd: see wal_level, and wal_status of the slot",
    "57014": "it takes too long: a new slot waits for every open transaction to end",
    "55006": "another process is using the slot; give each syncd its own",
    "58P01": "the server has removed a part of the log that the slot needs",
}
"""SQLSTATE → what it means for a slot."""


class LogUnavailable(Unavailable):
    """The log cannot be followed as things are. Nothing is lost: the tables can be polled meanwhile."""


class LogBroken(LogUnavailable):
    """What the slot shows cannot be read, now or ever: a new slot is needed."""


@dataclass(frozen=True, slots=True)
class SlotState:
    ours: bool
    """Made for syncd's way of reading, on this database."""
    needs_from: int | None
    """From here on the server keeps its log for the slot; None: it has lost what it needs."""
    confirmed: int
    """Everything that was committed before is done with."""
    wal_status: str


@dataclass(frozen=True, slots=True)
class LogState:
    """The server's log at one moment."""

    snapshot: str
    """Equal only while no transaction has ended that could have changed anything."""
    run: str
    """The server's run: another one after a restart, a failover, a restored copy."""
    level: str
    standby: bool
    flushed: int
    """The log shows what was committed up to here."""
    inserted: int
    """What is committed by now lies before."""
    timeline: str
    slot: SlotState | None

    @property
    def retained(self) -> int:
        """Bytes of log that the server keeps because of the slot."""
        return 0 if self.slot is None or self.slot.needs_from is None else self.inserted - self.slot.needs_from


class Slot:
    """The slot of one name on one database. Raises LogUnavailable when the server will not do what is asked."""

    def __init__(self, database: Database, name: str, publication: str) -> None:
        self.name = name
        self.publication = publication
        self._database = database

    def inserted(self) -> int:
        """`LogState.inserted`, for little: while it stands still nothing is committed. Of the primary only."""
        return int(self._database.glance(f"SELECT {_PLACE.format('pg_current_wal_insert_lsn()')}"))

    def state(self) -> LogState:
        row = self._database.rows(_STATE, (self.name,))[0]
        snapshot, run, level, standby, flushed, inserted, timeline, ours, needs_from, confirmed, status = row
        kept = status is not None and status != b"lost"
        slot = None
        if ours is not None or status is not None:
            slot = SlotState(bool(ours), needs_from if kept else None, confirmed or 0, (status or b"").decode())
        return LogState(
            snapshot.decode(),
            run.decode(),
            level.decode(),
            standby,
            flushed or 0,
            inserted or 0,
            (timeline or b"").decode(),
            slot,
        )

    def system(self) -> int:
        """The number that a cluster is born with; physical copies share it."""
        return int(self._database.rows("SELECT system_identifier FROM pg_control_system()")[0][0])

    def in_progress(self) -> tuple[int, frozenset[int]]:
        """The transaction id that comes next, and those before it whose changes a snapshot taken from now on may not show."""
        snapshot = self._database.rows("SELECT pg_current_snapshot()::text")[0][0].decode()
        _, following, open_ = snapshot.split(":")
        return int(following), frozenset(map(int, filter(None, open_.split(","))))

    def create(self, *, seconds: float) -> None:
        """Make it, waiting so long for the transactions that are open."""
        self._call("SELECT pg_create_logical_replication_slot(?, 'pgoutput')::text", (self.name,), seconds=seconds)

    def drop(self) -> None:
        self._call("SELECT pg_drop_replication_slot(?)::text", (self.name,))

    def advance(self, to: int) -> None:
        """Let the server forget the log before `to`; never back, never beyond what is flushed."""
        sql = "SELECT pg_replication_slot_advance(?, '0/0'::pg_lsn + ?::numeric)::text"
        self._call(sql, (self.name, to), seconds=300)

    def peek(self, after: int, places: Collection[Place]) -> tuple[list[Transaction], bool]:
        """The transactions that ended after that place, in order of commit, and whether that is all there are.

        Raises LogUnavailable too when another process has moved the slot past `after`: then some were missed.
        """
        count = 0

        def counted(pages: Iterator[list[bytes]]) -> Iterator[bytes]:
            nonlocal count
            for page in pages:
                count += len(page)
                yield from page

        with self._told(LogBroken), self._database.snapshot():
            self._limit(300)
            pages = self._database.pages(_PEEK, (self.name, self.publication), PAGE)
            try:
                found = list(transactions(counted([row[0] for row in page] for page in pages), places))
            except TornMessage as error:
                raise LogBroken(f"{self._database.where}: the log cannot be understood ({error})") from error
        slot = self.state().slot
        if slot is None or slot.confirmed > after:
            raise LogUnavailable(
                f"{self._database.where}: another process has moved the slot {self.name}; give each syncd its own `slot`"
            )
        return [each for each in found if each.end > after], count < ENOUGH

    def _call(self, sql: str, parameters: tuple[object, ...], *, seconds: float = 30) -> None:
        with self._told(), self._database.snapshot():
            self._limit(seconds)
            self._database.rows(sql, parameters)

    def _limit(self, seconds: float) -> None:
        """Instead of the limit that reads have; one that the operator has set stands."""
        self._database.rows(
            "SELECT set_config('statement_timeout', ?, true) WHERE current_setting('statement_timeout') = '30s'",
            (str(round(seconds * 1000)),),
        )

    @contextmanager
    def _told(self, kind: type[LogUnavailable] = LogUnavailable) -> Iterator[None]:
        try:
            yield
        except SyncdError as error:
            cause = error.__cause__
            said = _TROUBLE.get(cause.sqlstate or "") if isinstance(cause, psycopg.Error) else None
            if said is None:
                raise
            raise kind(f"{self._database.where}: {said} ({' '.join(str(cause).split())})") from cause
