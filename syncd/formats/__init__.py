"""The format contract: one task in, its own files and its fragments of shared files out. Pure: no clock, no network, no files.

    names(task, schema)             which classes and columns this task needs       → registry grows first
    render(task, context)           files of its own + fragments for shared files   → kept per task
    shared_files(context)           sections: head, separator, tail                 → fragments stand between, in task order
    extras(context)                 small shared files that depend on the registry only (classes.txt …)

A shared file is, for each of its sections: head + separator.join(fragments in task-id order) + tail. So the whole project is
never in memory, and a mirror can replace one task's fragments. The same input gives the same bytes, in whatever order.

Adding a format is adding one file here: a subclass of Format, with its name in capitals; `find()` finds it by file name.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from syncd.errors import Misconfigured
from syncd.model import LabelSchema, TaskJson
from syncd.words import did_you_mean

AnnotationPolicy = Literal["best", "all", "latest", "ground_truth"]
"""Which of a task's annotations a format uses (FORMATS rule 1; cancelled ones are never used, except by JSON and JSONL)."""


class Options(BaseModel):
    """A format's options, as in `--option K=V`. Unknown ones are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyOptions: TypeAlias = Options
"""The same, where the class variable of that name is in the way."""


@dataclass(frozen=True, slots=True)
class MediaFact:
    """What is known of a media file without opening it here. Sizes in pixels after EXIF orientation, duration in seconds."""

    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What one task adds to the project's registries: class labels of its regions, table columns."""

    classes: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Context:
    """What a rendering may know besides the task: the schema, the registries, facts about media, and the annotation policy."""

    schema: LabelSchema
    classes: Mapping[str, int] = field(default_factory=dict)
    """Label name → class number; a published number never changes its meaning."""
    columns: tuple[str, ...] = ()
    """Table columns, in order."""
    policy: AnnotationPolicy = "best"
    media: Mapping[str, MediaFact] = field(default_factory=dict)
    """Media address as it stands in the data → facts."""
    all_tasks: bool = False
    """Tasks without any annotation have an entry too (`--all-tasks`); else they have nothing (FORMATS rule 2)."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A region left out with nothing wrong (FORMATS rule 3): counted in the report by `reason`, a short constant phrase."""

    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Rendering:
    """One task, rendered. Paths are relative to the format's folder; fragments are keyed by section name.

    A section's fragment already holds its own inner separators when a task gives several records. An absent key
    means the task has nothing there. `items` counts what was exported (annotations, images, rows, lines).
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    fragments: Mapping[str, bytes] = field(default_factory=dict)
    items: int = 0
    updated_at: str = ""
    """Newest annotation `updated_at` that went in, ISO 8601; "" from formats whose files do not say it."""
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A run of fragments inside a shared file. Without fragments: head + tail."""

    name: str
    head: bytes = b""
    separator: bytes = b""
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that all tasks share, `path` relative to the format's folder."""

    path: str
    sections: tuple[Section, ...]


class Format(ABC):
    """One export format. Instances hold their options only; every method is a pure function of its arguments."""

    name: ClassVar[str]
    """Label Studio's name for it, in capitals."""
    summary: ClassVar[str]
    """One line for `syncd formats`."""
    default_policy: ClassVar[AnnotationPolicy] = "best"
    Options: ClassVar[type[AnyOptions]] = AnyOptions
    mirrors: ClassVar[bool] = True
    """False for formats that fetch media (…_WITH_IMAGES): `export` and `convert` only."""
    fetches: ClassVar[bool] = False
    """True when media are worth fetching for this format: `export` and `convert` then do."""
    own_files: ClassVar[str] = ""
    """Where a task's own files lie and how they end, `labels/*.txt`; "" for formats without any."""
    parts: ClassVar[bool] = False
    """True when shared output is one part file per segment of tasks (PARQUET, SPACY): see `part`."""
    part_suffix: ClassVar[str] = ""
    """How the names of part files end (`.parquet`); their fragments are keyed "part"."""
    whole: ClassVar[str] = ""
    """The name of the one file that a small project is, where readers know one; else part files always."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    @abstractmethod
    def accepts(self, schema: LabelSchema) -> str | None:
        """None when at least one control can give something this format holds; else the reason why not, one sentence."""

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        """The classes and columns this task needs in the registries before it can be rendered."""
        return Names()

    def columns(self, schema: LabelSchema) -> frozenset[str]:
        """Columns every table of this project has, whatever its tasks."""
        return frozenset()

    @abstractmethod
    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected when a region that this format should hold cannot be held (FORMATS rule 3)."""

    def render_document(self, body: bytes, task: TaskJson, context: Context) -> Rendering:
        """As `render`, for callers that have the document's own JSON (`task` is `body` parsed).

        Formats that hold whole tasks pass its bytes through, so that no number changes its digits.
        """
        return self.render(task, context)

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        """The shared files and their sections. `newest` is the newest Rendering.updated_at that went in."""
        return ()

    def extras(self, context: Context) -> Mapping[str, bytes]:
        """Small shared files that depend on schema and registries only."""
        return {}

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        """Addresses whose facts (size, duration) `render` would use where the task itself lacks them."""
        return ()

    def images(self, task: TaskJson, context: Context) -> Iterable[tuple[str, str]]:
        """Path in the format's folder and address of every image to fetch beside the labels (…_WITH_IMAGES)."""
        return ()

    def part(self, fragments: Iterable[tuple[int, bytes]], context: Context) -> bytes:
        """One part file from (task, fragment) in task order; only for formats with `parts`."""
        raise Misconfigured(f"{self.name} has no part files")


def available() -> dict[str, str]:
    """Format name → module. File names are format names in lower case; modules that start with `_` are shared code."""
    return {
        m.name.upper(): f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")
    }


def find(name: str) -> type[Format]:
    """The class of a format by name, case-insensitive. Raises Misconfigured with the nearest names."""
    modules = available()
    module = modules.get(name.upper())
    if module is None:
        raise Misconfigured(f"unknown format {name!r}{did_you_mean(name.upper(), modules)}")
    found: type[Format] = importlib.import_module(module).FORMAT
    return found


def parse_time(text: str) -> datetime:
    """Label Studio's ISO 8601 time as an aware datetime (UTC)."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
