"""How fast a store may be asked: as fast as it takes it, never faster than the operator allows.

The rate doubles each second that it is used up until the store first says "slow down", then halves, and from there on
grows in small steps (additive increase, multiplicative decrease): stores split a busy prefix, but not in an instant.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

START = 3000.0
"""What S3 promises a prefix that is new to it (3,500 writes a second), and a little less."""
STEP = 100.0
FLOOR = 2.0
MOST = 1e6
"""Requests a second that no store of ours reaches: no ceiling."""
BURST_SECONDS = 0.25


@dataclass(slots=True)
class _Bucket:
    """Tokens that come at `rate` a second; it can be overdrawn, and then the debt is waited for."""

    rate: float
    tokens: float = 0.0
    at: float = field(default_factory=time.monotonic)

    def take(self, count: float) -> float:
        """Take tokens and tell how many seconds to wait for them."""
        now = time.monotonic()
        self.tokens = min(self.rate * BURST_SECONDS, self.tokens + (now - self.at) * self.rate) - count
        self.at = now
        return max(0.0, -self.tokens / self.rate)


class Limiter:
    """The pace of one target: requests a second that follow the store's answers, and bytes a second that do not."""

    def __init__(
        self,
        *,
        requests_per_second: float | None = None,
        bytes_per_second: float | None = None,
        ramping: bool = True,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Ceilings; None for none. Without `ramping` the pace is the ceiling from the start, until the store complains.

        `wait` sleeps, and may return early when the daemon stops.
        """
        self._ceiling = requests_per_second or MOST
        self._requests = _Bucket(min(START, self._ceiling) if ramping else self._ceiling)
        self._bytes = _Bucket(bytes_per_second) if bytes_per_second else None
        self._wait = wait
        self._lock = threading.Lock()
        self._ramping = ramping
        self._pressed = False
        self._changed = time.monotonic()

    @property
    def requests_per_second(self) -> float:
        """The pace now."""
        return self._requests.rate

    @property
    def burst(self) -> int:
        """How many requests may start together."""
        return max(1, int(self._requests.rate * BURST_SECONDS))

    def take(self, requests: int, size: int = 0) -> None:
        """Wait until that many requests with that many bytes of body may start."""
        with self._lock:
            seconds = self._requests.take(requests)
            self._pressed |= seconds > 0
            if self._bytes:
                seconds = max(seconds, self._bytes.take(size))
        if seconds:
            self._wait(seconds)

    def went_well(self) -> None:
        """The store answered as it should: go faster, at most once a second, if this pace was used up."""
        with self._lock:
            now = time.monotonic()
            if self._pressed and now - self._changed >= 1:
                rate = self._requests.rate
                self._requests.rate = min(self._ceiling, rate * 2 if self._ramping else rate + STEP)
                self._changed, self._pressed = now, False

    def throttled(self) -> None:
        """The store asked to slow down: halve the pace, at most once a second, since such answers come in bursts."""
        with self._lock:
            now = time.monotonic()
            if self._ramping or now - self._changed >= 1:
                self._requests.rate = max(min(FLOOR, self._ceiling), self._requests.rate / 2)
                self._changed, self._pressed, self._ramping = now, False, False
