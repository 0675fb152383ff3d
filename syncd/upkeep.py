"""What `check` and `plan` say about a target's running costs: requests a month, and what the bucket keeps of replaced objects.

The pace is learned from the ledger: what was written in the last 30 days. A ledger without a history counts no changes.
"""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from syncd.config import TargetPart
from syncd.costs import MONTH_DAYS, PRICES, Pace, Prices, Requests, kept_gigabytes
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.targets import Retention, Target

_DAY_SECONDS = 86_400
SHORTEST_HISTORY_DAYS = 1.0
"""From less, nobody can tell what a month is like."""
_LOOKED_AT = 1000
"""Files of a mirror's folder that are looked at: a mirror with shared files has few."""
_STATE_BYTES = 600.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One target's month with the daemon running. `dollars` is None where the store's prices are not known."""

    pace: Pace
    requests: Requests
    dollars: float | None
    retention: Retention
    kept_gigabytes: float

    @property
    def warning(self) -> str:
        """What the bucket keeps, as a sentence; "" when it keeps nothing."""
        days, because = self.retention.days, self.retention.because
        if days is None:
            return f"{because}; if it does, set a lifecycle rule (docs/cost.md)"
        if not days:
            return ""
        grows = f"{because}: it grows by {_size(self.kept_gigabytes)} a month; set one (docs/cost.md)"
        stays = f"{because}: {_size(self.kept_gigabytes)} are billed every month beside what is there (docs/cost.md)"
        return grows if days == math.inf else stays


def upkeep_of(part: TargetPart, target: Target, lane: LaneLedger | None) -> Upkeep:
    """Looks at the bucket's settings, at the mirrors' files and at the ledger, if there is one."""
    retention, pace = target.retention(), _pace(part, target, lane)
    prices, requests = prices_of(part), pace.requests()
    dollars = None if prices is None else requests.dollars(prices)
    return Upkeep(pace, requests, dollars, retention, kept_gigabytes(pace, retention))


def upkeep_known_to(state: Path, part: TargetPart, target: Target) -> Upkeep:
    """The same by the ledger at a path, which need not be there yet."""
    if not state.exists():
        return upkeep_of(part, target, None)
    with closing(Ledger(state, read_only=True)) as ledger:
        number = ledger.lanes().get(part.config.name)
        return upkeep_of(part, target, None if number is None else LaneLedger(ledger, number))


def prices_of(part: TargetPart) -> Prices | None:
    """The store's list prices; None for a folder, Redis, and for whoever runs a store of their own."""
    own = part.config.type == "s3" and getattr(part.settings, "endpoint_url", None)
    return None if own else PRICES.get(part.config.type)


def _pace(part: TargetPart, target: Target, lane: LaneLedger | None) -> Pace:
    common = part.config
    history = _history(lane) if lane else _NOTHING
    projects = lane.counts() if lane else {}
    shared = [_shared_bytes(target, f"{project}/{mirror.folder}/") for project in projects for mirror in common.mirrors]
    return Pace(
        claims_seconds=common.claims_seconds,
        publish_seconds=common.publish_seconds,
        changes=history.changes,
        document_bytes=history.document_bytes,
        state_bytes=history.state_bytes,
        mirror_bytes=sum(shared),
        mirrors=len(shared),
    )


def _shared_bytes(target: Target, folder: str) -> int:
    """The largest file of a mirror: the one that all tasks share, and that each publish replaces."""
    return max((listed.size for listed in islice(target.list(folder), _LOOKED_AT)), default=0)


@dataclass(frozen=True, slots=True)
class _History:
    changes: float
    document_bytes: float
    state_bytes: float


_NOTHING = _History(0, 0, _STATE_BYTES)


def _history(lane: LaneLedger) -> _History:
    reader = lane.ledger.reader()
    lines = f"SELECT total(last - first + 1), min(stored_at), min(first) FROM journal_{lane.id} WHERE stored_at > ?"
    count, since, first = reader.execute(lines, (time.time() - MONTH_DAYS * _DAY_SECONDS,)).fetchone()
    if first == 1:  # the first load is no change
        count = max(0, count - sum(lane.counts().values()))
    days = (time.time() - since) / _DAY_SECONDS if since else 0.0
    (size,) = reader.execute(f"SELECT coalesce(avg(size), 0) FROM written_{lane.id} WHERE size >= 0").fetchone()
    state = lane.facts().state
    changes = count * MONTH_DAYS / days if days >= SHORTEST_HISTORY_DAYS else 0.0
    return _History(changes, size, len(state) if state else _STATE_BYTES)


def _size(gigabytes: float) -> str:
    return f"{gigabytes:.1f} GB" if gigabytes >= 0.1 else f"{gigabytes:.2g} GB"
