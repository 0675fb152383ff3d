"""The journal: immutable objects of lines in order, one line per put or delete. Numbers have no gap and no overlap.

Lines wait in the ledger's outbox from the transaction that makes them true until their object exists.
"""

import time
from hashlib import sha256

from syncd.errors import Unavailable
from syncd.faults import fault_point
from syncd.layout import JOURNAL, JOURNAL_LINES, journal_key, journal_numbers, project_key
from syncd.ledger.lane import LaneLedger
from syncd.ledger.settle import Line
from syncd.targets import Object, Refused, Target, Written

PRUNE_SECONDS = 3600.0


class Journal:
    """One target's journal, written by the lane's thread."""

    def __init__(self, target: Target, lane: LaneLedger, *, days: float) -> None:
        self._target = target
        self._lane = lane
        self._days = days
        self._under_way: list[tuple[int, bytes]] = []
        self._prune_at = time.monotonic()

    def take_over(self) -> None:
        """Go on where the bucket's journal ends: after a crash, a takeover, or a lost ledger."""
        found = {}
        for listed in self._target.list(JOURNAL):
            if numbers := journal_numbers(listed.key):
                found[listed.key] = numbers
        self._lane.journal_objects_known(list(found.values()))
        if not found:
            return
        key, (_, last) = max(found.items(), key=lambda item: item[1])
        waiting = self._lane.outbox(1)
        if waiting and waiting[0][0] <= last:
            end = self._target.get(key)
            if end is not None and end.body is not None and waiting[0][1] in end.body:
                self._lane.journal_stored(waiting[0][0], last)
            else:
                self._lane.renumber_outbox(last)
        self._lane.journal_starts_after(last)

    def begin_anew(self) -> int:
        """After another ledger wrote here: the number that a reader's cursor must have reached.

        What that one deleted last may stand in no line, since its outbox is not ours: readers have to list. One line that
        is true already is told again, so that a reader who lists now stands behind the number.
        """
        following = self._lane.facts().journal_seq + 1
        for project, file in list(self._lane.published().items())[:1]:
            line = Line("put", "project", project_key(project), project, None, file.digest, file.etag)
            self._lane.keep_published(project, file, line)
        return following if following > 1 else 0

    def flush(self) -> int:
        """Store every waiting line; returns the last number that readers can see."""
        while lines := self._under_way or self._lane.outbox(JOURNAL_LINES):
            # A write whose answer was lost is repeated with the very same lines, so that objects never overlap.
            self._under_way = lines
            first, last = lines[0][0], lines[-1][0]
            self._store(journal_key(first, last), b"".join(line for _, line in lines))
            fault_point("journal stored")
            self._lane.journal_stored(first, last)
            self._under_way = []
        self._prune()
        return self._lane.facts().journal_stored

    def _store(self, key: str, body: bytes) -> None:
        line = Object(
            key,
            body,
            f"sha256:{sha256(body).hexdigest()}",
            content_type="application/x-ndjson",
            if_absent=self._target.capabilities.create_if_absent,
        )
        answer = next(iter(self._target.put_many([line])))
        if isinstance(answer, Refused):
            there = self._target.get(key)
            if there is not None and there.body == body:
                return
        if not isinstance(answer, Written):
            raise Unavailable(f"the journal object {key} cannot be stored in {self._target.where}: {answer}")

    def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + PRUNE_SECONDS
        old = self._lane.journal_objects_before(time.time() - self._days * 86400)
        if old:
            for _ in self._target.delete_many([journal_key(first, last) for first, last in old]):
                pass
            self._lane.journal_objects_pruned(old)
