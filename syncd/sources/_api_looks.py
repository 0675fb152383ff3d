"""Looks between sweeps: which tasks' times moved, and which projects' numbers did without one. Quick, and proof of nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from syncd.model import Project
from syncd.sources import Signal
from syncd.sources._api_listing import Listing, Numbers
from syncd.sources._api_states import State

_LONG_AGO = "1970-01-01T00:00:00.000000Z"
_LATE = timedelta(seconds=10)
"""How long after its time a change may be committed and still be found by a look."""


class Looks:
    """What the last look saw of each project. Used by one thread."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._newest: dict[int, str] = {}
        self._numbers: dict[int, Numbers] = {}

    def begin(self, projects: Mapping[Project, Numbers]) -> None:
        """Take everything as it is now, before it is swept: what happens from here on is seen."""
        for project, numbers in projects.items():
            self._newest[project.id] = self._listing.newest(project.id) or _LONG_AGO
            self._numbers[project.id] = numbers

    def look(self, project: int, differing: Callable[[Sequence[State]], list[Signal]]) -> Iterator[list[Signal]]:
        """A batch for each page of tasks whose time moved."""
        newest = self._newest.get(project, _LONG_AGO)
        for page in self._listing.states(project, since=_with_margin(newest)):
            yield differing(page)
            newest = max(newest, *(state.updated_at for state in page))
            self._newest[project] = newest

    def numbers_moved(self, project: int, numbers: Numbers) -> bool:
        """Whether rows came or went since the last time this was asked."""
        moved = self._numbers.get(project) != numbers
        self._numbers[project] = numbers
        return moved


def _with_margin(newest: str) -> str:
    """While the newest time is fresh, one a little older may still be committed."""
    when = datetime.fromisoformat(newest)
    since = when - _LATE if datetime.now(UTC) - when < _LATE else when
    return since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
