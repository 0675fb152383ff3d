"""Whole tasks from Label Studio's Snapshot API: create, download, delete.

Exports are the only answers that hold everything a document shows. They are asked for twice, the finished tasks and the others,
since none tells which they are. A few tasks are picked by a tab of the Data Manager that exists while they are exported.
(Label Studio 1.23 takes a deleted snapshot off its list, and leaves its file: data_export/models.py, Export.delete.)
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import INTERNAL_SERVER_ERROR
from itertools import islice

from syncd.errors import Unavailable
from syncd.labelstudio.rest import Client
from syncd.labelstudio.rest_faults import Broken, Refused
from syncd.model import Json, TaskJson
from syncd.sources._json_stream import CutShort, elements

MARK = "syncd is reading"
"""How titles of our snapshots and tabs begin."""
_CREATE_SECONDS = 3600.0
"""Without Redis Label Studio makes the snapshot before it answers."""
_LOOK_SECONDS = 5.0
_DOWNLOADS = 4
_LEFT_BEHIND = timedelta(hours=2)
_IN_FULL = {"only_id": False}
_EVERYTHING = {
    "drafts": _IN_FULL,
    "predictions": _IN_FULL,
    "annotations__completed_by": _IN_FULL,
    "interpolate_key_frames": False,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One snapshot: a project's finished tasks, or its others; of all of them, or of a tab's."""

    project: int
    finished: bool
    tab: int | None = None


EACH = (False, True)
"""`Wanted.finished` of both, in this order: an import finishes its tasks a little later, and moves no time then. Such a task
comes twice. The other way round it would not come at all."""

Making = tuple[Wanted, Future[int]]
"""A snapshot that is being made, and what will be its number."""


class Unexportable(Unavailable):
    """One snapshot cannot be had; the others may."""


class Snapshots:
    """The exports of one Label Studio."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def tasks(
        self,
        wanted: Iterable[Wanted],
        failed: Callable[[Wanted, Unexportable], None] | None = None,
        looked: Callable[[], object] = lambda: None,
    ) -> Iterator[tuple[Wanted, TaskJson]]:
        """Every task of these, streamed. The next snapshot is made while one is downloaded.

        One that Label Studio cannot make is told to `failed`, else raised. A task that is being finished meanwhile may come
        twice, or not at all. Making one of a million tasks takes long: `looked` is called while it is waited for.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="snapshot") as pool:
            queue, making = iter(wanted), deque[Making]()
            try:
                self._begin(pool, queue, making)
                while making:
                    one, made = making[0]
                    while not futures.wait((made,), timeout=_LOOK_SECONDS).done:
                        looked()
                    self._begin(pool, queue, making)
                    try:
                        yield from ((one, task) for task in self._download(one, made.result()))
                    except Unexportable as error:
                        if failed is None:
                            raise
                        failed(one, error)
                    self._delete(*making.popleft())
            finally:
                for one, made in making:
                    self._delete(one, made)

    @contextmanager
    def tab(self, project: int, tasks: Sequence[int]) -> Iterator[int]:
        """A tab in which these tasks are selected, until the block ends."""
        asked = {
            "project": project,
            "data": {"title": _title()},
            "selected_items": {"all": False, "included": list(tasks)},
        }
        made = self._client.post(f"/api/dm/views?project={project}", asked)["id"]
        try:
            yield made
        finally:
            self._client.delete(f"/api/dm/views/{made}", project=project)

    def clear(self, project: int) -> None:
        """Take away what a process that was killed left behind."""
        for snapshot in self._client.get(f"/api/projects/{project}/exports/"):
            if _is_left_behind(snapshot["title"]):
                self._client.delete(_path(project, snapshot["id"]))
        for tab in self._client.get("/api/dm/views/", project=project):
            if _is_left_behind(str((tab["data"] or {}).get("title", ""))):
                self._client.delete(f"/api/dm/views/{tab['id']}", project=project)

    # --- one snapshot --------------------------------------------------------------------------------------------

    def _begin(self, pool: ThreadPoolExecutor, queue: Iterator[Wanted], making: deque[Making]) -> None:
        for wanted in islice(queue, 1):
            making.append((wanted, pool.submit(self._create, wanted)))

    def _create(self, wanted: Wanted) -> int:
        """Its number, once it is complete."""
        title = _title()
        which: dict[str, object] = {"finished": "only" if wanted.finished else "exclude"}
        if wanted.tab is not None:
            which["view"] = wanted.tab
        asked = {"title": title, "task_filter_options": which, "serialization_options": _EVERYTHING}
        exports = f"/api/projects/{wanted.project}/exports/"
        try:
            made = self._client.post(exports, asked, read_seconds=_CREATE_SECONDS)
        except (Broken, Refused) as error:
            if isinstance(error, Refused) and error.status != INTERNAL_SERVER_ERROR:
                raise
            # A proxy on the way gave up, and Label Studio may well be at it; or it fell over, and left what it began.
            made = next((s for s in self._client.get(exports) if s["title"] == title), None)
            if made is None:
                raise
            if isinstance(error, Refused):
                made["status"] = "failed"
        pause = 0.1
        while made["status"] in ("created", "in_progress"):
            self._client.wait(pause)
            pause = min(2 * pause, 5.0)
            made = self._client.get(_path(wanted.project, made["id"]))
        number: int = made["id"]
        if made["status"] != "completed":
            self._client.delete(_path(wanted.project, number))
            raise Unexportable(
                f"Label Studio could not make a snapshot of project {wanted.project} ({made['status']}); its own log says why. "
                "The files of the project stay as they are; syncd tries again"
            )
        return number

    def _download(self, wanted: Wanted, snapshot: int) -> Iterator[Json]:
        path, taken = f"{_path(wanted.project, snapshot)}/download", 0
        for left in reversed(range(_DOWNLOADS)):
            try:
                with self._client.download(path) as blocks:
                    for place, task in enumerate(elements(blocks)):
                        if place >= taken:
                            taken += 1
                            yield task
            except (Broken, CutShort) as error:
                if not left:
                    raise Unexportable(
                        f"the snapshot of project {wanted.project} breaks off again and again: {error}"
                    ) from error
                self._client.wait(0.5)
            else:
                return

    def _delete(self, wanted: Wanted, made: Future[int]) -> None:
        if made.exception() is None:
            self._client.delete(_path(wanted.project, made.result()))


def _path(project: int, snapshot: int) -> str:
    return f"/api/projects/{project}/exports/{snapshot}"


def _title() -> str:
    return f"{MARK} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {uuid.uuid4().hex[:8]}"


def _is_left_behind(title: str) -> bool:
    if not title.startswith(MARK):
        return False
    try:
        began = datetime.fromisoformat(title.removeprefix(MARK).split()[0])
    except (ValueError, IndexError):
        return False
    return datetime.now(UTC) - began > _LEFT_BEHIND
