"""The rolling sweep: compares whole tasks with what was signalled, to find what moved no column
that a look sees (a label renamed to one of the same length, new file names).

It goes a span at a time, whenever its turn comes, so that fresh changes never wait for it, nor it for a quiet moment.
"""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from syncd.sources import Memory, Signals
from syncd.sources._rows import READ, Rows

SHARE = 0.1
"""Of one core."""


def this_clock() -> datetime:
    """Now: whatever was committed by now, a look that begins now sees."""
    return datetime.now(UTC)


class RollingSweep:
    """Sweeps again `every` seconds, unless nothing was committed since the last one began. Used by one thread."""

    def __init__(
        self,
        rows: Rows,
        memory: Memory,
        *,
        every: float,
        swept_at: object,
        clock: Callable[[], datetime | None] = this_clock,
    ) -> None:
        """`swept_at` is the version of the database from before everything was compared just now; `clock` says up to when all
        that was committed is seen by a look that begins now."""
        self._rows = rows
        self._memory = memory
        self._every = every
        self._clock = clock
        self._proven = swept_at
        self._under_way: Iterator[Signals] | None = None
        self._next_start = self._turn = time.monotonic() + every

    def proves(self, version: object) -> bool:
        """Whether every change of any kind up to this version has been signalled."""
        return version == self._proven

    def rest(self, version: object) -> float:
        """Seconds until its next turn; infinite when there is nothing to sweep for."""
        if self._under_way is None and self.proves(version):
            return math.inf
        return max(0.0, self._turn - time.monotonic())

    def step(self, version: object) -> Iterator[Signals]:
        """What comes of the next span, if its turn has come. `version` was read before."""
        if self.rest(version) > 0:
            return
        if self._under_way is None:
            self._next_start = time.monotonic() + self._every
            self._under_way = self._pass(version)
        cpu = time.thread_time()
        batch = next(self._under_way, None)
        self._turn = time.monotonic() + (time.thread_time() - cpu) / SHARE
        if batch is None:
            self._under_way, self._turn = None, max(self._turn, self._next_start)
        else:
            yield batch

    def _pass(self, version: object) -> Iterator[Signals]:
        started = self._clock()
        for first, last in self._rows.spans(self._memory, READ):
            yield Signals(self._rows.compare(first, last, self._memory), urgency="backfill")
        self._proven = version
        yield Signals(swept=started)
