"""What a batch of dirty tasks asks of a target: reads, compares, decides.

It writes nothing but, with mirrors, their registries; `syncd plan` uses it without."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256

import structlog

from syncd import brake
from syncd.errors import TaskRejected
from syncd.lanesettings import LaneSettings
from syncd.layout import task_key
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.rendered import Change
from syncd.ledger.settle import File
from syncd.mirrors.tasks import Shown
from syncd.mirrors.upkeep import Mirrors
from syncd.model import TaskDocument
from syncd.sources import Gone, Source, chosen
from syncd.targets import Capabilities, Object, Target

log = structlog.get_logger()

BATCH_BYTES = 64 * 1024 * 1024
"""Bodies held at once; a batch of large documents is cut short, the rest stays due."""


@dataclass(frozen=True, slots=True)
class Put:
    """One object to store, and the file it replaces, at the same key or another one."""

    object: Object
    file: File
    before: File | None


@dataclass(slots=True)
class Plan:
    """What one batch comes to. `tokens` has every task decided on: the state that was read, None when it is gone."""

    number: int
    """The newest batch of signals before the tasks were read."""
    tokens: dict[int, bytes | None] = field(default_factory=dict)
    puts: list[Put] = field(default_factory=list)
    deletes: list[File] = field(default_factory=list)
    recognised: list[Put] = field(default_factory=list)
    """Objects that were found to be right already, though the ledger did not know."""
    unchanged: int = 0
    held: list[int] = field(default_factory=list)
    mirrored: list[Change] = field(default_factory=list)
    """What the batch changes in mirrors."""
    rejected: list[tuple[int, int, str]] = field(default_factory=list)
    """(task, project, reason)."""
    unsure: set[int] = field(default_factory=set)
    """Tasks whose whole project the source does not see: gone or hidden, which only the operator can know."""

    def tasks(self) -> set[int]:
        return {*self.tokens, *self.held}

    @property
    def waits_for_store(self) -> bool:
        """Whether any object is to be written or deleted."""
        return bool(self.puts or self.deletes or any(c.bodies or c.leftover for c in self.mirrored))

    @property
    def bytes(self) -> int:
        return sum(p.file.size for p in self.puts)


class Planner:
    """Decides for one lane."""

    def __init__(
        self,
        settings: LaneSettings,
        source: Source,
        target: Target,
        ledger: Ledger,
        lane: LaneLedger,
        mirrors: Mirrors | None = None,
    ) -> None:
        self.settings = settings
        self._source = source
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._mirrors = mirrors
        self._turn = 0

    def next(self, without: Collection[int] = ()) -> Plan:
        """A plan for the next due tasks, those in `without` left out; empty when nothing is due."""
        number = self._ledger.number
        due = self._lane.take(self._target.batch, turn=self._turn, without=without)
        tasks = [d.task for d in due]
        if self._mirrors is not None and len(tasks) < self._target.batch:
            again = self._mirrors.rows.take(self._target.batch - len(tasks), {*without, *tasks}, self._lane.only)
            tasks += again
        plan = self.decide(tasks, {d.task for d in due if d.released}, number)
        if plan.puts:
            self._turn = plan.puts[-1].file.project + 1
        return plan

    def decide(self, tasks: Sequence[int], released: Collection[int], number: int) -> Plan:
        """Read the tasks and compare. Raises Unavailable when the source, or a look at the target, is out of reach."""
        plan = Plan(number)
        if not tasks:
            return plan
        known = self._lane.files(tasks)
        listed = self._ledger.projects()
        selected = frozenset(p.id for p in chosen(self.settings.projects, listed.values()))
        can = self._target.capabilities
        leaving: list[File] = []
        shown: list[Shown] = []
        # A task that is at a new key leaves the mirrors of where it was, also when syncd died in between.
        left = {(f.task, f.project) for f in self._lane.left(tasks)} if self._mirrors else set()
        size = 0
        for read in self._source.read(tasks, self.settings.shape):
            file = known.get(read.task)
            plan.tokens[read.task] = None if isinstance(read, Gone) else read.token
            if isinstance(read, TaskRejected):
                plan.rejected.append((read.task, file.project if file else 0, str(read)))
                if file is not None:
                    left.add((read.task, file.project))
            elif isinstance(read, TaskDocument) and read.project not in listed:
                del plan.tokens[read.task]  # a webhook was faster than the source's next look, which brings the project
            elif isinstance(read, Gone) or read.body is None or read.project not in selected:
                leaving += [file] if file else []
                if isinstance(read, Gone) and not read.sure:
                    plan.unsure.add(read.task)
            else:
                digest = self._compare(plan, read, read.body, file, can)
                shown.append(Shown(read.task, read.project, read.body, digest))
                if file is not None:
                    left.add((read.task, file.project))
                left.discard((read.task, read.project))
                size += len(read.body)
                if size > BATCH_BYTES:
                    break
        self._let_go(plan, leaving, released)
        if self._mirrors is not None:
            left |= {(file.task, file.project) for file in leaving}
            plan.mirrored = self._mirrors.changes(shown, [one for one in left if one[0] in plan.tokens])
        return plan

    def _compare(self, plan: Plan, document: TaskDocument, body: bytes, file: File | None, can: Capabilities) -> bytes:
        """Notes what the document asks for; its digest."""
        hashed = sha256(body)
        key = task_key(document.project, document.task, self.settings.layout)
        same_key = file is not None and file.key == key
        if file is not None and same_key and file.digest == hashed.digest():
            plan.unchanged += 1
            return hashed.digest()
        now = File(document.task, document.project, key, hashed.digest(), file.etag if file else None, len(body))
        stored = Object(
            key,
            body,
            f"sha256:{hashed.hexdigest()}",
            source_version=document.updated_at,
            if_match=file.etag if file and same_key and can.if_match else None,
            if_absent=file is None and can.create_if_absent,
        )
        put = Put(stored, now, file)
        if file is not None and same_key and file.digest is None and self._holds(file, body, hashed.digest()):
            plan.unchanged += 1
            plan.recognised.append(put)
        else:
            plan.puts.append(put)
        return hashed.digest()

    def _holds(self, file: File, body: bytes, digest: bytes) -> bool:
        """Whether an object of which we know no digest holds this body: by a listing's size and checksum, or by a look."""
        if file.size != len(body):
            return False
        if file.md5 is not None:
            return file.md5 == md5(body, usedforsecurity=False).hexdigest()
        found = self._target.head(file.key)
        if found is not None and found.digest is None:
            found = self._target.get(file.key)
            return found is not None and found.body == body
        return found is not None and found.digest == f"sha256:{digest.hex()}"

    def _source_is_empty(self) -> bool:
        """Asked of the source itself: it signals many deletions little by little, and the first of them look harmless."""
        projects = self._source.projects()
        return all(next(iter(self._source.tasks(project.id)), None) is None for project in projects)

    def _let_go(self, plan: Plan, leaving: Sequence[File], released: Collection[int]) -> None:
        if self.settings.deletes == "keep":
            # Their files stay; the mirrors they leave are under the same brake.
            leaving = [f for f in leaving if self._mirrors is not None and self._mirrors.shows(f.project, f.task)]
        if not leaving:
            return
        if not self._ledger.swept:
            # Until one full sweep has been seen, a task that is not there may just not have been shown yet.
            for file in leaving:
                del plan.tokens[file.task]
            return
        empty = self._source_is_empty()
        asking = Counter(f.project for f in leaving if f.task not in released)
        ratio = self.settings.max_delete_ratio
        stopped = {
            p for p, n in asking.items() if brake.holds(self._lane, p, n, max_delete_ratio=ratio, source_is_empty=empty)
        }
        for file in leaving:
            if (file.project in stopped or file.task in plan.unsure) and file.task not in released:
                plan.held.append(file.task)
                del plan.tokens[file.task]
            elif self.settings.deletes != "keep":
                plan.deletes.append(file)
        if plan.held:
            log.warning("deletions held", target=self.settings.name, projects=sorted(stopped), tasks=len(plan.held))
