"""One full look at projects: every task's token against what was signalled, and what was signalled against what is there."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from threading import Event

from syncd.errors import Unavailable
from syncd.labelstudio.rest_faults import Refused
from syncd.sources import Memory, Signal
from syncd.sources._api_listing import IDS, Listing
from syncd.sources._api_places import Places
from syncd.sources._api_reading import keep
from syncd.sources._api_shelf import Shelf
from syncd.sources._api_snapshots import EACH, Snapshots, Unexportable, Wanted
from syncd.sources._api_states import State, exported
from syncd.sources._task_ids import TaskIds

BATCH = 256
_UNKNOWN = b"not signalled yet"
_SPAN = 1 << 14
"""Ids of the memory looked at at once."""


class PartlyUnreadable(Unavailable):
    """Some projects could not be looked at; the others were."""


class Sweep:
    """Sweeps one Label Studio; used by one thread."""

    def __init__(self, listing: Listing, snapshots: Snapshots, shelf: Shelf, places: Places) -> None:
        self._listing = listing
        self._snapshots = snapshots
        self._shelf = shelf
        self._places = places
        self.failed: dict[int, Unavailable] = {}
        """Projects that could not be looked at, with the reason. Nothing of theirs is said to be gone."""

    def project(self, project: int, memory: Memory) -> Iterator[list[Signal]]:
        """By listing, which leaves nothing behind in Label Studio; a batch for each page, empty or not."""
        met = TaskIds()
        try:
            for page in self._listing.states(project):
                for state in page:
                    met.add(state.task)
                yield self.differing(page, memory)
        except Refused as refused:
            if refused.status in (401, 429):
                raise
            self.failed[project] = refused
            return
        yield from self._gone(project, met, memory)

    def load(self, projects: Sequence[int], memory: Memory, stop: Event) -> Iterator[list[Signal]]:
        """The first time: by exports, whose documents are kept for those who read them next."""
        self.failed.clear()
        wanted = [Wanted(project, finished) for project in projects for finished in EACH]
        states, met = self._loaded(wanted, stop), defaultdict[int, TaskIds](TaskIds)
        while batch := list(islice(states, BATCH)):
            for state in batch:
                met[state.project].add(state.task)
            yield self.differing(batch, memory)
        for project in projects:
            if project not in self.failed and not stop.is_set():
                yield from self._overlooked(project, met[project])

    def unseen(self, projects: Iterable[int], memory: Memory) -> Iterator[list[Signal]]:
        """Tasks of projects that the token does not see: to be looked at once, which finds that nothing is known of them."""
        for project in projects:
            for first in range(0, memory.last_task() + 1, _SPAN):
                known = memory.tokens(first, first + _SPAN - 1, project=project)
                yield [Signal(task, project) for task, token in known.items() if token is not None]

    def empty(self, project: int, memory: Memory) -> Iterator[list[Signal]]:
        """A project that is there and has no tasks, or is not among those chosen."""
        return self._gone(project, TaskIds(), memory)

    def differing(self, states: Sequence[State], memory: Memory) -> list[Signal]:
        """Signals for those whose token is not the remembered one."""
        changed = [s for s in states if memory.tokens(s.task, s.task).get(s.task, _UNKNOWN) != s.token]
        for state in changed:
            self._places.note(state.task, state.project)
            self._shelf.outdate(state.task, state.token)
        return [Signal(state.task, state.project, state.token) for state in changed]

    def report(self) -> None:
        """Raises PartlyUnreadable when a project could not be looked at: nothing is proven then."""
        for project, reason in self.failed.items():
            raise PartlyUnreadable(f"project {project} could not be read, the others were: {reason}") from reason

    def _loaded(self, wanted: Sequence[Wanted], stop: Event) -> Iterator[State]:
        for one, task in self._snapshots.tasks(wanted, self._failed, stop.is_set):
            if stop.is_set():
                return
            try:
                state = exported(task, finished=one.finished)
                if state.token is not None:
                    self._shelf.put(state.task, keep(task, finished=one.finished, token=state.token), stop)
            except (KeyError, TypeError, AttributeError):  # whoever reads it says what is wrong
                state = State(task["id"], one.project, None, "")
            yield state

    def _overlooked(self, project: int, met: TaskIds) -> Iterator[list[Signal]]:
        """Tasks that were in neither export, reopened in between. Listing them all takes long, counting them does not."""
        if self._listing.count(project) == len(met):
            return
        ids = self._listing.ids(project)
        while page := list(islice(ids, IDS)):
            yield [Signal(task, project) for task in page if task not in met]

    def _failed(self, wanted: Wanted, reason: Unexportable) -> None:
        self.failed[wanted.project] = reason

    def _gone(self, project: int, met: TaskIds, memory: Memory) -> Iterator[list[Signal]]:
        for first in range(0, memory.last_task() + 1, _SPAN):
            gone = [t for t in memory.tokens(first, first + _SPAN - 1, project=project) if t not in met]
            for task in gone:
                self._places.note(task, project)
            self._shelf.take_away(gone)
            yield [Signal(task, None) for task in gone]
