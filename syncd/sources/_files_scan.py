"""The rescan: lists all files, reads those that differ, and tells which of them are not whole yet.

A file counts when it has been at rest for `quiet` seconds and parses to its end; a feed counts line by line. While any file is
not whole, nobody can say what is gone.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from syncd.errors import Unavailable
from syncd.sources._files_entries import (
    LINES,
    Entry,
    GuessedWrong,
    NotWhole,
    Odd,
    entries,
    entries_exactly,
    feed,
    is_feed,
    tail_of,
)
from syncd.sources._files_index import Index, Known, Stamp
from syncd.sources._files_projects import PAPERS, Described, described

log = structlog.get_logger()

_TOLD = 5
"""Values per file that are told when they are no tasks."""
_BEING_WRITTEN = "it is being written"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that does not count yet."""

    stamp: Stamp
    seen_at: float
    """When it was first seen waiting, in seconds since the epoch."""
    at_rest_from: float
    """When this stamp was first seen, on the monotonic clock."""
    reason: str

    @property
    def is_written(self) -> bool:
        return self.reason == _BEING_WRITTEN


class Scanner:
    """Keeps an index true to a folder or a file. One scan at a time."""

    def __init__(self, root: Path, index: Index, *, quiet: float) -> None:
        self._root = root
        self._index = index
        self._quiet = quiet
        self._one_at_a_time = threading.RLock()
        self._papers: list[Path] = []
        self.scanned = False
        self.waiting: dict[bytes, Waiting] = {}
        self.described = Described()

    @property
    def folder(self) -> Path:
        return self._root if self._root.is_dir() else self._root.parent

    def scan_once(self, patience: float) -> None:
        """Unless it has been done. Files that are being written are waited for, up to `patience` seconds."""
        never = threading.Event()
        with self._one_at_a_time:
            if self.scanned:
                return
            deadline = time.monotonic() + patience
            self.scan(never)
            while self.being_written() and time.monotonic() < deadline:
                never.wait(self._quiet)
                self.look(self.being_written())

    def being_written(self) -> set[bytes]:
        return {path for path, waiting in self.waiting.items() if waiting.is_written}

    def describe(self) -> None:
        """Read again what is said of the projects."""
        self.described = described(self._papers, self.folder, self.described)

    def scan(self, stop: threading.Event) -> None:
        """A full look. Raises Unavailable when the folder cannot be read. Cut short by `stop`, it proves nothing."""
        with self._one_at_a_time:
            self._papers = []
            self._index.list_anew(self._listed())
            waiting: dict[bytes, Waiting] = {}
            for stamp in self._index.changed():
                if stop.is_set():
                    return
                if (kept := self._take(stamp)) is not None:
                    waiting[stamp.path] = kept
            for file in self._index.vanished():
                self._index.drop(file)
            self.waiting = waiting
            self.describe()
            self.scanned = True

    def look(self, paths: Iterable[bytes]) -> None:
        """At these files alone."""
        with self._one_at_a_time:
            for path in paths:
                if not _holds_tasks(Path(os.fsdecode(path)).name):
                    continue
                stamp, known = _stamp(path), self._index.known(path)
                kept = None
                if stamp is None and known is not None and self._root.exists():
                    self._index.drop(known.id)
                elif stamp is not None and (known is None or known.stamp != stamp):
                    kept = self._take(stamp)
                self.waiting.pop(path, None)
                if kept is not None:
                    self.waiting[path] = kept

    # --- listing -------------------------------------------------------------------------------------------------

    def _listed(self) -> Iterator[Stamp]:
        if self._root.is_dir():
            yield from self._walked(self._root)
            return
        stamp = _stamp(os.fsencode(self._root))
        if stamp is None:
            raise Unavailable(f"{self._root} is not there; nothing is deleted. Mount it, or correct `source.path`")
        self._papers = [self._root.parent / name for name in sorted(PAPERS) if (self._root.parent / name).is_file()]
        yield stamp

    def _walked(self, folder: Path) -> Iterator[Stamp]:
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    if entry.name.startswith((".", "_")):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._walked(Path(entry.path))
                    elif entry.name in PAPERS:
                        self._papers.append(Path(entry.path))
                    elif _holds_tasks(entry.name) and (stamp := _stamp(os.fsencode(entry.path))) is not None:
                        yield stamp
        except FileNotFoundError:
            if folder == self._root:
                raise Unavailable(f"{folder} is gone; nothing is deleted. Mount it again") from None
        except OSError as error:
            raise Unavailable(f"{folder} cannot be read ({error.strerror}); nothing is deleted until it can") from error

    # --- one file ------------------------------------------------------------------------------------------------

    def _take(self, stamp: Stamp) -> Waiting | None:
        """Read a file that differs. None once it counts."""
        waited = self.waiting.get(stamp.path) or Waiting(stamp, time.time(), time.monotonic(), _BEING_WRITTEN)
        if waited.stamp != stamp:
            waited = replace(waited, stamp=stamp, at_rest_from=time.monotonic(), reason=_BEING_WRITTEN)
        if not waited.is_written:
            return waited
        path = Path(os.fsdecode(stamp.path))
        try:
            known = self._index.known(stamp.path)
            if known is not None and self._has_grown(known, stamp, path):
                self._read_feed(known.id, stamp, path, known.upto)
            elif is_feed(path):
                self._read_feed(self._index.begin(stamp), stamp, path, 0)
            elif not self._is_at_rest(waited) or not self._read_whole(stamp, path):
                return waited
        except FileNotFoundError:
            return None  # the next listing tells
        except (NotWhole, OSError) as error:
            log.warning("file left out", path=str(path), reason=str(error), known_tasks="as they were")
            return replace(waited, reason=str(error))
        return None

    def _is_at_rest(self, waited: Waiting) -> bool:
        return (
            time.time() - waited.stamp.modified / 1e9 >= self._quiet
            or time.monotonic() - waited.at_rest_from >= self._quiet
        )

    def _read_whole(self, stamp: Stamp, path: Path) -> bool:
        """False when the file was written meanwhile."""
        for reading in (entries, _exactly):
            file = self._index.begin(stamp)
            try:
                if stamp.size or path.suffix not in LINES:
                    self._index.add(file, _tasks(reading(path, stamp.size), path))
                if _stamp(stamp.path) == stamp:
                    self._index.finish(file, stamp)
                    return True
            except GuessedWrong:
                self._index.drop(file)
            except (NotWhole, OSError):
                self._index.drop(file)
                raise
            else:
                self._index.drop(file)
                return False
        return False

    def _has_grown(self, known: Known, stamp: Stamp, path: Path) -> bool:
        return (
            known.upto > 0
            and known.stamp.inode == stamp.inode
            and stamp.size >= known.upto
            and tail_of(path, known.upto) == (known.upto, known.tail)
        )

    def _read_feed(self, file: int, stamp: Stamp, path: Path, first: int) -> None:
        upto, tail = tail_of(path, stamp.size)
        self._index.add(file, _tasks(feed(path, first), path), grows=first > 0)
        self._index.finish(file, stamp, upto=upto, tail=tail)


def _exactly(path: Path, _: int) -> Iterator[Entry | Odd]:
    return entries_exactly(path)


def _tasks(found: Iterable[Entry | Odd], path: Path) -> Iterator[Entry]:
    odd = 0
    for entry in found:
        if isinstance(entry, Entry):
            yield entry
            continue
        odd += 1
        if odd <= _TOLD:
            log.warning("passed over", path=str(path), byte=entry.at, reason=entry.reason)
    if odd > _TOLD:
        log.warning("passed over", path=str(path), more=odd - _TOLD)


def _stamp(path: bytes) -> Stamp | None:
    """None when there is no such file. Raises Unavailable when that cannot be told."""
    try:
        found = Path(os.fsdecode(path)).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(
            f"{os.fsdecode(path)} cannot be looked at ({error.strerror}); nothing is deleted until it can"
        ) from error
    return Stamp(path, found.st_size, found.st_mtime_ns, found.st_ino)


def _holds_tasks(name: str) -> bool:
    """`….json`, lines, and numbers without suffix as Label Studio's own storage names its files."""
    if name.startswith(".") or name in PAPERS:
        return False
    return name.endswith((".json", *LINES)) or name.isdecimal()
