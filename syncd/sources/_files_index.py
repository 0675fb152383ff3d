"""Where every task stands: task → file, place, token, in a temporary SQLite database that the disk holds and nobody else sees.

Of several files that speak of one task, the last by path has the last word; of several places in a file, the last one.
Only whole files count: a file's entries are collected under a new number, and take the place of the old ones in one step.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from syncd.sources._files_entries import Entry

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;
CREATE TABLE file (id INTEGER PRIMARY KEY, path BLOB NOT NULL, size, modified, inode, upto, tail, is_whole);
CREATE UNIQUE INDEX file_path ON file (path) WHERE is_whole;
CREATE TABLE place (task INTEGER, file INTEGER, project, at, length, token, PRIMARY KEY (task, file)) WITHOUT ROWID;
CREATE INDEX place_file ON place (file);
CREATE INDEX place_project ON place (project);
CREATE TABLE listed (path BLOB PRIMARY KEY, size, modified, inode) WITHOUT ROWID;
CREATE TABLE touched (task INTEGER PRIMARY KEY);
CREATE TABLE missing (task INTEGER PRIMARY KEY, since, there_at);
"""
_LAST_WORD = """
SELECT p.task, p.project, p.at, p.length, p.token, max(f.path) FROM place p CROSS JOIN file f ON f.id = p.file AND f.is_whole
WHERE {} GROUP BY p.task ORDER BY p.task
"""
"""SQLite takes the other columns from the row that holds the maximum; CROSS JOIN keeps it from starting with the files."""
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a listing tells of a file: it differs when the file was written."""

    path: bytes
    size: int
    modified: int
    """Nanoseconds since the epoch."""
    inode: int


@dataclass(frozen=True, slots=True)
class Known:
    """A whole file as it was read; `upto` and `tail`: as far as a feed was read, and what stood there."""

    id: int
    stamp: Stamp
    upto: int
    tail: bytes


class Found(NamedTuple):
    """The last word on a task. `project` None: a file says that it is deleted."""

    task: int
    project: int | None
    at: int
    length: int
    token: bytes
    path: bytes


class Index:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(_TABLES)
        self.steps = 0
        """Grows while files are listed and read."""

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # as the statement asks
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        with self._lock:
            self.steps += 1
            self._connection.execute("BEGIN")
            self._connection.executemany(sql, rows)
            self._connection.execute("COMMIT")

    # --- files ---------------------------------------------------------------------------------------------------

    def list_anew(self, stamps: Iterator[Stamp]) -> None:
        """Keep a full listing, for `changed` and `vanished`."""
        self._rows("DELETE FROM listed")
        while batch := [(s.path, s.size, s.modified, s.inode) for s in islice(stamps, _BATCH)]:
            self._many("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?)", batch)

    def changed(self) -> Iterator[Stamp]:
        """Listed files that are new or not as they were read, in the order of their paths."""
        sql = """
        SELECT l.* FROM listed l LEFT JOIN file f ON f.path = l.path AND f.is_whole WHERE l.path > ?
        AND (f.id IS NULL OR f.size <> l.size OR f.modified <> l.modified OR f.inode <> l.inode) ORDER BY l.path LIMIT ?
        """
        last = b""
        while rows := self._rows(sql, (last, _BATCH)):
            yield from (Stamp(*row) for row in rows)
            last = rows[-1][0]

    def vanished(self) -> Iterator[int]:
        """The numbers of files that are no longer listed."""
        sql = "SELECT id FROM file WHERE is_whole AND id > ? AND path NOT IN (SELECT path FROM listed) ORDER BY id LIMIT ?"
        last = 0
        while rows := self._rows(sql, (last, _BATCH)):
            yield from (row[0] for row in rows)
            last = rows[-1][0]

    def known(self, path: bytes) -> Known | None:
        rows = self._rows(
            "SELECT id, path, size, modified, inode, upto, tail FROM file WHERE path = ? AND is_whole", (path,)
        )
        return next((Known(row[0], Stamp(*row[1:5]), row[5], row[6]) for row in rows), None)

    # --- entries -------------------------------------------------------------------------------------------------

    def begin(self, stamp: Stamp) -> int:
        """A number for a file that is about to be read."""
        values = (stamp.path, stamp.size, stamp.modified, stamp.inode)
        rows = self._rows("INSERT INTO file VALUES (NULL, ?, ?, ?, ?, 0, x'', 0) RETURNING id", values)
        return int(rows[0][0])

    def add(self, file: int, found: Iterator[Entry], *, grows: bool = False) -> None:
        """Collect what a file says. `grows`: it counts at once, the file is whole up to here."""
        while batch := list(islice(found, _BATCH)):
            self._many(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)",
                [(e.task, file, e.project, e.at, e.length, e.token) for e in batch],
            )
            if grows:
                self._many("INSERT OR IGNORE INTO touched VALUES (?)", [(e.task,) for e in batch])

    def finish(self, file: int, stamp: Stamp, *, upto: int = 0, tail: bytes = b"") -> None:
        """The file is whole: what it says counts from now on, what it said before does not."""
        before = self.known(stamp.path)
        with self._lock:
            run = self._connection.execute
            run("BEGIN")
            if before is not None and before.id != file:
                _drop(self._connection, before.id)
            run("UPDATE file SET size = ?, modified = ?, inode = ?, upto = ?, tail = ?, is_whole = 1 WHERE id = ?",
                (stamp.size, stamp.modified, stamp.inode, upto, tail, file))  # fmt: skip
            if before is None or before.id != file:
                run("INSERT OR IGNORE INTO touched SELECT task FROM place WHERE file = ?", (file,))
            run("COMMIT")

    def drop(self, file: int) -> None:
        """The file is gone, or was not whole: nothing it said counts."""
        with self._lock:
            self._connection.execute("BEGIN")
            _drop(self._connection, file)
            self._connection.execute("COMMIT")

    # --- tasks ---------------------------------------------------------------------------------------------------

    def touched(self, after: int) -> list[int]:
        """The next tasks that some file said something new of, in id order."""
        rows = self._rows("SELECT task FROM touched WHERE task > ? ORDER BY task LIMIT 256", (after,))
        return [row[0] for row in rows]

    def told(self, tasks: Iterable[int]) -> None:
        """What was said anew of these tasks has been told."""
        self._many("DELETE FROM touched WHERE task = ?", [(task,) for task in tasks])

    def told_all(self) -> None:
        self._rows("DELETE FROM touched")

    def given_up(self, tasks: Iterable[int]) -> None:
        """These tasks are missing no longer: they are gone, or there."""
        self._many("DELETE FROM missing WHERE task = ?", [(task,) for task in tasks])

    def miss(self, tasks: Iterable[int], now: float, there_at: float) -> None:
        """No file speaks of these tasks any more; at `there_at` one still did. Seconds since the epoch."""
        rows = [(task, now, there_at) for task in tasks]
        self._many("INSERT OR IGNORE INTO missing VALUES (?, ?, ?)", rows)

    def missed(self, after: int, *, before: float) -> list[int]:
        """The next tasks that have been missing since before then, in id order."""
        sql = "SELECT task FROM missing WHERE task > ? AND since <= ? ORDER BY task LIMIT 256"
        return [row[0] for row in self._rows(sql, (after, before))]

    def all_there_at(self) -> float | None:
        """When all that is missing was still there; None when nothing is missing."""
        moment: float | None = self._rows("SELECT min(there_at) FROM missing")[0][0]
        return moment

    def of_tasks(self, tasks: Sequence[int]) -> dict[int, Found]:
        """The last word on each task that any file speaks of."""
        marks = ", ".join("?" * len(tasks))
        return {row[0]: Found(*row) for row in self._rows(_LAST_WORD.format(f"p.task IN ({marks})"), tasks)}

    def after(self, task: int, *, most: int, upto: int = 2**63 - 1) -> list[Found]:
        """The next tasks by id, deleted ones included."""
        return [
            Found(*row)
            for row in self._rows(_LAST_WORD.format("p.task > ? AND p.task <= ?") + "LIMIT ?", (task, upto, most))
        ]

    def last_task(self) -> int:
        return int(self._rows("SELECT coalesce(max(task), 0) FROM place")[0][0])

    def projects(self) -> list[int]:
        """The projects that any task names, by hops over the index."""
        sql = """
        WITH RECURSIVE hop(project) AS (SELECT min(project) FROM place UNION ALL
        SELECT (SELECT min(project) FROM place WHERE place.project > hop.project) FROM hop WHERE project IS NOT NULL)
        SELECT project FROM hop WHERE project IS NOT NULL
        """
        return [row[0] for row in self._rows(sql)]


def _drop(connection: sqlite3.Connection, file: int) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO touched SELECT task FROM place WHERE file = ? AND (SELECT is_whole FROM file WHERE id = ?)",
        (file, file),
    )
    connection.execute("DELETE FROM place WHERE file = ?", (file,))
    connection.execute("DELETE FROM file WHERE id = ?", (file,))
