"""A task's own JSON from a file → its document in the shape asked for.

A file says what it says: what it leaves out (drafts that were not exported, a user behind a bare id) cannot be added here.
"""

import json
import os
from pathlib import Path

import orjson

from syncd.documents import document_of as checked
from syncd.documents import has_long_numbers, parsed
from syncd.errors import TaskRejected
from syncd.model import DocumentShape, Json, TaskDocument, TaskJson
from syncd.sources import Read
from syncd.sources._files_entries import task_in, token_of
from syncd.sources._files_index import Found


def read_one(says: Found, shape: DocumentShape) -> Read:
    """The task whose place was found, as long as its bytes are still there."""
    path = os.fsdecode(says.path)
    try:
        with Path(path).open("rb") as file:
            file.seek(says.at)
            body = file.read(says.length)
        if token_of(body) != says.token:
            return _changed(says.task, path, "it is being written")
        return document_of(body, says.project or 0, shape)
    except OSError as error:
        return _changed(says.task, path, error.strerror or str(error))
    except TaskRejected as rejected:
        return TaskRejected(f"{path}: {rejected}", task=says.task, token=says.token)


def _changed(task: int, path: str, reason: str) -> TaskRejected:
    return TaskRejected(
        f"task {task}: {path} cannot be read just now ({reason}); it is read again when it is whole", task=task
    )


def document_of(body: bytes, project: int, shape: DocumentShape) -> TaskDocument:
    """Raises TaskRejected when the task is none, or cannot stand in a document."""
    token = token_of(body)
    try:
        value, is_plain = parsed(body, is_exact=has_long_numbers(body))
        if not is_plain:
            body.decode()  # half a character would become something else
    except ValueError as error:
        raise TaskRejected(f"it is no JSON in UTF-8 any more ({error})", task=0) from error
    task = checked(task_in(value), body, is_plain=is_plain).task
    id_: int = task["id"]
    everything = [a for a in task["annotations"] if isinstance(a, dict)]
    wanted = [a for a in everything if _is_wanted(a, shape)]
    updated_at = max((str(of.get("updated_at") or "") for of in (task, *wanted)), default="")
    if not _qualifies(task, everything, wanted, shape):
        return TaskDocument(id_, project, None, _zulu(updated_at), token)
    shown = {**task, "annotations": [_with_person(a, shape) for a in wanted]}
    for kind, how in (("drafts", shape.drafts), ("predictions", shape.predictions)):
        shown[kind] = _listed(task.get(kind), how)
    return TaskDocument(id_, project, _compact(shown, id_, is_plain=is_plain), _zulu(updated_at), token)


def _is_wanted(annotation: TaskJson, shape: DocumentShape) -> bool:
    if shape.annotations == "submitted":
        return not annotation.get("was_cancelled")
    return shape.annotations == "all" or bool(annotation.get("ground_truth"))


def _qualifies(task: TaskJson, everything: list[TaskJson], wanted: list[TaskJson], shape: DocumentShape) -> bool:
    """Exports do not say `is_labeled`; then one annotation that was not skipped finishes a task, as with an overlap of one."""
    if shape.tasks == "all":
        return True
    finished = task.get("is_labeled", any(not a.get("was_cancelled") for a in everything))
    return bool(wanted) and (shape.tasks == "labeled" or bool(finished))


def _with_person(annotation: TaskJson, shape: DocumentShape) -> TaskJson:
    person = annotation.get("completed_by")
    if shape.completed_by == "id" and isinstance(person, dict):
        return {**annotation, "completed_by": person.get("id")}
    return annotation


def _listed(rows: Json, how: str) -> list[Json]:
    if not isinstance(rows, list) or how == "none":
        return []
    return [row.get("id") if isinstance(row, dict) else row for row in rows] if how == "ids" else rows


def _compact(task: TaskJson, id_: int, *, is_plain: bool) -> bytes:
    if is_plain:
        return orjson.dumps(task)
    try:
        text = json.dumps(task, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise TaskRejected(f"task {id_}: a number in it is no JSON number ({error})", task=id_) from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only escape
        return json.dumps(task, separators=(",", ":")).encode()


def _zulu(when: str) -> str:
    when = when.encode("utf-8", "replace").decode()  # half a character can stand in no journal, nor beside an object
    return when.removesuffix("+00:00") + "Z" if when.endswith("+00:00") else when
