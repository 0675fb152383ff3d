"""What went to and from a target, counted for `status` and the metrics."""

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's buckets in seconds; a last bucket holds what took longer."""


@dataclass(slots=True)
class Histogram:
    """How long calls took: counts per bucket of BOUNDS, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum_seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum_seconds += seconds


@dataclass(slots=True)
class Traffic:
    """Totals since the target was opened. Reading is free; writing goes through the methods, from any thread."""

    objects: Counter[str] = field(default_factory=Counter)
    """By operation: put, get, head, delete, list, splice."""
    bytes_written: int = 0
    bytes_read: int = 0
    throttled: int = 0
    retries: int = 0
    conflicts: int = 0
    """Writes and deletes that a condition refused."""
    failed: int = 0
    """Objects that the store would not take while it took others."""
    seconds: dict[str, Histogram] = field(default_factory=dict)
    """By operation: how long one call took, which is a batch for put and delete."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def passed(self, operation: str, *, objects: int = 1, written: int = 0, read: int = 0) -> None:
        """Objects were written, read, listed …: how many, and their bytes."""
        with self._lock:
            self.objects[operation] += objects
            self.bytes_written += written
            self.bytes_read += read

    def sent(self, size: int) -> None:
        """Bytes went out that are part of no one object yet."""
        with self._lock:
            self.bytes_written += size

    def took(self, operation: str, seconds: float) -> None:
        """One call came back, well or not."""
        with self._lock:
            self.seconds.setdefault(operation, Histogram()).add(seconds)

    def refused(self, *, conflict: bool) -> None:
        """The store did not take one object: for a condition, or for what it is."""
        with self._lock:
            self.conflicts += conflict
            self.failed += not conflict

    def tried_again(self, *, throttled: bool) -> None:
        """A request was sent once more, because the store asked to slow down or did not answer well."""
        with self._lock:
            self.retries += 1
            self.throttled += throttled
