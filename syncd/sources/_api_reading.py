"""Reads tasks whole: from the shelf of a load under way, else from exports of just these tasks."""

from collections.abc import Callable, Iterator, Sequence

import orjson

from syncd.errors import TaskRejected
from syncd.labelstudio.exported import document_of_export, dumped, newest_time
from syncd.labelstudio.rest_faults import Refused
from syncd.model import DocumentShape, TaskDocument, TaskJson
from syncd.sources import Gone, Read
from syncd.sources._api_listing import Listing
from syncd.sources._api_places import Places
from syncd.sources._api_shelf import Kept, Shelf
from syncd.sources._api_snapshots import EACH, Snapshots, Unexportable, Wanted
from syncd.sources._api_states import exported

CHUNK = 500
"""Tasks per export."""


class Reader:
    """Readers of one Label Studio; many threads at once."""

    def __init__(self, listing: Listing, snapshots: Snapshots, shelf: Shelf, places: Places) -> None:
        self._listing = listing
        self._snapshots = snapshots
        self._shelf = shelf
        self._places = places

    def read(
        self, tasks: Sequence[int], shape: DocumentShape, gone: Callable[[int, int], Gone | None]
    ) -> Iterator[Read]:
        """Each task; `gone` says of a task and its project whether nobody need look for it."""
        by_project: dict[int, list[int]] = {}
        for task in tasks:
            kept = self._shelf.look(task)
            project = kept.project if kept else self._places.of(task) or self._listing.project_of(task)
            absent = Gone(task) if project is None else gone(task, project)
            if absent is not None:
                yield absent
            elif kept is not None:
                yield _document(orjson.loads(kept.exported), shape, finished=kept.finished)
            elif project is not None:
                by_project.setdefault(project, []).append(task)
        for project, of_it in by_project.items():
            for at in range(0, len(of_it), CHUNK):
                yield from self._exported(project, of_it[at : at + CHUNK], shape)

    def _exported(self, project: int, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        """Where Label Studio fails to export them all, by halves: one bad row costs nobody else anything."""
        missing = set(tasks)
        try:
            for _ in range(2):  # a task that was reopened between the two snapshots is in neither
                yield from self._found(project, missing, shape)
        except Refused as refused:
            if refused.status != 404:
                raise
            yield from (Gone(task, sure=False) for task in missing)  # the whole project is out of sight now
        except Unexportable as error:
            if len(missing) == 1:
                [task] = missing
                yield TaskRejected(f"task {task}: {error}", task=task)
                return
            left = sorted(missing)
            for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                yield from self._exported(project, part, shape)
        else:
            yield from (Gone(task) for task in missing)

    def _found(self, project: int, missing: set[int], shape: DocumentShape) -> Iterator[Read]:
        if not missing:
            return
        with self._snapshots.tab(project, sorted(missing)) as tab:
            both = [Wanted(project, finished, tab) for finished in EACH]
            for one, task in self._snapshots.tasks(both):
                if task["id"] in missing:
                    missing.discard(task["id"])
                    yield _document(task, shape, finished=one.finished)


def keep(task: TaskJson, *, finished: bool, token: bytes) -> Kept:
    """A task for the shelf."""
    return Kept(task["project"], finished, token, dumped(task))


def _document(task: TaskJson, shape: DocumentShape, *, finished: bool) -> TaskDocument | TaskRejected:
    try:
        body = document_of_export(task, shape, finished=finished)
        token = exported(task, finished=finished).token or b""
        return TaskDocument(task["id"], task["project"], body, newest_time(task, shape), token)
    except (KeyError, TypeError, AttributeError) as error:
        return TaskRejected(
            f"task {task['id']}: Label Studio exports it in a way that syncd does not know ({error!r}). It is set aside; the "
            "others go on. Please report it with Label Studio's version",
            task=task["id"],
        )
