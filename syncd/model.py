"""Values that travel between sources, the pipeline, targets and formats. No I/O happens here.

Words: a *task* is Label Studio's; a *document* is its export-shaped JSON; a *signal* says that a task may have changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""Whatever JSON can hold. The only Any of this project: what annotators and importers wrote is theirs."""

TaskJson: TypeAlias = dict[str, Json]
"""One task in Label Studio's export shape, parsed."""


@dataclass(frozen=True, slots=True)
class DocumentShape:
    """What `task_id.json` holds: the `documents` section of the configuration, field by field."""

    tasks: Literal["labeled", "finished", "all"] = "labeled"
    annotations: Literal["all", "submitted", "ground_truth"] = "all"
    predictions: Literal["full", "ids", "none"] = "full"
    drafts: Literal["full", "ids", "none"] = "none"
    completed_by: Literal["id", "user"] = "id"


@dataclass(frozen=True, slots=True)
class Project:
    """A Label Studio project as its readers need it. `version` changes when title or label config do."""

    id: int
    title: str
    label_config: str
    version: str
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class TaskDocument:
    """One task read whole. `body` is compact UTF-8 JSON; None when the task does not qualify under the shape asked for."""

    task: int
    project: int
    body: bytes | None
    updated_at: str
    """The newest `updated_at` of the task and its annotations, ISO 8601 with `Z`."""
    token: bytes = b""
    """Differs when anything that a document could show differs; equal to the token that the source signals for this state."""


# --- label configuration ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Label:
    """One `<Label>` or `<Choice>` of a control. `name` is what results carry: the alias when there is one."""

    value: str
    alias: str | None = None
    category: int | None = None
    background: str | None = None
    model_index: int | None = None
    """The place of a keypoint in a pose model's list (`model_index`)."""

    @property
    def name(self) -> str:
        return self.alias or self.value


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """What is annotated: `<Image name="image" value="$image"/>`. `data_key` is "image"; `many`: `valueList`, several pages."""

    name: str
    type: str
    data_key: str | None
    many: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    index_flag: str = ""
    """What stands for the index in the name of a tag inside a Repeater (`{{idx}}` in `page_{{idx}}`); else ""."""


@dataclass(frozen=True, slots=True)
class ControlTag:
    """What annotates: `<RectangleLabels name="label" toName="image">`. `type` is the tag's name as written.

    `pattern` is a regular expression over `from_name` for tags inside a Repeater (`label_{{idx}}`), else None.
    """

    name: str
    type: str
    to_name: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    dynamic: bool = False
    """Labels come from the task's data (`value="$labels"`)."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """A label configuration, parsed: controls and objects by name, in the order of the configuration."""

    controls: Mapping[str, ControlTag]
    objects: Mapping[str, ObjectTag]
