"""Remembers what a format worked out last: one schema goes with all tasks of a project, and a task is asked for its names first
and rendered next."""

from collections.abc import Callable
from typing import Concatenate, Generic, ParamSpec, TypeVar

from syncd.model import LabelSchema, TaskJson

Rest = ParamSpec("Rest")
Answer = TypeVar("Answer")


class OfLastSchema(Generic[Answer]):
    """Calls a pure function of a schema only when the schema is another object than last time."""

    def __init__(self, work_out: Callable[[LabelSchema], Answer]) -> None:
        self._work_out = work_out
        self._last: tuple[LabelSchema, Answer] | None = None

    def __call__(self, schema: LabelSchema) -> Answer:
        last = self._last
        if last is None or last[0] is not schema:
            last = self._last = schema, self._work_out(schema)
        return last[1]


class OfLastTask(Generic[Rest, Answer]):
    """Calls a pure function of a task and of more when the task is another object than last time, or the rest not equal."""

    def __init__(self, work_out: Callable[Concatenate[TaskJson, Rest], Answer]) -> None:
        self._work_out = work_out
        self._last: tuple[TaskJson, object, Answer] | None = None

    def __call__(self, task: TaskJson, *rest: Rest.args, **named: Rest.kwargs) -> Answer:
        last = self._last
        if last is None or last[0] is not task or last[1] != (rest, named):
            last = self._last = task, (rest, named), self._work_out(task, *rest, **named)
        return last[2]
