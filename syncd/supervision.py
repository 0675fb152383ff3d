"""What systemd is told (sd_notify(3)): READY once start-up is done, STATUS, RELOADING, STOPPING, and WATCHDOG while alive.

The watchdog follows `Health`, as `/livez` does: a loop of ours that takes no step starves it, a store that is down does not.
Without `NOTIFY_SOCKET` in the environment nobody listens, and nothing is done.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from syncd.health import Health

log = structlog.get_logger()

STATUS_SECONDS = 5.0
"""How often the state is told, and looked at until start-up is done."""


class Supervisor:
    """The way to whoever started us. A thread tells how we are while `listening`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._pause = _pause(environment)
        self._done = threading.Event()
        self._ready = False
        self._is_stopping = False

    @contextmanager
    def listening(self, health: Callable[[], Health], status: Callable[[], str]) -> Iterator[None]:
        """Tell how we are until the block ends. Both answers come from memory, so that telling never waits."""
        if not self._address:
            yield
            return
        thread = threading.Thread(target=self._tell_often, args=(health, status), name="supervision", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """What the block does follows a changed configuration."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if self._ready:
                self._send("READY=1")

    def stopping(self) -> None:
        self._is_stopping = True
        self._send("STOPPING=1", "STATUS=finishing what is in hand")

    def _tell_often(self, health: Callable[[], Health], status: Callable[[], str]) -> None:
        while not self._done.is_set():
            found = health()
            state = "; ".join((*found.hung, *found.waiting) or (status(),))
            lines = [] if self._is_stopping else [f"STATUS={state}"]
            if found.ready and not self._ready:
                self._ready = True
                lines.append("READY=1")
            if found.alive:
                lines.append("WATCHDOG=1")
            self._send(*lines)
            self._done.wait(self._pause if self._ready else min(self._pause, 0.2))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("supervisor not told", reason=str(error))


def _pause(environment: Mapping[str, str]) -> float:
    """Seconds between two tellings: a third of the watchdog's patience at most (systemd asks for half)."""
    patience = int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    is_ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return min(STATUS_SECONDS, patience / 3) if patience and is_ours else STATUS_SECONDS
