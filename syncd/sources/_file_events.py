"""File events of the system, as a hint that something was written: they can be lost without a word."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

log = structlog.get_logger()

# Reading opens and closes files too: only what a writer does counts.
_WRITING = {"modified", "created", "deleted", "moved"}


class FileEvents(FileSystemEventHandler, ABC):
    """Watches a folder while its block lasts; without events, which is logged, nothing is ever told."""

    def __init__(self, folder: Path, *, recursive: bool = False) -> None:
        self._folder = folder
        self._recursive = recursive
        self._observer = Observer()

    def __enter__(self) -> Self:
        try:
            self._observer.schedule(self, str(self._folder), recursive=self._recursive)
            self._observer.start()
        except OSError as error:
            log.warning("file events unavailable, polling only", path=str(self._folder), reason=str(error))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not event.is_directory and event.event_type in _WRITING:
            self.written([os.fsdecode(path) for path in (event.src_path, event.dest_path) if path])

    @abstractmethod
    def written(self, paths: Sequence[str]) -> None:
        """Something was done to these files. Called by the observer's thread."""
