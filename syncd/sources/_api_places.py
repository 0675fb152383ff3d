"""Which project a task is in: exports are asked for by project, and readers know only the task."""

import threading
from collections import OrderedDict

from syncd.sources import Memory

_KEPT = 50_000


class Places:
    """The tasks spoken of lately, and whatever the memory of signals knows. May be used by many threads."""

    def __init__(self) -> None:
        self._projects: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()
        self.memory: Memory | None = None
        """Of the last sweep or watch."""

    def note(self, task: int, project: int) -> None:
        with self._lock:
            self._projects[task] = project
            self._projects.move_to_end(task)
            if len(self._projects) > _KEPT:
                self._projects.popitem(last=False)

    def of(self, task: int) -> int | None:
        """None when nobody has spoken of it."""
        with self._lock:
            noted = self._projects.get(task)
        if noted is not None or self.memory is None:
            return noted
        return self.memory.project(task)
