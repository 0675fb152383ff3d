"""The small objects that say whose bucket this is and what its projects are: `_syncd/instance.json`, `{project}/project.json`."""

from collections.abc import Collection, Iterator
from hashlib import sha256

import orjson

from syncd.errors import Misconfigured, Unavailable
from syncd.layout import LAYOUT_VERSION, MARKER, STATE, project_key, project_of_key, task_of_key
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger, ProjectFile
from syncd.ledger.registries import Registry, adopt, registry_of
from syncd.ledger.settle import File, Line
from syncd.model import Project
from syncd.targets import Deleted, Object, Refused, Stored, Target, Written


def claim_marker(target: Target, instance: str) -> None:
    """Make this prefix ours, once. Raises Misconfigured when it is another Label Studio's."""
    found = target.get(MARKER)
    if found is None:
        body = marker_body(instance)
        made = Object(MARKER, body, _digest(body), if_absent=target.capabilities.create_if_absent)
        answer = next(iter(target.put_many([made])))
        if isinstance(answer, Written):
            return
        found = target.get(MARKER) if isinstance(answer, Refused) else None
        if found is None:
            raise Unavailable(f"the marker {MARKER} cannot be stored in {target.where}: {answer}")
    check_marker(found, target.where, instance)


def marker_body(instance: str) -> bytes:
    return orjson.dumps({"instance": instance, "layout": LAYOUT_VERSION, "writer": "syncd"})


def check_marker(found: Stored, where: str, instance: str) -> None:
    """Raises Misconfigured when a prefix is another Label Studio's."""
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
    lane.reconcile_published({p: _adopted(lane.ledger, p, found) for p, found in there.items() if found})
    return differing


def _adopted(ledger: Ledger, project: int, found: Stored) -> ProjectFile:
    """A project.json as it was found; its registry is taken over, or contradicts ours."""
    body = found.body or b""
    conflicts = adopt(ledger, project, registry_in(body))
    return ProjectFile(sha256(body).digest(), found.etag, "; ".join(conflicts[:3]) or None)


def last_claims(target: Target, lane: LaneLedger, oldest_cursor: int) -> str:
    """state.json as readers know it: claims go on from there, whatever this ledger remembers but for the oldest cursor."""
    found = target.get(STATE)
    try:
        said = orjson.loads(found.body or b"") if found else {}
    except orjson.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    kept = orjson.loads(lane.facts().state or "{}")
    said["oldest_cursor"] = max(oldest_cursor, said.get("oldest_cursor", 0), kept.get("oldest_cursor", 0))
    return orjson.dumps(said).decode()


class ProjectFiles:
    """Keeps `project.json` there, and true, for as long as a project has files."""

    def __init__(self, target: Target, ledger: Ledger, lane: LaneLedger) -> None:
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._level: dict[int, tuple[Project, int]] = {}
        """Project → what its file was last made from."""

    def make_anew(self) -> None:
        """Compare every file again: what is there is not what was believed."""
        self._level.clear()

    def announce(self, projects: Collection[int]) -> None:
        """Before anything else is written for a project: its project.json, which tells what its class numbers mean."""
        known = self._ledger.projects()
        published = self._lane.published()
        for project in projects:
            if project in known:
                self._put(known[project], published.get(project))

    def refresh(self) -> None:
        """Follow renamed and reconfigured projects; drop the file of those whose last task file went."""
        known, counts, published = self._ledger.projects(), self._lane.counts(), self._lane.published()
        for project in sorted(published.keys() | counts.keys()):
            if not counts.get(project):
                self._drop(project)
            elif project in known:
                self._put(known[project], published.get(project))

    def _put(self, project: Project, before: ProjectFile | None) -> None:
        level = (project, self._ledger.registries_at[project.id])
        if before is not None and (before.conflict is not None or self._level.get(project.id) == level):
            return
        body = project_body(project, registry_of(self._ledger, project.id))
        digest = sha256(body).digest()
        if before is None or digest != before.digest:
            answer = self._store(project, body, before)
            line = Line("put", "project", answer.key, project.id, None, digest, answer.etag, project.updated_at)
            self._lane.keep_published(project.id, ProjectFile(digest, answer.etag), line)
        self._level[project.id] = level

    def _store(self, project: Project, body: bytes, before: ProjectFile | None) -> Written:
        """Replaces the version that is known, and no other one: somebody else's may have other numbers in it."""
        can, key = self._target.capabilities, project_key(project.id)
        etag = before.etag if before and can.if_match else None
        absent = before is None and can.create_if_absent
        stored = Object(key, body, _digest(body), source_version=project.updated_at, if_match=etag, if_absent=absent)
        answer = next(iter(self._target.put_many([stored])))
        if isinstance(answer, Refused):
            found = self._target.get(key)
            if found is not None and found.body == body:
                return Written(key, found.etag)
            self._lane.keep_published(project.id, _adopted(self._ledger, project.id, found) if found else None)
            raise Unavailable(
                f"{key} in {self._target.where} is not as this ledger knows it: somebody else wrote or removed it, or the ledger "
                "is an older copy. What is there is taken over now: the daemon goes on by itself, `syncd sync` when run again"
            )
        if not isinstance(answer, Written):
            raise Unavailable(f"{key} cannot be stored in {self._target.where}: {answer}")
        return answer

    def _drop(self, project: int) -> None:
        key = project_key(project)
        answer = next(iter(self._target.delete_many([key])))
        if isinstance(answer, Deleted):
            self._lane.keep_published(project, None, Line("delete", "project", key, project))


def project_body(project: Project, registry: Registry) -> bytes:
    """`project.json`. `columns` are those of each table, by format with its options; class numbers are everybody's."""
    return orjson.dumps(
        {
            "id": project.id,
            "title": project.title,
            "label_config": project.label_config,
            "classes": [{"id": number, "name": name} for name, number in registry.classes.items()],
            "columns": registry.columns or None,
            "updated_at": project.updated_at,
        }
    )


def registry_in(body: bytes) -> Registry:
    """The registry that a project.json tells; empty when it is none."""
    try:
        says = orjson.loads(body)
        classes = {str(entry["name"]): int(entry["id"]) for entry in says["classes"]}
        columns = {
            str(name): tuple(dict.fromkeys(map(str, listed))) for name, listed in (says["columns"] or {}).items()
        }
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return Registry()
    is_sound = len(set(classes.values())) == len(classes)
    return Registry(classes, columns) if is_sound else Registry()


def _digest(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
