"""What a task looks like over REST, boiled down to a token: the same one from the Data Manager's listing and from an export.

The listing shows all that can change quietly. What only an export has (an annotation's `unique_id`, the prediction it began as,
`allow_skip`) never changes, or moves `updated_at` as it does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from syncd.labelstudio.exported import dumped
from syncd.model import Json, TaskJson

_TASK = (
    "id", "project", "data", "meta", "created_at", "updated_at", "inner_id", "comment_count", "unresolved_comment_count",
    "last_comment_updated_at",
)  # fmt: skip
_ANNOTATION = (
    "id", "result", "was_cancelled", "ground_truth", "created_at", "updated_at", "draft_created_at", "lead_time", "import_id",
    "last_action", "bulk_created", "project", "updated_by", "parent_prediction", "parent_annotation", "last_created_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A task as it was seen."""

    task: int
    project: int
    token: bytes | None
    """None: Label Studio does not show enough of it."""
    updated_at: str


def listed(record: TaskJson, drafts: Iterable[Json]) -> State:
    """From the Data Manager's listing with all fields; `drafts` are everybody's, which the listing has not."""
    annotations = [(a, (a["completed_by"], a["created_username"])) for a in record.get("annotations", ())]
    updated_by = [user["user_id"] for user in record["updated_by"]]
    return _state(record, record["is_labeled"], updated_by, annotations, record.get("predictions", ()), drafts)


def exported(task: TaskJson, *, finished: bool) -> State:
    """From an export with everything expanded."""
    annotations = [(a, _person(a["completed_by"])) for a in task["annotations"]]
    updated_by = [task["updated_by"]] if task["updated_by"] else []
    return _state(task, finished, updated_by, annotations, task["predictions"], task["drafts"])


def _state(
    task: TaskJson,
    finished: bool,
    updated_by: list[int],
    annotations: list[tuple[Json, tuple[int | None, str]]],
    predictions: Iterable[Json],
    drafts: Iterable[Json],
) -> State:
    everything = (
        [task.get(name) for name in _TASK],
        [finished, updated_by, task.get("file_upload"), sorted(task.get("comment_authors", ()))],
        sorted([*(a.get(name) for name in _ANNOTATION), *who] for a, who in annotations),
        [_steady(p) for p in sorted(predictions, key=_id)],
        [_steady(d) for d in sorted(drafts, key=_id)],
    )
    token = blake2b(_canonical(everything), digest_size=8).digest()
    return State(task["id"], task["project"], token, task["updated_at"])


def _canonical(value: Json) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return dumped(value)  # the same value comes with the same order of keys


def _person(who: Json) -> tuple[int | None, str]:
    """As AnnotationSerializer.created_username prints it (tasks/serializers.py)."""
    if not who:
        return None, ""
    name = who["first_name"] + (" " + who["last_name"] if who["last_name"] else "")
    return who["id"], f"{name} {who['email']}, {who['id']}"


def _steady(row: Json) -> Json:
    return {name: value for name, value in row.items() if name != "created_ago"}


def _id(row: Json) -> int:
    found: int = row["id"]
    return found
