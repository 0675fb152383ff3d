"""The temporary tables in which a listing and what is to be there meet."""

import json
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from syncd.verifying import Difference, Mark, Wanted

CACHE_KIB = 16 * 1024
PAGE = 2000
TABLES = (
    # known: the digest that this object holds for sure, because it is the very version that the ledger wrote.
    # ours 0: none of syncd's names. aside 1: its task cannot be read, its last good file stays.
    "CREATE TABLE listed (key TEXT PRIMARY KEY, size INTEGER NOT NULL, etag TEXT, md5 TEXT, known BLOB, task INTEGER, "
    "ours INTEGER NOT NULL, aside INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
    "CREATE TABLE wanted (key TEXT PRIMARY KEY, size INTEGER NOT NULL, digest BLOB NOT NULL, md5 TEXT, task INTEGER) "
    "WITHOUT ROWID",
    "CREATE TABLE found (key TEXT PRIMARY KEY, mark TEXT NOT NULL, reason TEXT NOT NULL, task INTEGER) WITHOUT ROWID",
    # Fragments of shared files, until these are put together.
    "CREATE TABLE fragments (section INTEGER NOT NULL, task INTEGER NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (section, task)) WITHOUT ROWID",
)
_BOTH = "FROM wanted AS w JOIN listed AS l USING (key)"


@dataclass(frozen=True, slots=True)
class There:
    """An object as a listing shows it. `known`: see the table."""

    key: str
    size: int
    etag: str | None
    md5: str | None
    known: bytes | None
    task: int | None
    ours: bool


class Comparison:
    """One target's tables."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._db.execute(f"PRAGMA {setting}")
        for table in TABLES:
            self._db.execute(table)

    def close(self) -> None:
        self._db.close()

    # --- filling -------------------------------------------------------------------------------------------------

    def have(self, objects: Iterable[There]) -> None:
        rows = ((o.key, o.size, o.etag, o.md5, o.known, o.task, o.ours) for o in objects)
        columns = "key, size, etag, md5, known, task, ours"
        self._fill(f"INSERT OR REPLACE INTO listed ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def want(self, objects: Iterable[Wanted]) -> int:
        """Returns how many."""
        rows = ((o.key, o.size, o.digest, o.md5, o.task) for o in objects)
        return self._fill("INSERT OR REPLACE INTO wanted VALUES (?, ?, ?, ?, ?)", rows)

    def want_again(self, tasks: Collection[int], objects: Iterable[Wanted]) -> None:
        """These tasks' objects as they are to be by now."""
        self._db.execute("DELETE FROM wanted WHERE task IN (SELECT value FROM json_each(?))", (json.dumps([*tasks]),))
        self.want(objects)

    def set_aside(self, task: int, key: str | None, reason: str) -> None:
        """A task that cannot be read: nobody knows what is to be there."""
        self._db.execute("UPDATE listed SET aside = 1 WHERE task = ?", (task,))
        self.note(Difference("!", key or f"task {task}", reason, task))

    def note(self, difference: Difference) -> None:
        d = difference
        self._db.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?)", (d.key, d.mark, d.reason, d.task))

    def call_ours(self, pattern: str) -> None:
        """Listed keys of this pattern (GLOB) bear a name of syncd's."""
        self._db.execute("UPDATE listed SET ours = 1 WHERE key GLOB ?", (pattern,))

    def leave(self, pattern: str) -> None:
        """Listed keys of this pattern (GLOB) stay as they are, wanted or not."""
        self._db.execute("UPDATE listed SET aside = 1 WHERE key GLOB ?", (pattern,))

    def trust(self, key: str, etag: str) -> None:
        """This version of an object is what is wanted, as the ledger knows."""
        sql = "UPDATE listed SET known = (SELECT digest FROM wanted WHERE key = ?1) WHERE key = ?1 AND etag = ?2"
        self._db.execute(sql, (key, etag))

    def keep_fragments(self, fragments: Iterable[tuple[int, int, bytes]]) -> None:
        """(section, task, body)."""
        self._fill("INSERT OR REPLACE INTO fragments VALUES (?, ?, ?)", fragments)

    def fragments(self, section: int, first: int = -(2**63), end: int = 2**63 - 1) -> Iterator[tuple[int, bytes]]:
        """(task, body) of a range of tasks, in order; `end` is not part of it."""
        sql = "SELECT task, body FROM fragments WHERE section = ? AND task >= ? AND task < ? ORDER BY task"
        yield from self._db.execute(sql, (section, first, end))

    def forget_fragments(self) -> None:
        self._db.execute("DELETE FROM fragments")

    # --- comparing -----------------------------------------------------------------------------------------------

    def compare(self, *, keep: bool) -> None:
        """Find what a listing tells. `keep`: task files that nobody wants stay, by the operator's wish."""
        self._db.execute(
            "INSERT OR IGNORE INTO found SELECT key, '+', 'missing', task FROM wanted AS w "
            "WHERE NOT EXISTS (SELECT 1 FROM listed AS l WHERE l.key = w.key)"
        )
        self._db.execute(
            "INSERT OR IGNORE INTO found SELECT key, '-', 'nothing in the source asks for it', task FROM listed AS l "
            "WHERE ours AND NOT aside AND NOT (?1 AND (task IS NOT NULL OR key GLOB '*/project.json')) "
            "AND NOT EXISTS (SELECT 1 FROM wanted AS w WHERE w.key = l.key)",
            (keep,),
        )
        self._db.execute(
            f"INSERT OR IGNORE INTO found SELECT key, '*', l.size || ' bytes instead of ' || w.size, w.task {_BOTH} "
            "WHERE l.size <> w.size"
        )
        self._db.execute(
            f"INSERT OR IGNORE INTO found SELECT key, '*', iif(l.known IS NULL, 'other bytes', 'an older state'), w.task "
            f"{_BOTH} WHERE l.size = w.size AND (l.known <> w.digest OR (l.known IS NULL AND l.md5 <> w.md5))"
        )

    def doubtful(self, *, deep: bool) -> Iterator[list[tuple[str, bytes, int | None]]]:
        """Pages of (key, digest, task) that only a look can tell; with `deep` all that seem right."""
        which = "1" if deep else "l.known IS NULL AND (l.md5 IS NULL OR w.md5 IS NULL)"
        yield from self._pages(f"SELECT key, digest, w.task {_BOTH} WHERE l.size = w.size AND {which} AND key > ?")

    def needs_md5(self) -> bool:
        """Whether listed checksums tell more than the ledger."""
        sql = "SELECT EXISTS (SELECT 1 FROM listed WHERE known IS NULL AND md5 IS NOT NULL AND ours)"
        return bool(self._one(sql))

    # --- what came of it -----------------------------------------------------------------------------------------

    def differences(self) -> Iterator[Difference]:
        """In order of their keys."""
        for page in self._pages("SELECT key, mark, reason, task FROM found WHERE key > ?"):
            yield from (Difference(mark, key, reason, task) for key, mark, reason, task in page)

    def foreign(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of what is not syncd's."""
        for page in self._pages("SELECT key, size FROM listed WHERE NOT ours AND key > ?"):
            yield from page

    def pages_found(self) -> Iterator[list[tuple[str, bytes | None, int | None]]]:
        """Pages of (key, wanted digest, task) of what was found and can be looked at again."""
        sql = "SELECT f.key, w.digest, f.task FROM found AS f LEFT JOIN wanted AS w USING (key) WHERE f.mark <> '!' AND f.key > ?"
        yield from self._pages(sql, order="f.key")

    def explain_held(self, projects: Collection[int]) -> None:
        """The brake holds deletions in these projects."""
        for project in projects:
            self._db.execute(
                "UPDATE found SET reason = 'its deletion is held by the brake' WHERE mark = '-' AND task IS NOT NULL "
                "AND key GLOB ?",
                (f"{project}/tasks/*",),
            )

    def digest_of(self, key: str) -> bytes | None:
        """What is wanted at a key."""
        row = self._db.execute("SELECT digest FROM wanted WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def settled(self, keys: Iterable[str]) -> None:
        """These are as they are to be by now."""
        self._db.executemany("DELETE FROM found WHERE key = ?", [(key,) for key in keys])

    def tasks_found(self) -> Iterator[list[int]]:
        """Pages of tasks whose objects are not as they are to be."""
        sql = "SELECT DISTINCT task FROM found WHERE mark = '*' AND task > ?"
        yield from ([row[0] for row in page] for page in self._pages(sql, order="task", after=-1))

    def listed_keys(self, beginning: str) -> list[str]:
        """The keys that begin so: a few at most."""
        sql = "SELECT key FROM listed WHERE key >= ?1 AND key < ?1 || char(1114111)"
        return [row[0] for row in self._db.execute(sql, (beginning,))]

    def counts(self) -> dict[str, int]:
        """How many of each mark, how many are the same, and how many are foreign."""
        marks: dict[Mark, int] = dict(self._db.execute("SELECT mark, count(*) FROM found GROUP BY mark").fetchall())
        wrong = self._one("SELECT count(*) FROM found JOIN wanted USING (key)")
        return {
            "same": self._one("SELECT count(*) FROM wanted") - wrong,
            "missing": marks.get("+", 0),
            "extra": marks.get("-", 0),
            "different": marks.get("*", 0),
            "errors": marks.get("!", 0),
            "foreign": self._one("SELECT count(*) FROM listed WHERE NOT ours"),
        }

    def _pages(self, sql: str, *, order: str = "key", after: Any = "") -> Iterator[list[Any]]:
        while page := self._db.execute(f"{sql} ORDER BY {order} LIMIT ?", (after, PAGE)).fetchall():
            after = page[-1][0]
            yield page

    def _one(self, sql: str) -> int:
        found: int = self._db.execute(sql).fetchone()[0]
        return found

    def _fill(self, sql: str, rows: Iterable[tuple[object, ...]]) -> int:
        rows, count = iter(rows), 0
        while some := list(islice(rows, PAGE)):
            self._db.execute("BEGIN")
            self._db.executemany(sql, some)
            self._db.execute("COMMIT")
            count += len(some)
        return count


@contextmanager
def comparison() -> Iterator[Comparison]:
    """Tables in a temporary file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="syncd-verify-") as folder:
        tables = Comparison(Path(folder, "objects.db"))
        try:
            yield tables
        finally:
            tables.close()
