"""Label Studio's own SQLite database, followed while people annotate.

`PRAGMA data_version` moves on every commit of another connection: while it stands still, nothing happened. When it moves, a
quick look (newest timestamps, new annotation ids) finds what people just did; then aggregates over blocks of task ids find
whatever adds or removes a row or moves a column, and a rolling comparison of whole tasks finds the rest (a label renamed
to one of the same length). When users, projects or data keys change, everything is compared. Every candidate is compared by
content token, so a touched but unchanged task is no signal.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Literal

from syncd.errors import Unavailable
from syncd.filesystem import filesystem_of, is_network
from syncd.labelstudio.storages import Storage, storages
from syncd.model import DocumentShape, Project
from syncd.sources import Memory, Read, Signals
from syncd.sources import Settings as SourceSettings
from syncd.sources._pace import Pace
from syncd.sources._rows import READ
from syncd.sources._sqlite_blocks import Blocks
from syncd.sources._sqlite_database import Database
from syncd.sources._sqlite_rows import QuickLook, SqliteRows
from syncd.sources._sweep import RollingSweep
from syncd.targets import Finding


class Settings(SourceSettings):
    """`source:` with `type: sqlite`."""

    type: Literal["sqlite"]
    path: Path


class SqliteSource:
    """One database file. Thread-safe: each thread reads on its own connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(settings.path)
        self._rows = SqliteRows(self._database, settings.projects)
        self._known: tuple[int, int] | None = None
        """The file that was last asked who it is, or followed."""

    @property
    def where(self) -> str:
        return f"sqlite:{self.settings.path}"

    def identity(self) -> str:
        self._known = self._database.file_id()
        return self._rows.identity(self.where)

    def projects(self) -> Sequence[Project]:
        return self._rows.projects()

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        started = datetime.now(UTC)
        yield Signals(urgency="backfill", projects=self.projects())
        for first, last in self._rows.spans(memory, READ):
            if stop.is_set():
                return
            yield Signals(self._rows.compare(first, last, memory), urgency="backfill")
        yield Signals(synced=started, swept=started)

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        from syncd.sources._wake import Wake

        file = self._known = self._database.file_id()
        with Wake(self.settings.path, self.settings.poll_seconds) as wake:
            while not stop.is_set() and self._database.file_id() == file:
                yield from self._follow_one_file(memory, stop, wake.wait)

    def _follow_one_file(self, memory: Memory, stop: Event, wait: Callable[[float], None]) -> Iterator[Signals]:
        """Until the file is replaced underneath, or something that every document draws from changes: then all over."""
        began = self._began()
        settled = self._version()
        blocks, quick = Blocks(self._database), QuickLook(self._rows)
        blocks.learn()
        for batch in self.sweep(memory, stop):
            yield batch
            # What people do meanwhile does not wait for the end of it.
            yield Signals(self._rows.compare_tasks(quick.look(self._version()), memory))
        every = self.settings.sweep_minutes * 60
        sweep = RollingSweep(self._rows, memory, every=every, swept_at=settled)
        while not stop.is_set():
            now, version = datetime.now(UTC), self._version()
            if version != settled:
                if self._began() != began:
                    return
                for found in self._find(blocks, quick, memory, stop):
                    yield found
                    yield from sweep.step(version)
                if stop.is_set():
                    return  # the look may have been cut short: it proves nothing
                yield Signals(synced=now, projects=self.projects())
                settled = version
            else:
                yield Signals(synced=now, swept=now if sweep.proves(version) else None)
                wait(sweep.rest(version))
                yield from sweep.step(version)

    def _find(self, blocks: Blocks, quick: QuickLook, memory: Memory, stop: Event) -> Iterator[Signals]:
        """What a moved `data_version` stands for: first the likely tasks, then every block; a batch for each, empty or not."""
        for span in blocks.differing(Pace(stop, share=0.25)):
            yield Signals(self._rows.compare_tasks(quick.look(self._version()), memory))
            if span is not None:
                yield Signals(self._rows.compare(*span, memory))

    def _began(self) -> object:
        return self._database.file_id(), self._rows.shared_version()

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        """Raises Unavailable for a moment when the file was replaced: it may be another Label Studio's."""
        if self._known not in (None, self._database.file_id()):
            raise Unavailable(
                f"{self.where} was replaced by another file; syncd asks it who it is, then goes on by itself"
            )
        return self._rows.documents(tasks, shape)

    def tasks(self, project: int) -> Iterator[int]:
        return self._rows.tasks_of_project(project)

    def storages(self) -> Sequence[Storage]:
        return list(storages(self.settings.path, "import"))

    def check(self) -> Iterable[Finding]:
        kind = filesystem_of(self.settings.path)
        yield Finding(
            "file system of the database",
            not is_network(kind),
            f"{kind}: SQLite is not safe on a network file system, changes would be missed; run syncd on Label Studio's host"
            if is_network(kind)
            else kind,
        )
        count = self._database.value("SELECT count(*) FROM task")
        yield Finding("read the database", True, f"{self.where}: {len(self.projects())} projects, {count} tasks")
        mode = self._database.value("PRAGMA journal_mode").decode()
        yield Finding("journal mode", True, mode)

    def close(self) -> None:
        self._database.close()

    def _version(self) -> tuple[object, int]:
        """Differs after every commit. The count is a connection's own: another file's may happen to be the same."""
        return self._database.file_id(), self._database.value("PRAGMA data_version")


SOURCE = SqliteSource
