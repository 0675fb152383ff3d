"""What the source asks of one target: every object that is to be there, read and rendered afresh."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5, sha256
from itertools import islice

from syncd.bucket import marker_body, project_body, registry_in
from syncd.documents import document_from
from syncd.errors import TaskRejected
from syncd.lanesettings import LaneSettings
from syncd.layout import MARKER, project_key, task_key
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept, MirrorLedger
from syncd.ledger.registries import Registry, registry_of
from syncd.model import Project, TaskDocument
from syncd.sources import Gone, Source, chosen
from syncd.targets import Target
from syncd.verifying import Difference, Wanted
from syncd.verifying.comparison import Comparison
from syncd.verifying.mirrored import MirrorFiles

TASKS = 500
"""Tasks read at once."""


class Asking:
    """What one target is asked to hold. `lane` None: there is no ledger yet."""

    def __init__(self, settings: LaneSettings, source: Source, target: Target, lane: LaneLedger | None) -> None:
        self._settings = settings
        self._source = source
        self._target = target
        self._lane = lane
        kept = MirrorLedger(lane.ledger, lane.id).mirrors() if lane else []
        self._kept: dict[tuple[int, str], Kept] = {(one.project, one.name): one for one in kept}

    def marker(self, instance: str) -> Wanted:
        return self._wanted(MARKER, marker_body(instance))

    def everything(self, tables: Comparison) -> Iterator[int]:
        """Put all that is wanted into the tables; yields how many tasks were read."""
        with_md5 = tables.needs_md5()
        for project in chosen(self._settings.projects, self._source.projects()):
            known = self._registry(project)
            registry = known or Registry()
            mirrors = self._mirrors(project, known, tables)
            ids, there = iter(self._source.tasks(project.id)), False
            while some := list(islice(ids, TASKS)):
                documents = (one for one in self._read(some, tables) if one.project == project.id)
                there = tables.want(self._of_tasks(documents, mirrors, tables, with_md5=with_md5)) > 0 or there
                yield len(some)
            if there:
                tables.want([self._wanted(project_key(project.id), project_body(project, registry))])
                self._shared(mirrors, tables)
            tables.forget_fragments()

    def again(self, tasks: Sequence[int], tables: Comparison) -> None:
        """These tasks' own objects, as the source shows them by now."""
        selected = {project.id for project in chosen(self._settings.projects, self._source.projects())}
        documents = (one for one in self._read(tasks, tables) if one.project in selected)
        tables.want_again(tasks, self._of_tasks(documents, (), tables, with_md5=False))

    def _read(self, tasks: Sequence[int], tables: Comparison) -> Iterator[TaskDocument]:
        """The documents that belong in the bucket."""
        for read in self._source.read(tasks, self._settings.shape):
            if isinstance(read, TaskRejected):
                known = self._lane.files([read.task]).get(read.task) if self._lane else None
                tables.set_aside(read.task, known.key if known else None, str(read))
            elif not isinstance(read, Gone) and read.body is not None:
                yield read

    def _of_tasks(
        self, documents: Iterable[TaskDocument], mirrors: Sequence[MirrorFiles], tables: Comparison, *, with_md5: bool
    ) -> Iterator[Wanted]:
        for one in documents:
            body = one.body or b""
            key = task_key(one.project, one.task, self._settings.layout)
            checksum = md5(body, usedforsecurity=False).hexdigest() if with_md5 else None
            yield Wanted(key, len(body), sha256(body).digest(), checksum, one.task)
            if mirrors:
                yield from self._in_mirrors(one.task, body, mirrors, tables)

    def _in_mirrors(
        self, task: int, body: bytes, mirrors: Sequence[MirrorFiles], tables: Comparison
    ) -> Iterator[Wanted]:
        try:
            document = document_from(body)
        except TaskRejected:
            return  # it is in no mirror
        for mirror in mirrors:
            yield from mirror.add(document, tables)

    def _mirrors(self, project: Project, registry: Registry | None, tables: Comparison) -> list[MirrorFiles]:
        """Those that are to be there; what others left stays until the lane has made up its mind."""
        found = []
        for n, one in enumerate(self._settings.mirrors):
            if not chosen(one.projects, [project]):
                continue
            mirror = MirrorFiles(one, project, registry or Registry(), n)
            untold = _untold(self._kept.get((project.id, one.name)), registry)
            if mirror.reason is None and untold is not None:
                tables.leave(f"{mirror.folder}*")
                tables.note(Difference("!", mirror.folder, untold))
            elif mirror.reason is None:
                found.append(mirror)
        return found

    def _shared(self, mirrors: Sequence[MirrorFiles], tables: Comparison) -> None:
        for mirror in mirrors:
            wanted = list(mirror.shared(tables))
            tables.want(wanted)
            project, name, _ = mirror.folder.split("/")
            for one in wanted:
                tables.call_ours(f"[0-9]*/{name}/{one.key.removeprefix(mirror.folder)}")
            kept = self._kept.get((int(project), name))
            if kept is not None and kept.etag and wanted:
                tables.trust(wanted[0].key, kept.etag)

    def _registry(self, project: Project) -> Registry | None:
        """Ours; before there is one, that which the bucket tells; None when nobody knows it."""
        ours = registry_of(self._lane.ledger, project.id) if self._lane else Registry()
        if ours.classes or ours.columns or ours.surveyed:
            return ours
        found = self._target.get(project_key(project.id))
        return registry_in(found.body or b"") if found else None

    def _wanted(self, key: str, body: bytes) -> Wanted:
        return Wanted(key, len(body), sha256(body).digest(), md5(body, usedforsecurity=False).hexdigest())


def _untold(kept: Kept | None, registry: Registry | None) -> str | None:
    """Why nobody can tell what a mirror is to be now; None when that is clear."""
    if registry is None:
        return "its class numbers and columns are not known, here or in project.json; they are made by a pass"
    if kept is not None and kept.state in ("refused", "rebuilding", "waiting"):
        return kept.reason or {"rebuilding": "it is being written again"}.get(kept.state, "it waits to be published")
    return None
