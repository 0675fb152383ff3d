"""What others said has changed, until the next look."""

import time
from collections.abc import Collection
from threading import Event, Lock

_NAP_SECONDS = 0.2


class Hints:
    """Projects to look at soon. May be used by many threads."""

    def __init__(self) -> None:
        self._projects: set[int] = set()
        self._lock = Lock()
        self._given = Event()

    def give(self, projects: Collection[int]) -> None:
        with self._lock:
            self._projects.update(projects)
        self._given.set()

    def pending(self) -> bool:
        return self._given.is_set()

    def take(self) -> set[int]:
        """All there are; they are gone then."""
        self._given.clear()
        with self._lock:
            taken, self._projects = self._projects, set()
        return taken

    def wait(self, seconds: float, stop: Event) -> None:
        """Until there is one, `stop` is set, or the time is over."""
        until = time.monotonic() + seconds
        while (
            not stop.is_set()
            and (left := until - time.monotonic()) > 0
            and not self._given.wait(min(left, _NAP_SECONDS))
        ):
            pass
