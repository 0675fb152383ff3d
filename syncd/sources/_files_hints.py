"""Which files to look at first: those that file events name."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from syncd.sources._file_events import FileEvents

MOST = 1000
"""Paths kept between two looks; beyond, the full look finds the rest."""


class Hints(FileEvents):
    """Collects the paths that something was done to, in a folder or of one file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._paths: set[bytes] = set()
        self._some = threading.Event()
        is_folder = root.is_dir()
        super().__init__(root if is_folder else root.parent, recursive=is_folder)

    def written(self, paths: Sequence[str]) -> None:
        mine = [os.fsencode(path) for path in paths if self._root.is_dir() or path == str(self._root)]
        if mine:
            with self._lock:
                self._paths.update(mine[: MOST - len(self._paths)])
            self._some.set()

    def wait(self, at_most: float) -> set[bytes]:
        """What was touched since the last call, waiting up to `at_most` seconds for the first."""
        self._some.wait(at_most)
        with self._lock:
            self._some.clear()
            paths, self._paths = self._paths, set()
        return paths
