"""What JSON_MIN, CSV and TSV share: what an annotation says in one cell per control, and where colliding names go.

Both follow Label Studio's converter, whose users have its column names in their scripts. A collision is decided by
the label configuration alone: a column never changes its meaning because of a row somebody adds.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from syncd.formats import Skipped
from syncd.labelstudio.labelconfig import control_for
from syncd.model import Json, LabelSchema, TaskJson

FIXED_COLUMNS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
RESERVED = FIXED_COLUMNS | {"agreement", "history"}
"""Columns that Label Studio's converter fills from the task or the annotation."""
MOVED = "_data_"

_ONE_WORD = {"Choices": "choices", "TextArea": "text"}


def data_column(
    key: str, schema: LabelSchema, *, reserved: frozenset[str] = RESERVED, prefix: str | None = None
) -> str:
    """Where a key of the task's data is found in the table: its own name, or `_data_<key>` when that is not free.

    Not free are control names, `reserved` and what starts with `prefix`. A data key that itself reads `_data_id`
    moves on to `_data__data_id`, so two keys never meet in one column.
    """
    name = key
    while True:
        if name in reserved or _is_said(name, schema) or (prefix and name.startswith(prefix)):
            return MOVED + key
        if not name.startswith(MOVED):
            return key
        name = name[len(MOVED) :]


def data_columns(
    schema: LabelSchema, *, reserved: frozenset[str] = RESERVED, prefix: str | None = None
) -> Callable[[str], str]:
    """`data_column` for the keys of one project, most of which come again with every task."""
    return lru_cache(maxsize=4096)(partial(data_column, schema=schema, reserved=reserved, prefix=prefix))


def _is_said(name: str, schema: LabelSchema) -> bool:
    """Whether a control of the configuration writes under this name."""
    chat = schema.controls.get(name.removesuffix("_transcript"))
    return control_for(schema, name) is not None or (chat is not None and chat.type == "Chat")


def data_of(task: TaskJson) -> TaskJson:
    """What was imported for the task to show."""
    return task.get("data") or {}


def annotation_fields(annotation: TaskJson) -> dict[str, Json]:
    """The columns that every annotation fills. Who: the e-mail address where users are exported in full, else the id."""
    who = annotation.get("completed_by")
    return {
        "annotator": who.get("email") if isinstance(who, dict) else who,
        "annotation_id": annotation.get("id"),
        "created_at": annotation.get("created_at"),
        "updated_at": annotation.get("updated_at"),
        "lead_time": annotation.get("lead_time"),
    }


def counted(skipped: Mapping[str, int]) -> tuple[Skipped, ...]:
    """Counts by reason, as the closing report takes them."""
    return tuple(Skipped(reason, count) for reason, count in sorted(skipped.items()) if count)


@dataclass(frozen=True, slots=True)
class ControlCells:
    """Of one annotation: control name → what it says, by first appearance; how many regions had no control."""

    values: dict[str, Json]
    unknown: int


def control_cells(result: list[TaskJson], schema: LabelSchema) -> ControlCells:
    """What each control says, as Label Studio's converter simplifies it.

    A region becomes its value (with the original size of what it lies on); one choice or one text becomes that string;
    and a control's only region stands alone when it is a choice or a text, else in a list. Relations have no control
    and are not here. Without a label configuration every region is kept, as its value.
    """
    controls = schema.controls
    values: dict[str, Json] = {}
    alone: list[str] = []
    unknown = 0
    for region in result:
        name = region.get("from_name")
        if name is None:
            continue
        control = controls.get(name) or control_for(schema, name)
        if control is None and controls:
            unknown += 1
            continue
        value = region["value"]
        key = None if control is None else _ONE_WORD.get(control.type)
        said = _sized(value, region) if key is None else _word(value, region, key)
        if name in values:
            values[name].append(said)
        else:
            values[name] = [said]
            if key is not None:
                alone.append(name)
    for name in alone:
        if len(values[name]) == 1:
            values[name] = values[name][0]
    return ControlCells(values, unknown)


def control_columns(result: list[TaskJson], schema: LabelSchema) -> set[str]:
    """The columns that the cells of a result fill, transcripts of chats included."""
    columns = set()
    for name in {name for region in result if (name := region.get("from_name")) is not None}:
        control = control_for(schema, name)
        if control is not None or not schema.controls:
            columns.add(name)
        if control is not None and control.type == "Chat":
            columns.add(f"{name}_transcript")
    return columns


def beside(said: Container[str], data: TaskJson, schema: LabelSchema) -> TaskJson:
    """The data's columns beside what an annotation said: without a label configuration only this shows collisions."""
    if schema.controls:
        return data
    return {MOVED + column if column in said else column: value for column, value in data.items()}


def transcripts(values: Mapping[str, Json], schema: LabelSchema) -> dict[str, str]:
    """`<name>_transcript` for every chat among the cells of an annotation: one line per message, `role: content`."""
    chats = [name for name in values if (control := control_for(schema, name)) and control.type == "Chat"]
    return {
        f"{name}_transcript": "\n".join(
            f"{said.get('role')}: {said.get('content')}" for said in values[name] if isinstance(said, dict)
        )
        for name in chats
    }


def _word(value: TaskJson, region: TaskJson, key: str) -> Json:
    words = value.get(key)
    if type(words) is list and len(words) == 1:
        return words[0]
    return _sized(value, region)


def _sized(value: TaskJson, region: TaskJson) -> Json:
    if "chatmessage" in value:
        return value["chatmessage"]
    if "original_width" in region:
        if "original_height" in region:
            return {
                **value,
                "original_width": region["original_width"],
                "original_height": region["original_height"],
            }
        return {**value, "original_width": region["original_width"]}
    if "original_height" in region:
        return {**value, "original_height": region["original_height"]}
    return value
