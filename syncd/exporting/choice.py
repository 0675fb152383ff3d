"""The options of a snapshot, as Label Studio's clients send them: which tasks, which of their annotations, in what shape."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncd.converting.gathering import batches_of
from syncd.errors import Misconfigured
from syncd.model import DocumentShape, Json, TaskDocument
from syncd.sources import Source

OnlyOrExclude = Literal["only", "exclude"] | None
READ = 256


class _Options(BaseModel):
    """What is not known is not looked at: clients send fields of newer releases."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TaskFilter(_Options):
    view: int | None = None
    skipped: OnlyOrExclude = None
    finished: OnlyOrExclude = None
    annotated: OnlyOrExclude = None
    only_with_annotations: bool | None = None


class AnnotationFilter(_Options):
    """Kinds of annotations that are wanted; none named: all."""

    usual: bool | None = None
    ground_truth: bool | None = None
    skipped: bool | None = None


class OnlyId(_Options):
    only_id: bool = False


class Serialization(_Options):
    drafts: OnlyId | None = None
    predictions: OnlyId | None = None
    annotations__completed_by: OnlyId | None = None
    interpolate_key_frames: bool | None = None


class Choice(_Options):
    """The body of a request for a snapshot."""

    title: str | None = Field(default=None, max_length=2048)
    task_filter_options: TaskFilter | None = None
    annotation_filter_options: AnnotationFilter | None = None
    serialization_options: Serialization | None = None

    @property
    def shape(self) -> DocumentShape:
        """Everything, with ids for drafts and predictions, unless they are asked for in full."""
        told = self.serialization_options or Serialization()
        full = {name: "ids" if one is None or one.only_id else "full" for name, one in _parts(told)}
        who = told.annotations__completed_by
        return DocumentShape(
            tasks="all",
            completed_by="user" if who is not None and not who.only_id else "id",
            **full,  # type: ignore[arg-type]  # its keys and values are words of the shape
        )

    def documents(self, source: Source, project: int) -> Iterator[bytes]:
        """The task documents chosen, in task order, as JSON."""
        for tasks in batches_of(source.tasks(project), READ):
            finished = self._finished(source, tasks)
            for read in source.read(tasks, self.shape):
                if isinstance(read, TaskDocument) and read.body is not None and self._wants(read.task, finished):
                    body = self._filtered(read.body)
                    if body is not None:
                        yield body

    def _finished(self, source: Source, tasks: Sequence[int]) -> frozenset[int]:
        if self.task_filter_options is None or self.task_filter_options.finished is None:
            return frozenset()
        read = source.read(tasks, DocumentShape(tasks="finished"))
        return frozenset(one.task for one in read if isinstance(one, TaskDocument) and one.body is not None)

    def _wants(self, task: int, finished: frozenset[int]) -> bool:
        wish = self.task_filter_options.finished if self.task_filter_options else None
        return wish is None or (task in finished) == (wish == "only")

    def _filtered(self, body: bytes) -> bytes | None:
        tasks, kinds = self.task_filter_options or TaskFilter(), self.annotation_filter_options or AnnotationFilter()
        wishes = (tasks.skipped, tasks.annotated)
        if wishes == (None, None) and not tasks.only_with_annotations and not _named(kinds):
            return body
        task = json.loads(body)
        if not _has(task, wishes):
            return None
        if _named(kinds):
            task["annotations"] = [one for one in task["annotations"] if _kinds_of(one) & _named(kinds)]
            body = json.dumps(task, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return None if tasks.only_with_annotations and not task["annotations"] else body


def choice_of(body: bytes) -> Choice:
    """Raises Misconfigured, naming what is wrong."""
    try:
        found = Choice.model_validate_json(body or b"{}")
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise Misconfigured(f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}") from error
    told = found.serialization_options
    if told is not None and told.interpolate_key_frames:
        raise Misconfigured("serialization_options.interpolate_key_frames: syncd does not interpolate key frames")
    if found.task_filter_options is not None and found.task_filter_options.view is not None:
        raise Misconfigured(
            "task_filter_options.view: syncd knows no tabs of the Data Manager; filter by something else"
        )
    return found


def _parts(told: Serialization) -> tuple[tuple[str, OnlyId | None], ...]:
    return ("drafts", told.drafts), ("predictions", told.predictions)


def _named(kinds: AnnotationFilter) -> set[str]:
    return {name for name, wanted in kinds if wanted}


def _kinds_of(annotation: dict[str, Json]) -> set[str]:
    found = {name for name in ("ground_truth",) if annotation["ground_truth"]}
    if annotation["was_cancelled"]:
        found.add("skipped")
    return found or {"usual"}


def _has(task: dict[str, Any], wishes: tuple[OnlyOrExclude, OnlyOrExclude]) -> bool:
    """Whether there are skipped annotations, and others, as is wished."""
    there = [bool(annotation["was_cancelled"]) for annotation in task["annotations"]]
    found = (any(there), not all(there))
    return all(wish is None or has == (wish == "only") for wish, has in zip(wishes, found, strict=True))
