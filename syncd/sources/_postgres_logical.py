"""Follows the write-ahead log of PostgreSQL: which tasks were touched, a moment after each commit.

The log may show a transaction before a snapshot does (while it waits for a synchronous standby, say): its tasks are compared only
once a snapshot sees it. A batch's place in the log is remembered with its signals, and the slot moves on after that is durable.
Whatever leaves doubt, a deleted row of an unknown task or an emptied table, leads to a comparison of everything.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from syncd import __version__
from syncd.labelstudio import tables
from syncd.sources import Memory, Signals
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_log import Transaction
from syncd.sources._postgres_owners import Concerned, concerned, owners_between, tasks_of_uploads
from syncd.sources._postgres_rows import PostgresRows
from syncd.sources._postgres_slot import LogState
from syncd.sources._postgres_slot_care import SlotCare, Start

BATCH = 1024
"""Tasks compared at once."""

CLAIM_SECONDS = 0.2
"""How often a claim is renewed at most."""

TICK = 0.03
"""Seconds between two looks at how far the log is; microseconds of the server's time each."""

RESTS = 2
"""The server rests so many times as long as it decoded: a third of a core at most."""

BASIS_SECONDS = 1.0
"""How often to look at what every document draws from, while there are commits."""

ADVANCE_SECONDS = 1.0
"""How often the slot moves on; each time the server decodes the log once more."""

STORE_SECONDS = 5.0
"""How often a place in the log is stored to which nothing has happened; without that the server would keep the log for ever."""

STORY_SECONDS = 5.0
"""How often `status` is told."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything committed before `at` is in the snapshot, and lies in the log before `inserted`."""

    at: datetime
    snapshot: str
    inserted: int


def basis_of(rows: PostgresRows) -> str:
    """Differs when every document may have changed: users, data keys, tables, which projects there are; or syncd itself."""
    seen = __version__, rows.shared_version(), sorted(rows.live())
    return blake2b(repr(seen).encode(), digest_size=8).hexdigest()


class FollowingLog:
    """One stretch of the log, from `start` until the server is another one or the log cannot be followed (LogUnavailable)."""

    def __init__(self, care: SlotCare, database: Database, rows: PostgresRows, memory: Memory, start: Start) -> None:
        self.over = False
        """The server is another one."""
        self.remembered = None if start.gap else start.position.text()
        """The last position that may be started from again."""
        self._position = start.position
        self._care, self._database, self._rows, self._memory, self._start = care, database, rows, memory, start
        self._at = start.position.at
        self._places = start.places
        self._state: LogState | None = None
        self._mark: Mark | None = None
        self._unsure = bool(start.gap)
        self._sweep: Iterator[Signals] | None = None
        self._proven = self._basis_for = ""
        self._basis_at = self._advanced_at = self._claimed_at = self._told_at = self._stored_at = 0.0
        self._decoding = 0.0
        self._advanced_to = 0

    def rest(self) -> float:
        """Seconds until the next look."""
        return 0.0 if self._sweep or self._unsure else max(TICK, RESTS * self._decoding)

    def look(self) -> Iterator[Signals]:
        """What was committed since the last look, and what that proves."""
        now = datetime.now(UTC)
        state = self._now()
        if state.run != self._start.run:
            self.over = True
            return
        self._care.bounded(state)
        if self._mark is None and time.monotonic() - self._claimed_at >= CLAIM_SECONDS:
            # What readers leave in the log (pruned pages) may stay unflushed for seconds; it is no commit.
            quiet = state.snapshot == self._proven
            self._mark = Mark(now, state.snapshot, self._at if quiet else state.inserted)
        if state.flushed > self._at:
            yield from self._read_on(state)
        yield from self._sweep_on()
        yield from self._prove(state)
        self._move_on(state)
        yield from self._tell(state)

    def _now(self) -> LogState:
        """The state of the log; the one known, while that is read to its end and nothing was written since."""
        known = self._state
        if known is None or self._at < known.inserted or self._care.slot.inserted() != known.inserted:
            known = self._state = self._care.slot.state()
        return known

    # --- the log -------------------------------------------------------------------------------------------------

    def _read_on(self, state: LogState) -> Iterator[Signals]:
        began = time.monotonic()
        found, whole = self._care.slot.peek(self._at, self._places)
        self._decoding = time.monotonic() - began
        seen = self._seen(found)
        rows = [row for transaction in seen for row in transaction.touched]
        touched = concerned(rows, self._memory)
        if touched.everything or any(transaction.everything for transaction in seen):
            self._unsure = True
        if touched.shared:
            self._basis_for = ""
        at = max([self._at, *(t.end for t in seen)])
        if whole and len(seen) == len(found):
            at = max(at, state.flushed)
        if tables.PROJECT.name in touched.shared:
            yield Signals(projects=self._rows.projects())
        yield from self._compared(touched, at)
        self._at = at

    def _seen(self, found: list[Transaction]) -> list[Transaction]:
        """The first ones, up to one that a new snapshot does not show yet."""
        if not found:
            return []
        following, in_progress = self._care.slot.in_progress()
        for number, transaction in enumerate(found):
            # Of a transaction's id the log has 32 bits; it lies within half the circle of the next one.
            ahead = (transaction.xid - following + 2**31) % 2**32 - 2**31
            if ahead >= 0 or following + ahead in in_progress:
                return found[:number]
        return found

    def _compared(self, touched: Concerned, at: int) -> Iterator[Signals]:
        tasks = sorted(touched.tasks.union(tasks_of_uploads(self._database, touched.uploads)))
        for first in range(0, max(len(tasks), 1), BATCH):
            signals = self._rows.compare_tasks(tasks[first : first + BATCH], self._memory)
            if first + BATCH < len(tasks):
                yield Signals(signals)
            elif signals or touched.owned or time.monotonic() - self._stored_at > STORE_SECONDS:
                yield from self._stored(at, Signals(signals, owners=touched.owners()))

    def _stored(self, at: int, batch: Signals) -> Iterator[Signals]:
        """The batch with its place, unless a comparison of everything is owed: only after that does the place prove anything."""
        if self._unsure or self._sweep:
            yield batch
            return
        position = replace(self._position, at=at)
        yield replace(batch, position=position.text())
        self._position, self.remembered = position, position.text()  # asked for the next one: this one is durable
        self._stored_at = time.monotonic()

    def _move_on(self, state: LogState) -> None:
        """Let the server forget what is durable. While everything is being compared a crash would start that over anyway."""
        to = self._at if self._sweep or self._unsure else self._position.at
        if (
            state.slot is None
            or to <= max(state.slot.confirmed, self._advanced_to)
            or time.monotonic() - self._advanced_at < ADVANCE_SECONDS
        ):
            return
        self._care.slot.advance(to)
        self._position = replace(self._position, confirmed=min(to, self._position.at))
        self._advanced_to, self._advanced_at = to, time.monotonic()

    # --- everything ----------------------------------------------------------------------------------------------

    def _sweep_on(self) -> Iterator[Signals]:
        """The next span of a comparison of everything, if one is under way or owed."""
        if self._sweep is None and self._unsure:
            self._unsure, self._sweep = False, self._everything()
        if self._sweep is not None:
            batch = next(self._sweep, None)
            if batch is None:
                self._sweep = None
                yield from self._stored(self._at, Signals())
            else:
                yield batch

    def _everything(self) -> Iterator[Signals]:
        yield Signals(urgency="backfill", projects=self._rows.projects())
        for first, last in self._rows.spans(self._memory, BATCH):
            # Owners first: what moves before the tasks are compared is in the log.
            owners, moved = owners_between(self._database, self._memory, first, last)
            signals = self._rows.compare(first, last, self._memory) + self._rows.compare_tasks(moved, self._memory)
            yield Signals(signals, urgency="backfill", owners=owners)

    # --- claims --------------------------------------------------------------------------------------------------

    def _prove(self, state: LogState) -> Iterator[Signals]:
        mark = self._mark
        if mark is None or self._unsure or self._sweep or self._at < mark.inserted:
            return
        if self._basis_for != mark.snapshot:
            if time.monotonic() - self._basis_at < BASIS_SECONDS:
                return
            self._look_at_basis(state)
        if not self._unsure:
            self._mark, self._proven, self._claimed_at = None, mark.snapshot, time.monotonic()
            yield Signals(synced=mark.at, swept=mark.at)

    def _look_at_basis(self, state: LogState) -> None:
        self._places = self._care.places()
        basis = basis_of(self._rows)
        self._unsure = basis != self._position.basis
        self._position = replace(self._position, basis=basis)
        self._basis_for, self._basis_at = state.snapshot, time.monotonic()

    def _tell(self, state: LogState) -> Iterator[Signals]:
        if state.slot is not None and time.monotonic() - self._told_at > STORY_SECONDS:
            self._told_at = time.monotonic()
            facts: dict[str, str | int] = {"capture": "logical", "slot": self._care.slot.name}
            facts |= {"wal_status": state.slot.wal_status, "retained_bytes": state.retained}
            yield Signals(story={**facts, "because": self._start.gap})
