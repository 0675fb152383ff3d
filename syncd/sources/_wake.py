"""When to look again: file events as a hint, and every `poll_seconds` anyway."""

from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

log = structlog.get_logger()


class Wake(FileSystemEventHandler):
    """Wakes on a write to the file or its journals, and every `poll_seconds` anyway: events can be lost without a word."""

    def __init__(self, path: Path, poll_seconds: float) -> None:
        self._path = path
        self._poll_seconds = poll_seconds
        self._hint = Event()
        self._observer = Observer()

    def __enter__(self) -> Self:
        try:
            self._observer.schedule(self, str(self._path.resolve().parent))
            self._observer.start()
        except OSError as error:
            log.warning("file events unavailable, polling only", path=str(self._path), reason=str(error))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        # Reading opens and closes files too: only what a writer does counts.
        if event.event_type in {"modified", "created", "deleted", "moved"} and str(event.src_path).startswith(
            str(self._path.resolve())
        ):
            self._hint.set()

    def wait(self, at_most: float) -> None:
        """Return after a hint, `poll_seconds` or `at_most` seconds, whichever is first."""
        self._hint.wait(min(self._poll_seconds, at_most))
        self._hint.clear()
