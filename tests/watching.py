"""Somebody who watches a source as the daemon does: remembers tokens, and reads whatever was signalled."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

from syncd.errors import SyncdError
from syncd.model import DocumentShape, TaskDocument
from syncd.sources import Owner, OwnerKind, Signal, Signals, Source
from tests.deployment import eventually

ALL = DocumentShape(tasks="all", drafts="full", completed_by="user")

Documents = dict[int, bytes]


class Remembered:
    """Tokens by task, as a ledger keeps them; at first none."""

    def __init__(self) -> None:
        self._tokens: dict[int, bytes | None] = {}
        self._projects: dict[int, int] = {}
        self._owners: dict[tuple[OwnerKind, int], int] = {}

    def keep(self, signals: Sequence[Signal], owners: Sequence[Owner] = ()) -> None:
        for signal in signals:
            if signal.project is None:
                self._tokens.pop(signal.task, None)
            else:
                self._tokens[signal.task] = signal.token
                self._projects[signal.task] = signal.project
        for kind, row, task in owners:
            if task is None:
                self._owners.pop((kind, row), None)
            else:
                self._owners[kind, row] = task

    def owners(self, kind: OwnerKind, rows: Collection[int]) -> Mapping[int, int]:
        return {row: self._owners[kind, row] for row in rows if (kind, row) in self._owners}

    def keep_read(self, read: TaskDocument) -> None:
        """A signal that nobody looked at gets its token from the reading."""
        if self._tokens.get(read.task, b"") is None:
            self._tokens[read.task] = read.token

    def tokens(self, first: int, last: int, *, project: int | None = None) -> Mapping[int, bytes | None]:
        return {
            task: token
            for task, token in self._tokens.items()
            if first <= task <= last and project in (None, self._projects[task])
        }

    def project(self, task: int) -> int | None:
        return self._projects[task] if task in self._tokens else None

    def seen_projects(self) -> Collection[int]:
        return {self._projects[task] for task in self._tokens}

    def last_task(self) -> int:
        return max(self._tokens, default=0)


class Watcher:
    """Watches from when it is made until `stop`; a source that ends or fails is watched anew."""

    def __init__(self, source: Source, fresh: Callable[[], Source]) -> None:
        self.source = source
        self.signalled: list[Signal] = []
        self.documents: Documents = {}
        self.errors: list[str] = []
        self.position: str | None = None
        self.story: Mapping[str, str | int] = {}
        self.synced = self.swept = datetime.min.replace(tzinfo=UTC)
        self._fresh = fresh
        self._memory = Remembered()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    # --- watching ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                for batch in self.source.watch(self._memory, self.position, self._stop):
                    self._take(batch)
                    # A claim may repeat itself, but never goes back while one source is watched.
                    self.synced = max(self.synced, batch.synced or self.synced)
                    self.swept = max(self.swept, batch.swept or self.swept)
            except SyncdError as error:
                self.errors.append(str(error))
                self._stop.wait(0.1)

    def _take(self, batch: Signals) -> None:
        self._memory.keep(batch.signals, batch.owners)
        for read in self.source.read([s.task for s in batch.signals], ALL):
            if isinstance(read, TaskDocument):
                self._memory.keep_read(read)
            if isinstance(read, TaskDocument) and read.body is not None:
                self.documents[read.task] = read.body
            else:
                self.documents.pop(read.task, None)
        self.signalled += batch.signals
        self.position = batch.position or self.position
        self.story = batch.story or self.story

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.source.close()

    # --- what is seen --------------------------------------------------------------------------------------------

    def level(self, *, swept: bool = False) -> Documents:
        """Wait until the claim covers now; then everything there is was signalled and read. Returns it."""
        now = datetime.now(UTC)
        eventually(lambda: (self.swept if swept else self.synced) > now, lambda: self.errors[-3:])
        assert self.documents == self.there()
        return dict(self.documents)

    def there(self) -> Documents:
        """Everything, read afresh by a source that remembers nothing."""
        with closing(self._fresh()) as source:
            tasks = [task for project in source.projects() for task in source.tasks(project.id)]
            read = [found for found in source.read(tasks, ALL) if isinstance(found, TaskDocument)]
            return {found.task: found.body for found in read if found.body is not None}
