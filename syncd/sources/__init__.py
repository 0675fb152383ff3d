"""The source contract: says which tasks may have changed, and reads whole tasks. It never writes to Label Studio's side.

A *signal* says only "look at task N". It carries the token of the state that was seen; what the pipeline reads later bears a
token too, and settles the signal only when both are equal, so that a change undone at the wrong moment is never lost.
Signals may be doubled or late; a change that the promise of `synced` or `swept` covers is never missing.

Adding a source is adding one file here, named by its `type` in the configuration: `Settings` and the class `SOURCE`.
"""

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from syncd.errors import Misconfigured, TaskRejected
from syncd.labelstudio.storages import Storage
from syncd.model import DocumentShape, Project, TaskDocument
from syncd.targets import Finding
from syncd.words import did_you_mean

Urgency = Literal["fresh", "backfill"]
"""`fresh`: somebody is waiting for it; `backfill`: first load, sweep or rebuild, after everything fresh."""

ProjectChoice = Literal["all"] | tuple[int | str, ...]
"""`all`, or ids and titles."""


class Settings(BaseModel):
    """What every source is configured with; each adds its own keys. Unknown ones are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs_instance: ClassVar[bool] = False
    """Whether nothing in the source says which Label Studio it is, so that `instance` must."""

    projects: ProjectChoice = "all"
    poll_seconds: float = Field(default=0.5, gt=0)
    sweep_minutes: float = Field(default=10, gt=0)


@dataclass(frozen=True, slots=True)
class Signal:
    """Task `task` may have changed. `token` names the state that was seen; None: not looked at. `project` None: it is gone."""

    task: int
    project: int | None
    token: bytes | None = None


OwnerKind = Literal["annotation", "prediction", "draft"]

Owner = tuple[OwnerKind, int, int | None]
"""(kind, id, task) of a row that belongs to a task; task None: the row is gone. A deletion may name only the row."""


@dataclass(frozen=True, slots=True)
class Signals:
    """A batch of signals and what it proves, once it and all batches before it are durable.

    `synced`: every change committed before then that adds or removes a row or moves an `updated_at` has been signalled;
    `swept`: every change of any kind. None claims nothing. `position` is where `watch` may start again. `projects`, when
    given, are all the projects there are now. `owners` are to be remembered,
    each row named once; `story`, when given, is how changes are seen at
    the moment, for `status`.
    """

    signals: Sequence[Signal] = ()
    urgency: Urgency = "fresh"
    synced: datetime | None = None
    swept: datetime | None = None
    position: str | None = None
    projects: Sequence[Project] | None = None
    owners: Sequence[Owner] = ()
    story: Mapping[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The task is not there (any more), or its project is not among those chosen."""

    task: int
    token: bytes = b""
    sure: bool = True
    """False: its whole project is out of the source's sight, deleted or a right lost. Held until the operator allows it."""


Read = TaskDocument | Gone | TaskRejected


class Memory(Protocol):
    """What the source signalled before: the ledger's side of a comparison by token."""

    def tokens(self, first: int, last: int, *, project: int | None = None) -> Mapping[int, bytes | None]:
        """Task → token last signalled, for ids first..last (both included). None: signalled without being looked at.

        With `project`, of the tasks that were last signalled in it.
        """

    def project(self, task: int) -> int | None:
        """The project that a task was last signalled in; None when it has gone or never was."""

    def seen_projects(self) -> Collection[int]:
        """The projects that tasks were last signalled in."""

    def owners(self, kind: OwnerKind, rows: Collection[int]) -> Mapping[int, int]:
        """Row → task, for those of the rows that `Signals.owners` told of last, and that are not gone."""

    def last_task(self) -> int:
        """The largest task id ever remembered that has not gone; 0 when there is none."""


class Source(Protocol):
    """A Label Studio, seen from outside. Methods may be called from several threads at once.

    All raise Unavailable when the source is out of reach (nothing is deleted then), Misconfigured when retrying is vain.
    """

    @property
    def where(self) -> str:
        """The place as a person would write it, without secrets."""

    def identity(self) -> str:
        """A name for this Label Studio that stays for its lifetime and no other one has."""

    def projects(self) -> Sequence[Project]:
        """The projects chosen, soft-deleted ones left out."""

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        """One full pass at full speed: signals every task whose token differs from memory, gone ones included.

        The last batch claims `synced` and `swept` as of the start. Ends early, without a claim, when `stop` is set.
        """

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        """A sweep, then changes as they come, until `stop` is set. A batch is durable when the next one is asked for.

        Ends by itself where another Label Studio may be in its place now: ask for its `identity`, then watch again.
        """

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        """Each task whole and fresh, in any order; one bad row costs nobody else anything."""

    def tasks(self, project: int) -> Iterator[int]:
        """The ids of a project's tasks, streamed, those that `read` then finds gone included."""

    def storages(self) -> Sequence[Storage]:
        """Where Label Studio imports tasks from: no target may be there. None where that cannot be seen."""

    def check(self) -> Iterable[Finding]:
        """Rights, file system, and whether what is needed is there."""

    def close(self) -> None:
        """Let go of connections. No call may follow."""


@runtime_checkable
class Hinted(Protocol):
    """A source that wants to be told when somebody says that something has changed: it looks at once."""

    def hint(self, tasks: Mapping[int, int], projects: Collection[int]) -> None:
        """These tasks (with their projects) may have changed, and something in these projects. May be wrong or doubled.

        To be called before the tasks are signalled: what the source keeps of them is forgotten.
        """


def chosen(choice: ProjectChoice, projects: Iterable[Project]) -> list[Project]:
    """The projects that a choice of ids and titles names."""
    return [p for p in projects if choice == "all" or p.id in choice or p.title in choice]


def named(wanted: str, projects: Iterable[Project], where: str) -> Project:
    """The project with this id, else this title. Raises Misconfigured with the nearest ones; `where` says who has none."""
    there = list(projects)
    titled = [p for p in there if str(p.id) == wanted] or [p for p in there if p.title == wanted]
    if len(titled) == 1:
        return titled[0]
    if titled:
        ids = ", ".join(str(p.id) for p in titled)
        raise Misconfigured(f"{len(titled)} projects of {where} are titled {wanted!r}; give the id: {ids}")
    known = [word for p in there for word in (p.title, str(p.id))]
    raise Misconfigured(f"{where} has no project {wanted!r}{did_you_mean(wanted, known)}")


def available() -> dict[str, str]:
    """Source type → module. Modules that start with `_` are shared code."""
    return {m.name: f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}


def settings_of(kind: str) -> type[Settings]:
    """The settings model of a source type; its client is not imported by this."""
    found: type[Settings] = importlib.import_module(available()[kind]).Settings
    return found


def make(kind: str, settings: Settings) -> Source:
    """A source, not yet connected."""
    if kind not in available():
        raise Misconfigured(f"unknown source type {kind!r}; there are {', '.join(sorted(available()))}")
    made: Source = importlib.import_module(available()[kind]).SOURCE(settings)
    return made
