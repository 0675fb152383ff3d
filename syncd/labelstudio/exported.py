"""A task as Label Studio exports it, with everything expanded → the task document under a shape.

The same document as `document` makes from database rows, equal as JSON. What the export says of people, predictions and drafts
in full is cut down to what the shape asks for; counters are counted; nothing volatile (`created_ago`) stays.
"""

import json
from collections.abc import Sequence

import orjson

from syncd.model import DocumentShape, Json, TaskJson


def document_of_export(task: TaskJson, shape: DocumentShape, *, finished: bool) -> bytes | None:
    """Compact UTF-8 JSON; None when the task does not qualify. `finished` is Label Studio's `is_labeled`, which no export has."""
    everything: list[Json] = sorted(task["annotations"], key=_id)
    wanted = [a for a in everything if _wanted(a, shape)]
    if shape.tasks != "all" and not (wanted and (shape.tasks == "labeled" or finished)):
        return None
    skipped = sum(1 for a in everything if a["was_cancelled"])
    document = {
        **task,
        "annotations": [{**a, "completed_by": _person(a["completed_by"], shape)} for a in wanted],
        "drafts": _listed(task["drafts"], shape.drafts),
        "predictions": _listed(task["predictions"], shape.predictions),
        "total_annotations": len(everything) - skipped,
        "cancelled_annotations": skipped,
        "total_predictions": len(task["predictions"]),
    }
    return dumped(document)


def newest_time(task: TaskJson, shape: DocumentShape) -> str:
    """The newest `updated_at` of the task and of the annotations that its document has."""
    return str(max([task["updated_at"], *(a["updated_at"] for a in task["annotations"] if _wanted(a, shape))]))


def dumped(value: Json) -> bytes:
    """Compact JSON. Integers beyond 64 bits and lone surrogates are valid JSON that only the standard library writes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _wanted(annotation: Json, shape: DocumentShape) -> bool:
    if shape.annotations == "submitted":
        return not annotation["was_cancelled"]
    return shape.annotations == "all" or bool(annotation["ground_truth"])


def _person(who: Json, shape: DocumentShape) -> Json:
    return who["id"] if shape.completed_by == "id" and isinstance(who, dict) else who


def _listed(rows: Sequence[Json], how: str) -> list[Json]:
    if how == "none":
        return []
    ordered = sorted(rows, key=_id)
    if how == "ids":
        return [_id(row) for row in ordered]
    return [{key: value for key, value in row.items() if key != "created_ago"} for row in ordered]


def _id(row: Json) -> int:
    found: int = row["id"] if isinstance(row, dict) else row
    return found
