"""CSV: one row per annotation, with the columns, quoting and line ends of Label Studio's own CSV.

Strings and empty cells are quoted, numbers and booleans bare, lines end in CRLF; what is no plain text is compact JSON.
Columns come from the registry (`Context.columns`), so a table never changes under its readers.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Literal

import orjson
from pydantic import Field

from syncd.errors import Misconfigured, TaskRejected
from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Names, Rendering, Section, SharedFile
from syncd.formats._memo import OfLastSchema
from syncd.formats._region_rows import COLUMNS as REGION_COLUMNS
from syncd.formats._region_rows import PREFIX as REGION_PREFIX
from syncd.formats._region_rows import region_rows
from syncd.formats._regions import UNKNOWN_CONTROL
from syncd.formats._results import to_json_of_task
from syncd.formats._select import annotations, results_of
from syncd.formats._tables import (
    FIXED_COLUMNS,
    annotation_fields,
    beside,
    control_cells,
    control_columns,
    counted,
    data_columns,
    data_of,
    transcripts,
)
from syncd.model import Json, LabelSchema, TaskJson

MOST_COLUMNS = 2_000
"""Beyond this a table is of no use to spreadsheets and databases, and every row pays for every column."""

_BARE = (str, int, float, bool, type(None))
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CsvOptions(AnyOptions):
    """Options of CSV and TSV."""

    rows: Literal["annotation", "region"] = Field(
        default="annotation", description="what a row is; the value of a region is spread over `region_…` columns"
    )
    formulas: Literal["keep", "escape"] = Field(
        default="keep", description="escape: cells that a spreadsheet would take for a formula begin with an apostrophe"
    )


class Csv(Format):
    """A table of annotations; `rows: region` makes it one of regions, `formulas: escape` safe for spreadsheets."""

    name: ClassVar[str] = "CSV"
    summary: ClassVar[str] = "a table with one row per annotation (or region), comma separated"
    default_policy: ClassVar[AnnotationPolicy] = "all"
    path: ClassVar[str] = "result.csv"
    delimiter: ClassVar[str] = ","
    Options = CsvOptions
    options: CsvOptions

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._data_columns = OfLastSchema(partial(data_columns, prefix=REGION_PREFIX if self._by_region else None))

    def accepts(self, schema: LabelSchema) -> str | None:
        return None

    def columns(self, schema: LabelSchema) -> frozenset[str]:
        return FIXED_COLUMNS | REGION_COLUMNS if self._by_region else FIXED_COLUMNS

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        """The columns of the task's data, and of the controls that its annotations used."""
        used = annotations(task, policy, all_tasks=True)
        if not used:
            return Names()
        columns = set(map(self._data_columns(schema), data_of(task)))
        if "agreement" in task:
            columns.add("agreement")
        for annotation in used:
            if self._by_region:
                columns.update(*self._annotation_rows(task, annotation, schema, Counter()))
            else:
                said = control_columns(results_of(annotation), schema)
                columns = said.union(columns, beside(said, dict.fromkeys(columns), schema))
            if "history" in annotation:
                columns.add("history")
        if len(columns) > MOST_COLUMNS:
            raise TaskRejected(
                f"its data and results make {len(columns):,} columns; a table takes {MOST_COLUMNS:,}",
                task=task["id"],
            )
        return Names(columns=frozenset(columns))

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for values that JSON cannot carry and for regions without a value."""
        used = annotations(task, context.policy, all_tasks=context.all_tasks)
        if not used:
            return Rendering()
        skipped: Counter[str] = Counter()
        column_of = self._data_columns(context.schema)
        data = {column_of(key): value for key, value in data_of(task).items()}
        own = {key: task[key] for key in ("id", "agreement") if key in task}
        rows = [
            {**beside(row, data, context.schema), **row, **own}
            for annotation in used
            for row in self._annotation_rows(task, annotation, context.schema, skipped)
        ]
        to_json_of_task(rows, task, used)  # the check; the table has its own way of writing
        lines = self._lines([_cell(row.get(column)) for column in context.columns] for row in rows)
        return Rendering(
            fragments={"rows": lines},
            items=len(rows),
            skipped=counted(skipped),
        )

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        """Raises Misconfigured when the project has more columns than a table takes."""
        if len(context.columns) > MOST_COLUMNS:
            raise Misconfigured(
                f"{self.name}: {len(context.columns):,} columns, a table takes {MOST_COLUMNS:,}; the keys of the "
                "tasks' data differ from task to task: use JSON_MIN, JSONL or PARQUET, or import under fewer keys"
            )
        return (SharedFile(self.path, (Section("rows", head=self._lines([context.columns])),)),)

    @property
    def _by_region(self) -> bool:
        return self.options.rows == "region"

    def _annotation_rows(
        self, task: TaskJson, annotation: TaskJson, schema: LabelSchema, skipped: Counter[str]
    ) -> list[TaskJson]:
        """What one annotation adds to the task's own columns, per row."""
        fields = _fields(annotation)
        result = results_of(annotation)
        if self._by_region:
            rows, unknown = region_rows(result, schema, task=task["id"])
            found = [{**row, **fields} for row in rows] or [fields]
        else:
            cells = control_cells(result, schema)
            unknown = cells.unknown
            found = [{**cells.values, **transcripts(cells.values, schema), **fields}]
        if unknown:
            skipped[UNKNOWN_CONTROL] += unknown
        return found

    def _lines(self, rows: Iterable[Iterable[Json]]) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, quoting=csv.QUOTE_NONNUMERIC)
        if self.options.formulas == "escape":
            rows = ([_as_text(cell) for cell in row] for row in rows)
        writer.writerows(rows)
        return text.getvalue().encode()


def _fields(annotation: TaskJson) -> TaskJson:
    """The annotation's own columns; an annotator's id is a text here, as in Label Studio's table."""
    fields = annotation_fields(annotation)
    if isinstance(fields["annotator"], int):
        fields["annotator"] = str(fields["annotator"])
    if "history" in annotation:
        fields["history"] = annotation["history"]
    return fields


def _cell(value: Json) -> Json:
    """As Label Studio writes it: slashes in JSON are escaped."""
    return value if isinstance(value, _BARE) else orjson.dumps(value).decode().replace("/", "\\/")


def _as_text(cell: Json) -> Json:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


FORMAT = Csv
