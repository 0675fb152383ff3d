"""A thread that can be told to end alone."""

import threading
from collections.abc import Callable


class Running:
    """Work on a thread of its own, from now until `end`."""

    def __init__(self, name: str, work: Callable[[threading.Event], None], wake: Callable[[], object]) -> None:
        """`work` returns soon after its event is set; `wake` makes it look there."""
        self.name = name
        self._stop = threading.Event()
        self._wake = wake
        self._thread = threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell it; returns at once."""
        self._stop.set()
        self._wake()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, after waiting so long at most."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()
