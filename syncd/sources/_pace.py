"""How hard to look: at most a share of one core."""

import time
from threading import Event


class Pace:
    """Keeps the calling thread's CPU time at a share of one core: `breathe` sleeps as long as that takes."""

    def __init__(self, stop: Event, *, share: float) -> None:
        self._stop = stop
        self._share = share
        self._cpu = time.thread_time()
        self._began = time.monotonic()

    def breathe(self) -> bool:
        """False when it is time to stop."""
        owed = (time.thread_time() - self._cpu) / self._share - (time.monotonic() - self._began)
        return not self._stop.wait(owed) if owed > 0.01 else not self._stop.is_set()
