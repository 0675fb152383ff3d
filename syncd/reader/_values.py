"""What a bucket says, as values: state.json, a line of the journal, a document. Fields that are not known are passed over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal

import orjson

from syncd.layout import task_of_key
from syncd.model import Json


@dataclass(frozen=True, slots=True)
class MirrorState:
    """One mirror of one project. `etag` names the version of its shared file that the claim is about."""

    synced_through: datetime | None
    etag: str | None = None
    quarantined: int = 0
    rebuilding: bool = False


@dataclass(frozen=True, slots=True)
class ProjectState:
    """One project: `tasks` is how many documents it has."""

    synced_through: datetime | None
    tasks: int = 0
    held_deletes: int = 0
    mirrors: Mapping[str, MirrorState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """`state.json`: what held when it was written. Times are aware, in UTC; None where nothing is claimed yet."""

    synced_through: datetime | None
    swept_through: datetime | None
    written_at: datetime | None
    dirty: int
    quarantined: int
    held_deletes: int
    journal_seq: int
    """The last line of the journal that is there: the cursor of a reader who knows everything by now."""
    projects: Mapping[int, ProjectState]
    oldest_cursor: int = 0
    """A reader whose cursor is lower lists anew: another ledger took over there, and its last deletions may be untold."""

    def through(self, project: int | None = None, mirror: str | None = None) -> datetime | None:
        """How far the bucket, one project of it or one mirror of that is true; None when nothing is claimed of it."""
        if project is None:
            return self.synced_through
        there: ProjectState | MirrorState | None = self.projects.get(project)
        if isinstance(there, ProjectState) and mirror is not None:
            there = there.mirrors.get(mirror)
        return there.synced_through if there else None


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the journal: what was put or deleted. It tells of the past; the object may be newer by now."""

    seq: int
    op: Literal["put", "delete"]
    kind: str
    """task, project or mirror."""
    key: str
    project: int
    task: int | None = None
    digest: str | None = None
    etag: str | None = None
    source_updated_at: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A task's document as it is now."""

    key: str
    body: bytes
    etag: str | None

    @property
    def project(self) -> int:
        return (task_of_key(self.key) or (0, 0))[0]

    @property
    def task(self) -> int:
        return (task_of_key(self.key) or (0, 0))[1]

    @property
    def digest(self) -> str:
        """As the journal has it: `sha256:…` of the body."""
        return f"sha256:{sha256(self.body).hexdigest()}"

    @property
    def json(self) -> Json:
        """The task in Label Studio's export shape, parsed."""
        return orjson.loads(self.body)


def state_of(body: bytes) -> State:
    """state.json, parsed. Raises ValueError or KeyError for what is none."""
    said = orjson.loads(body)
    return State(
        _time(said["synced_through"]),
        _time(said["swept_through"]),
        _time(said["written_at"]),
        said["dirty"],
        said["quarantined"],
        said["held_deletes"],
        said["journal_seq"],
        {int(project): _project(of) for project, of in said["projects"].items()},
        said.get("oldest_cursor", 0),
    )


def change_of(line: bytes) -> Change:
    """One line of a journal object, parsed."""
    said = orjson.loads(line)
    return Change(**{name: said[name] for name in Change.__slots__ if name in said})


def _project(said: Mapping[str, Json]) -> ProjectState:
    mirrors = {
        name: MirrorState(
            _time(of.get("synced_through")), of.get("etag"), of.get("quarantined") or 0, bool(of.get("rebuilding"))
        )
        for name, of in said.get("mirrors", {}).items()
    }
    return ProjectState(_time(said["synced_through"]), said["tasks"], said["held_deletes"], mirrors)


def _time(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None
