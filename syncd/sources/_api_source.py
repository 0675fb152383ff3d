"""A Label Studio seen through its REST API alone.

At first, when nothing is remembered, everything is exported and read once. Then tasks whose time moved are looked for every
`poll_seconds`, and all tasks are listed every `sweep_minutes`. What is found is compared by token. Only sweeps prove anything,
since many edits move no time. Documents are read from exports: no other answer holds all that a document shows.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from threading import Event

import structlog

from syncd.labelstudio.rest import Client
from syncd.labelstudio.rest_storages import storages_of
from syncd.labelstudio.storages import Storage
from syncd.model import DocumentShape, Project
from syncd.sources import Gone, Memory, Read, Signals, chosen
from syncd.sources._api_following import Following
from syncd.sources._api_hints import Hints
from syncd.sources._api_listing import Listing
from syncd.sources._api_places import Places
from syncd.sources._api_reading import Reader
from syncd.sources._api_shelf import Shelf
from syncd.sources._api_snapshots import Snapshots
from syncd.sources._api_sweep import Sweep
from syncd.sources.api import Settings
from syncd.targets import Finding

log = structlog.get_logger()

TESTED = "1.23"
"""The release of Label Studio that the tests run."""
_SIGHT_SECONDS = 2.0


class ApiSource:
    """One Label Studio and the rights of one token. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client = Client(settings.url, settings.token.get_secret_value(), ca_file=settings.ca_file)
        self._listing, self._snapshots = Listing(self._client), Snapshots(self._client)
        self._shelf, self._places, self._hints = Shelf(), Places(), Hints()
        self._reader = Reader(self._listing, self._snapshots, self._shelf, self._places)
        self._seen_at = 0.0
        self._seen: Sequence[Project] = ()

    @property
    def where(self) -> str:
        return f"api:{self._client.url}"

    def identity(self) -> str:
        """From the address and the organization that the token works in."""
        who = self._client.get("/api/current-user/whoami")
        return "ls-" + blake2b(f"{self._client.url}#{who['active_organization']}".encode(), digest_size=6).hexdigest()

    def projects(self) -> Sequence[Project]:
        return chosen(self.settings.projects, self._listing.projects(counted=False))

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        return self._following(memory, stop).everything()

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        began = self.identity(), self.release()
        log.info("following label studio", url=self._client.url, release=began[1])
        for project in self._listing.projects(counted=False):
            self._snapshots.clear(project.id)
        yield from self._following(memory, stop).follow(
            self.settings.poll_seconds,
            self.settings.sweep_minutes * 60,
            unchanged=lambda: (self.identity(), self.release()) == began,
        )

    def hint(self, tasks: Mapping[int, int], projects: Collection[int]) -> None:
        self._shelf.take_away(tasks)
        for task, project in tasks.items():
            self._places.note(task, project)
        self._hints.give(projects)

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        return self._reader.read(tasks, shape, self._absent)

    def tasks(self, project: int) -> Iterator[int]:
        for task in self._listing.ids(project):
            self._places.note(task, project)
            yield task

    def storages(self) -> Sequence[Storage]:
        return [s for project in self.projects() for s in storages_of(self._client, project.id, "import")]

    def check(self) -> Iterable[Finding]:
        release = self.release()
        is_tested = release.startswith(TESTED + ".")
        yield Finding("version", True, release if is_tested else f"{release}; syncd is tested with {TESTED}")
        may = self._client.get("/api/current-user/whoami").get("permissions")
        may_export = may is None or "projects.change" in may
        yield Finding(
            "right to export",
            may_export,
            "" if may_export else "the token's user may not change projects, which Label Studio asks of exports",
        )
        there = self._listing.projects()
        mine = chosen(self.settings.projects, there)
        count = sum(there[project].tasks for project in mine)
        yield Finding("read over REST", True, f"{self.where}: {len(mine)} projects, {count} tasks")

    def close(self) -> None:
        self._client.close()

    def release(self) -> str:
        """The version of this Label Studio."""
        return str(self._client.get("/api/version").get("release", "unknown"))

    def _following(self, memory: Memory, stop: Event) -> Following:
        self._places.memory = memory
        sweep = Sweep(self._listing, self._snapshots, self._shelf, self._places)
        return Following(self._listing, sweep, self._hints, memory, self.settings.projects, stop)

    def _absent(self, task: int, project: int) -> Gone | None:
        """What is known of a task by its project alone."""
        if time.monotonic() - self._seen_at > _SIGHT_SECONDS or all(p.id != project for p in self._seen):
            self._seen, self._seen_at = list(self._listing.projects(counted=False)), time.monotonic()
        found = next((p for p in self._seen if p.id == project), None)
        if found is None:
            return Gone(task, sure=False)
        return None if chosen(self.settings.projects, [found]) else Gone(task)
