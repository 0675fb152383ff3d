"""What an operating system's error means for a folder target, in a sentence: one object's fault, or
everybody's.
"""

import errno
import os
import shutil
from pathlib import Path

from syncd.errors import Unavailable

_ONE_OBJECT = {
    errno.ENAMETOOLONG: "a part of its name, or the whole path, is too long for this file system",
    errno.EILSEQ: "this file system does not take the characters of its name",
    errno.EINVAL: "this file system does not take the characters of its name",
    errno.ENOTDIR: "a file or a symbolic link stands where its folder should be",
    errno.EISDIR: "a folder stands where the file should be",
    errno.ENOTEMPTY: "a folder stands where the file should be",
    errno.ELOOP: "a symbolic link stands in its path, and syncd follows none inside the target",
    errno.EXDEV: "its folder is on another file system than the target's own",
    errno.EFBIG: "it is larger than this file system allows",
}

_EVERY_OBJECT = {
    errno.ENOSPC: "the disk is full; free space or inodes there",
    errno.EDQUOT: "the quota is used up; raise it or free space there",
    errno.EROFS: "the file system is mounted read-only; mount it read-write, or look in the kernel log",
    errno.EACCES: "permission is denied; give syncd's user (id {user}) read and write rights on the folder",
    errno.EPERM: "the operation is not permitted; look for an immutable flag or a security policy",
    errno.ENOENT: "the folder is not there, nor can it be made without its parent; mount it or create it",
    errno.ENOTDIR: "it is not a folder; choose another path",
    errno.ESTALE: "the network file system lost the folder; mount it again",
    errno.ENOTCONN: "the mount is not connected; mount it again",
    errno.EHOSTDOWN: "the file server does not answer; bring it back",
    errno.ETIMEDOUT: "the file server does not answer; bring it back",
    errno.EIO: "the disk or file server reports an input/output error; look in the kernel log",
    errno.EMFILE: "too many files are open; raise the limit of open files (LimitNOFILE)",
    errno.ENFILE: "the machine has too many files open; raise fs.file-max",
    errno.ENOLCK: "the file system cannot lock files; mount it with locking",
    errno.ENOTSUP: "the file system lacks an operation that syncd needs (locks or renames); use another one",
}


def reason_for_one(key: str, error: OSError) -> str | None:
    """The sentence for a fault that only this key has, or None when others would fail as well."""
    why = _ONE_OBJECT.get(error.errno or 0)
    return why and f"{key} cannot be stored: {why}"


def unavailable(root: Path, error: OSError, doing: str) -> Unavailable:
    """The error for a fault that every object would meet: path, reason, way out."""
    why = _EVERY_OBJECT.get(error.errno or 0, f"{error.strerror or error}; repair that")
    if error.errno == errno.ENOSPC:
        why += _room(root)
    return Unavailable(
        f"local target {root}: cannot {doing}: {why.format(user=os.geteuid())}. syncd tries again by itself."
    )


def _room(root: Path) -> str:
    try:
        return f" ({shutil.disk_usage(root).free} bytes are left)"
    except OSError:
        return ""
