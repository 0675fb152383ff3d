"""Flat rows for CSV and TSV with `rows: region`: one row per region, its value spread over `region_…` columns.

The prefix keeps a span's `text` apart from the task's: data keys that start with it move to `_data_<key>` like
any other collision.
"""

from syncd.formats._regions import labels_of
from syncd.labelstudio.labelconfig import control_for
from syncd.model import Json, LabelSchema, TaskJson

PREFIX = "region_"
COLUMNS = frozenset({"region_id", "region_control", "region_labels"})
"""What every region has; its own value adds `region_x`, `region_start`, `region_choices` …"""

_SIZES = ("original_width", "original_height")


def region_rows(result: list[TaskJson], schema: LabelSchema, *, task: int) -> tuple[list[TaskJson], int]:
    """One row of region columns per region of a known control, in the order of the result; and how many had none.

    A list of one stands as its element. Raises TaskRejected for labels that are no texts.
    """
    rows = []
    unknown = 0
    for region in result:
        name = region.get("from_name")
        if name is None:
            continue
        if schema.controls and control_for(schema, name) is None:
            unknown += 1
            continue
        rows.append(_row(region, name, task))
    return rows, unknown


def _row(region: TaskJson, name: str, task: int) -> TaskJson:
    row: TaskJson = {"region_id": region.get("id"), "region_control": name}
    row["region_labels"] = _alone(list(labels_of(region, task=task))) or None
    for key, said in region["value"].items():
        if not key.endswith("labels"):
            row[PREFIX + key] = _alone(said)
    for key in _SIZES:
        if key in region:
            row[PREFIX + key] = region[key]
    return row


def _alone(said: Json) -> Json:
    """The only element of a list of one."""
    return said[0] if isinstance(said, list) and len(said) == 1 else said
