"""File events under a folder, as a hint which files to look at first: they can be lost without a word."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

log = structlog.get_logger()

MOST = 1000
"""Paths kept between two looks; beyond, the full look finds the rest."""


class Hints(FileSystemEventHandler):
    """Collects the paths that something was done to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._paths: set[bytes] = set()
        self._some = threading.Event()
        self._observer = Observer()

    def __enter__(self) -> Self:
        is_folder = self._root.is_dir()
        try:
            self._observer.schedule(self, str(self._root if is_folder else self._root.parent), recursive=is_folder)
            self._observer.start()
        except OSError as error:
            log.warning("file events unavailable, polling only", path=str(self._root), reason=str(error))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        # Reading opens and closes files too: only what a writer does counts.
        if event.is_directory or event.event_type not in {"modified", "created", "deleted", "moved"}:
            return
        with self._lock:
            for path in (event.src_path, event.dest_path):
                if path and len(self._paths) < MOST and (self._root.is_dir() or os.fsdecode(path) == str(self._root)):
                    self._paths.add(os.fsencode(path))
        self._some.set()

    def wait(self, at_most: float) -> set[bytes]:
        """What was touched since the last call, waiting up to `at_most` seconds for the first."""
        self._some.wait(at_most)
        with self._lock:
            self._some.clear()
            paths, self._paths = self._paths, set()
        return paths
