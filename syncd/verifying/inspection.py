"""One target under inspection: list, ask the source, compare, and look at what only a look can tell."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256

from syncd import targets
from syncd.bucket import check_marker
from syncd.config import Config, TargetPart
from syncd.layout import MARKER
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.sources import Source
from syncd.targets import Target, Traffic, paced
from syncd.verifying import Difference
from syncd.verifying.asking import Asking
from syncd.verifying.comparison import Comparison, comparison
from syncd.verifying.listing import listing

LOOKS = 16
"""Objects looked at side by side."""
PATIENCE = 15.0
"""Seconds that a daemon at work has to write what changed while it was being compared."""


class Inspection:
    """One target, opened, and the tables of its comparison."""

    def __init__(
        self,
        part: TargetPart,
        config: Config,
        target: Target,
        source: Source,
        ledger: Ledger | None,
        tables: Comparison,
    ) -> None:
        self.name = part.config.name
        self.tables = tables
        self._target = target
        self._settings = part.lane(config.root.documents)
        self._lane = _lane(part.config.name, target, ledger)
        self._asking = Asking(self._settings, source, target, self._lane)

    def inspect(self, instance: str, *, deep: bool, progress: Callable[[int], None]) -> None:
        """Fill and compare. Raises Misconfigured when the prefix is another Label Studio's."""
        found = self._target.get(MARKER)
        if found is not None:
            check_marker(found, self._target.where, instance)
        else:
            self.tables.want([self._asking.marker(instance)])
        self.tables.have(listing(self._target, self._lane, self._settings.mirrors))
        if found is not None:
            self.tables.leave(MARKER)
        for count in self._asking.everything(self.tables):
            progress(count)
        self.tables.compare(keep=self._settings.deletes == "keep")
        for page in self.tables.doubtful(deep=deep):
            self._look(page, deep=deep)
        self._explain()

    def look_again(self, *, deep: bool) -> None:
        """Take away what a daemon at work has written meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while True:
            left = 0
            for page in self.tables.pages_found():
                self._asking.again([task for _, _, task in page if task is not None], self.tables)
                keys = [key for key, _, _ in page]
                right = [key for key, there in self._there(keys, deep=deep) if there == self.tables.digest_of(key)]
                self.tables.settled(right)
                left += len(keys) - len(right)
            if not left or not self._is_busy() or time.monotonic() >= deadline:
                return
            time.sleep(0.5)

    def _is_busy(self) -> bool:
        return self._lane is not None and self._lane.waiting()[0] > 0

    def _look(self, wanted: Sequence[tuple[str, bytes, int | None]], *, deep: bool) -> None:
        keys = [key for key, _, _ in wanted]
        for (key, digest, task), (_, there) in zip(wanted, self._there(keys, deep=deep), strict=True):
            if there is None:
                self.tables.note(Difference("+", key, "missing", task))
            elif there != digest:
                self.tables.note(Difference("*", key, "other bytes", task))

    def _there(self, keys: Sequence[str], *, deep: bool) -> Iterator[tuple[str, bytes | None]]:
        """(key, digest of what is there, None when nothing is)."""
        with ThreadPoolExecutor(LOOKS, thread_name_prefix="look") as pool:
            yield from zip(keys, pool.map(lambda key: self._digest_there(key, deep=deep), keys), strict=True)

    def _digest_there(self, key: str, *, deep: bool) -> bytes | None:
        """By what the object says of itself; by its bytes with `deep`, or when it says nothing."""
        said = None if deep else self._target.head(key)
        if said is not None and said.digest:
            return bytes.fromhex(said.digest.removeprefix("sha256:"))
        found = self._target.get(key) if deep or said is not None else None
        return None if found is None else sha256(found.body or b"").digest()

    def _explain(self) -> None:
        """Say of what is only in the target that its deletion is held."""
        held = set(self._lane.held()) if self._lane else set()
        if held:
            self.tables.explain_held(held)


@contextmanager
def inspection(part: TargetPart, config: Config, source: Source, ledger: Ledger | None) -> Iterator[Inspection]:
    """Open a target to look at it; it is not asked what it can do, so nothing is written."""
    rate = part.config.rate
    target = paced(
        targets.make(part.config.type, part.settings),
        Traffic(),
        requests_per_second=rate.requests_per_second,
        bytes_per_second=rate.bytes_per_second,
    )
    try:
        target.open()
        with comparison() as tables:
            yield Inspection(part, config, target, source, ledger, tables)
    finally:
        target.close()


def _lane(name: str, target: Target, ledger: Ledger | None) -> LaneLedger | None:
    """What the ledger knows of this target, if it is about this very place."""
    number = ledger.lanes().get(name) if ledger else None
    if ledger is None or number is None:
        return None
    lane = LaneLedger(ledger, number)
    return lane if lane.place() == target.where else None
