"""Settling: what one batch came to, made durable in a single transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from syncd.ledger import Ledger
from syncd.ledger.rendered import Change, store_changes

HOUR_MINUTES = 60


class File(NamedTuple):
    """A task's object as this lane left it, in the order of its table's columns.

    `digest` None: not known for sure; `md5` is a listing's, when it gave one.
    """

    task: int
    project: int
    key: str
    digest: bytes | None
    etag: str | None
    size: int
    md5: str | None = None


class Line(NamedTuple):
    """A journal line without its number."""

    op: str
    kind: str
    key: str
    project: int
    task: int | None = None
    digest: bytes | None = None
    etag: str | None = None
    source_updated_at: str | None = None

    def json(self, seq: int, at: str) -> bytes:
        """The line as it stands in the journal object, newline included."""
        line: dict[str, object] = {
            "seq": seq,
            "op": self.op,
            "kind": self.kind,
            "key": self.key,
            "project": self.project,
        }
        if self.task is not None:
            line["task"] = self.task
        if self.digest is not None:
            line["digest"] = f"sha256:{self.digest.hex()}"
        if self.etag is not None:
            line["etag"] = self.etag
        if self.source_updated_at is not None:
            line["source_updated_at"] = self.source_updated_at
        line["at"] = at
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(slots=True)
class Settlement:
    """What one batch came to; written to the ledger in one transaction."""

    number: int
    """The newest batch of signals when the tasks were read."""
    settled: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(task, token of the state read; None: it is gone)."""
    stored: list[File] = field(default_factory=list)
    deleted: list[File] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    quarantined: list[tuple[int, int, str]] = field(default_factory=list)
    """(task, project, reason)."""
    lines: list[Line] = field(default_factory=list)
    created: dict[int, int] = field(default_factory=dict)
    """Files that were not there before, per project; `dropped` likewise for those that are gone now."""
    dropped: dict[int, int] = field(default_factory=dict)
    mirrored: list[Change] = field(default_factory=list)
    """What became of the tasks in mirrors."""
    looked_at: set[int] = field(default_factory=set)
    """Tasks that no mirror has to ask for again, held ones included."""


def settle(ledger: Ledger, lane: int, batch: Settlement) -> None:
    """One transaction: what was written, what is clean, the journal lines. Signals newer than the reading stay."""
    with ledger.transaction() as t:
        t.executemany(
            f"INSERT OR REPLACE INTO written_{lane} VALUES (?, ?, ?, ?, ?, ?, ?)",
            batch.stored,
        )
        t.executemany(
            f"DELETE FROM written_{lane} WHERE task = ? AND key = ?", [(f.task, f.key) for f in batch.deleted]
        )
        t.executemany(f"DELETE FROM left_{lane} WHERE key = ?", [(f.key,) for f in batch.deleted])
        store_changes(t, batch.mirrored)
        _set_aside(t, lane, batch)
        _clean(t, lane, batch)
        _count(t, lane, batch)
        add_lines(t, lane, batch.lines)


def add_lines(t: sqlite3.Connection, lane: int, lines: Sequence[Line]) -> None:
    """Number journal lines and put them in the outbox, within the transaction that makes them true."""
    if not lines:
        return
    seq: int = t.execute("SELECT journal_seq FROM lanes WHERE id = ?", (lane,)).fetchone()[0]
    at = _now()
    t.executemany(
        f"INSERT INTO outbox_{lane} VALUES (?, ?)",
        [(seq + n, line.json(seq + n, at)) for n, line in enumerate(lines, 1)],
    )
    t.execute("UPDATE lanes SET journal_seq = ? WHERE id = ?", (seq + len(lines), lane))


def this_minute() -> int:
    return int(time.time() // 60)


def _set_aside(t: sqlite3.Connection, lane: int, batch: Settlement) -> None:
    """Quarantined tasks are tried again after 1, 2, 3 … 60 minutes, and whenever they change."""
    t.executemany(
        f"INSERT INTO quarantine_{lane} VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (task) DO UPDATE SET "
        "reason = excluded.reason, attempts = attempts + 1, retry_at = excluded.retry_at + min(attempts, 59) * 60",
        [(task, project, reason, _now(), time.time() + 60) for task, project, reason in batch.quarantined],
    )
    if t.execute(f"SELECT EXISTS (SELECT 1 FROM quarantine_{lane})").fetchone()[0]:
        set_aside = {task for task, _, _ in batch.quarantined}
        clean = [(task,) for task, _ in batch.settled if task not in set_aside]
        t.executemany(f"DELETE FROM quarantine_{lane} WHERE task = ?", clean)


def _clean(t: sqlite3.Connection, lane: int, batch: Settlement) -> None:
    """Take off the dirty set what was read in the very state that was signalled."""
    number = batch.number
    listed = json.dumps([task for task, _ in batch.settled])
    sql = f"SELECT task FROM dirty_{lane} WHERE task IN (SELECT value FROM json_each(?))"
    due = {row[0] for row in t.execute(sql, (listed,))}  # not those that only a mirror asked for
    tokens = [(task, token, number) for task, token in batch.settled if task in due]
    # A signal that did not look gets its token from the reading.
    t.executemany("UPDATE seen SET token = ?2 WHERE task = ?1 AND token IS NULL", [row[:2] for row in tokens if row[1]])
    t.executemany(
        f"DELETE FROM dirty_{lane} WHERE task = ?1 AND last <= ?3 AND (SELECT token FROM seen WHERE task = ?1) IS ?2",
        tokens,
    )
    rows = t.execute(
        f"UPDATE dirty_{lane} SET first = CASE WHEN last > ?1 THEN ?1 + 1 ELSE first END, "
        "not_before = CASE WHEN last > ?1 THEN 0 ELSE ?2 END "
        "WHERE task IN (SELECT value FROM json_each(?3)) RETURNING task, last",
        (number, time.time() + 0.1, listed),
    ).fetchall()
    # Read in a state that the source had not signalled: remember that one and look once more, in case it was undone since.
    early = {task for task, last in rows if last <= number}
    read = [(task, token) for task, token, _ in tokens if task in early]
    set_aside = {task for task, _, _ in batch.quarantined}
    gone = [(task,) for task, token in read if token is None and task not in set_aside]
    t.executemany("DELETE FROM seen WHERE task = ?", gone)
    t.executemany(
        f"INSERT INTO seen SELECT task, project, ?2 FROM dirty_{lane} WHERE task = ?1 AND project > 0 "
        "ON CONFLICT (task) DO UPDATE SET token = excluded.token",
        [one for one in read if one[1]],
    )
    t.executemany(
        f"UPDATE dirty_{lane} SET held = 1 WHERE task = ? AND last <= ?",
        [(task, number) for task in batch.held],
    )
    if t.execute(f"SELECT EXISTS (SELECT 1 FROM rerender_{lane})").fetchone()[0]:
        rendered = [(task, number) for task in batch.looked_at]
        t.executemany(f"DELETE FROM rerender_{lane} WHERE task = ? AND number <= ?", rendered)


def _count(t: sqlite3.Connection, lane: int, batch: Settlement) -> None:
    minute = this_minute()
    t.execute(f"DELETE FROM moves_{lane} WHERE minute <= ?", (minute - HOUR_MINUTES,))
    for project in batch.created.keys() | batch.dropped.keys():
        created, dropped = batch.created.get(project, 0), batch.dropped.get(project, 0)
        t.execute(
            f"INSERT INTO files_{lane} VALUES (?1, ?2) ON CONFLICT (project) DO UPDATE SET tasks = tasks + ?2",
            (project, created - dropped),
        )
        t.execute(
            f"INSERT INTO moves_{lane} VALUES (?1, ?2, ?3, ?4) ON CONFLICT (project, minute) "
            "DO UPDATE SET created = created + ?3, deleted = deleted + ?4",
            (project, minute, created, dropped),
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
