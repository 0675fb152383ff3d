"""What each target did over the last hour: a sample every few seconds, for charts, rates and the progress of a backfill."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

SAMPLE_SECONDS = 5.0
KEPT = 720
"""Samples kept per target: an hour."""
RATE_SAMPLES = 6
"""Rates are means over so many samples: half a minute."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of one target. `looked`, `written` and `bytes` are totals since the process began."""

    at: float
    """Seconds since the epoch."""
    looked: int
    written: int
    bytes: int
    due: int
    held: int
    lag_seconds: float | None


class Rates:
    """The last hour of one target. One thread samples, any may read."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._most_due = 0

    def sample(self, *, looked: int, written: int, bytes_: int, due: int, held: int, lag_seconds: float | None) -> None:
        self._samples.append(Sample(self._clock(), looked, written, bytes_, due, held, lag_seconds))
        self._most_due = max(self._most_due, due) if due else 0

    def now(self) -> dict[str, float]:
        """Tasks looked at, objects written and their bytes, per second, over the last half minute."""
        recent = self.samples()[-RATE_SAMPLES - 1 :]
        if len(recent) < 2 or recent[-1].at <= recent[0].at:
            return {"tasks_per_second": 0.0, "objects_per_second": 0.0, "bytes_per_second": 0.0}
        first, last = recent[0], recent[-1]
        seconds = last.at - first.at
        return {
            "tasks_per_second": round((last.looked - first.looked) / seconds, 1),
            "objects_per_second": round((last.written - first.written) / seconds, 1),
            "bytes_per_second": round((last.bytes - first.bytes) / seconds, 1),
        }

    def progress(self) -> float:
        """How much is done of what has been due since nothing was, from 0 to 1."""
        samples = self.samples()
        due = samples[-1].due if samples else 0
        return 1 - due / self._most_due if due and self._most_due else 1.0

    def held(self) -> int:
        """Deletions that the brake held a moment ago."""
        samples = self.samples()
        return samples[-1].held if samples else 0

    def samples(self) -> list[Sample]:
        """Oldest first."""
        return list(self._samples)
