"""Files in a local folder, each replaced whole: temporary file, sync, rename, sync.

Batches share their syncs (`syncfs`): several times as fast as a sync per file. Temporary files stay in
`_syncd/tmp/`.
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from syncd.errors import Unavailable
from syncd.filesystem import can_copy, filesystem_of, is_network
from syncd.targets import (
    Capabilities,
    Finding,
    Listed,
    Object,
    Outcome,
    Piece,
    Refused,
    Retention,
    Stored,
    Written,
)
from syncd.targets import Settings as TargetSettings
from syncd.targets._folder import (
    CAN_SYNC_FILE_SYSTEM,
    copy_range,
    etag_of,
    existing_folder,
    files_below,
    regular,
    sync_file_system,
    write_all,
)
from syncd.targets._folder_batch import (
    Waiting,
    delete_all,
    delete_version,
    failed,
    place_of,
    rename_all,
)
from syncd.targets._folder_faults import unavailable
from syncd.targets._folder_process import WritingProcess
from syncd.targets._folder_runs import CORNER, Run
from syncd.targets._keys import BadKey, segments_of
from syncd.targets._layout import (
    Copy,
    Layout,
    LostPieceError,
    extents,
    from_json,
    layout_key,
    layout_of,
    noted,
    to_json,
)
from syncd.targets._probe import probe

_ENTERED: set[Path] = set()
"""Folders that this process has been in. They are never made anew: under a missing mount lies another one."""
SYNCFS_FROM = 64
"""Below this many files a sync for each costs less than one for the whole file system."""


APART_FROM = 256
"""From this many files on another process writes them."""


class Settings(TargetSettings):
    """A folder. It is created when its parent exists: a missing parent is more likely a missing mount."""

    type: Literal["local"] = "local"
    path: str = Field(min_length=1, description="The folder that holds the files.")

    def place(self) -> tuple[str, ...]:
        return ("local", *Path(self.path).expanduser().resolve().parts)


class Local:
    """The target `local`. Conditions hold among all syncds that see the same locks."""

    type: ClassVar[str] = "local"
    mirrors: ClassVar[bool] = True
    batch = 512

    def __init__(self, settings: Settings, *, apart: bool = True) -> None:
        """`apart`: big batches are written by another process."""
        self._root = Path(settings.path).expanduser().absolute()
        self._process = WritingProcess(partial(Local, settings, apart=False)) if apart else None
        self._runs: list[Run] = []
        self._attaching = threading.Lock()

    @property
    def where(self) -> str:
        return str(self._root)

    @property
    def capabilities(self) -> Capabilities:
        kind = filesystem_of(self._root)
        note = f"{self._root} is on a network file system ({kind}): durability and locks are its server's"
        return Capabilities(
            create_if_absent=True,
            if_match=True,
            conditional_delete=True,
            splice=True,
            metadata=False,  # `head` reads the file for its digest instead, which cannot be out of date
            notes=(note,) if is_network(kind) else (),
        )

    def open(self) -> None:
        if self._root not in _ENTERED:
            with self._faults("open it"), suppress(FileExistsError):
                self._root.mkdir()
        with self._faults("open it"):
            self._attach()

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
        for run in self._runs:
            run.close()
        self._runs.clear()

    def check(self) -> Iterable[Finding]:
        return probe(self)

    def retention(self) -> Retention:
        return Retention()

    # --- writing --------------------------------------------------------------------------------------------

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        if self._process is not None and len(objects) >= APART_FROM:
            self._run()  # a folder that is gone is told in our own words
            yield from self._process.put_many(objects)
            return
        outcomes: list[Outcome] = []
        waiting: list[Waiting] = []
        together = _together(len(objects))
        with self._faults("write"), ExitStack() as leftovers:
            run = self._run()
            for one in objects:
                try:
                    parents, name = place_of(one.key)
                    file = run.write(partial(write_all, body=one.body), sync=not together)
                except (BadKey, OSError) as error:
                    outcomes.append(failed(one.key, error))
                else:
                    leftovers.callback(run.discard, file.name)
                    waiting.append(Waiting(one, parents, name, file))
            if together:
                sync_file_system(run.root)
            outcomes += rename_all(run, waiting, sync_folders=not together)
            if together:
                sync_file_system(run.root)
        yield from outcomes

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        together = _together(len(keys))
        with self._faults("delete"):
            run = self._run()
            outcomes = list(delete_all(run, keys, sync_folders=not together))
            if together:
                sync_file_system(run.root)
        yield from outcomes

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        with self._faults("delete"):
            return delete_version(self._run(), key, etag)

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        try:
            outcome, layout = self._splice(key, pieces)
        except LostPieceError:
            return Refused(key)
        except BadKey as error:
            return failed(key, error)
        if isinstance(outcome, Written):
            list(self.put_many([Object(layout_key(key), to_json(layout), "")]))
        return outcome

    def _splice(self, key: str, pieces: Sequence[Piece]) -> tuple[Outcome, Layout]:
        with self._faults(f"write {key}"), ExitStack() as opened:
            run = self._run()
            parents, name = place_of(key)
            found = self.get(layout_key(key))
            old = from_json(found.body) if found and found.body else None
            source = opened.enter_context(self._opened(key))
            if old and (source is None or etag_of(os.fstat(source.fileno())) != old.etag):
                old = None
            passed: list[Piece] = []
            by_kernel = can_copy(filesystem_of(self._root)) and hasattr(os, "copy_file_range")
            fill = partial(_fill, source=source, parts=extents(noted(pieces, passed), old), by_kernel=by_kernel)
            written = run.write(fill, sync=True)
            opened.callback(run.discard, written.name)
            whole = Object(key, b"", "", if_match=old.etag if old else None)
            (outcome,) = rename_all(run, [Waiting(whole, parents, name, written)], sync_folders=True)
            return outcome, layout_of(passed, written.etag)

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Stored | None:
        with self._faults(f"read {key}"), self._opened(key) as file:
            if file is None:
                return None
            body = file.read()
            digest = hashlib.sha256(body).hexdigest()
            return Stored(key, len(body), etag_of(os.fstat(file.fileno())), {"digest": f"sha256:{digest}"}, body)

    def head(self, key: str) -> Stored | None:
        with self._faults(f"read {key}"), self._opened(key) as file:
            if file is None:
                return None
            facts = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Stored(key, facts.st_size, etag_of(facts), {"digest": f"sha256:{digest}"})

    def list(self, prefix: str = "") -> Iterator[Listed]:
        folder_name, _, _ = prefix.rpartition("/")
        try:
            parents = segments_of(folder_name) if folder_name else []
        except BadKey:
            return
        with self._faults("list"):
            for key, facts in files_below(self._run().root, parents, hidden=CORNER):
                if key.startswith(prefix):
                    yield Listed(key, facts.st_size, etag_of(facts))

    # --- the folder -----------------------------------------------------------------------------------------

    def _run(self) -> Run:
        """The open folder, after a look that its path still leads there: a mount may have gone or come.

        A folder that came back counts only if syncd has been in it: under a missing mount lies another one.
        """
        with self._attaching:
            if not self._runs[-1].is_at(self._root):
                self._attach()
            return self._runs[-1]

    def _attach(self) -> None:
        try:
            self._runs.append(Run(self._root, again=self._root in _ENTERED))
        except FileNotFoundError as error:
            if not self._root.exists():
                raise
            raise Unavailable(
                f"local target {self._root}: the folder is there, but nothing of what syncd left in it: is it mounted? "
                "syncd goes on when it is back; start syncd again if the folder was emptied on purpose."
            ) from error
        _ENTERED.add(self._root)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BufferedReader | None]:
        """The object's file, or None when there is no such object."""
        try:
            parents, name = place_of(key)
        except BadKey:
            yield None
            return
        with existing_folder(self._run().root, parents) as here:
            if here is None or not regular(name, here):
                yield None
                return
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here), "rb") as file:
                yield file

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unavailable(self._root, error, doing) from error


def _together(count: int) -> bool:
    """Whether one sync of the file system is cheaper than one for each file."""
    return count >= SYNCFS_FROM and CAN_SYNC_FILE_SYSTEM


def _fill(file: int, source: BufferedReader | None, parts: Iterable[Copy | bytes], *, by_kernel: bool) -> None:
    for part in parts:
        if isinstance(part, bytes):
            write_all(file, part)
        elif source is not None:
            copy_range(source.fileno(), file, part.offset, part.length, by_kernel=by_kernel)


TARGET = Local
