"""What one task is in one mirror, and how a change of it is made durable together with the batch that brought it."""

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

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


def store_changes(t: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Within a transaction: rows as they are now, the segments that they touch, and that something waits to be published."""
    touched: dict[tuple[int, int], list[int]] = {}
    renewed: set[int] = set()
    for c in changes:
        fragments = c.after.fragments if c.after else ()
        for section in _differing(t, c, fragments):
            touched.setdefault((c.mirror, section), []).append(c.task)
        if (c.before.newest if c.before else "") != (c.after.newest if c.after else ""):
            renewed.add(c.mirror)
        if c.after is None:
            t.execute(f"DELETE FROM rendered_{c.mirror} WHERE task = ?", (c.task,))
        else:
            _store(t, c.mirror, c.after)
    for (mirror, section), tasks in touched.items():
        _touch(t, mirror, section, tasks)
    for mirror in renewed | {mirror for mirror, _ in touched}:
        t.execute("UPDATE mirrors SET changed = 1 WHERE id = ? AND changed = 0", (mirror,))


def _store(t: sqlite3.Connection, mirror: int, row: Rendered) -> None:
    columns = "".join(f", f{n}" for n in range(len(row.fragments)))
    files = json.dumps(dict(row.files)) if row.files else "{}"
    t.execute(
        f"INSERT OR REPLACE INTO rendered_{mirror} (task, generation, document, newest, files, reason{columns}) "
        f"VALUES (?, ?, ?, ?, ?, ?{', ?' * len(row.fragments)})",
        (row.task, row.generation, row.document, row.newest, files, row.reason, *row.fragments),
    )


def _differing(t: sqlite3.Connection, c: Change, fragments: Sequence[bytes | None]) -> list[int]:
    """The sections in which the task's fragment is another one now."""
    row = t.execute(f"SELECT * FROM rendered_{c.mirror} WHERE task = ?", (c.task,)).fetchone() if c.before else None
    before: Sequence[bytes | None] = row[6:] if row else ()
    count = max(len(before), len(fragments))
    padded = [(*some, *[None] * (count - len(some))) for some in (before, fragments)]
    return [n for n in range(count) if padded[0][n] != padded[1][n]]


def _touch(t: sqlite3.Connection, mirror: int, section: int, tasks: Sequence[int]) -> None:
    """Mark the segments that hold these tasks."""
    sql = "SELECT first FROM segments WHERE mirror = ? AND section = ? AND kind = 1 ORDER BY first"
    borders = [row[0] for row in t.execute(sql, (mirror, section))]
    firsts = {borders[bisect_right(borders, task) - 1] for task in tasks} if borders else set()
    t.executemany(
        "UPDATE segments SET dirty = 1 WHERE mirror = ? AND section = ? AND kind = 1 AND first = ?",
        [(mirror, section, first) for first in firsts],
    )
