"""One lane's straight line: take dirty tasks, read them whole, compare digests, write, settle.

    plan ─▶ mark in flight ─▶ put ─▶ delete ─▶ mirrors ─▶ settle in one transaction

A crash at any point repeats work with the same bytes. While much is due, two batches are in hand: one is on its way to the
target while the other is settled, or the next one read and marked.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import orjson
import structlog

from syncd.batches import Batches, OtherHand
from syncd.errors import Unavailable
from syncd.faults import fault_point
from syncd.layout import tombstone_key
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import MirrorLedger
from syncd.ledger.settle import File, Line, Settlement, settle
from syncd.mirrors.tasks import write_own_files
from syncd.planning import BATCH_BYTES, Plan, Planner, Put
from syncd.targets import Deleted, Failed, Object, Refused, Target, Written

log = structlog.get_logger()


@dataclass(slots=True)
class Totals:
    """What a lane did since the process started, for status, logs and metrics."""

    written: int = 0
    bytes: int = 0
    deleted: int = 0
    mirrored: int = 0
    """Files of mirrors that tasks have of their own, put or deleted."""
    unchanged: int = 0
    rejected: int = 0
    conflicts: int = 0
    held: int = 0
    """Deletions that the brake stopped, each time it did."""


class Pipeline:
    """Carries out one lane's plans. `drain` is called by one thread."""

    def __init__(
        self,
        planner: Planner,
        target: Target,
        ledger: Ledger,
        lane: LaneLedger,
        *,
        before_puts: Callable[[Collection[int]], None],
    ) -> None:
        """`before_puts` makes sure of what must be there before anything is written for some projects."""
        self.planner = planner
        self._before_puts = before_puts
        self.totals = Totals()
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._mirrors = MirrorLedger(ledger, lane.id)
        self._one_at_a_time = threading.Lock()

    def drain(self, may_write: Callable[[], bool], progress: Callable[[int], None] = lambda _: None) -> int:
        """Work until nothing is due or `may_write` says no; returns how many tasks were looked at.

        Raises Unavailable when source or target are out of reach: nothing is lost, what is not settled stays due.
        """
        batches = Batches(self.planner.next, may_write)
        plan = batches.take()
        if plan is None:
            return 0
        work = partial(self._alongside, batches)
        other = OtherHand(self.planner.settings.name, work) if self._is_much_due(plan) else None
        told = 0
        try:
            while plan is not None:
                self._carry(plan, batches)
                told, new = batches.done, batches.done - told
                progress(new)
                plan = batches.take()
        finally:
            batches.end()
            if other is not None:
                other.join()
        if other is not None and other.error is not None:
            raise other.error
        progress(batches.done - told)
        return batches.done

    def _alongside(self, batches: Batches) -> None:
        """The other hand. It leaves what is little to the lane's thread, which speaks to readers between its batches."""
        while (plan := batches.take()) is not None:
            self._carry(plan, batches)
            if not self._is_much_due(plan):
                return

    def _is_much_due(self, plan: Plan) -> bool:
        """Whether there is work for two: by the ledger's count, or, for files that only mirrors ask for, by how full a batch is.

        What waits for no store (fragments of shared files) two threads do no sooner than one.
        """
        size = self._target.batch
        is_full = len(plan.tasks()) >= size or plan.bytes > BATCH_BYTES
        return self._lane.due() > size or (is_full and plan.waits_for_store)

    def _carry(self, plan: Plan, batches: Batches) -> None:
        """Carry out a batch. What goes wrong ends the drain for both hands."""
        try:
            self.carry_out(plan)
        except BaseException:
            batches.end()
            raise
        finally:
            batches.give_back(plan)

    def carry_out(self, plan: Plan) -> None:
        """Write a plan and settle it. When the store fails midway, what is known to be there is settled first."""
        result = Settlement(plan.number, held=plan.held, quarantined=list(plan.rejected))
        for known in plan.recognised:
            self._stored(known, known.file.etag, result)  # its journal line may have died with whoever wrote it
        fault_point("before in-flight mark")
        touched = [p.file for p in plan.puts] + plan.deletes
        if touched:
            moved = [p.before for p in plan.puts if p.before and p.before.key != p.file.key]
            self._lane.mark_in_flight(touched, moved)
        if plan.puts or plan.mirrored:
            with self._one_at_a_time:
                self._before_puts({p.file.project for p in plan.puts} | {c.project for c in plan.mirrored if c.after})
        fault_point("after in-flight mark")
        unknown = {f.task for f in touched}
        mirrored = {c.task for c in plan.mirrored}
        try:
            self._put(plan.puts, result, unknown)
            fault_point("after puts")
            self._delete(plan.deletes, result, unknown)
            self._mirror(plan, result, unknown)
            mirrored = set()
            self._delete(self._left(plan, result, unknown), result, unknown)
            fault_point("after deletes")
        finally:
            unknown |= mirrored
            result.settled = [(task, token) for task, token in plan.tokens.items() if task not in unknown]
            result.looked_at = {task for task in plan.tasks() if task not in unknown}
            settle(self._ledger, self._lane.id, result)
            with self._one_at_a_time:
                self._count(plan, result)
        fault_point("after settling")

    def _put(self, puts: list[Put], result: Settlement, unknown: set[int]) -> None:
        by_key = {p.object.key: p for p in puts}
        for answer in self._target.put_many([p.object for p in puts]) if puts else ():
            put = by_key[answer.key]
            outcome = self._look(put, result) if isinstance(answer, Refused) else answer
            if isinstance(outcome, Written):
                self._stored(put, outcome.etag, result)
                unknown.discard(put.file.task)
            elif isinstance(outcome, Failed):
                result.quarantined.append((put.file.task, put.file.project, outcome.reason))
                unknown.discard(put.file.task)

    def _left(self, plan: Plan, result: Settlement, unknown: set[int]) -> list[File]:
        """What tasks left at other keys, now that they are at their new one, or gone. They are not settled before it goes."""
        set_aside = {task for task, _, _ in result.quarantined}
        left = self._lane.left(plan.tokens.keys() - unknown - set_aside)
        unknown.update(f.task for f in left)
        return left

    def _stored(self, put: Put, etag: str | None, result: Settlement) -> None:
        file = put.file._replace(etag=etag)
        result.stored.append(file)
        if put.before is None or put.before.size < 0 or put.before.key != file.key:
            result.created[file.project] = result.created.get(file.project, 0) + 1
        result.lines.append(
            Line("put", "task", file.key, file.project, file.task, file.digest, etag, put.object.source_version)
        )

    def _look(self, put: Put, result: Settlement) -> Written | None:
        """A condition did not hold. Our own write whose answer was lost counts as written; else the task is read again."""
        found = self._target.head(put.object.key)
        if found is not None and found.digest == put.object.digest:
            return Written(put.object.key, found.etag)
        with self._one_at_a_time:
            self.totals.conflicts += 1
        log.info("object changed by someone else", target=self.planner.settings.name, key=put.object.key)
        size = put.before.size if put.before and put.before.key == put.file.key else -1
        result.stored.append(put.file._replace(digest=None, etag=found.etag if found else None, size=size))
        return None

    def _delete(self, files: list[File], result: Settlement, unknown: set[int]) -> None:
        if not files:
            return
        by_key = {f.key: f for f in files}
        if self.planner.settings.deletes == "tombstone":
            self._keep_tombstones(files)
        for outcome in self._target.delete_many(list(by_key)):
            file = by_key[outcome.key]
            if isinstance(outcome, Deleted):
                result.deleted.append(file)
                result.lines.append(Line("delete", "task", file.key, file.project, file.task))
                if file.size >= 0:
                    result.dropped[file.project] = result.dropped.get(file.project, 0) + 1
            elif isinstance(outcome, Failed):
                result.quarantined.append((file.task, file.project, outcome.reason))
            unknown.discard(file.task)

    def _keep_tombstones(self, files: list[File]) -> None:
        """The last document of a task goes to `_syncd/deleted/` before its object goes."""
        kept = []
        for file in files:
            last = self._target.get(file.key)
            if last is not None and last.body is not None:
                body = orjson.dumps(
                    {"project": file.project, "task": file.task, "document": orjson.Fragment(last.body)}
                )
                kept.append(Object(tombstone_key(file.project, file.task), body, digest=last.digest or ""))
        for outcome in self._target.put_many(kept) if kept else ():
            if not isinstance(outcome, Written):
                raise Unavailable(
                    f"the tombstone {outcome.key} cannot be stored in {self._target.where}; its task is kept"
                )

    def _mirror(self, plan: Plan, result: Settlement, unknown: set[int]) -> None:
        """The mirrors follow what is known to be in the bucket."""
        stuck = {task for task, _, _ in result.quarantined} - {task for task, _, _ in plan.rejected}
        due = [c for c in plan.mirrored if c.task not in unknown and c.task not in stuck]
        result.mirrored, lines = write_own_files(due, self._target, self._mirrors.mark_in_flight)
        result.lines += lines

    def _count(self, plan: Plan, result: Settlement) -> None:
        done = self.totals
        of_tasks = Counter(line.op for line in result.lines if line.kind == "task")
        written = of_tasks["put"] - len(plan.recognised)
        done.written += written
        done.deleted += of_tasks["delete"]
        done.mirrored += sum(line.kind == "mirror" for line in result.lines)
        done.bytes += sum(f.size for f in result.stored if f.digest is not None)
        done.unchanged += plan.unchanged
        done.rejected += len(result.quarantined)
        done.held += len(result.held)
        if plan.tasks():
            told = log.bind(target=self.planner.settings.name)
            told.info(
                "batch settled",
                tasks=len(plan.tasks()),
                written=written,
                deleted=len(result.deleted),
                unchanged=plan.unchanged,
                set_aside=len(result.quarantined),
            )
            for line in result.lines:
                told.debug("object " + line.op, key=line.key)
