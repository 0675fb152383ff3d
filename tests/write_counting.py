"""Counts how often each task file was put in place, by asking the kernel: syncd itself is not believed."""

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

IN_MOVED_TO = 0x80
IN_Q_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")


class WriteCounter:
    """Watches the task folders of some projects. They are made here, and kept by a file that is not syncd's."""

    def __init__(self, target: Path, projects: Sequence[int]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self._folders: dict[int, str] = {}
        for project in projects:
            folder = target / f"{project}/tasks"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".kept").touch()
            watch = self._libc.inotify_add_watch(self._inotify, os.fsencode(folder), IN_MOVED_TO)
            if watch < 0:
                raise OSError(ctypes.get_errno(), "inotify", str(folder))
            self._folders[watch] = f"{project}/tasks"

    def close(self) -> None:
        os.close(self._inotify)

    def new(self) -> Counter[str]:
        """Key → how often it was written since the last call."""
        found: Counter[str] = Counter()
        while chunk := self._read():
            at = 0
            while at < len(chunk):
                watch, mask, _, length = _EVENT.unpack_from(chunk, at)
                name = chunk[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
                at += _EVENT.size + length
                assert not mask & IN_Q_OVERFLOW, "the kernel dropped events: count more often"
                if mask & IN_MOVED_TO:
                    found[f"{self._folders[watch]}/{os.fsdecode(name)}"] += 1
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._inotify, 65536)
        except BlockingIOError:
            return b""
