"""What the ledger keeps of mirrors: each task as one shows it, the borders of shared files, and what is not published yet."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from syncd.ledger import Ledger, drop_mirror
from syncd.ledger.rendered import Change, Rendered, store_changes
from syncd.ledger.schema import RENDERED_TABLES
from syncd.ledger.settle import Line, add_lines

FIRST_TASK = -(2**63)
HEAD, ROWS, TAIL = 0, 1, 2
"""The kinds of a section's pieces, in order."""


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
    rendition: str
    around: str
    own_files: bool
    guess: str
    configured: bool

    @property
    def is_behind(self) -> bool:
        """Whether its files are not what its tasks are: something waits to be published, or stands against it."""
        return self.changed or self.rebuilding is not None or self.reason is not None

    @property
    def state(self) -> str:
        """In a word, for status: `left out`, `refused`, `rebuilding`, `waiting` (to be published) or `current`."""
        if self.reason is not None:
            return "refused" if self.generation else "left out"
        if self.rebuilding is not None:
            return "rebuilding"
        return "waiting" if self.changed else "current"

    @property
    def is_there(self) -> bool:
        """Whether there is such a mirror: it is configured, and has been begun."""
        return self.configured and self.generation > 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a shared file as it was published: fragments from task `first` on. `leads`: a separator comes before it."""

    first: int
    length: int
    digest: str
    leads: bool
    dirty: bool = False


_RENDERED = "task, generation, document, newest, files, reason"
_KEPT = "id, project, name, version, generation, rebuilding, changed, published_at, took, etag, synced, reason, note, trusted, "
_KEPT += "sections, rendition, around, own_files, guess, configured"


class MirrorLedger:
    """One lane's mirrors. Thread-safe as the ledger is."""

    def __init__(self, ledger: Ledger, lane: int) -> None:
        self.ledger = ledger
        self.lane = lane

    # --- mirrors -------------------------------------------------------------------------------------------------

    def mirrors(self) -> list[Kept]:
        """Every mirror there is or was, of every project, by project and name."""
        sql = f"SELECT {_KEPT} FROM mirrors WHERE lane = ? ORDER BY project, name"
        return [Kept(*row) for row in self._read(sql, (self.lane,))]

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

    def start_rebuild(self, mirror: Kept, version: str, rendition: str, sections: int, *, own_files: bool) -> None:
        """A new generation: every task of the project that has a file is rendered again."""
        with self.ledger.numbered() as (t, number):
            if mirror.generation == 0:
                fragments = "".join(f", f{n} BLOB" for n in range(sections))
                for statement in RENDERED_TABLES:
                    t.execute(statement.format(mirror=mirror.id, fragments=fragments))
                t.execute("UPDATE mirrors SET trusted = generation + 1 WHERE id = ?", (mirror.id,))
            t.execute(
                "UPDATE mirrors SET version = ?, rendition = ?, generation = generation + 1, rebuilding = ?, reason = NULL, "
                "sections = ?, own_files = ?, configured = 1 WHERE id = ?",
                (version, rendition, number, sections, own_files, mirror.id),
            )
            t.execute(
                f"INSERT OR REPLACE INTO rerender_{self.lane} SELECT task, project, ?1 FROM written_{self.lane} "
                "WHERE project = ?2",
                (number, mirror.project),
            )

    def is_rendered(self, mirror: Kept) -> bool:
        """Whether every task that was there when the rebuild began has been rendered since.

        Deletions that the brake holds are waited for: those tasks cannot be rendered again, and are not to leave either.
        """
        sql = (
            f"SELECT EXISTS (SELECT 1 FROM rerender_{self.lane} WHERE project = ?1) OR EXISTS (SELECT 1 FROM "
            f"dirty_{self.lane} WHERE project IN (0, ?1) AND first <= ?2)"
        )
        return not self._read(sql, (mirror.project, mirror.rebuilding))[0][0]

    def distrust(self) -> None:
        """Another writer was here, or this ledger is new: everything is written again, and what is there is looked at."""
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
        sql = f"SELECT {_RENDERED} FROM rendered_{mirror} WHERE task IN (SELECT value FROM json_each(?))"
        return {row[0]: _rendered(row) for row in self._read(sql, (json.dumps(list(tasks)),))}

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

    def stale(self, mirror: Kept, after: int, limit: int = 500) -> list[Rendered]:
        """Some tasks after one that the present generation does not show, in order."""
        sql = f"SELECT {_RENDERED} FROM rendered_{mirror.id} WHERE generation < ? AND task > ? ORDER BY task LIMIT ?"
        return [_rendered(row) for row in self._read(sql, (mirror.generation, after, limit))]

    def store(self, changes: Sequence[Change], lines: Sequence[Line]) -> None:
        """Changes outside a batch, and their journal lines."""
        with self.ledger.transaction() as t:
            store_changes(t, changes)
            add_lines(t, self.lane, lines)

    def aside_count(self, mirror: int) -> int:
        """How many are set aside for this format."""
        return int(self._read(f"SELECT count(*) FROM rendered_{mirror} WHERE reason IS NOT NULL")[0][0])

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

    def lengths(self, mirror: int, section: int, first: int, end: int | None) -> Iterator[tuple[int, int]]:
        """(task, bytes of its fragment) of a range of tasks, in order; `end` is not part of it."""
        return self._range(mirror, section, f"task, length(f{section})", first, end)

    def fragments(self, mirror: int, section: int, first: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        """(task, fragment), likewise."""
        return self._range(mirror, section, f"task, f{section}", first, end)

    def bodies(self, mirror: int, section: int, first: int, end: int | None) -> Iterator[bytes]:
        """The fragments alone, for joining: no Python runs for each."""
        return chain.from_iterable(self._range(mirror, section, f"f{section}", first, end))

    def _range(self, mirror: int, section: int, columns: str, first: int, end: int | None) -> sqlite3.Cursor:
        sql = f"SELECT {columns} FROM rendered_{mirror} WHERE f{section} IS NOT NULL AND task >= ? AND task < ? ORDER BY task"
        return self.ledger.reader().execute(sql, (first, 2**63 - 1 if end is None else end))

    def segments(self, mirror: int, section: int, kind: int) -> list[Segment]:
        """The pieces as last published, in order."""
        sql = "SELECT first, length, digest, leads, dirty FROM segments WHERE mirror = ? AND section = ? AND kind = ? "
        rows = self._read(sql + "ORDER BY first", (mirror, section, kind))
        return [Segment(row[0], row[1], row[2], leads=bool(row[3]), dirty=bool(row[4])) for row in rows]

    def shared_files(self, mirror: int) -> dict[str, bytes | None]:
        """Path → digest of what was published."""
        return dict(self._read("SELECT path, digest FROM shared_files WHERE mirror = ?", (mirror,)))

    def publish_begins(self, mirror: int, path: str) -> None:
        """Before the request: what is at `path` is not sure until an answer comes."""
        with self.ledger.transaction() as t:
            t.execute("INSERT OR REPLACE INTO shared_files VALUES (?, ?, NULL)", (mirror, path))

    def redraw(self, mirror: int, pieces: Mapping[tuple[int, int], Sequence[Segment]]) -> None:
        """Keep the borders of some sections' pieces, by section and kind."""
        with self.ledger.transaction() as t:
            _redraw(t, mirror, pieces)

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
            _redraw(t, mirror, pieces)
            if line is not None:
                add_lines(t, self.lane, [line])

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows of that SQL
        return self.ledger.reader().execute(sql, parameters).fetchall()


def _rendered(row: tuple) -> Rendered:  # type: ignore[type-arg]  # a row of `_RENDERED`
    task, generation, document, newest, files, reason = row
    return Rendered(task, generation, document, newest, json.loads(files), reason)


def _redraw(t: sqlite3.Connection, mirror: int, pieces: Mapping[tuple[int, int], Sequence[Segment]]) -> None:
    for (section, kind), segments in pieces.items():
        t.execute("DELETE FROM segments WHERE mirror = ? AND section = ? AND kind = ?", (mirror, section, kind))
        rows = [(mirror, section, kind, s.first, s.length, s.digest, s.leads) for s in segments]
        t.executemany("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, 0)", rows)
