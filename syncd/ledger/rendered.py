"""What one task is in one mirror, and how a change of it is made durable together with the batch that brought it.

Both are tuples: they are made for every task, and a frozen dataclass takes three times as long.
"""

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

OwnFiles: TypeAlias = Mapping[str, str | None]
"""Path in the mirror's folder → digest; None while a write is under way."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Rendered(NamedTuple):
    """A task as a mirror shows it. `document`: digest of the document it was rendered from, None when that is not sure."""

    task: int
    generation: int
    document: bytes | None
    newest: str = ""
    files: OwnFiles = _NOTHING
    reason: str | None = None
    fragments: tuple[bytes | None, ...] = ()
    """By section, in the order of the shared files; not read back."""


class Change(NamedTuple):
    """What becomes of a task in one mirror; `after` None: it leaves. `bodies` are the own files to put, by path."""

    mirror: int
    project: int
    folder: str
    task: int
    before: Rendered | None
    after: Rendered | None
    bodies: Mapping[str, bytes] = _NOTHING

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
    stored: dict[int, list[Rendered]] = {}
    for c in changes:
        for section in _differing(t, c):
            touched.setdefault((c.mirror, section), []).append(c.task)
        if (c.before.newest if c.before else "") != (c.after.newest if c.after else ""):
            renewed.add(c.mirror)
        if c.after is None:
            t.execute(f"DELETE FROM rendered_{c.mirror} WHERE task = ?", (c.task,))
        else:
            stored.setdefault(c.mirror, []).append(c.after)
    for mirror, rows in stored.items():
        _store(t, mirror, rows)
    for (mirror, section), tasks in touched.items():
        _touch(t, mirror, section, tasks)
    for mirror in renewed | {mirror for mirror, _ in touched}:
        t.execute("UPDATE mirrors SET changed = 1 WHERE id = ? AND changed = 0", (mirror,))


def _store(t: sqlite3.Connection, mirror: int, rows: Sequence[Rendered]) -> None:
    """Rows that were set aside have no fragments."""
    sections = max(len(row.fragments) for row in rows)
    columns = "".join(f", f{n}" for n in range(sections))
    none = (None,) * sections
    t.executemany(
        f"INSERT OR REPLACE INTO rendered_{mirror} (task, generation, document, newest, files, reason{columns}) "
        f"VALUES (?, ?, ?, ?, ?, ?{', ?' * sections})",
        [
            (*row[:4], json.dumps(dict(row.files)) if row.files else "{}", row.reason, *(row.fragments or none))
            for row in rows
        ],
    )


def _differing(t: sqlite3.Connection, c: Change) -> list[int]:
    """The sections in which the task's fragment is another one now."""
    now = c.after.fragments if c.after else ()
    row = t.execute(f"SELECT * FROM rendered_{c.mirror} WHERE task = ?", (c.task,)).fetchone() if c.before else None
    before: Sequence[bytes | None] = row[6:] if row else ()
    return [n for n, (old, new) in enumerate(zip_longest(before, now)) if old != new]


def _touch(t: sqlite3.Connection, mirror: int, section: int, tasks: Sequence[int]) -> None:
    """Mark the segments that hold these tasks."""
    sql = "SELECT first FROM segments WHERE mirror = ? AND section = ? AND kind = 1 ORDER BY first"
    borders = [row[0] for row in t.execute(sql, (mirror, section))]
    firsts = {borders[bisect_right(borders, task) - 1] for task in tasks} if borders else set()
    t.executemany(
        "UPDATE segments SET dirty = 1 WHERE mirror = ? AND section = ? AND kind = 1 AND first = ?",
        [(mirror, section, first) for first in firsts],
    )
