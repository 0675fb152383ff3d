"""A bucket as its readers see it. Everything that `state.json` claims is there when it is read: claims are written last."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Self

import orjson

from syncd.errors import SyncdError, Unavailable
from syncd.layout import STATE, project_key, task_of_key
from syncd.model import Json
from syncd.reader._following import ListAnew, changes_after
from syncd.reader._places import Store
from syncd.reader._values import Change, Document, State, state_of


class NotYet(SyncdError):
    """The bucket is not true up to the time that was asked for, and the time to wait is over."""


class Bucket:
    """One target's prefix, opened by `open_bucket`. May be used from several threads."""

    def __init__(self, store: Store, *, workers: int) -> None:
        self._store = store
        self._width = workers
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="reader")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._workers.shutdown(cancel_futures=True)
        self._store.close()

    @property
    def where(self) -> str:
        return self._store.where

    # --- how true it is ------------------------------------------------------------------------------------------

    def state(self) -> State:
        """What the bucket claims now. Raises Unavailable when it claims nothing: no syncd has ended a pass here."""
        found = self._said()
        if found is None:
            raise Unavailable(f"{self.where} has no {STATE}: is the prefix right, and has syncd written here?")
        return found

    def wait(
        self,
        through: datetime | None = None,
        *,
        project: int | None = None,
        mirror: str | None = None,
        timeout: float | None = None,
        poll_seconds: float = 1.0,
    ) -> State:
        """Return when the bucket, one project or one mirror of it (by its folder's name) is true up to a time; the state then.

        `through` is aware; without it, this moment by this machine's clock. Tasks that are set aside are passed
        (`State.quarantined`); deletions that the brake holds are waited for. Raises NotYet after `timeout` seconds; without it,
        waits for ever.
        """
        wanted = through or datetime.now(UTC)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            state = self._said()
            reached = state and state.through(project, mirror)
            if state and reached and reached >= wanted:
                return state
            if deadline is not None and time.monotonic() >= deadline:
                raise NotYet(_behind(self.where, state, wanted, project, mirror))
            time.sleep(poll_seconds)

    def _said(self) -> State | None:
        found = self._store.get(STATE)
        try:
            return state_of(found.body) if found and found.body else None
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{STATE} in {self.where} is not one that this version of syncd can read") from error

    # --- what changed --------------------------------------------------------------------------------------------

    def changes(self, after: int, *, project: int | None = None) -> Iterator[Change]:
        """Every put and delete since the cursor `after`, in order, up to what `state.json` claims at the first step; then ends.

        The cursor is the `seq` of the last change that was dealt with; begin with `state().journal_seq`, noted *before* the
        documents are listed. A version is told of at least once. Raises ListAnew when the journal was pruned beyond the cursor,
        is another one, or was taken over by another ledger since.
        """
        state = self.state()
        through = state.journal_seq
        if after > through:
            raise ListAnew(
                f"the journal of {self.where} ends at line {through}, before the cursor {after}: it is another one, made since. "
                f"List the documents anew, and go on from {through}."
            )
        if after < state.oldest_cursor:
            raise ListAnew(
                f"another ledger took over {self.where} after line {state.oldest_cursor - 1}: deletions just before that may "
                f"stand in no line, and the cursor {after} is older. List the documents anew, and go on from {through}."
            )
        changes = changes_after(self._store, after, through)
        yield from changes if project is None else (change for change in changes if change.project == project)

    # --- what is there -------------------------------------------------------------------------------------------

    def document(self, key: str) -> Document | None:
        """A task's document; None when it is not there (any more: then a later change deletes it)."""
        found = self._store.get(key)
        return Document(key, found.body, found.etag) if found and found.body is not None else None

    def load(self, keys: Iterable[str]) -> Iterator[Document]:
        """The documents of these keys, in their order, several read at once; those that are gone are left out."""
        waiting: deque[Future[Document | None]] = deque()
        for key in keys:
            waiting.append(self._workers.submit(self.document, key))
            if len(waiting) > 2 * self._width and (document := waiting.popleft().result()):
                yield document
        for future in waiting:
            if document := future.result():
                yield document

    def documents(self, project: int) -> Iterator[Document]:
        """Every document of a project, as listed now; in the store's own order."""
        keys = (listed.key for listed in self._store.list(f"{project}/tasks/"))
        return self.load(key for key in keys if task_of_key(key))

    def project(self, project: int) -> Json:
        """`project.json`, parsed: title, label configuration, class numbers; None when the project has no document."""
        found = self.read(project_key(project))
        return orjson.loads(found) if found else None

    def read(self, key: str) -> bytes | None:
        """Any object, whole: a mirror's file, say. None when it is not there."""
        found = self._store.get(key)
        return found.body if found else None


def _behind(where: str, state: State | None, wanted: datetime, project: int | None, mirror: str | None) -> str:
    """Why the wait was in vain."""
    what = where + (f", project {project}" if project is not None else "") + (f", mirror {mirror}" if mirror else "")
    if state is None:
        return f"{where} has no {STATE}: is the prefix right, and has syncd written here?"
    reached = state.through(project, mirror)
    if reached is None:
        known = ", ".join(map(str, state.projects)) or "none yet"
        return f"{what}: nothing is claimed of it; there are the projects {known}"
    lag = (wanted - reached).total_seconds()
    held = f"; the brake holds {state.held_deletes} deletions" if state.held_deletes else ""
    return (
        f"{what} is true up to {reached.isoformat()}, {lag:.1f} s short of {wanted.isoformat()}{held}: does syncd run?"
    )
