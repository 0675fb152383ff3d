"""Writes beside the place and swaps in at the end: until then, and for ever when it fails, the old output stays whole.

The work stands in a hidden folder next to the output, locked while its writer lives. Who finds one without a writer (it was
killed) removes it.
"""

import ctypes
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syncd.converting.zipping import pack
from syncd.errors import Misconfigured, Unavailable

_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""
_AT_FDCWD = -100
_OLD_OUTPUT = re.compile(r".*__t\d+.*|part-\d+\..*|train\.txt|val\.txt")
"""Names in an output folder that a former run wrote and a new one may not write again."""


@dataclass(frozen=True, slots=True)
class Staging:
    """`folder` becomes the output; `scratch` is thrown away, `runs` too: what units of tasks give to shared files."""

    place: Path
    folder: Path
    scratch: Path
    runs: Path

    @property
    def is_zip(self) -> bool:
        return self.place.suffix.lower() == ".zip"

    def clear(self) -> None:
        """Begin again with nothing written."""
        for folder in (self.folder, self.runs):
            shutil.rmtree(folder)
            folder.mkdir()

    def finish(self, files: Path) -> None:
        """Swaps the output in, whole. `files` lists the names in the folder, one a line, in the order for a zip."""
        if self.is_zip:
            packed = self.scratch / "packed.zip"
            pack(self.folder, files, packed)
            packed.replace(self.place)
        else:
            _swap_in(self.folder, self.place)


@contextmanager
def staging(path: Path) -> Iterator[Staging]:
    """A staging for an output folder or `.zip`. Raises Misconfigured when the place cannot be written to."""
    place = path.resolve()
    beside = place / ".syncd-new" if place.is_mount() else place.parent / f".{place.name}.syncd-new"
    if place.suffix.lower() == ".zip":
        if place.is_dir():
            raise Misconfigured(
                f"{path} is a folder; a path that ends in .zip is written as a zip: choose another name"
            )
    elif place.exists() and not place.is_dir():
        raise Misconfigured(f"{path} is a file; give a folder, or a name that ends in .zip")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = _claim(beside, path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror} ({error.filename})") from error
    try:
        for left in beside.iterdir():
            shutil.rmtree(left)
        made = Staging(place, beside / "output", beside / "scratch", beside / "runs")
        for folder in (made.folder, made.scratch, made.runs):
            folder.mkdir()
        yield made
    except OSError as error:
        raise Unavailable(f"writing {path} failed: {error.strerror or error} ({error.filename or beside})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        os.close(lock)


def _claim(beside: Path, path: Path) -> int:
    """The folder beside the output, there and locked by us. Raises Misconfigured while another one works there."""
    while True:
        beside.mkdir(exist_ok=True)
        try:
            lock = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if beside.exists() and os.path.samestat(os.fstat(lock), beside.stat()):
                return lock
        except BlockingIOError as error:
            os.close(lock)
            raise Misconfigured(
                f"another syncd is writing {path} at this moment; wait for it, or choose another path"
            ) from error
        os.close(lock)  # the one who was here finished and removed the folder in between


def _swap_in(new: Path, place: Path) -> None:
    """One rename where the folder holds nothing but a former output; else entry by entry, other people's files staying."""
    if not place.exists():
        new.rename(place)
        return
    mine = {entry.name for entry in new.iterdir()}
    there = {entry.name for entry in place.iterdir() if entry.name != ".syncd-new"}
    old = {name for name in there if name in mine or _OLD_OUTPUT.fullmatch(name)}
    is_busy = place.is_mount() or place == Path.cwd() or place in Path.cwd().parents
    if old == there and not is_busy and _exchange(new, place):
        return
    for name in sorted(mine):
        if name not in there:
            (new / name).rename(place / name)
        elif (new / name).is_dir() or (place / name).is_dir():
            _swap_entry(new / name, place / name)
        else:
            (new / name).replace(place / name)
    for name in old - mine:
        (place / name).unlink()


def _swap_entry(new: Path, place: Path) -> None:
    if not _exchange(new, place):
        aside = new.with_name(f"{new.name}.old")
        place.rename(aside)
        new.rename(place)


def _exchange(one: Path, other: Path) -> bool:
    """Two entries of one file system change places in one step; False where the system cannot do it."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
