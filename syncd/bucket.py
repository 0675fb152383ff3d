"""The small objects that say whose bucket this is and what its projects are: `_syncd/instance.json`, `{project}/project.json`."""

from collections.abc import Collection, Iterator
from hashlib import sha256

import orjson

from syncd.errors import Misconfigured, Unavailable
from syncd.layout import LAYOUT_VERSION, MARKER, STATE, project_key, project_of_key, task_of_key
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.settle import File, Line
from syncd.model import Project
from syncd.targets import Deleted, Object, Refused, Stored, Target, Written


def claim_marker(target: Target, instance: str) -> None:
    """Make this prefix ours, once. Raises Misconfigured when it is another Label Studio's."""
    found = target.get(MARKER)
    if found is None:
        body = orjson.dumps({"instance": instance, "layout": LAYOUT_VERSION, "writer": "syncd"})
        made = Object(MARKER, body, _digest(body), if_absent=target.capabilities.create_if_absent)
        answer = next(iter(target.put_many([made])))
        if isinstance(answer, Written):
            return
        found = target.get(MARKER) if isinstance(answer, Refused) else None
        if found is None:
            raise Unavailable(f"the marker {MARKER} cannot be stored in {target.where}: {answer}")
    _check_marker(found, target.where, instance)


def _check_marker(found: Stored, where: str, instance: str) -> None:
    try:
        says = orjson.loads(found.body or b"")
        theirs, layout = says["instance"], says["layout"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Misconfigured(f"{where} has a marker {MARKER} that is not syncd's; use another prefix") from error
    if theirs != instance:
        raise Misconfigured(
            f"{where} belongs to another Label Studio ({theirs}; this one is {instance}). Nothing was touched. Use a prefix of "
            f"its own, or, if it is the same one after all, set `instance: {theirs}`"
        )
    if layout > LAYOUT_VERSION:
        raise Misconfigured(f"{where} was written by a newer syncd (layout {layout}); use that version")


def reconcile(target: Target, lane: LaneLedger) -> int:
    """Learn from a listing what this ledger cannot know: it was lost, or another writer was here. Returns what differed."""
    projects: list[int] = []

    def files() -> Iterator[File]:
        for listed in target.list():
            found = task_of_key(listed.key)
            if found is not None:
                yield File(found[1], found[0], listed.key, None, listed.etag, listed.size, listed.md5)
            elif (project := project_of_key(listed.key)) is not None:
                projects.append(project)

    differing = lane.reconcile(files())
    there = {project: target.get(project_key(project)) for project in projects}
    lane.reconcile_published({p: sha256(found.body).digest() for p, found in there.items() if found and found.body})
    return differing


def last_claims(target: Target) -> str | None:
    """state.json as readers know it: claims go on from there, whatever this ledger remembers."""
    found = target.get(STATE)
    try:
        said = orjson.loads(found.body or b"") if found else None
    except orjson.JSONDecodeError:
        said = None
    return orjson.dumps(said).decode() if isinstance(said, dict) else None


class ProjectFiles:
    """Keeps `project.json` there, and true, for as long as a project has files."""

    def __init__(self, target: Target, ledger: Ledger, lane: LaneLedger) -> None:
        self._target = target
        self._ledger = ledger
        self._lane = lane

    def announce(self, projects: Collection[int]) -> None:
        """Before the first task object of a project: its project.json."""
        known = self._ledger.projects()
        published = self._lane.published()
        for project in projects:
            if project in known:
                self._put(known[project], published.get(project))

    def refresh(self) -> None:
        """Follow renamed and reconfigured projects; drop the file of those whose last task file went."""
        known, counts = self._ledger.projects(), self._lane.counts()
        for project, digest in self._lane.published().items():
            if not counts.get(project):
                self._drop(project)
            elif project in known:
                self._put(known[project], digest)

    def _put(self, project: Project, before: bytes | None) -> None:
        body = project_body(project)
        digest = sha256(body).digest()
        if digest == before:
            return
        key = project_key(project.id)
        answer = next(
            iter(self._target.put_many([Object(key, body, _digest(body), source_version=project.updated_at)]))
        )
        if not isinstance(answer, Written):
            raise Unavailable(f"{key} cannot be stored in {self._target.where}: {answer}")
        line = Line("put", "project", key, project.id, None, digest, answer.etag, project.updated_at)
        self._lane.keep_published(project.id, digest, line)

    def _drop(self, project: int) -> None:
        key = project_key(project)
        answer = next(iter(self._target.delete_many([key])))
        if isinstance(answer, Deleted):
            self._lane.keep_published(project, None, Line("delete", "project", key, project))


def project_body(project: Project) -> bytes:
    """`project.json`. Class numbers and columns are published once a registry of this project exists."""
    return orjson.dumps(
        {
            "id": project.id,
            "title": project.title,
            "label_config": project.label_config,
            "classes": [],
            "columns": None,
            "updated_at": project.updated_at,
        }
    )


def _digest(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
