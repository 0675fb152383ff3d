"""A folder or a file of Label Studio's JSON: exports, task files, or lines that tell changes.

File events are a hint, a rescan is the truth. A file counts when it is whole; until then its tasks stay as they were, nothing
that might be in it is taken for gone, and no claim goes past it. Where each task stands is kept in a temporary database on disk.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import ClassVar, Literal

from syncd.errors import Misconfigured, TaskRejected, Unavailable
from syncd.filesystem import filesystem_of, is_network
from syncd.labelstudio.storages import Storage
from syncd.model import DocumentShape, Project
from syncd.sources import Gone, Memory, Read, Signal, Signals, Urgency, chosen
from syncd.sources import Settings as SourceSettings
from syncd.sources._files_document import read_one
from syncd.sources._files_index import Found, Index
from syncd.sources._files_scan import Scanner
from syncd.targets import Finding

SPAN = 1024
WIDEST_GAP = 65536
"""Ids that are compared at once where there are no tasks."""
PATIENCE_SECONDS = 10.0
"""How long a single look waits for files that are being written."""
SHARE = 0.05
"""Of the time, for full rescans."""


class Settings(SourceSettings):
    """`source:` with `type: files`."""

    needs_instance: ClassVar[bool] = True

    type: Literal["files"]
    path: Path


class FilesSource:
    """One folder or file. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._root = settings.path.absolute()
        self._index = Index()
        self._scanner = Scanner(self._root, self._index, quiet=settings.poll_seconds)
        self._told_at = 0.0
        """When the last full look began, in seconds since the epoch; 0: there was none."""

    @property
    def where(self) -> str:
        return f"files:{self.settings.path}"

    def identity(self) -> str:
        raise Misconfigured(
            f"{self.where}: files do not say which Label Studio they come from; name it with `instance:`"
        )

    def projects(self) -> Sequence[Project]:
        self._scanner.scan_once(PATIENCE_SECONDS)
        self._scanner.describe()
        return self._chosen()

    def _chosen(self) -> list[Project]:
        described = self._scanner.described
        ids = sorted({*self._index.projects(), *described.titles})
        return chosen(self.settings.projects, [described.project(id_) for id_ in ids])

    def tasks(self, project: int) -> Iterator[int]:
        self._scanner.scan_once(PATIENCE_SECONDS)
        last = 0
        while found := self._index.after(last, most=SPAN):
            yield from (f.task for f in found if f.project == project)
            last = found[-1].task

    def close(self) -> None:
        self._index.close()

    # --- changes -------------------------------------------------------------------------------------------------

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        yield from self._learn(memory, stop)
        while not stop.is_set() and self._is_undecided() and time.monotonic() < deadline:
            stop.wait(self.settings.poll_seconds)
            yield from self._look_at_all(memory, stop)
        if self._scanner.waiting and not stop.is_set():
            raise Unavailable(self._not_whole())

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        from syncd.sources._files_hints import Hints

        with Hints(self._root) as hints:
            began = time.monotonic()
            yield from self._learn(memory, stop)
            of_interest = self._live()
            while not stop.is_set() and self._live() == of_interest:
                ended = time.monotonic()
                again_at = ended + max(self.settings.poll_seconds, (ended - began) / SHARE)
                while not stop.is_set() and time.monotonic() < again_at:
                    paths = hints.wait(min(self.settings.poll_seconds, max(0.0, again_at - time.monotonic())))
                    self._scanner.look(paths | self._scanner.being_written())
                    yield from self._tell(memory)
                began = time.monotonic()
                yield from self._look_at_all(memory, stop)

    def _learn(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        """Read what differs, compare everything."""
        started = time.time()
        yield from self._scanned(stop)
        if stop.is_set():
            return
        self._index.told_all()  # everything is compared now
        yield Signals(urgency="backfill", projects=self._chosen())
        live = self._live()
        first, top = 1, max(self._index.last_task(), memory.last_task())
        while first <= top and not stop.is_set():
            found = self._index.after(first - 1, most=SPAN, upto=first + WIDEST_GAP)
            last = found[-1].task if len(found) == SPAN else min(first + WIDEST_GAP, top)
            remembered = memory.tokens(first, last)
            yield self._compared({f.task: f for f in found}, remembered, live, "backfill")
            first = last + 1
        yield from self._tell(memory, "backfill")
        if not stop.is_set():
            yield self._claim(started)

    def _look_at_all(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        started = time.time()
        yield from self._scanned(stop)
        if stop.is_set():
            return
        yield from self._tell(memory)
        yield self._claim(started)

    def _scanned(self, stop: Event) -> Iterator[Signals]:
        """A full look; an empty batch each second in which it got on, since first reading gigabytes takes minutes."""
        with ThreadPoolExecutor(1, thread_name_prefix="files") as pool:
            scan = pool.submit(self._scanner.scan, stop)
            seen = self._index.steps
            while not wait([scan], timeout=1).done:
                if self._index.steps != seen:
                    seen = self._index.steps
                    yield Signals()
            scan.result()

    def _tell(self, memory: Memory, urgency: Urgency = "fresh") -> Iterator[Signals]:
        """What the files said anew, and what has been missing for long enough."""
        live = self._live()
        last = 0
        while tasks := self._index.touched(last):
            yield self._compared(self._index.of_tasks(tasks), _tokens(memory, tasks), live, urgency)
            self._index.told(tasks)
            last = tasks[-1]
        last, before = 0, self._missed_before()
        while tasks := self._index.missed(last, before=before):
            found, remembered = self._index.of_tasks(tasks), _tokens(memory, tasks)
            gone = [Signal(task, None) for task in tasks if task in remembered and task not in found]
            signals = self._compared(found, {t: remembered[t] for t in remembered if t in found}, live, urgency)
            yield Signals([*signals.signals, *gone], urgency)
            self._index.given_up(tasks)
            last = tasks[-1]

    def _compared(
        self, found: Mapping[int, Found], remembered: Mapping[int, bytes | None], live: frozenset[int], urgency: Urgency
    ) -> Signals:
        """Signals for what is not as remembered. What no file speaks of any more is noted as missing."""
        signals = [
            Signal(task, says.project, says.token)
            for task, says in found.items()
            if says.project in live and remembered.get(task) != says.token
        ]
        signals += [Signal(t, None) for t in remembered if t in found and found[t].project not in live]
        if missing := [task for task in remembered if task not in found]:
            self._index.miss(missing, time.time(), self._told_at)
        return Signals(signals, urgency)

    def _claim(self, started: float) -> Signals:
        """Everything up to `started` has been told, but for files that wait and tasks that are missing."""
        waiting = [w.stamp.modified / 1e9 for w in self._scanner.waiting.values()]
        missing = self._index.all_there_at()
        through = min([started, *waiting, started if missing is None else missing])
        self._told_at = started
        claimed = datetime.fromtimestamp(through, UTC) if through > 0 else None
        return Signals(synced=claimed, swept=claimed, projects=self._chosen())

    def _missed_before(self) -> float:
        """Since when a task must be missing to be gone: a file that came about then, and is not whole yet, may hold it."""
        seen = [w.seen_at for w in self._scanner.waiting.values()]
        return min([time.time(), *seen]) - self.settings.poll_seconds

    def _is_undecided(self) -> bool:
        """Whether waiting a little will tell more."""
        is_missing = self._index.all_there_at() is not None
        return bool(self._scanner.being_written()) or (is_missing and not self._scanner.waiting)

    def _live(self) -> frozenset[int]:
        return frozenset(project.id for project in self._chosen())

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        self._scanner.scan_once(PATIENCE_SECONDS)
        live = self._live()
        for at in range(0, len(tasks), SPAN):
            asked = tasks[at : at + SPAN]
            found = self._index.of_tasks(asked)
            yield from (self._unheard_of(task) for task in asked if task not in found)
            for says in sorted(found.values(), key=lambda f: (f.path, f.at)):
                yield read_one(says, shape) if says.project in live else Gone(says.task)

    def _unheard_of(self, task: int) -> Read:
        return TaskRejected(f"task {task}: {self._not_whole()}", task=task) if self._scanner.waiting else Gone(task)

    def _not_whole(self) -> str:
        waiting = sorted(self._scanner.waiting.items())
        named = "; ".join(f"{os.fsdecode(path)}: {why.reason}" for path, why in waiting[:3])
        return (
            f"{len(waiting)} file(s) in {self.where} are not whole ({named}). What they may hold is not known and not taken for "
            "gone; finish, repair or move them away"
        )

    # --- checking ------------------------------------------------------------------------------------------------

    def storages(self) -> Sequence[Storage]:
        """Files do not tell."""
        return ()

    def check(self) -> Iterable[Finding]:
        kind = filesystem_of(self._root)
        yield Finding("file system of the files", True, f"{kind}, polled only" if is_network(kind) else kind)
        projects = self.projects()
        count = sum(1 for project in projects for _ in self.tasks(project.id))
        yield Finding("read the files", True, f"{self.where}: {len(projects)} projects, {count} tasks")
        if self._scanner.waiting:
            yield Finding("whole files", False, self._not_whole())
        for project in projects:
            if not project.label_config:
                advice = "mirrors need one: put label_config.xml or project.json beside its files"
                yield Finding(f"label configuration of project {project.id}", True, advice, warning=True)


def _tokens(memory: Memory, tasks: Sequence[int]) -> dict[int, bytes | None]:
    """What memory holds of these tasks, which are in order: in one look where they stand close together."""
    if tasks[-1] - tasks[0] < 8 * len(tasks):
        wanted = set(tasks)
        return {task: token for task, token in memory.tokens(tasks[0], tasks[-1]).items() if task in wanted}
    return {task: token for one in tasks for task, token in memory.tokens(one, one).items()}


SOURCE = FilesSource
