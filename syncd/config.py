"""One YAML file → validated settings. Errors name file, line and key, what is wrong, and the nearest right word.

Any string may be `${ENV}` or `${ENV:-default}`; a secret may be `{file: PATH}`. Keys that only one source or target type knows
live with that plug-in; what is common stands here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from syncd import formats, sources, targets
from syncd.configfile import Place, Tree, read_tree
from syncd.errors import Misconfigured
from syncd.lanesettings import Deletes, LaneSettings
from syncd.layout import Layout
from syncd.mirrors.settings import MirrorSettings
from syncd.model import DocumentShape
from syncd.sources import ProjectChoice
from syncd.words import did_you_mean

M = TypeVar("M", bound=BaseModel)

SEARCHED = ("./syncd.yaml", "/etc/syncd/syncd.yaml")


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Documents(Strict):
    """The shape of `task_id.json`."""

    tasks: Literal["labeled", "finished", "all"] = "labeled"
    annotations: Literal["all", "submitted", "ground_truth"] = "all"
    predictions: Literal["full", "ids", "none"] = "full"
    drafts: Literal["full", "ids", "none"] = "none"
    completed_by: Literal["id", "user"] = "id"

    @property
    def shape(self) -> DocumentShape:
        return DocumentShape(**self.model_dump())


class Rate(Strict):
    """Ceilings for one target."""

    requests_per_second: float | None = Field(default=3000, gt=0)
    bytes_per_second: float | None = Field(default=None, gt=0)


class Mirror(Strict):
    """A converted format kept alongside. `options` are the format's own."""

    format: str
    name: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    annotations: Literal["best", "all", "latest", "ground_truth"] | None = None
    projects: ProjectChoice = "all"
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("format")
    @classmethod
    def _is_mirrored(cls, value: str) -> str:
        try:
            kind = formats.find(value)
        except Misconfigured as error:
            raise ValueError(str(error)) from error
        if not kind.mirrors:
            raise ValueError(f"{kind.name} is for export and convert only: mirrors copy no media")
        return kind.name

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str | None) -> str | None:
        if value == "tasks":
            raise ValueError("the folder tasks/ holds the task files; choose another name")
        return value

    @model_validator(mode="after")
    def _has_known_options(self) -> "Mirror":
        kind = formats.find(self.format)
        fields = kind.Options.model_fields
        for key in self.options:
            if key not in fields:
                there = f"it has {', '.join(fields)}" if fields else "it has none"
                raise ValueError(f"{kind.name} has no option {key!r}{did_you_mean(key, fields) or f'; {there}'}")
        try:
            kind.Options.model_validate(self.options)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            key = str(detail["loc"][0])
            raise ValueError(f"option {key}={self.options[key]!r}: {detail['msg']}") from error
        return self

    @property
    def folder(self) -> str:
        return self.name or self.format.lower()

    @property
    def settings(self) -> MirrorSettings:
        kind = formats.find(self.format)
        options = kind.Options.model_validate(self.options)
        policy = self.annotations or kind.default_policy
        return MirrorSettings(self.folder, kind.name, options, policy, self.projects)


def _mirror(value: object) -> object:
    return {"format": value} if isinstance(value, str) else value


class TargetConfig(Strict):
    """What every target has; `settings` are the keys of its own type."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    type: str
    projects: ProjectChoice = "all"
    documents: Documents | None = None
    layout: Layout = "project"
    deletes: Deletes = "delete"
    max_delete_ratio: float = Field(default=0.2, ge=0, le=1)
    publish_seconds: float = Field(default=30, gt=0)
    claims_seconds: float = Field(default=5, gt=0, le=10)
    journal_days: float = Field(default=30, gt=0)
    rate: Rate = Rate()
    mirrors: tuple[Annotated[Mirror, BeforeValidator(_mirror)], ...] = ()


class State(Strict):
    """Where the ledger lies."""

    path: Path = Path("syncd-state.db")


class Http(Strict):
    """The port for status, metrics, hooks and exports."""

    listen: str = Field(default="127.0.0.1:8780", pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]*):\d{1,5}$")
    token: str | None = Field(default=None, repr=False)
    snapshot_days: float = Field(default=7, gt=0)


class Log(Strict):
    """How syncd speaks."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Root(Strict):
    """The whole file; `source` and `targets` are checked against their own types afterwards."""

    instance: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    source: dict[str, Any]
    documents: Documents = Documents()
    targets: tuple[dict[str, Any], ...] = Field(min_length=1)
    state: State = State()
    http: Http | None = None
    log: Log = Log()
    shutdown_seconds: float = Field(default=25, gt=0)
    hung_seconds: float = Field(default=300, gt=0)


@dataclass(frozen=True, slots=True)
class TargetPart:
    """One target: what is common, and its plug-in's own settings."""

    config: TargetConfig
    settings: targets.Settings

    def lane(self, documents: Documents) -> LaneSettings:
        c = self.config
        return LaneSettings(
            c.name,
            (c.documents or documents).shape,
            c.projects,
            c.layout,
            c.deletes,
            c.max_delete_ratio,
            tuple(mirror.settings for mirror in c.mirrors),
            c.publish_seconds,
        )


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that has been checked through and through."""

    path: Path
    root: Root
    source_type: str
    source: sources.Settings
    targets: tuple[TargetPart, ...]
    secrets: tuple[str, ...]
    """Never to be shown."""


def find(chosen: Path | None) -> Path:
    """The configuration file: the one chosen, else $SYNCD_CONFIG, ./syncd.yaml, /etc/syncd/syncd.yaml."""
    named = chosen or (Path(os.environ["SYNCD_CONFIG"]) if os.environ.get("SYNCD_CONFIG") else None)
    if named is not None:
        return named
    for place in SEARCHED:
        if Path(place).exists():
            return Path(place)
    raise Misconfigured(
        f"no configuration found: looked for -c FILE, $SYNCD_CONFIG, {' and '.join(SEARCHED)}. `syncd init` writes one"
    )


def load(path: Path) -> Config:
    """Read and check a configuration. Raises Misconfigured with every mistake of the first section that has any."""
    tree = read_tree(path)
    root = _checked(Root, tree.value, tree, ())
    source_type = _type_of(root.source, sources.available(), tree, ("source",))
    source = _checked(sources.settings_of(source_type), root.source, tree, ("source",))
    if source.needs_instance and root.instance is None:
        raise Misconfigured(
            f"{tree.at(('source', 'type'))}: instance: is missing; {source_type} do not say which Label Studio they come from: "
            "give it a name, `instance: prod` say"
        )
    parts = []
    for n, raw in enumerate(root.targets):
        place: Place = ("targets", n)
        kind = _type_of(raw, targets.available(), tree, place)
        own = targets.settings_of(kind)
        common = {k: v for k, v in raw.items() if k in TargetConfig.model_fields}
        rest = {k: v for k, v in raw.items() if k not in common or k == "type"}
        known = {*TargetConfig.model_fields, *own.model_fields}
        config = _checked(TargetConfig, {"name": kind, **common}, tree, place)
        parts.append(TargetPart(config, _checked(own, rest, tree, place, known=known)))
    _refuse_twins(parts, tree)
    _refuse_nested(parts, tree)
    return Config(path, root, source_type, source, tuple(parts), tree.secrets)


def _refuse_twins(parts: list[TargetPart], tree: Tree) -> None:
    seen: dict[str, int] = {}
    for n, part in enumerate(parts):
        if part.config.name in seen:
            raise Misconfigured(
                f"{tree.at(('targets', n))}: targets.{n}.name: two targets are named {part.config.name!r}; "
                "give each its own `name`"
            )
        seen[part.config.name] = n
        if part.config.mirrors and part.config.type == "redis":
            raise Misconfigured(
                f"{tree.at(('targets', n, 'mirrors'))}: targets.{n}.mirrors: a redis target holds no mirrors"
            )
        folders = [m.folder for m in part.config.mirrors]
        if len(set(folders)) < len(folders):
            raise Misconfigured(
                f"{tree.at(('targets', n, 'mirrors'))}: targets.{n}.mirrors: two share a folder; set `name`"
            )


def _refuse_nested(parts: list[TargetPart], tree: Tree) -> None:
    """Two targets in one place would each take the other's files for their own."""
    places = [part.settings.place() for part in parts]
    for n, inner in enumerate(places):
        for m, outer in enumerate(places):
            if m != n and inner[: len(outer)] == outer and (m < n or len(inner) > len(outer)):
                where = "in the same place as" if inner == outer else "within the place of"
                raise Misconfigured(
                    f"{tree.at(('targets', n))}: targets.{n}: {parts[n].config.name!r} is {where} "
                    f"{parts[m].config.name!r}; give each target a prefix or folder of its own"
                )


def _type_of(raw: Mapping[str, Any], available: Mapping[str, str], tree: Tree, place: Place) -> str:
    kind = raw.get("type")
    if kind in available:
        return str(kind)
    where = ".".join(str(p) for p in (*place, "type"))
    if kind is None:
        raise Misconfigured(f"{tree.at(place)}: {where}: is missing; one of {', '.join(sorted(available))}")
    raise Misconfigured(
        f"{tree.at((*place, 'type'))}: {where}: unknown type {kind!r}{did_you_mean(str(kind), available)}"
    )


def _checked(model: type[M], raw: Mapping[str, Any], tree: Tree, place: Place, known: Iterable[str] = ()) -> M:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # A mistyped key first: what then seems to be missing follows from it.
        details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
        lines = [_explained(detail, model, tree, place, known) for detail in details]
        raise Misconfigured("\n".join(dict.fromkeys(lines))) from None


def _explained(detail: Any, model: type[BaseModel], tree: Tree, place: Place, known: Iterable[str]) -> str:
    inner = tree.existing((*place, *detail["loc"]))
    where = ".".join(str(p) for p in inner)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        words = known or _fields(model, inner[len(place) : -1])
        message = f"unknown key{did_you_mean(str(inner[-1]), words)}"
    elif detail["type"] == "missing":
        where = ".".join(str(p) for p in (*place, *detail["loc"]))
        message = "is missing"
    elif detail["type"] == "literal_error":
        expected = detail["ctx"]["expected"]
        message = f"must be {expected}{did_you_mean(str(detail['input']), _words(expected), only=True)}"
    return f"{tree.at(inner)}: {where or 'file'}: {message[0].lower() + message[1:]}"


def _words(expected: str) -> list[str]:
    return [word for word in expected.replace(" or ", ", ").replace("'", "").split(", ") if word]


def _fields(model: type[BaseModel], inner: Place) -> list[str]:
    """The keys that are known at a place inside a model."""
    here: Any = model
    for step in inner:
        if isinstance(step, int) or here is None:
            continue
        annotation = here.model_fields[step].annotation if step in here.model_fields else None
        here = next((a for a in _inside(annotation) if isinstance(a, type) and issubclass(a, BaseModel)), None)
    return list(here.model_fields) if here is not None else []


def _inside(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inside(argument)
