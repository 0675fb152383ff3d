"""What a first load has just downloaded, kept at hand for those about to read it: Label Studio exports it once, not twice.

A bounded number of bytes. A document stands here as the newest signal of its task described it: whoever signals another state, or
hears of a change, takes it away first.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from threading import Event

BYTES = 64 << 20
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One task as it was exported."""

    project: int
    finished: bool
    token: bytes
    exported: bytes
    """The task as JSON."""


class Shelf:
    """Documents by task, the oldest given up first. May be used by many threads."""

    def __init__(self, limit: int = BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._taken: set[int] = set()
        self._bytes = 0
        self._changed = threading.Condition()
        self._looked_at = 0.0

    def put(self, task: int, kept: Kept, stop: Event) -> None:
        """Keep one. Waits for readers while there is no room, as long as there are any."""
        with self._changed:
            self._drop(task)
            while self._is_full_for(kept) and not self._oldest_is_taken() and self._is_read() and not stop.is_set():
                self._changed.wait(0.2)
            while self._kept and self._is_full_for(kept):
                self._drop(next(iter(self._kept)))
            self._kept[task] = kept
            self._bytes += len(kept.exported)

    def look(self, task: int) -> Kept | None:
        """It stays: other targets want it too."""
        with self._changed:
            self._looked_at = time.monotonic()
            kept = self._kept.get(task)
            if kept is not None and task not in self._taken:
                self._taken.add(task)
                self._changed.notify_all()
            return kept

    def outdate(self, task: int, token: bytes | None) -> None:
        """Its newest state has this token: what stands here in another one goes."""
        with self._changed:
            kept = self._kept.get(task)
            if kept is not None and kept.token != token:
                self._drop(task)

    def take_away(self, tasks: Collection[int]) -> None:
        with self._changed:
            for task in tasks:
                self._drop(task)

    def clear(self) -> None:
        """Everything: the load is over."""
        with self._changed:
            self._kept.clear()
            self._taken.clear()
            self._bytes = 0

    def _is_full_for(self, kept: Kept) -> bool:
        return self._bytes + len(kept.exported) > self._limit and bool(self._kept)

    def _oldest_is_taken(self) -> bool:
        return next(iter(self._kept)) in self._taken

    def _is_read(self) -> bool:
        return time.monotonic() - self._looked_at < _PATIENCE_SECONDS

    def _drop(self, task: int) -> None:
        kept = self._kept.pop(task, None)
        if kept is not None:
            self._bytes -= len(kept.exported)
            self._taken.discard(task)
