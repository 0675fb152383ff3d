"""What a target costs, roughly: requests by class, and bytes that the bucket keeps of replaced objects. Pure arithmetic.

An estimate to choose settings by, no bill: docs/cost.md tells what is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from syncd.lane import STATE_SECONDS
from syncd.layout import JOURNAL_LINES
from syncd.lease import LEASE_SECONDS
from syncd.targets import Retention

MONTH_DAYS = 30
_MONTH_SECONDS = MONTH_DAYS * 86_400
LEASE_BYTES = 250
LINE_BYTES = 250
"""One line of the journal, about."""
WRITES_PER_PUBLISH = 8
"""A shared file of some segments: begun, one or two sent, runs of others copied, completed; its layout."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for 1,000 requests of a class, and for a gigabyte a month."""

    writes: float
    reads: float
    gigabyte: float


PRICES: Mapping[str, Prices] = {
    "s3": Prices(writes=0.005, reads=0.0004, gigabyte=0.023),
    "gcs": Prices(writes=0.005, reads=0.0004, gigabyte=0.020),
    "azure": Prices(writes=0.005, reads=0.0004, gigabyte=0.018),
}
"""List prices of the standard class in the cheapest region of the US, without free tiers; see docs/cost.md."""
PRICES_OF = "2025-06"


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by class. Writes are what S3 bills as PUT and LIST, Google as class A; deletes are free on all three."""

    writes: int = 0
    reads: int = 0
    deletes: int = 0

    def dollars(self, prices: Prices) -> float:
        return (self.writes * prices.writes + self.reads * prices.reads) / 1000


KEYS_PER_DELETE = {"s3": 1000, "azure": 256}
KEYS_PER_LIST = 1000
SMALL_WRITES, SMALL_READS = 5, 4
"""What every pass asks for: lease taken and given back, journal's end, state.json, quarantine.json; marker, lease, state."""


def requests_of_pass(kind: str, *, puts: int, deletes: int, listed: int) -> Requests:
    """What one pass asks of a store of this type. `listed`: objects that it has to list, in a prefix that is new to it."""
    journal = -(-(puts + deletes) // JOURNAL_LINES)
    return Requests(
        writes=puts + journal + -(-listed // KEYS_PER_LIST) + SMALL_WRITES,
        reads=SMALL_READS,
        deletes=-(-deletes // KEYS_PER_DELETE.get(kind, 1)),
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """What a month at a target is like."""

    claims_seconds: float
    publish_seconds: float
    changes: float
    """Documents written or deleted."""
    document_bytes: float
    state_bytes: float
    mirror_bytes: float = 0
    """All shared files of its mirrors together."""
    mirrors: int = 0

    @property
    def leases(self) -> float:
        return _MONTH_SECONDS / (LEASE_SECONDS / 4)

    @property
    def batches(self) -> float:
        """Journal objects: at most one per `claims_seconds`, and none without a change."""
        return min(self.changes, _MONTH_SECONDS / self.claims_seconds)

    @property
    def states(self) -> float:
        quiet = _MONTH_SECONDS / min(STATE_SECONDS, 2 * self.claims_seconds)
        return max(quiet, self.batches)

    @property
    def publishes(self) -> float:
        """Of each mirror, at most."""
        return min(self.changes, _MONTH_SECONDS / self.publish_seconds)

    def requests(self) -> Requests:
        """A month's: lease, state, journal, documents, mirrors."""
        shared = self.publishes * self.mirrors * WRITES_PER_PUBLISH
        return Requests(writes=round(self.leases + self.states + self.batches + self.changes + shared))

    def replaced_bytes(self) -> float:
        """What a month replaces or deletes: every version of everything that is written over."""
        ours = self.leases * LEASE_BYTES + self.states * self.state_bytes + self.changes * LINE_BYTES
        return ours + self.changes * self.document_bytes + self.publishes * self.mirror_bytes


def kept_gigabytes(pace: Pace, retention: Retention) -> float:
    """How much the bucket keeps of what was replaced, in the steady state; each month as much again when nothing ends it."""
    if not retention.days:
        return 0.0
    months = 1.0 if retention.days == math.inf else retention.days / MONTH_DAYS
    return pace.replaced_bytes() * months / 1e9
