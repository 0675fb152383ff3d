"""A reader that believes nothing, and people who change tasks while it reads: whether a bucket's claims hold at every moment.

The scribe notes each change once its commit has returned. Whatever the bucket claims to be true up to a later time must then
show that change, or a newer one of the same task; and whatever the journal tells of must be there, or be told of again.
"""

import json
import random
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from syncd.model import Json
from syncd.reader import Bucket, Change, ListAnew, State
from tests.labelstudio_database import LabelStudioDatabase

GONE = -1
FIRST = 1_000_000
"""Numbers are written as lead times, which every format keeps; people's own are shorter."""
MIRROR = "jsonl"
"""The mirror that is read to see whether its claims hold: one document a line."""


@dataclass(slots=True)
class Scribe:
    """Changes tasks of one project at a pace, and remembers what was committed when."""

    database: LabelStudioDatabase
    project: int
    per_second: float
    seed: int = 7
    notes: dict[int, list[tuple[datetime, int]]] = field(default_factory=dict)
    """Task → (moment after the commit, number that the document says since, or GONE), in order."""
    changes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="scribe")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def allowed(self, task: int, moment: datetime) -> list[int]:
        """What may be seen of a task once everything before a moment is visible; empty while nothing is claimed of it."""
        notes = list(self.notes[task])
        older = sum(at < moment for at, _ in notes)
        return [number for _, number in notes[older - 1 :]] if older else []

    def _work(self) -> None:
        chance, tasks = random.Random(self.seed), self.database.labelled(self.project)
        with closing(self.database.connection()) as connection:
            began = time.monotonic()
            while not self._stop.wait(max(0.0, began + self.changes / self.per_second - time.monotonic())):
                self.changes += 1
                # the newest task stays: Label Studio gives the id of a deleted newest one to the next
                task, drawn = chance.choice(tasks[:-1]), chance.random()
                if drawn < 0.03 and len(tasks) > 20:
                    tasks.remove(task)
                    self._commit(connection, task, GONE)
                elif drawn < 0.06:
                    (new,) = self.database.add_labelled_tasks(self.project, 1)
                    tasks.append(new)
                    self._commit(connection, new, self.changes)
                else:
                    self._commit(connection, task, self.changes)

    def _commit(self, connection: sqlite3.Connection, task: int, number: int) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        self.notes.setdefault(task, []).append((datetime.max.replace(tzinfo=UTC), number))  # on its way
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if number == GONE:
                for table, column in (("task_completion", "task_id"), ("prediction", "task_id"), ("task", "id")):
                    connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (task,))
            else:
                sql = (
                    "UPDATE task_completion SET lead_time = ?, updated_at = ?, "
                    "result = json_set(result, '$[0].value.x', ?) WHERE task_id = ?"
                )
                connection.execute(sql, (FIRST + number, now, number % 70 + 0.5, task))
                connection.execute("UPDATE task SET updated_at = ? WHERE id = ?", (now, task))
        self.notes[task][-1] = (datetime.now(UTC), number)


@dataclass(slots=True)
class Skeptic:
    """Polls a bucket and writes down whatever does not hold."""

    bucket: Bucket
    scribe: Scribe
    cursor: int = 0
    folded: dict[str, str | None] = field(default_factory=dict)
    """Key → digest (or etag, where there is none), as told by the journal so far."""
    broken: list[str] = field(default_factory=list)
    polls: int = 0
    claims: int = 0
    """Changes whose being visible was claimed and looked at."""
    loads: int = 0
    listed_anew: int = 0
    _etags: dict[str, set[str | None]] = field(default_factory=dict)
    """Key of a mirror's file → every version that the journal told of."""
    _awaited: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Key → what a later line has to explain: the line seen, and what was found instead of its object."""
    _last: State | None = None

    def poll(self) -> None:
        """One look: the state, what it claims, the journal up to it, the objects it tells of."""
        self.polls += 1
        state = self.bucket.state()
        self._moves_forward(state)
        try:
            for change in self.bucket.changes(self.cursor):
                self._take(change)
        except ListAnew:
            self._list_anew()
        self._holds(state)

    def end(self) -> dict[str, str | None]:
        """After the last change: take what is left, and give the bucket as it is: key → digest or etag."""
        self.poll()
        self.broken += [f"line {seq} of {key}: {what}, never explained" for key, (seq, what) in self._awaited.items()]
        return self._listed()

    def _list_anew(self) -> None:
        self.listed_anew += 1
        self.cursor = self.bucket.state().journal_seq
        self._awaited.clear()
        self.folded = self._listed()
        for listed in self.bucket._store.list(f"{self.scribe.project}/{MIRROR}/"):
            self._etags.setdefault(listed.key, set()).add(listed.etag)

    def _listed(self) -> dict[str, str | None]:
        """Everything that is there, spliced files by their etag as the journal has them."""
        there = {}
        for listed in self.bucket._store.list():
            if not listed.key.startswith("_syncd/"):
                told, body = self.folded.get(listed.key) or "sha256:", self.bucket.read(listed.key)
                there[listed.key] = _digest(body) if body is not None and told.startswith("sha256:") else listed.etag
        return there

    def _take(self, change: Change) -> None:
        if change.seq != self.cursor + 1:
            self.broken.append(f"line {change.seq} comes after {self.cursor}")
        self.cursor = change.seq
        explained = self._awaited.pop(change.key, None)
        if change.op == "delete":
            self.folded.pop(change.key, None)
            return
        self.folded[change.key] = change.digest or change.etag
        if change.kind == "mirror":
            self._etags.setdefault(change.key, set()).add(change.etag)
        body = self.bucket.read(change.key)
        self.loads += 1
        if body is None:
            self._awaited[change.key] = (change.seq, "nothing is there")
        elif change.digest and _digest(body) != change.digest:
            self._awaited[change.key] = (change.seq, f"another version than {explained and explained[0]}")
        if body is not None and change.key.endswith(".json"):
            self._is_whole(change.key, body)

    def _is_whole(self, key: str, body: bytes) -> None:
        try:
            json.loads(body)
        except ValueError:
            self.broken.append(f"{key} is torn: {body[-50:]!r}")

    def _moves_forward(self, state: State) -> None:
        last, self._last = self._last, state
        if last is None:
            return
        for name in ("synced_through", "swept_through", "written_at", "journal_seq"):
            old, new = getattr(last, name), getattr(state, name)
            if old is not None and (new is None or new < old):
                self.broken.append(f"{name} went back from {old} to {new}")

    def _holds(self, state: State) -> None:
        """Every change that the state claims is visible; and the journal up to it knows of it."""
        project = self.scribe.project
        moment = state.through(project)
        for task in list(self.scribe.notes) if moment else ():
            key = f"{project}/tasks/{task}.json"
            found = self.bucket.document(key)
            allowed = self._shows(f"task {task}", GONE if found is None else _number(found.json), task, moment)
            if len(allowed) == 1 and self.folded.get(key) != (found and found.digest):
                self.broken.append(f"true up to {moment}, and the journal tells another version of task {task}")
        self._mirror_holds(state)

    def _mirror_holds(self, state: State) -> None:
        project = self.scribe.project
        claims = state.projects[project].mirrors.get(MIRROR) if project in state.projects else None
        if claims is None or claims.synced_through is None:
            return
        key = f"{project}/{MIRROR}/result.jsonl"
        if claims.etag not in self._etags.get(key, set()):
            self.broken.append(f"{key} is claimed to be {claims.etag}, which the journal never told of")
        lines = (self.bucket.read(key) or b"").splitlines()
        shown = {task["id"]: _number(task) for task in map(json.loads, lines)}
        for task in list(self.scribe.notes):
            self._shows(f"task {task} in {key}", shown.get(task, GONE), task, claims.synced_through)

    def _shows(self, what: str, shown: int, task: int, moment: datetime) -> list[int]:
        """What may be shown, asked after the look: what came meanwhile is allowed too."""
        allowed = self.scribe.allowed(task, moment)
        self.claims += bool(allowed)
        if allowed and shown not in allowed:
            self.broken.append(f"true up to {moment}, and {what} shows {shown}, not one of {allowed}")
        return allowed


def report(broken: list[str], folded: Mapping[str, str | None], there: Mapping[str, str | None]) -> list[str]:
    """What is wrong, a line for each, at most twenty."""
    keys = sorted(folded.keys() | there.keys())
    differing = [f"{k}: folded {folded.get(k)}, there {there.get(k)}" for k in keys if folded.get(k) != there.get(k)]
    return (broken + differing)[:20]


def _number(task: Json) -> int:
    """What the scribe wrote last; 0 for a document that it has not written yet."""
    return max((int(a["lead_time"]) - FIRST for a in task["annotations"] if (a["lead_time"] or 0) >= FIRST), default=0)


def _digest(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
