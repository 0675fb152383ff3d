"""PARQUET: one row per task and annotation, one typed column per control, for `datasets`, DuckDB, pandas and Spark.

Rendering makes lines of JSON; `part` turns a segment of them into one Parquet file. Only `part` needs pyarrow (extra
`syncd[parquet]`). Columns follow from the label configuration alone, so all part files of a project fit together.
"""

import io
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import orjson

from syncd.errors import Misconfigured, TaskRejected
from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Rendering, parse_time
from syncd.formats._memo import OfLastSchema
from syncd.formats._regions import UNKNOWN_CONTROL
from syncd.formats._select import annotations, newest_update, results_of, to_json
from syncd.formats._tables import counted, data_of
from syncd.labelstudio.labelconfig import control_for
from syncd.model import ControlTag, Json, LabelSchema, TaskJson

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["integer", "number", "truth", "time", "text", "texts"]

_FIXED: dict[str, Kind] = {
    "task_id": "integer",
    "annotation_id": "integer",
    "project_id": "integer",
    "completed_by": "integer",
    "created_at": "time",
    "updated_at": "time",
    "lead_time": "number",
    "ground_truth": "truth",
}
_WHOLE: dict[str, Kind] = {"data": "text", "result": "text"}
_SAID: dict[str, tuple[str | None, Kind]] = {
    "Choices": ("choices", "texts"),
    "TextArea": ("text", "texts"),
    "Rating": ("rating", "integer"),
    "Number": ("number", "number"),
}
_MOVED = "control_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_INTEGER = 2**63 - 1


class Column(NamedTuple):
    """The column of one control. `key` is where its values hold what it says; None: the whole value is kept as JSON."""

    name: str
    kind: Kind
    key: str | None


class Parquet(Format):
    """Ids, who, times (UTC), `lead_time` in seconds, `ground_truth`, the controls, then `data` and `result` as JSON text.

    Choices and TextArea are lists of strings, Rating an integer, Number a double; any other control is the JSON text of
    the list of its values, null when it said nothing. So are Ratings and Numbers that are asked per region or item.
    Tags in a Repeater share one column, a JSON object by `from_name`. A control named like a fixed column becomes
    `control_<name>`.
    """

    name: ClassVar[str] = "PARQUET"
    summary: ClassVar[str] = "one row per annotation with typed columns, for datasets, DuckDB, pandas and Spark"
    default_policy: ClassVar[AnnotationPolicy] = "all"
    parts: ClassVar[bool] = True
    part_suffix: ClassVar[str] = ".parquet"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._columns = OfLastSchema(control_columns)

    def accepts(self, schema: LabelSchema) -> str | None:
        return None

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for what JSON cannot carry and for values of another type than their column's."""
        used = annotations(task, context.policy, all_tasks=context.all_tasks)
        skipped: Counter[str] = Counter()
        columns = self._columns(context.schema)
        rows = [_row(task, annotation, columns, context.schema, skipped) for annotation in used]
        return Rendering(
            fragments={"part": b"".join(to_json(row, task=task["id"]) + b"\n" for row in rows)} if rows else {},
            items=len(rows),
            updated_at=newest_update(used),
            skipped=counted(skipped),
        )

    def part(self, fragments: Iterable[tuple[int, bytes]], context: Context) -> bytes:
        """A Parquet file, the same bytes for the same rows. Raises Misconfigured when pyarrow is not installed."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise Misconfigured("PARQUET needs pyarrow: pip install 'syncd[parquet]'") from error
        schema = _arrow_schema(context.schema)
        rows = [orjson.loads(line) for _, fragment in fragments for line in fragment.splitlines()]
        arrays = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file, compression="zstd")
        return file.getvalue()


def control_columns(schema: LabelSchema) -> dict[str, Column]:
    """Control name → its column, in the order of the configuration."""
    return {control.name: _column(control) for control in schema.controls.values()}


def _column(control: ControlTag) -> Column:
    name = f"{_MOVED}{control.name}" if _is_fixed(control.name) else control.name
    key, kind = _SAID.get(control.type, (None, "text"))
    several = control.attributes.get("perRegion") == "true" or control.attributes.get("perItem") == "true"
    if control.pattern is not None or (several and kind != "texts"):
        return Column(name, "text", None)
    return Column(name, kind, key)


def _is_fixed(name: str) -> bool:
    """Whether a column that is not a control's has this name, or one moved out of its way."""
    return name in _FIXED or name in _WHOLE or (name.startswith(_MOVED) and _is_fixed(name[len(_MOVED) :]))


def _arrow_schema(schema: LabelSchema) -> "pyarrow.Schema":
    import pyarrow as pa

    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
    }
    controls = {column.name: column.kind for column in control_columns(schema).values()}
    return pa.schema([(name, types[kind]) for name, kind in (_FIXED | controls | _WHOLE).items()])


def _row(
    task: TaskJson, annotation: TaskJson, columns: dict[str, Column], schema: LabelSchema, skipped: Counter[str]
) -> TaskJson:
    regions: dict[str, list[TaskJson]] = {}
    result = results_of(annotation)
    for region in result:
        control = control_for(schema, region.get("from_name") or "")
        if control is not None:
            regions.setdefault(control.name, []).append(region)
        elif "from_name" in region:
            skipped[UNKNOWN_CONTROL] += 1
    whole = {
        "data": to_json(data_of(task), task=task["id"], sort_keys=True).decode(),
        "result": _result_text(result, task["id"]),
    }
    said = {
        column.name: _said(regions.get(name, []), column, schema.controls[name], task=task["id"])
        for name, column in columns.items()
    }
    return {**_fixed(task, annotation), **said, **whole}


def _fixed(task: TaskJson, annotation: TaskJson) -> TaskJson:
    who = annotation.get("completed_by")
    found = {
        "task_id": task["id"],
        "annotation_id": annotation.get("id"),
        "project_id": task.get("project"),
        "completed_by": who.get("id") if isinstance(who, dict) else who,
        "created_at": _microseconds(annotation.get("created_at"), task["id"]),
        "updated_at": _microseconds(annotation.get("updated_at"), task["id"]),
        "lead_time": annotation.get("lead_time"),
    }
    numbers = {
        name: _number(value, "number" if name == "lead_time" else "integer", where=name, task=task["id"])
        for name, value in found.items()
    }
    truth = annotation.get("ground_truth")
    return {**numbers, "ground_truth": None if truth is None else bool(truth)}


def _microseconds(text: Json, task: int) -> int | None:
    """Time since 1970 in microseconds."""
    if text is None:
        return None
    try:
        time = parse_time(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise TaskRejected(f"its annotation's time {str(text)[:40]!r} is not ISO 8601", task=task) from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - _EPOCH) // timedelta(microseconds=1)


def _result_text(result: list[TaskJson], task: int) -> str:
    """A result as JSON text, region by region, so that a rejection names its region."""
    return (
        "["
        + ",".join(to_json(region, task=task, region=region.get("id"), sort_keys=True).decode() for region in result)
        + "]"
    )


def _said(regions: list[TaskJson], column: Column, control: ControlTag, *, task: int) -> Json:
    """What one control said in one annotation, as its column holds it; None for nothing."""
    if not regions:
        return None
    values = [region["value"] for region in regions]
    if column.key is None:
        told: Json = values
        if control.pattern is not None:
            told = {}
            for region, value in zip(regions, values, strict=True):
                told.setdefault(region["from_name"], []).append(value)
        return to_json(told, task=task, sort_keys=True).decode()
    answers = [value.get(column.key) for value in values]
    if column.kind == "texts":
        return [text for region, answer in zip(regions, answers, strict=True) for text in _texts(answer, region, task)]
    return _number(answers[-1], column.kind, where=column.name, task=task, region=regions[-1].get("id"))


def _texts(answer: Json, region: TaskJson, task: int) -> list[str]:
    texts = [answer] if isinstance(answer, str) else answer or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TaskRejected(f"{str(answer)[:80]!r} is no list of texts", task=task, region=region.get("id"))
    return texts


def _number(answer: Json, kind: Kind, *, where: str, task: int, region: str | None = None) -> float | None:
    if answer is None:
        return None
    if type(answer) in (int, float) and abs(answer) <= _LARGEST_INTEGER:
        if kind == "number":
            return float(answer)
        if answer == int(answer):
            return int(answer)
    raise TaskRejected(f"{where} {str(answer)[:40]!r} does not fit a column of type {kind}", task=task, region=region)


FORMAT = Parquet
