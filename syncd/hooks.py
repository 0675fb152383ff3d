"""What a webhook of Label Studio says, made durable: tasks to look at again. It is a hint, and nothing of it is believed.

Bodies are as Label Studio sends them (webhooks/models.py, WebhookAction.ACTIONS). Deletions of annotations name no task: the
source then looks at the project.
"""

import hmac
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson

from syncd.assembly import Assembly
from syncd.model import Json
from syncd.sources import Hinted, Signal, Signals

PATH = "/hooks/label-studio"
HEADER = "X-Syncd-Secret"
LARGEST = 64 << 20
"""Bytes of a body. Label Studio puts at most 5,000 tasks into one."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Tasks that may have changed, with their projects where the body names them, and the project that something happened in."""

    tasks: Mapping[int, int | None]
    project: int | None


def secret_of(token: str) -> str:
    """What Label Studio shows with each hook: made from `http.token`, which it never learns."""
    return hmac.new(token.encode(), b"label studio webhooks", sha256).hexdigest()


def is_ours(shown: str | None, token: str | None) -> bool:
    """Whether a request shows the secret, compared in constant time. Without `http.token` nobody can."""
    return bool(token) and hmac.compare_digest(
        (shown or "").encode("utf-8", "replace"), secret_of(token or "").encode()
    )


def hint_of(body: bytes) -> Hint:
    """What a body says. Raises ValueError when it is none of Label Studio's."""
    said = orjson.loads(body)
    if not isinstance(said, dict) or not isinstance(said.get("action"), str):
        raise ValueError("a webhook is a JSON object with an action")  # noqa: TRY004  one error for every wrong body
    project = _number(said.get("project"))
    tasks: dict[int, int | None] = {}
    for key, of_it in (("tasks", "id"), ("task", "id"), ("annotation", "task"), ("annotations", "task")):
        for row in _rows(said.get(key)):
            task = row.get(of_it)
            if isinstance(task, int):
                tasks[task] = _number(row.get("project")) or tasks.get(task) or project
    return Hint(tasks, project)


def take(assembly: Assembly, hint: Hint) -> None:
    """Durable when it returns: every target reads these tasks again. Raises Unavailable when the ledger cannot be written."""
    ledger = assembly.ledger
    placed = {task: ledger.project(task) or project for task, project in hint.tasks.items()}
    known = {task: project for task, project in placed.items() if project}
    if isinstance(assembly.source, Hinted):
        assembly.source.hint(known, _projects(hint, known))
    if known:
        signals = [Signal(task, project) for task, project in known.items()]
        ledger.record(Signals(signals), [lane.lane.id for lane in assembly.lanes])
        for lane in assembly.lanes:
            lane.wake.set()


def _projects(hint: Hint, known: Mapping[int, int]) -> Collection[int]:
    return {*known.values(), *([hint.project] if hint.project else ())}


def _rows(value: Json) -> Iterator[dict[str, Json]]:
    rows = value if isinstance(value, list) else [value]
    return (row for row in rows if isinstance(row, dict))


def _number(value: Json) -> int | None:
    """A project as a hook has it: an object, or its id alone."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, int) and found > 0 else None
