"""What a conversion says when it is done: what was written, what was skipped, which tasks were set aside and why."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from syncd.errors import TaskRejected
from syncd.formats import Skipped

LISTED = 10_000
"""Tasks set aside that are kept by name; beyond, they are only counted."""
TASKS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SetAside:
    """A task that is not in the output. `task` is None when what came in has no task id."""

    task: int | None
    region: str | None
    reason: str

    def __str__(self) -> str:
        where = "a task without id" if self.task is None else f"task {self.task}"
        return f"{where}{f', region {self.region}' if self.region else ''}: {self.reason}"


def set_aside(rejected: TaskRejected) -> SetAside:
    """The report's line for an error."""
    return SetAside(rejected.task or None, rejected.region, str(rejected))


@dataclass(slots=True)
class Tally:
    """Counts that grow while tasks are rendered. Its size does not depend on the number of tasks."""

    tasks: int = 0
    items: int = 0
    newest: str = ""
    skipped: Counter[str] = field(default_factory=Counter)
    tasks_of: dict[str, list[int]] = field(default_factory=dict)
    """The first tasks in which something was skipped, by reason."""
    aside: list[SetAside] = field(default_factory=list)
    aside_count: int = 0

    def skip(self, skipped: Iterable[Skipped], task: int) -> None:
        for one in skipped:
            self.skipped[one.reason] += one.count
            tasks = self.tasks_of.setdefault(one.reason, [])
            if len(tasks) < TASKS_SHOWN:
                tasks.append(task)

    def set_aside(self, one: SetAside) -> None:
        self.aside_count += 1
        if len(self.aside) < LISTED:
            self.aside.append(one)

    def add(self, other: "Tally") -> None:
        """Take over the counts of tasks that come after these."""
        self.tasks += other.tasks
        self.items += other.items
        self.newest = max(self.newest, other.newest)
        self.skipped += other.skipped
        for reason, tasks in other.tasks_of.items():
            known = self.tasks_of.setdefault(reason, [])
            known += tasks[: TASKS_SHOWN - len(known)]
        self.aside += other.aside[: LISTED - len(self.aside)]
        self.aside_count += other.aside_count


@dataclass(frozen=True, slots=True)
class Report:
    """A finished conversion."""

    format: str
    path: str
    tally: Tally
    missing_media: tuple[str, ...] = ()
    """Why a media file is not beside its label, one sentence each."""
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """True when all that was asked for is there."""
        return not self.tally.aside_count and not self.missing_media

    def lines(self) -> Iterator[str]:
        """For people."""
        tally = self.tally
        yield f"{self.format}: {tally.tasks:,} tasks, {tally.items:,} items → {self.path} ({self.seconds:.1f} s)"
        for reason, count in sorted(tally.skipped.items()):
            tasks = tally.tasks_of[reason]
            more = ", …" if len(tasks) == TASKS_SHOWN else ""
            yield f"  skipped {count:,} × {reason} (tasks {', '.join(map(str, tasks))}{more})"
        for reason in self.missing_media:
            yield f"  media missing: {reason}"
        if tally.aside_count:
            yield f"  set aside {tally.aside_count:,} tasks, all others are written:"
        for one in tally.aside:
            yield f"    {one}"
        if tally.aside_count > len(tally.aside):
            yield f"    … and {tally.aside_count - len(tally.aside):,} more"

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        tally = self.tally
        return {
            "format": self.format,
            "path": self.path,
            "tasks": tally.tasks,
            "items": tally.items,
            "skipped": {
                reason: {"count": count, "tasks": tally.tasks_of[reason]}
                for reason, count in sorted(tally.skipped.items())
            },
            "missing_media": list(self.missing_media),
            "set_aside": [{"task": one.task, "region": one.region, "reason": one.reason} for one in tally.aside],
            "set_aside_count": tally.aside_count,
            "seconds": round(self.seconds, 3),
        }
