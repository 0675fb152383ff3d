"""One run's corner of a folder target, `_syncd/tmp/`: its temporary files, and the locks that order renames.

A run proves that it lives by a lock that the kernel drops with it: a later run removes what a dead one left,
only.
"""

import fcntl
import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from syncd.errors import Unavailable
from syncd.targets._folder import OPEN_FOLDER, etag_of, folder

CORNER = ("_syncd", "tmp")
LOCK_WAIT_SECONDS = 10.0
_ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class Temporary:
    """A whole file that waits in the run's folder for its rename; the etag stays its own."""

    name: str
    etag: str


class Run:
    """An opened target folder: descriptors, not paths, so that a folder mounted over is never written by
    accident.
    """

    def __init__(self, path: Path, *, again: bool) -> None:
        """Open `path` and make this run's folder; with `again`, only where an earlier run has been. Raises
        OSError.
        """
        self._path = path
        self._numbers = itertools.count()
        self._waiting: set[str] = set()
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        with ExitStack() as opening:
            self.root = _kept(opening, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            with folder(self.root, CORNER, None if again else set()) as corner:
                self._corner = _kept(opening, os.dup(corner))
            with self.locked("runs"):
                self._remove_dead_runs()
                os.mkdir(self._name, dir_fd=self._corner)
                self.temporary = _kept(opening, os.open(self._name, OPEN_FOLDER, dir_fd=self._corner))
                alive = _kept(opening, os.open(_ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, dir_fd=self.temporary))
                fcntl.flock(alive, fcntl.LOCK_EX)
            self._descriptors = opening.pop_all()

    def is_at(self, path: Path) -> bool:
        """Whether the path still leads to the folder that was opened."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self.root))
        except FileNotFoundError:
            return False

    def write(self, fill: Callable[[int], None], *, sync: bool) -> Temporary:
        """A new temporary file, filled and stamped with this moment. Leaves none when `fill` or the system
        fails.
        """
        name = str(next(self._numbers))
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=self.temporary)
        self._waiting.add(name)
        try:
            fill(file)
            now = time.time_ns()
            os.utime(file, ns=(now, now))  # the kernel's own stamp may be 4 ms coarse: two versions could look like one
            if sync:
                os.fsync(file)
            return Temporary(name, etag_of(os.fstat(file)))
        except BaseException:
            self.discard(name)
            raise
        finally:
            os.close(file)

    def place(self, file: Temporary, at: int, name: str) -> None:
        """Rename a temporary file to its place in the folder `at`. Raises OSError."""
        os.rename(file.name, name, src_dir_fd=self.temporary, dst_dir_fd=at)
        self._waiting.discard(file.name)

    def discard(self, name: str) -> None:
        """Remove a temporary file, unless it is in its place."""
        if name in self._waiting:
            os.unlink(name, dir_fd=self.temporary)
            self._waiting.discard(name)

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Hold one of the folder's locks, alone among all threads and processes. Raises Unavailable after 10
        s.
        """
        file = os.open(f"{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666, dir_fd=self._corner)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Unavailable(
                            f"local target {self._path}: another syncd holds _syncd/tmp/{what}.lock since"
                            f" {LOCK_WAIT_SECONDS:.0f} s: it is stopped or hangs. Let it go on, or end it."
                        ) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(file)

    def close(self) -> None:
        """Remove this run's folder and let go of everything."""
        with suppress(OSError):  # a folder that is out of reach by now is cleared by the next run
            _remove(self._name, self._corner)
        self._descriptors.close()

    def _remove_dead_runs(self) -> None:
        for name in os.listdir(self._corner):  # noqa: PTH208 - pathlib cannot list a descriptor
            if not name.endswith(".lock") and _is_dead(name, self._corner):
                _remove(name, self._corner)


def _kept(opening: ExitStack, descriptor: int) -> int:
    opening.callback(os.close, descriptor)
    return descriptor


def _is_dead(name: str, corner: int) -> bool:
    try:
        alive = os.open(f"{name}/{_ALIVE}", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=corner)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(alive)
    return True


def _remove(name: str, corner: int) -> None:
    with suppress(FileNotFoundError), folder(corner, [name]) as here:
        for file in os.listdir(here):  # noqa: PTH208 - pathlib cannot list a descriptor
            os.unlink(file, dir_fd=here)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=corner)
