"""JSON_MIN: one flat record per annotation, as Label Studio's converter simplifies it, plus the relations it loses.

Records are compact JSON with sorted keys, one per line inside an array. `relations` appears where there are any; its
`index` counts in the control's list (0 where the control has one bare value).
"""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Rendering, Section, SharedFile
from syncd.formats._memo import OfLastSchema
from syncd.formats._regions import UNKNOWN_CONTROL
from syncd.formats._results import LOST_RELATION, placed_relations, relations, to_json_of_task
from syncd.formats._select import annotations, results_of
from syncd.formats._tables import (
    RESERVED,
    annotation_fields,
    beside,
    control_cells,
    counted,
    data_columns,
    data_of,
)
from syncd.labelstudio.labelconfig import control_for
from syncd.model import Json, LabelSchema, TaskJson

_RESERVED = RESERVED | {"relations"}


class JsonMin(Format):
    """What each control says, per annotation, beside the task's data."""

    name: ClassVar[str] = "JSON_MIN"
    summary: ClassVar[str] = "one flat record per annotation: data, and what each control says"
    default_policy: ClassVar[AnnotationPolicy] = "all"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._columns = OfLastSchema(partial(data_columns, reserved=_RESERVED))

    def accepts(self, schema: LabelSchema) -> str | None:
        return None

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for values that JSON cannot carry and for regions without a value."""
        used = annotations(task, context.policy, all_tasks=context.all_tasks)
        if not used:
            return Rendering()
        skipped: Counter[str] = Counter()
        column = self._columns(context.schema)
        data = {column(key): value for key, value in data_of(task).items()}
        records = [_record(task, annotation, data, context.schema, skipped) for annotation in used]
        lines = [to_json_of_task(record, task, used, sort_keys=True) for record in records]
        return Rendering(
            fragments={"records": b",\n".join(lines)},
            items=len(records),
            skipped=counted(skipped),
        )

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        return (SharedFile("result.json", (Section("records", b"[\n", b",\n", b"\n]\n"),)),)


def _record(
    task: TaskJson, annotation: TaskJson, data: TaskJson, schema: LabelSchema, skipped: Counter[str]
) -> TaskJson:
    result = results_of(annotation)
    cells = control_cells(result, schema)
    if cells.unknown:
        skipped[UNKNOWN_CONTROL] += cells.unknown
    record = {**beside(cells.values, data, schema), **cells.values, **annotation_fields(annotation), "id": task["id"]}
    if "agreement" in task:
        record["agreement"] = task["agreement"]
    related = _relations(result, schema, skipped)
    if related:
        record["relations"] = related
    return record


def _relations(result: list[Json], schema: LabelSchema, skipped: Counter[str]) -> list[Json]:
    """The relations of one annotation, with their ends as control and place in the control's list."""
    related = relations(result)
    if not related:
        return []
    found = placed_relations(related, _places(result, schema))
    skipped[LOST_RELATION] += len(related) - len(found)
    return found


def _places(result: list[Json], schema: LabelSchema) -> dict[Json, Json]:
    """Region id → where its first value stands (a region with a label and a text has two values)."""
    places: dict[Json, Json] = {}
    seen: Counter[str] = Counter()
    for region in result:
        name = region.get("from_name")
        if name is not None and (not schema.controls or control_for(schema, name) is not None):
            places.setdefault(region.get("id"), {"name": name, "index": seen[name]})
            seen[name] += 1
    return places


FORMAT = JsonMin
