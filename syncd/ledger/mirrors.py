"""What the ledger keeps of mirrors: each task as a mirror shows it, the borders of shared files, and what is not published yet."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from syncd.ledger import Ledger, drop_mirror
from syncd.ledger.schema import RENDERED_TABLES
from syncd.ledger.settle import Line, add_lines

FIRST_TASK = -(2**63)
HEAD, ROWS, TAIL = 0, 1, 2
"""The kinds of a section's pieces, in order."""

OwnFiles: TypeAlias = Mapping[str, str | None]
"""Path in the mirror's folder → digest; None while a write is under way."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A task as a mirror shows it. `document`: digest of the document it was rendered from, None when that is not sure."""

    task: int
    generation: int
    document: bytes | None
    newest: str = ""
    files: OwnFiles = field(default_factory=dict)
    reason: str | None = None
    fragments: tuple[bytes | None, ...] = ()
    """By section, in the order of the shared files; not read back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a task in one mirror; `after` None: it leaves. `bodies` are the own files to put, by path."""

    mirror: int
    project: int
    folder: str
    task: int
    before: Rendered | None
    after: Rendered | None
    bodies: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def leftover(self) -> list[str]:
        """Own files of before that are no more."""
        there = self.before.files if self.before else {}
        kept = self.after.files if self.after else {}
        return [path for path in there if path not in kept]


@dataclass(frozen=True, slots=True)
class Kept:
    """One row of `mirrors`; its columns are explained in the schema."""

    id: int
    project: int
    name: str
    version: str
    generation: int
    rebuilding: int | None
    changed: bool
    published_at: float
    took: float
    etag: str | None
    synced: str | None
    reason: str | None
    note: str | None
    trusted: int
    sections: int
    configured: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a shared file as it was published: fragments from task `first` on. `leads`: a separator comes before it."""

    first: int
    length: int
    digest: str
    leads: bool
    dirty: bool = False


_KEPT = "id, project, name, version, generation, rebuilding, changed, published_at, took, etag, synced, reason, note, trusted, "
_KEPT += "sections, configured"


class MirrorLedger:
    """One lane's mirrors. Thread-safe as the ledger is."""

    def __init__(self, ledger: Ledger, lane: int) -> None:
        self.ledger = ledger
        self.lane = lane

    # --- mirrors -------------------------------------------------------------------------------------------------

    def mirrors(self) -> list[Kept]:
        """Every mirror there is or was, of every project, by project and name."""
        sql = f"SELECT {_KEPT} FROM mirrors WHERE lane = ? ORDER BY project, name"
        return [
            Kept(*row[:6], bool(row[6]), *row[7:15], bool(row[15])) for row in self._read(sql, (self.lane,))
        ]

    def make(self, project: int, name: str) -> Kept:
        """A new mirror, without tasks yet."""
        with self.ledger.transaction() as t:
            t.execute("INSERT INTO mirrors (lane, project, name) VALUES (?, ?, ?)", (self.lane, project, name))
        return next(kept for kept in self.mirrors() if (kept.project, kept.name) == (project, name))

    def keep(self, mirror: int, **values: object) -> None:
        """Store some of a mirror's facts."""
        with self.ledger.transaction() as t:
            columns = ", ".join(f"{name} = ?" for name in values)
            t.execute(f"UPDATE mirrors SET {columns} WHERE id = ?", (*values.values(), mirror))

    def drop(self, mirror: int) -> None:
        """Forget a mirror."""
        with self.ledger.transaction() as t:
            drop_mirror(t, mirror)

    def start_rebuild(self, mirror: Kept, version: str, sections: int) -> None:
        """A new generation: every task of the project that has a file is rendered again."""
        with self.ledger.numbered() as (t, number):
            if mirror.sections != sections or mirror.generation == 0:
                t.execute(f"DROP TABLE IF EXISTS rendered_{mirror.id}")
                fragments = "".join(f", f{n} BLOB" for n in range(sections))
                for statement in RENDERED_TABLES:
                    t.execute(statement.format(mirror=mirror.id, fragments=fragments))
                t.execute("UPDATE mirrors SET trusted = generation + 1 WHERE id = ?", (mirror.id,))
            t.execute(
                "UPDATE mirrors SET version = ?, generation = generation + 1, rebuilding = ?, reason = NULL, sections = ? "
                "WHERE id = ?",
                (version, number, sections, mirror.id),
            )
            t.execute(
                f"INSERT OR REPLACE INTO rerender_{self.lane} SELECT task, project, ?1 FROM written_{self.lane} "
                "WHERE project = ?2",
                (number, mirror.project),
            )

    def is_rendered(self, mirror: Kept) -> bool:
        """Whether every task that was there when the rebuild began has been rendered since; those held by the brake apart."""
        sql = (
            f"SELECT EXISTS (SELECT 1 FROM rerender_{self.lane} WHERE project = ?1) OR EXISTS (SELECT 1 FROM "
            f"dirty_{self.lane} WHERE held = 0 AND project IN (0, ?1) AND first <= ?2)"
        )
        return not self._read(sql, (mirror.project, mirror.rebuilding))[0][0]

    def distrust(self) -> None:
        """Another writer was here, or this ledger is new: whatever was published is written again."""
        with self.ledger.transaction() as t:
            of_lane = "SELECT id FROM mirrors WHERE lane = ?"
            t.execute("UPDATE mirrors SET version = '', trusted = generation + 1 WHERE lane = ?", (self.lane,))
            t.execute(f"UPDATE shared_files SET digest = NULL WHERE mirror IN ({of_lane})", (self.lane,))

    # --- tasks ---------------------------------------------------------------------------------------------------

    def take(self, limit: int, without: Collection[int], only: Collection[int] | None = None) -> list[int]:
        """Tasks to render again though nothing of them may have changed."""
        which = "" if only is None else f"AND project IN ({', '.join(map(str, only))})"
        sql = f"SELECT task FROM rerender_{self.lane} WHERE true {which} LIMIT ?"
        return [row[0] for row in self._read(sql, (limit + len(without),)) if row[0] not in without][:limit]

    def rendered(self, mirror: int, tasks: Collection[int]) -> dict[int, Rendered]:
        """What the mirror shows of these tasks, without fragments."""
        sql = f"SELECT task, generation, document, newest, files, reason FROM rendered_{mirror} "
        rows = self._read(sql + "WHERE task IN (SELECT value FROM json_each(?))", (json.dumps(list(tasks)),))
        return {row[0]: Rendered(*row[:4], json.loads(row[4]), row[5]) for row in rows}

    def mark_in_flight(self, changes: Iterable[Change]) -> None:
        """Before the first request for own files: which may be there is known whatever happens next."""
        with self.ledger.transaction() as t:
            for c in changes:
                before = dict(c.before.files) if c.before else {}
                files = json.dumps({**before, **dict.fromkeys([*c.bodies, *c.leftover])})
                t.execute(
                    f"INSERT INTO rendered_{c.mirror} (task, generation, newest, files) VALUES (?1, 0, '', ?2) "
                    "ON CONFLICT (task) DO UPDATE SET document = NULL, files = ?2",
                    (c.task, files),
                )

    def stale(self, mirror: Kept, limit: int = 500) -> list[Rendered]:
        """Tasks that the present generation does not show."""
        sql = f"SELECT task, generation, document, newest, files, reason FROM rendered_{mirror.id} WHERE generation < ? LIMIT ?"
        rows = self._read(sql, (mirror.generation, limit))
        return [Rendered(*row[:4], json.loads(row[4]), row[5]) for row in rows]

    def any_rendered(self, mirror: Kept, limit: int = 500) -> list[Rendered]:
        """Some tasks that it shows."""
        sql = f"SELECT task, generation, document, newest, files, reason FROM rendered_{mirror.id} LIMIT ?"
        return [Rendered(*row[:4], json.loads(row[4]), row[5]) for row in self._read(sql, (limit,))]

    def store(self, changes: Sequence[Change], lines: Sequence[Line]) -> None:
        """Changes outside a batch, and their journal lines."""
        with self.ledger.transaction() as t:
            store_changes(t, changes)
            add_lines(t, self.lane, lines)

    def aside(self, mirror: int) -> list[tuple[int, str]]:
        """(task, reason) of those set aside for this format."""
        return self._read(f"SELECT task, reason FROM rendered_{mirror} WHERE reason IS NOT NULL ORDER BY task")

    def newest(self, mirror: int) -> str:
        """The newest annotation that went in, "" when none did."""
        found: str | None = self._read(f"SELECT max(newest) FROM rendered_{mirror}")[0][0]
        return found or ""

    # --- shared files --------------------------------------------------------------------------------------------

    def size(self, mirror: int, section: int, first: int, end: int | None) -> int:
        """Bytes of the fragments of a range of tasks, separators not counted."""
        sql = f"SELECT total(length(f{section})) FROM rendered_{mirror} WHERE task >= ? AND task < ?"
        return int(self._read(sql, (first, 2**63 - 1 if end is None else end))[0][0])

    def fragments(self, mirror: int, section: int, first: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        """(task, fragment) of a range of tasks, in order; `end` is not part of it."""
        sql = f"SELECT task, f{section} FROM rendered_{mirror} WHERE f{section} IS NOT NULL AND task >= ? AND task < ? ORDER BY task"
        return iter(self.ledger.reader().execute(sql, (first, 2**63 - 1 if end is None else end)))

    def segments(self, mirror: int, section: int, kind: int) -> list[Segment]:
        """The pieces as last published, in order."""
        sql = "SELECT first, length, digest, leads, dirty FROM segments WHERE mirror = ? AND section = ? AND kind = ? ORDER BY first"
        return [Segment(row[0], row[1], row[2], bool(row[3]), bool(row[4])) for row in self._read(sql, (mirror, section, kind))]

    def shared_files(self, mirror: int) -> dict[str, bytes | None]:
        """Path → digest of what was published."""
        return dict(self._read("SELECT path, digest FROM shared_files WHERE mirror = ?", (mirror,)))

    def publish_begins(self, mirror: int, path: str) -> None:
        """Before the request: what is at `path` is not sure until an answer comes."""
        with self.ledger.transaction() as t:
            t.execute("INSERT OR REPLACE INTO shared_files VALUES (?, ?, NULL)", (mirror, path))

    def published(
        self,
        mirror: int,
        path: str,
        digest: bytes | None,
        line: Line | None,
        pieces: Mapping[tuple[int, int], Sequence[Segment]],
    ) -> None:
        """A shared file is there (or, with None, gone); `pieces` by section and kind."""
        with self.ledger.transaction() as t:
            if digest is None:
                t.execute("DELETE FROM shared_files WHERE mirror = ? AND path = ?", (mirror, path))
            else:
                t.execute("INSERT OR REPLACE INTO shared_files VALUES (?, ?, ?)", (mirror, path, digest))
            for (section, kind), segments in pieces.items():
                t.execute(
                    "DELETE FROM segments WHERE mirror = ? AND section = ? AND kind = ?", (mirror, section, kind)
                )
                t.executemany(
                    "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                    [(mirror, section, kind, s.first, s.length, s.digest, s.leads) for s in segments],
                )
            if line is not None:
                add_lines(t, self.lane, [line])

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows of that SQL
        return self.ledger.reader().execute(sql, parameters).fetchall()


def store_changes(t: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Within a transaction: rows as they are now, the segments that they touch, and that something waits to be published."""
    for c in changes:
        fragments = c.after.fragments if c.after else ()
        touched = _differing(t, c, fragments)
        if c.after is None:
            t.execute(f"DELETE FROM rendered_{c.mirror} WHERE task = ?", (c.task,))
        else:
            a = c.after
            marks = ", ?" * len(fragments)
            t.execute(
                f"INSERT OR REPLACE INTO rendered_{c.mirror} VALUES (?, ?, ?, ?, ?, ?{marks})",
                (a.task, a.generation, a.document, a.newest, json.dumps(dict(a.files)), a.reason, *fragments),
            )
        for section in touched:
            t.execute(
                "UPDATE segments SET dirty = 1 WHERE mirror = ?1 AND section = ?2 AND kind = 1 AND first = (SELECT max(first) "
                "FROM segments WHERE mirror = ?1 AND section = ?2 AND kind = 1 AND first <= ?3)",
                (c.mirror, section, c.task),
            )
        newest = (c.before.newest if c.before else "", c.after.newest if c.after else "")
        if touched or newest[0] != newest[1]:
            t.execute("UPDATE mirrors SET changed = 1 WHERE id = ? AND changed = 0", (c.mirror,))


def _differing(t: sqlite3.Connection, c: Change, fragments: Sequence[bytes | None]) -> list[int]:
    """The sections in which the task's fragment is another one now."""
    row = t.execute(f"SELECT * FROM rendered_{c.mirror} WHERE task = ?", (c.task,)).fetchone()
    before: Sequence[bytes | None] = row[6:] if row else ()
    count = max(len(before), len(fragments))
    padded = [(*some, *[None] * (count - len(some))) for some in (before, fragments)]
    return [n for n in range(count) if padded[0][n] != padded[1][n]]
