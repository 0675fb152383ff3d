"""A loop's heartbeat: when it last took a step, so that others see when it hangs. Waiting on purpose is not hanging."""

import threading
import time
from collections.abc import Callable


class Pulse:
    """One loop's heartbeat. Beating is an assignment: any thread may, as often as it likes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock()

    def beat(self, resting: float = 0.0) -> None:
        """A step was taken; the next one may take `resting` seconds longer, because the loop goes to sleep."""
        self._until = self._clock() + resting

    def silent_seconds(self) -> float:
        """How long nothing came where something should have."""
        return max(0.0, self._clock() - self._until)


class Heeded(threading.Event):
    """The event that tells a loop to stop, or to begin again: whoever looks at it, or waits for it, is alive."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def is_set(self) -> bool:
        self._pulse.beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._pulse.beat(resting=timeout or 0.0)
        found = super().wait(timeout)
        self._pulse.beat()
        return found
