"""One lane's part of the ledger: what this target still owes, what it holds, what is set aside."""

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from syncd.ledger import Ledger
from syncd.ledger.settle import HOUR_MINUTES, File, Line, add_lines, this_minute

LISTED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Due:
    """A task this lane has to look at. `released`: the operator let its deletion pass."""

    task: int
    released: bool


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A task set aside, and why."""

    task: int
    project: int
    reason: str
    since: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Owed:
    """What a lane has not settled. `oldest` is a number of signals: every one below it is settled, per project likewise."""

    dirty: int
    held: int
    oldest: int
    oldest_of: Mapping[int, int]
    next_number: int
    """The number that the next batch of signals gets, or an earlier one: what a project owes that owes nothing."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A project.json in the bucket. `conflict`: how its registry contradicts ours; then it is left as it is."""

    digest: bytes
    etag: str | None = None
    conflict: str | None = None


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """One row of `lanes`. `state` is the last state.json stored."""

    name: str
    selection: str | None
    paused: bool
    journal_seq: int
    journal_stored: int
    state: str | None
    error: str | None
    error_at: str | None


class LaneLedger:
    """The tables of one lane. Thread-safe as the ledger is."""

    def __init__(self, ledger: Ledger, lane: int) -> None:
        self.ledger = ledger
        self.id = lane
        self.only: frozenset[int] | None = None
        """When set, only these projects' tasks are due in this process (`syncd sync --project`)."""

    # --- what is due ---------------------------------------------------------------------------------------------

    def take(self, limit: int, *, turn: int = 0, without: Collection[int] = ()) -> list[Due]:
        """Up to `limit` due tasks: fresh ones first, then the rest with projects in turn, starting at project `turn`."""
        now = time.time()
        found = self._due("urgency = 0", (), limit + len(without), now)
        waiting = self._waiting_projects(turn)
        for n, project in enumerate(waiting):
            room = limit + len(without) - len(found)
            if room <= 0:
                break
            # A quarter each while others wait, so that a large project does not keep small ones waiting.
            share = room if n == len(waiting) - 1 else max(limit // 4, 32) + len(without)
            found += self._due("urgency = 1 AND project = ?", (project,), min(share, room), now)
        return [due for due in found if due.task not in without][:limit]

    def _due(self, which: str, parameters: Sequence[int], limit: int, now: float) -> list[Due]:
        if self.only is not None:
            which += f" AND project IN ({', '.join(str(p) for p in self.only)})"
        sql = f"SELECT task, released FROM dirty_{self.id} WHERE held = 0 AND {which} AND not_before <= ? LIMIT ?"
        return [Due(row[0], bool(row[1])) for row in self._read(sql, (*parameters, now, limit))]

    def _waiting_projects(self, start: int) -> list[int]:
        sql = f"""WITH RECURSIVE p(project) AS (
            SELECT min(project) FROM dirty_{self.id} WHERE held = 0 AND urgency = 1
            UNION ALL SELECT (SELECT min(project) FROM dirty_{self.id} WHERE held = 0 AND urgency = 1 AND project > p.project)
            FROM p WHERE p.project IS NOT NULL) SELECT project FROM p WHERE project IS NOT NULL"""
        projects = [row[0] for row in self._read(sql)]
        return [p for p in projects if p >= start] + [p for p in projects if p < start]

    def is_due(self) -> bool:
        """Whether anything is due now, or in a moment because it was read too early."""
        return bool(self._due("1", (), 1, 9e18))

    def waiting(self, projects: Collection[int] | None = None) -> tuple[int, int]:
        """(due, held) of some projects, or of all."""
        which = "1" if projects is None else f"project IN ({', '.join(str(p) for p in projects)})"
        count, held = self._read(f"SELECT count(*), total(held) FROM dirty_{self.id} WHERE {which}")[0]
        return count - int(held), int(held)

    def dirty_everything(self, *, project: int | None = None) -> int:
        """Look at every task there is, and at every file there is: a new lane, a changed shape, a rebuilt ledger.

        With `project` only at its own. Returns how many are due by that.
        """
        with self.ledger.transaction() as t:
            made = [
                t.execute(
                    f"INSERT OR IGNORE INTO dirty_{self.id} (task, project, first, last, urgency) "
                    f"SELECT task, project, ?1, ?1, 1 FROM {table} WHERE ?2 IN (0, project)",
                    (self.ledger.number, project or 0),
                ).rowcount
                for table in ("seen", f"written_{self.id}")
            ]
            return sum(made)

    def retry_quarantine(self, *, now: float | None = None) -> int:
        """Make quarantined tasks due again: all of them, or those whose time has come."""
        with self.ledger.transaction() as t:
            made = t.execute(
                f"INSERT OR IGNORE INTO dirty_{self.id} (task, project, first, last, urgency) "
                f"SELECT task, project, ?1, ?1, 1 FROM quarantine_{self.id} WHERE retry_at <= ?2",
                (self.ledger.number, 9e18 if now is None else now),
            )
            return made.rowcount

    # --- what is there -------------------------------------------------------------------------------------------

    def files(self, tasks: Collection[int]) -> dict[int, File]:
        """The files this lane knows of for these tasks."""
        sql = f"SELECT task, project, key, digest, etag, size, md5 FROM written_{self.id} "
        rows = self._read(sql + "WHERE task IN (SELECT value FROM json_each(?))", (json.dumps(list(tasks)),))
        return {row[0]: File(*row) for row in rows}

    def mark_in_flight(self, files: Sequence[File], moved: Sequence[File] = ()) -> None:
        """Before the first request: nothing is known any more of these keys, until an answer says so.

        `moved` are files that tasks leave at other keys, to be deleted (`left`): nothing is forgotten if we die in between.
        """
        rows = [(f.task, f.project, f.key) for f in files]
        with self.ledger.transaction() as t:
            t.executemany(
                f"INSERT OR IGNORE INTO left_{self.id} VALUES (?, ?, ?, ?)",
                [(f.key, f.task, f.project, f.size) for f in moved],
            )
            t.executemany(
                f"INSERT INTO written_{self.id} (task, project, key, size) VALUES (?, ?, ?, -1) "
                "ON CONFLICT (task) DO UPDATE SET digest = NULL, md5 = NULL, project = excluded.project, key = excluded.key, "
                "etag = iif(key = excluded.key, etag, NULL), size = iif(key = excluded.key, size, -1)",
                rows,
            )
            self._take_again(t, files)

    def _take_again(self, t: sqlite3.Connection, files: Sequence[File]) -> None:
        """A key that was left and is written again is left no more, nor counted twice."""
        if not t.execute(f"SELECT EXISTS (SELECT 1 FROM left_{self.id})").fetchone()[0]:
            return
        for f in files:
            sql = f"DELETE FROM left_{self.id} WHERE key = ? RETURNING project, size"
            for project, size in t.execute(sql, (f.key,)).fetchall():
                if size >= 0:
                    t.execute(f"UPDATE files_{self.id} SET tasks = tasks - 1 WHERE project = ?", (project,))

    def left(self, tasks: Collection[int]) -> list[File]:
        """The files that these tasks left at other keys."""
        sql = f"SELECT task, project, key, size FROM left_{self.id} WHERE task IN (SELECT value FROM json_each(?))"
        rows = self._read(sql, (json.dumps(list(tasks)),))
        return [File(task, project, key, None, None, size) for task, project, key, size in rows]

    def reconcile(self, listed: Iterable[File]) -> int:
        """Believe a listing: files that are new, gone or another version are looked at again. Returns how many."""
        self._stage(listed)
        with self.ledger.transaction() as t:
            t.execute(
                f"UPDATE written_{self.id} AS w SET digest = NULL, etag = NULL, md5 = NULL, size = -1 WHERE NOT EXISTS "
                f"(SELECT 1 FROM listed_{self.id} AS l WHERE l.task = w.task AND l.key = w.key AND l.etag IS w.etag)"
            )
            t.execute(
                f"INSERT INTO written_{self.id} SELECT task, project, key, NULL, etag, size, md5 FROM listed_{self.id} "
                "WHERE true ON CONFLICT (task) DO UPDATE SET project = excluded.project, key = excluded.key, "
                "etag = excluded.etag, size = excluded.size, md5 = excluded.md5 WHERE size = -1"
            )
            t.execute(f"DELETE FROM left_{self.id}")
            t.execute(
                f"INSERT INTO left_{self.id} SELECT l.key, l.task, l.project, l.size FROM listed_{self.id} AS l "
                f"JOIN written_{self.id} AS w ON w.task = l.task AND w.key <> l.key"
            )
            t.execute(f"DELETE FROM listed_{self.id}")
            t.execute(f"DELETE FROM files_{self.id}")
            t.execute(
                f"INSERT INTO files_{self.id} SELECT project, count(*) FROM (SELECT project FROM written_{self.id} "
                f"WHERE size >= 0 UNION ALL SELECT project FROM left_{self.id}) GROUP BY 1"
            )
            differing = t.execute(
                f"INSERT INTO dirty_{self.id} (task, project, first, last, urgency) "
                f"SELECT task, project, ?1, ?1, 0 FROM written_{self.id} WHERE digest IS NULL "
                f"OR task IN (SELECT task FROM left_{self.id}) "
                "ON CONFLICT (task) DO UPDATE SET urgency = 0",
                (self.ledger.number,),
            )
            return differing.rowcount

    def _stage(self, listed: Iterable[File]) -> None:
        """Keep a listing in the ledger, a little at a time: other lanes go on while a store is being listed."""
        rows = ((f.task, f.project, f.key, f.etag, f.size, f.md5) for f in listed)
        with self.ledger.transaction() as t:
            t.execute(f"DELETE FROM listed_{self.id}")
        while some := list(islice(rows, LISTED_AT_ONCE)):
            with self.ledger.transaction() as t:
                t.executemany(f"INSERT OR REPLACE INTO listed_{self.id} VALUES (?, ?, ?, ?, ?, ?)", some)

    def counts(self) -> dict[int, int]:
        """Project → files."""
        return dict(self._read(f"SELECT project, tasks FROM files_{self.id} WHERE tasks > 0"))

    def recent_moves(self, project: int) -> tuple[int, int]:
        """(created, deleted) in the last 60 minutes."""
        sql = f"SELECT total(created), total(deleted) FROM moves_{self.id} WHERE project = ? AND minute > ?"
        created, deleted = self._read(sql, (project, this_minute() - HOUR_MINUTES))[0]
        return int(created), int(deleted)

    def leaving(self, project: int) -> int:
        """Files of a project that are due because their task has gone."""
        sql = (
            f"SELECT count(*) FROM dirty_{self.id} AS d JOIN written_{self.id} AS w USING (task) WHERE w.project = ? "
            "AND d.released = 0 AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.task = d.task)"
        )
        return int(self._read(sql, (project,))[0][0])

    # --- held deletions, quarantine ------------------------------------------------------------------------------

    def release(self, project: int | None = None) -> int:
        """Let held deletions pass once; returns how many."""
        with self.ledger.transaction() as t:
            done = t.execute(
                f"UPDATE dirty_{self.id} SET held = 0, released = 1, urgency = 0 WHERE held = 1 AND ?1 IN (0, project)",
                (project or 0,),
            )
            return done.rowcount

    def held(self) -> dict[int, int]:
        """Project → deletions that the brake holds."""
        return self._tally(1)

    def due(self) -> int:
        """How many tasks are due. Costs nothing, however many there are."""
        return sum(self._tally(0).values())

    def set_aside(self) -> int:
        """How many tasks are set aside. Costs nothing, however many there are."""
        return sum(self._tally(2).values())

    def quarantine(self, limit: int = -1) -> list[Quarantined]:
        """What is set aside, by task; only the first ones with a limit."""
        sql = f"SELECT task, project, reason, since, attempts FROM quarantine_{self.id} ORDER BY task LIMIT ?"
        return [Quarantined(*row) for row in self._read(sql, (limit,))]

    def _tally(self, state: int) -> dict[int, int]:
        return dict(self._read(f"SELECT project, tasks FROM tally_{self.id} WHERE state = ? AND tasks > 0", (state,)))

    # --- how far ------------------------------------------------------------------------------------------------

    def owed(self) -> Owed:
        """How much is due, and the oldest number that is not settled, overall and per project."""
        following = self.ledger.number + 1  # before the rows are read, so that nothing newer is called settled
        rows = self._read(f"SELECT project, count(*), total(held), min(first) FROM dirty_{self.id} GROUP BY project")
        return Owed(
            dirty=sum(row[1] for row in rows),
            held=int(sum(row[2] for row in rows)),
            oldest=min((row[3] for row in rows), default=following),
            oldest_of={row[0]: row[3] for row in rows},
            next_number=following,
        )

    # --- journal ------------------------------------------------------------------------------------------------

    def outbox(self, limit: int) -> list[tuple[int, bytes]]:
        """(seq, line) of journal lines whose object is not stored yet, in order."""
        return self._read(f"SELECT seq, line FROM outbox_{self.id} ORDER BY seq LIMIT ?", (limit,))

    def journal_stored(self, first: int, last: int) -> None:
        """The object of lines first..last exists: they may leave the outbox."""
        with self.ledger.transaction() as t:
            t.execute(f"DELETE FROM outbox_{self.id} WHERE seq <= ?", (last,))
            t.execute(f"INSERT OR REPLACE INTO journal_{self.id} VALUES (?, ?, ?)", (first, last, time.time()))
            t.execute("UPDATE lanes SET journal_stored = ? WHERE id = ?", (last, self.id))

    def journal_objects_known(self, objects: Sequence[tuple[int, int]]) -> None:
        """Objects seen in the bucket, for pruning; those not known yet count as new."""
        with self.ledger.transaction() as t:
            rows = [(first, last, time.time()) for first, last in objects]
            t.executemany(f"INSERT OR IGNORE INTO journal_{self.id} VALUES (?, ?, ?)", rows)

    def journal_objects_before(self, when: float) -> list[tuple[int, int]]:
        """(first, last) of objects stored before a time, in seconds since the epoch; never the newest one."""
        newest = f"(SELECT max(last) FROM journal_{self.id})"
        sql = f"SELECT first, last FROM journal_{self.id} WHERE stored_at < ? AND last < {newest} ORDER BY first LIMIT 1000"
        return self._read(sql, (when,))

    def journal_objects_pruned(self, objects: Sequence[tuple[int, int]]) -> None:
        with self.ledger.transaction() as t:
            t.executemany(f"DELETE FROM journal_{self.id} WHERE first = ? AND last = ?", objects)

    def renumber_outbox(self, last: int) -> None:
        """Give the waiting lines numbers after `last`: the bucket's journal went on without this ledger."""
        with self.ledger.transaction() as t:
            rows = t.execute(f"SELECT seq, line FROM outbox_{self.id} ORDER BY seq").fetchall()
            t.execute(f"DELETE FROM outbox_{self.id}")
            moved = [
                (last + n, line.replace(b'"seq":%d' % seq, b'"seq":%d' % (last + n), 1))
                for n, (seq, line) in enumerate(rows, 1)
            ]
            t.executemany(f"INSERT INTO outbox_{self.id} VALUES (?, ?)", moved)
            t.execute(
                "UPDATE lanes SET journal_seq = ?, journal_stored = ? WHERE id = ?", (last + len(rows), last, self.id)
            )

    def journal_starts_after(self, last: int) -> None:
        """Go on after a number found in the bucket, for a ledger that was lost or taken over from."""
        with self.ledger.transaction() as t:
            t.execute(
                "UPDATE lanes SET journal_seq = max(journal_seq, ?1), journal_stored = max(journal_stored, ?1) WHERE id = ?2",
                (last, self.id),
            )

    # --- small facts ---------------------------------------------------------------------------------------------

    def place(self) -> str:
        """Where the target was when these tables were made."""
        return str(self._read("SELECT place FROM lanes WHERE id = ?", (self.id,))[0][0])

    def facts(self) -> LaneFacts:
        sql = "SELECT name, selection, paused, journal_seq, journal_stored, state, error, error_at FROM lanes WHERE id = ?"
        row = self._read(sql, (self.id,))[0]
        return LaneFacts(row[0], row[1], bool(row[2]), *row[3:])

    def keep(self, **values: object) -> None:
        """Store some of the lane's facts (`selection`, `paused`, `state`, `error`, `error_at`)."""
        with self.ledger.transaction() as t:
            columns = ", ".join(f"{name} = ?" for name in values)
            t.execute(f"UPDATE lanes SET {columns} WHERE id = ?", (*values.values(), self.id))

    def published(self) -> dict[int, ProjectFile]:
        """Project → its project.json as last stored, or found."""
        rows = self._read(f"SELECT project, digest, etag, conflict FROM published_{self.id}")
        return {row[0]: ProjectFile(*row[1:]) for row in rows}

    def conflicts(self) -> dict[int, str]:
        """Project → how the registry in its project.json contradicts the one that is known here."""
        return dict(self._read(f"SELECT project, conflict FROM published_{self.id} WHERE conflict IS NOT NULL"))

    def reconcile_published(self, found: Mapping[int, ProjectFile]) -> None:
        """Believe what was found in the bucket."""
        with self.ledger.transaction() as t:
            t.execute(f"DELETE FROM published_{self.id}")
            self._keep_published(t, found)

    def keep_published(self, project: int, file: ProjectFile | None, line: Line | None = None) -> None:
        """project.json was stored, found there, or, with None, deleted."""
        with self.ledger.transaction() as t:
            if file is None:
                t.execute(f"DELETE FROM published_{self.id} WHERE project = ?", (project,))
            else:
                self._keep_published(t, {project: file})
            add_lines(t, self.id, [line] if line else [])

    def _keep_published(self, t: sqlite3.Connection, files: Mapping[int, ProjectFile]) -> None:
        rows = [(project, f.digest, f.etag, f.conflict) for project, f in files.items()]
        t.executemany(f"INSERT OR REPLACE INTO published_{self.id} VALUES (?, ?, ?, ?)", rows)

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows of that SQL
        return self.ledger.reader().execute(sql, parameters).fetchall()
