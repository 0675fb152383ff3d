"""JSON: the tasks as Label Studio exports them, in one array ordered by task id.

All annotations are there, skipped ones too, in id order. A task's own bytes pass through: no number changes its digits.
"""

from collections.abc import Iterable
from typing import ClassVar

from syncd.formats import Context, Format, Rendering, Section, SharedFile
from syncd.formats._results import to_json_of_task
from syncd.formats._select import annotation_id, newest_update
from syncd.model import LabelSchema, TaskJson


class JsonExport(Format):
    """One task per line inside the array."""

    name: ClassVar[str] = "JSON"
    summary: ClassVar[str] = "Label Studio's own export: every task with all its annotations, in one array"
    line_end: ClassVar[bytes] = b""

    def accepts(self, schema: LabelSchema) -> str | None:
        return None

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """The task as compact JSON. Raises TaskRejected for what JSON cannot carry."""
        body = to_json_of_task(in_id_order(task), task, task.get("annotations") or [])
        return self._rendering(body, task, context)

    def render_document(self, body: bytes, task: TaskJson, context: Context) -> Rendering:
        """The document itself, unless its annotations stand in another order than their ids."""
        if in_id_order(task) is not task:
            return self.render(task, context)
        return self._rendering(body.replace(b"\n", b" "), task, context)

    def _rendering(self, body: bytes, task: TaskJson, context: Context) -> Rendering:
        annotations = task.get("annotations") or []
        if not annotations and not context.all_tasks:
            return Rendering()
        return Rendering(fragments={"tasks": body + self.line_end}, items=1, updated_at=newest_update(annotations))

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        return (SharedFile("result.json", (Section("tasks", b"[\n", b",\n", b"\n]\n"),)),)


def in_id_order(task: TaskJson) -> TaskJson:
    """The task with its annotations by id: itself when they are."""
    given = task.get("annotations") or []
    ordered = sorted(given, key=annotation_id)
    return task if ordered == given else {**task, "annotations": ordered}


FORMAT = JsonExport
