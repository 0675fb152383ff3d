"""Follows a Label Studio over REST: looks every `poll_seconds`, sweeps every `sweep_minutes`, and lets it rest in between.

Looks come first: a sweep goes on a page at a time between them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event

import structlog

from syncd.model import Project
from syncd.sources import Memory, ProjectChoice, Signal, Signals, chosen
from syncd.sources._api_hints import Hints
from syncd.sources._api_listing import NOTHING, Listing, Numbers
from syncd.sources._api_looks import Looks
from syncd.sources._api_sweep import PartlyUnreadable, Sweep

log = structlog.get_logger()

_REST = 3.0
"""Times as long as Label Studio worked for a look, or for the pages of a long sweep."""
_LONG_SECONDS = 2.0


class Following:
    """One watch, by one thread."""

    def __init__(
        self, listing: Listing, sweep: Sweep, hints: Hints, memory: Memory, choice: ProjectChoice, stop: Event
    ) -> None:
        self._listing = listing
        self._sweep = sweep
        self._hints = hints
        self._memory = memory
        self._choice = choice
        self._stop = stop
        self._looks = Looks(listing)
        self._unseen: frozenset[int] = frozenset()

    def everything(self) -> Iterator[Signals]:
        """One full pass: signals all that differs, and claims that. Raises Unavailable when a project cannot be read."""
        started = datetime.now(UTC)
        there = self._listing.projects()
        mine = chosen(self._choice, there)
        yield Signals(urgency="backfill", projects=mine)
        if self._memory.last_task() == 0:
            signals = self._load([project for project in mine if there[project].tasks])
        else:
            signals = self._every_project(there, mine)
        while not self._stop.is_set() and (batch := next(signals, None)) is not None:
            yield Signals(batch, urgency="backfill")
        if self._stop.is_set():
            return
        self._sweep.report()
        yield Signals(synced=started, swept=started)

    def follow(self, poll_seconds: float, sweep_seconds: float, unchanged: Callable[[], bool]) -> Iterator[Signals]:
        """Everything once, then changes as they come. Ends when `unchanged`, asked before each sweep, says no."""
        self._looks.begin(self._listing.projects())
        swept_at = time.monotonic()
        yield from self._as_far_as_possible()
        look_at, turn, worked = 0.0, swept_at + sweep_seconds, 0.0
        under_way: Iterator[Signals] | None = None
        while not self._stop.is_set():
            began = time.monotonic()
            if self._hints.pending() or began >= look_at:
                yield from self._look()
                look_at = time.monotonic() + max(poll_seconds, _REST * (time.monotonic() - began))
            elif began >= turn:
                if under_way is None:
                    if not unchanged():
                        return
                    under_way, swept_at, worked = self._as_far_as_possible(), began, 0.0
                batch = next(under_way, None)
                worked += time.monotonic() - began
                turn = time.monotonic() + (_REST * (time.monotonic() - began) if worked > _LONG_SECONDS else 0)
                if batch is None:
                    under_way, turn = None, max(turn, swept_at + sweep_seconds)
                else:
                    yield batch
            else:
                self._hints.wait(min(look_at, turn) - began, self._stop)

    def _as_far_as_possible(self) -> Iterator[Signals]:
        """Everything; where projects cannot be read, the others, and no claim."""
        try:
            yield from self.everything()
        except PartlyUnreadable as error:
            log.warning("nothing is claimed", reason=str(error))

    # --- inside --------------------------------------------------------------------------------------------------

    def _load(self, projects: Sequence[Project]) -> Iterator[list[Signal]]:
        yield from self._sweep.load([project.id for project in projects], self._memory, self._stop)
        for project in list(
            self._sweep.failed
        ):  # one row may be at fault: listed, the others are found, and read by themselves
            del self._sweep.failed[project]
            yield from self._sweep.project(project, self._memory)

    def _every_project(self, there: Mapping[Project, Numbers], mine: list[Project]) -> Iterator[list[Signal]]:
        self._sweep.failed.clear()
        for project, numbers in there.items():
            yield from self._of(project, numbers if project in mine else NOTHING)
        unseen = frozenset(self._memory.seen_projects()) - {p.id for p in there}
        if unseen - self._unseen:
            log.warning("projects out of sight", projects=sorted(unseen), reason=_OUT_OF_SIGHT)
        self._unseen = unseen
        yield from self._sweep.unseen(unseen, self._memory)

    def _look(self) -> Iterator[Signals]:
        suspects = self._hints.take()
        there = self._listing.projects()
        mine = chosen(self._choice, there)
        yield Signals(projects=mine)
        for project in mine:
            found, moved = 0, self._looks.numbers_moved(project.id, there[project])
            if there[project].tasks:
                for batch in self._looks.look(project.id, lambda states: self._sweep.differing(states, self._memory)):
                    found += len(batch)
                    yield Signals(batch)
            if not found and (moved or project.id in suspects):
                for batch in self._of(project, there[project]):
                    yield Signals(batch)

    def _of(self, project: Project, numbers: Numbers) -> Iterator[list[Signal]]:
        sweep = self._sweep.project if numbers.tasks else self._sweep.empty
        return sweep(project.id, self._memory)


_OUT_OF_SIGHT = (
    "the token no longer sees them: they were deleted, or it lost the right. Their files are kept; if they are to go, "
    "`syncd resume TARGET --allow-deletes --project P`"
)
