"""When to look again: file events as a hint, and every `poll_seconds` anyway."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event

from syncd.sources._file_events import FileEvents


class Wake(FileEvents):
    """Wakes on a write to the file or its journals, and every `poll_seconds` anyway."""

    def __init__(self, path: Path, poll_seconds: float) -> None:
        self._file = str(path.resolve())
        self._poll_seconds = poll_seconds
        self._hint = Event()
        super().__init__(path.resolve().parent)

    def written(self, paths: Sequence[str]) -> None:
        if any(path.startswith(self._file) for path in paths):
            self._hint.set()

    def wait(self, at_most: float) -> None:
        """Return after a hint, `poll_seconds` or `at_most` seconds, whichever is first."""
        self._hint.wait(min(self._poll_seconds, at_most))
        self._hint.clear()
