"""Walking a folder by keys that come from data, so that none of them can leave it.

Every step is an `openat` of one segment with O_NOFOLLOW: no `..`, absolute path or symbolic link leads out.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})


@contextmanager
def folder(root: int, segments: Sequence[str], made: set[tuple[str, ...]] | None = None) -> Iterator[int]:
    """The folder's descriptor, closed at the end. With `made`, missing folders are created and added to it.

    Raises OSError: FileNotFoundError when it is missing, ENOTDIR or ELOOP when a file or symbolic link is in
    the way.
    """
    here = os.open(".", OPEN_FOLDER, dir_fd=root)
    try:
        for depth, name in enumerate(segments, 1):
            if made is not None:
                try:
                    os.mkdir(name, dir_fd=here)
                    made.add(tuple(segments[:depth]))
                except FileExistsError:
                    pass
            deeper = os.open(name, OPEN_FOLDER, dir_fd=here)
            os.close(here)
            here = deeper
        yield here
    finally:
        os.close(here)


@contextmanager
def existing_folder(root: int, segments: Sequence[str]) -> Iterator[int | None]:
    """The folder's descriptor, or None where there is no such folder (nothing, a file, a link, an impossible
    name).
    """
    with ExitStack() as opened:
        here: int | None = None
        try:
            here = opened.enter_context(folder(root, segments))
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
        yield here


def regular(name: str, at: int) -> os.stat_result | None:
    """The facts of a regular file, or None: folders, symbolic links and devices are no objects."""
    try:
        facts = os.stat(name, dir_fd=at, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None


def etag_of(facts: os.stat_result) -> str:
    """Names one version of a file: the writer stamps every new file with its clock in nanoseconds."""
    return f"{facts.st_mtime_ns:x}-{facts.st_ino:x}-{facts.st_size:x}"


def files_below(root: int, segments: Sequence[str], *, hidden: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file below a folder with its path from `root`, in no order, but for the folder `hidden`.

    Files that vanish meanwhile are left out.
    """
    if tuple(segments) == tuple(hidden):
        return
    with existing_folder(root, segments) as here:
        if here is None:
            return
        with os.scandir(here) as entries:
            for entry in entries:
                path = [*segments, entry.name]
                if entry.is_dir(follow_symlinks=False):
                    yield from files_below(root, path, hidden=hidden)
                elif facts := regular(entry.name, here):
                    yield "/".join(path), facts


def write_all(file: int, body: bytes) -> None:
    """Write every byte, however many calls it takes. Raises OSError."""
    left = memoryview(body)
    while left:
        left = left[os.write(file, left) :]


def copy_range(source: int, file: int, offset: int, length: int) -> None:
    """Append a range of one file to another inside the kernel (shared blocks or the file server's copy if it
    can).
    """
    while length:
        copied = os.copy_file_range(source, file, length, offset_src=offset)
        if not copied:
            raise OSError(errno.EIO, "the file is shorter than it was")
        offset, length = offset + copied, length - copied


_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
CAN_SYNC_FILE_SYSTEM = _syncfs is not None


def sync_file_system(descriptor: int) -> None:
    """Make everything on the descriptor's file system durable (Linux). Raises OSError."""
    if _syncfs is None or _syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
