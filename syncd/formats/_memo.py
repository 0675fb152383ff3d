"""Remembers what a format worked out of the last schema it saw, since one schema goes with all tasks of a project."""

from collections.abc import Callable
from typing import Generic, TypeVar

from syncd.model import LabelSchema

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
