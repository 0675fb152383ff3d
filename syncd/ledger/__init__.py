"""What syncd knows that must survive a crash: one SQLite file, one owner.

What was signalled (`seen`), what each lane has still to do (`dirty_N`), what it wrote (`written_N`), what is set aside, and the
journal lines that wait for their object. It is a cache: lost, it is rebuilt from source and target. Times are ISO 8601, UTC.

A *number* counts batches of signals. A dirty row holds the first and the last number that touched its task, so a lane that read
the task when `number` was R settles everything up to R and keeps what came later. A claim ("synced through T") belongs to a
number and holds for a lane once no dirty row is as old.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from syncd.errors import Misconfigured, Unavailable
from syncd.filesystem import filesystem_of, is_network
from syncd.ledger.schema import LANE, LANE_TABLES, OWNER_KINDS, SHARED_TABLES, VERSION
from syncd.model import Project
from syncd.sources import Owner, OwnerKind, Signal, Signals

CACHE_KIB = 8192
CLAIMS = 4096
"""Claims kept while a lane is behind."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What holds once every signal up to `number` is settled."""

    number: int
    synced: datetime | None
    swept: datetime | None


class Ledger:
    """The open ledger. One transaction at a time; readers (`memory`, status) have connections of their own."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._write = threading.RLock()
        self._local = threading.local()
        self._readers: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock_file: int | None = None
        self._claims: list[Claim] = []
        if read_only:
            self._connection = self._connect(read_only=True)
            self._check_version()
        else:
            self._lock_file = _take(path)
            self._connection = self._connect(read_only=False)
            self._create()
        self.id = self.fact("ledger") or ""
        """A name that no other ledger has: the holder of leases."""
        self.number: int = self._scalar("SELECT max(number) FROM batches") or 0
        """The newest batch of signals."""
        self.registries_at: Counter[int] = Counter()
        """Project → a number that goes up whenever its registry changes: then whatever was made from it is made anew."""
        self.swept_at = 0.0
        """When the newest full sweep was recorded, in seconds since the epoch; 0: none since this process began."""

    def close(self) -> None:
        with self._write:
            for connection in (*self._readers.values(), self._connection):
                connection.close()
            self._readers.clear()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; rolled back when the block raises. A full disk is Unavailable."""
        with self._write:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise Unavailable(
                        f"the ledger {self.path} cannot be written ({error}); free or repair its disk, syncd goes on by itself"
                    ) from error
                raise

    def reader(self) -> sqlite3.Connection:
        """This thread's own connection for reading; those of threads that have ended are closed."""
        held: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if held is None:
            held = self._local.connection = self._connect(read_only=True)
            with self._write:
                for ended in [thread for thread in self._readers if not thread.is_alive()]:
                    self._readers.pop(ended).close()
                self._readers[threading.current_thread()] = held
        return held

    @property
    def swept(self) -> bool:
        """Whether the source has been swept once, whole, since this process began."""
        return self.swept_at > 0

    # --- settings ------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        """A small fact kept by name (`instance`, `position`)."""
        row = self.reader().execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def keep_fact(self, name: str, value: str) -> None:
        with self.transaction() as t:
            t.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # --- signals -------------------------------------------------------------------------------------------------

    def record(self, batch: Signals, lanes: Sequence[int]) -> bool:
        """Make a batch durable for every lane; True when it brought anything. Only then may the source's position advance."""
        projects = batch.projects is not None and self._projects_changed(batch.projects)
        if batch.story is not None:
            self._keep_story(batch.story)
        if not (batch.signals or projects or batch.owners or batch.position is not None):
            self._claim(Claim(self.number, batch.synced, batch.swept))
            return False
        with self._write:
            number = self._record(batch, lanes, projects=projects)
            self.number = number
        self._claim(Claim(number, batch.synced, batch.swept))
        return True

    def _record(self, batch: Signals, lanes: Sequence[int], *, projects: bool) -> int:
        with self.transaction() as t:
            number = self._next_number(t)
            self._remember(t, batch.signals)
            _remember_owners(t, batch.owners)
            urgency = 0 if batch.urgency == "fresh" else 1
            for lane in lanes:
                t.executemany(
                    f"INSERT INTO dirty_{lane} (task, project, first, last, urgency) "
                    "VALUES (?1, coalesce(?2, (SELECT project FROM written_{lane} WHERE task = ?1), 0), ?3, ?3, ?4) "
                    "ON CONFLICT (task) DO UPDATE SET last = excluded.last, urgency = min(urgency, excluded.urgency), "
                    "project = excluded.project, not_before = 0, held = 0, released = 0".replace("{lane}", str(lane)),
                    [(s.task, s.project, number, urgency) for s in batch.signals],
                )
            if projects and batch.projects is not None:
                _store_projects(t, batch.projects)
            if batch.position is not None:
                t.execute("INSERT OR REPLACE INTO facts VALUES ('position', ?)", (batch.position,))
        return number

    @contextlib.contextmanager
    def numbered(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A transaction with a number of its own: plans that were made before it do not settle what it asks for."""
        with self._write:
            with self.transaction() as t:
                number = self._next_number(t)
                yield t, number
            self.number = number

    def _next_number(self, t: sqlite3.Connection) -> int:
        t.execute("DELETE FROM batches")
        t.execute("INSERT INTO batches VALUES (?)", (self.number + 1,))
        return self.number + 1

    def claims(self, settled_below: int) -> tuple[datetime | None, datetime | None]:
        """(synced, swept) that hold when every signal numbered below `settled_below` is settled."""
        held = [c for c in self._claims if c.number < settled_below]
        return max((c.synced for c in held if c.synced), default=None), max(
            (c.swept for c in held if c.swept), default=None
        )

    def _claim(self, claim: Claim) -> None:
        if claim.synced is None and claim.swept is None:
            return
        if claim.swept is not None:
            self.swept_at = time.time()
        with self._write:
            last = self._claims[-1] if self._claims else None
            if last is not None and last.number == claim.number:
                self._claims.pop()
                claim = Claim(claim.number, claim.synced or last.synced, claim.swept or last.swept)
            elif len(self._claims) >= CLAIMS:
                self._claims = self._claims[::2]  # a claim less is only a coarser one
            self._claims.append(claim)

    def _remember(self, t: sqlite3.Connection, signals: Sequence[Signal]) -> None:
        gone = [(s.task,) for s in signals if s.project is None]
        there = [(s.task, s.project, s.token) for s in signals if s.project is not None]
        t.executemany("DELETE FROM seen WHERE task = ?", gone)
        t.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", there)

    def _keep_story(self, story: Mapping[str, str | int]) -> None:
        told = orjson.dumps(story, option=orjson.OPT_SORT_KEYS).decode()
        if told != self.fact("story"):
            self.keep_fact("story", told)

    # --- memory (the source's view) ------------------------------------------------------------------------------

    def tokens(self, first: int, last: int, *, project: int | None = None) -> Mapping[int, bytes | None]:
        sql = "SELECT task, token FROM seen WHERE task BETWEEN ?1 AND ?2" + (" AND project = ?3" if project else "")
        return dict(self.reader().execute(sql, (first, last, project) if project else (first, last)).fetchall())

    def project(self, task: int) -> int | None:
        row = self.reader().execute("SELECT project FROM seen WHERE task = ?", (task,)).fetchone()
        return row[0] if row else None

    def seen_projects(self) -> Collection[int]:
        return {row[0] for row in self.reader().execute("SELECT DISTINCT project FROM seen")}

    def owners(self, kind: OwnerKind, rows: Collection[int]) -> Mapping[int, int]:
        sql = f"SELECT row, task FROM owner_of_{kind} WHERE row IN (SELECT value FROM json_each(?))"
        return dict(self.reader().execute(sql, (orjson.dumps(list(rows)).decode(),)).fetchall())

    def last_task(self) -> int:
        return self.reader().execute("SELECT max(task) FROM seen").fetchone()[0] or 0

    # --- projects ------------------------------------------------------------------------------------------------

    def projects(self) -> dict[int, Project]:
        rows = self.reader().execute("SELECT id, title, label_config, version, updated_at FROM projects").fetchall()
        return {row[0]: Project(*row) for row in rows}

    def _projects_changed(self, projects: Sequence[Project]) -> bool:
        return {p.id: p for p in projects} != self.projects()

    # --- lanes ---------------------------------------------------------------------------------------------------

    def lane(self, name: str, *, where: str) -> tuple[int, bool]:
        """The number of a lane's tables, made when there are none yet; and whether they are new."""
        row = self._connection.execute("SELECT id, place FROM lanes WHERE name = ?", (name,)).fetchone()
        if row is not None and row[1] == where:
            return row[0], False
        with self.transaction() as t:
            if row is not None:
                _drop_lane(t, row[0])
            made = t.execute("INSERT INTO lanes (name, place) VALUES (?, ?) RETURNING id", (name, where)).fetchone()[0]
            for statement in LANE_TABLES:
                t.execute(statement.format(lane=made))
        return made, True

    def lanes(self) -> dict[str, int]:
        return dict(self.reader().execute("SELECT name, id FROM lanes").fetchall())

    def drop_lanes_except(self, names: Sequence[str]) -> None:
        """Forget targets that the configuration no longer has; what they hold stays where it is."""
        with self.transaction() as t:
            for name, lane in self.lanes().items():
                if name not in names:
                    _drop_lane(t, lane)

    # --- inside --------------------------------------------------------------------------------------------------

    def _scalar(self, sql: str) -> int | None:
        value: int | None = self._connection.execute(sql).fetchone()[0]
        return value

    def _check_version(self) -> None:
        found = self._scalar("PRAGMA user_version")
        if found not in (0, VERSION):
            raise Misconfigured(
                f"the ledger {self.path} was written by another version of syncd (layout {found}, this is {VERSION}). "
                "Move it away: syncd rebuilds it from source and target"
            )

    def _create(self) -> None:
        self._check_version()
        with self.transaction() as t:
            for statement in SHARED_TABLES:
                t.execute(statement)
            t.execute("INSERT OR IGNORE INTO facts VALUES ('ledger', ?)", (uuid.uuid4().hex,))
            t.execute(f"PRAGMA user_version = {VERSION}")

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                isolation_level=None,
                timeout=30,
                check_same_thread=False,
                cached_statements=256,
            )
            if not read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except sqlite3.Error as error:
            raise Unavailable(
                f"the ledger {self.path} cannot be opened ({error}); check `state.path` and its folder"
            ) from error
        return connection


def _remember_owners(t: sqlite3.Connection, owners: Sequence[Owner]) -> None:
    for kind in OWNER_KINDS if owners else ():
        gone = [(row,) for of, row, task in owners if of == kind and task is None]
        there = [(row, task) for of, row, task in owners if of == kind and task is not None]
        t.executemany(f"DELETE FROM owner_of_{kind} WHERE row = ?", gone)
        t.executemany(f"INSERT OR REPLACE INTO owner_of_{kind} VALUES (?, ?)", there)


def _store_projects(t: sqlite3.Connection, projects: Sequence[Project]) -> None:
    t.execute("DELETE FROM projects")
    rows = [(p.id, p.title, p.label_config, p.version, p.updated_at) for p in projects]
    t.executemany("INSERT INTO projects VALUES (?, ?, ?, ?, ?)", rows)


def _drop_lane(t: sqlite3.Connection, lane: int) -> None:
    for table in LANE:
        t.execute(f"DROP TABLE IF EXISTS {table}_{lane}")
    for (mirror,) in t.execute("SELECT id FROM mirrors WHERE lane = ?", (lane,)).fetchall():
        drop_mirror(t, mirror)
    t.execute("DELETE FROM lanes WHERE id = ?", (lane,))


def drop_mirror(t: sqlite3.Connection, mirror: int) -> None:
    """Forget a mirror; what it holds stays where it is."""
    t.execute(f"DROP TABLE IF EXISTS rendered_{mirror}")
    for table, key in (("shared_files", "mirror"), ("segments", "mirror"), ("mirrors", "id")):
        t.execute(f"DELETE FROM {table} WHERE {key} = ?", (mirror,))


def _take(path: Path) -> int:
    """Own the ledger until closed, by a lock on a file beside it that the kernel drops with the process."""
    kind = filesystem_of(path.parent)
    if is_network(kind):
        raise Misconfigured(
            f"the ledger {path} lies on {kind}; SQLite is not safe there. Set `state.path` to a local disk"
        )
    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(
            f"the ledger's folder {path.parent} cannot be written ({error.strerror}); set `state.path`"
        ) from error
    try:
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(taken, 20, 0).decode().strip() or "unknown"
        os.close(taken)
        raise LedgerHeld(
            f"the ledger {path} is in use by the syncd with pid {holder}; stop that one, or give this one its own `state.path`"
        ) from error
    os.ftruncate(taken, 0)
    os.pwrite(taken, str(os.getpid()).encode(), 0)
    return taken


class LedgerHeld(Misconfigured):
    """Another process owns this ledger."""
