"""Trying again: which faults pass by themselves, and how long to wait for that.

A store's wrong answer to one request is not a store out of reach: `Transient` is retried here for some seconds; any other
Unavailable goes to the lane at once, which pauses and tells the operator.
"""

import random
from dataclasses import dataclass

from syncd.errors import Unavailable


class Transient(Unavailable):
    """The store did not answer as it should (time-out, reset, 5xx): the same request may well pass in a moment."""


class Throttled(Transient):
    """The store asks us to slow down (SlowDown, 503, 429)."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, each drawn evenly from its upper half so that many clients do not come back together."""

    first_seconds: float = 0.2
    longest_seconds: float = 5.0
    attempts: int = 5

    def seconds(self, attempt: int) -> float:
        """How long to wait after the failed attempt number `attempt`, counted from 1."""
        longest = min(self.longest_seconds, self.first_seconds * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1)  # noqa: S311 - jitter is no secret
