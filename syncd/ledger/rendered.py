"""What one task is in one mirror, and how a change of it is made durable together with the batch that brought it."""

import json
import sqlite3
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
    for c in changes:
        fragments = c.after.fragments if c.after else ()
        touched = _differing(t, c, fragments)
        if c.after is None:
            t.execute(f"DELETE FROM rendered_{c.mirror} WHERE task = ?", (c.task,))
        else:
            a = c.after
            columns = "".join(f", f{n}" for n in range(len(fragments)))
            t.execute(
                f"INSERT OR REPLACE INTO rendered_{c.mirror} (task, generation, document, newest, files, reason{columns}) "
                f"VALUES (?, ?, ?, ?, ?, ?{', ?' * len(fragments)})",
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
