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

COPIED_AT_ONCE, WINDOW = 1024 * 1024, 32 * 1024 * 1024
"""Bytes of one read and write, and between two visits to the disk."""

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


def write_all(file: int, body: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes. Raises OSError."""
    left = memoryview(body)
    while left:
        left = left[os.write(file, left) :]


def copy_range(source: int, file: int, offset: int, length: int, *, by_kernel: bool) -> None:
    """Append a range of one file to another; `by_kernel`: it can share blocks, or have a file server copy.

    Where it can do neither, large reads and writes cost less than its own copy, which goes page by page; and whatever was copied
    leaves the cache, where a gigabyte would push out the database, and cost as much to come by as to copy. Raises OSError.
    """
    while length:
        if by_kernel:
            copied = os.copy_file_range(source, file, length, offset_src=offset)
        else:
            copied = _copy_window(source, file, offset, min(length, WINDOW))
        if not copied:
            raise OSError(errno.EIO, "the file is shorter than it was")
        offset, length = offset + copied, length - copied


def _copy_window(source: int, file: int, offset: int, length: int) -> int:
    """How many bytes were copied: fewer than `length` only where the source ends."""
    buffer = memoryview(bytearray(COPIED_AT_ONCE))
    copied = 0
    while copied < length and (read := os.preadv(source, [buffer[: length - copied]], offset + copied)):
        write_all(file, buffer[:read])
        copied += read
    if hasattr(os, "posix_fadvise"):
        os.fdatasync(file)  # only what is on the disk can leave the cache
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(source, offset, copied, os.POSIX_FADV_DONTNEED)
    return copied


_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
CAN_SYNC_FILE_SYSTEM = _syncfs is not None


def sync_file_system(descriptor: int) -> None:
    """Make everything on the descriptor's file system durable (Linux). Raises OSError."""
    if _syncfs is None or _syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
