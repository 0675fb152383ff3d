"""Puts the parts together as a configuration says: one source, one ledger, a lane per target."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from syncd import sources, targets
from syncd.config import Config, TargetPart, load
from syncd.errors import Misconfigured
from syncd.lane import Lane
from syncd.lanesettings import Rate
from syncd.ledger import Ledger
from syncd.sources import Signals, Source
from syncd.targets import Target


@dataclass(slots=True)
class Assembly:
    """Everything one process works with. A reload puts other parts in their place."""

    config: Config
    source: Source
    ledger: Ledger
    lanes: tuple[Lane, ...]
    changing: threading.Lock = field(default_factory=threading.Lock)
    """Held while signals are recorded, and while lanes come and go: a new lane misses none."""

    def instance(self) -> str:
        """The name of this Label Studio: the configured one, else from its content.

        Raises Misconfigured when the ledger knows another one: then nothing is written nor deleted.
        """
        return instance_of(self.config, self.source, self.ledger)

    def record(self, batch: Signals) -> bool:
        """Make a batch of signals durable for every lane; True when it brought anything."""
        with self.changing:
            return self.ledger.record(batch, [lane.lane.id for lane in self.lanes])

    def close(self) -> None:
        for lane in self.lanes:
            lane.close()
        self.source.close()


def instance_of(config: Config, source: Source, ledger: Ledger) -> str:
    """See `Assembly.instance`."""
    instance = config.root.instance or source.identity()
    known = ledger.fact("instance")
    if known is None:
        ledger.keep_fact("instance", instance)
    elif known != instance:
        raise Misconfigured(
            f"{source.where} is another Label Studio ({instance}) than the one this ledger knows ({known}). Nothing "
            f"is written or deleted. Give it its own `state.path` and prefixes, or set `instance: {known}` if it is the same"
        )
    return instance


@contextlib.contextmanager
def assembled(config: Config) -> Iterator[Assembly]:
    """Open everything but the targets; close it all at the end. Raises LedgerHeld when a daemon runs."""
    with contextlib.ExitStack() as stack:
        ledger = Ledger(config.root.state.path)
        stack.callback(ledger.close)
        assembly = Assembly(config, sources.make(config.source_type, config.source), ledger, ())
        stack.callback(assembly.close)
        for part in config.targets:
            assembly.lanes += (lane_of(part, config, assembly.source, ledger),)
        ledger.drop_lanes_except([lane.settings.name for lane in assembly.lanes])
        yield assembly


def lane_of(part: TargetPart, config: Config, source: Source, ledger: Ledger) -> Lane:
    """One target's lane, not yet connected."""
    everyones = tuple(mirror.settings for one in config.targets for mirror in one.config.mirrors)
    return Lane(
        part.lane(config.root.documents),
        source=source,
        make=partial(_made, config, part),
        ledger=ledger,
        everyones=everyones,
        rate=Rate(part.config.rate.requests_per_second, part.config.rate.bytes_per_second),
        claims_seconds=part.config.claims_seconds,
        journal_days=part.config.journal_days,
    )


def _made(config: Config, part: TargetPart) -> Target:
    """The target, with the keys and secrets of its own type as they are now; another place, and any other change, waits for a
    reload."""
    target = targets.make(part.config.type, part.settings)
    try:
        now = next((p for p in load(config.path).targets if p.config.name == part.config.name), part)
    except Misconfigured:
        return target
    if now.settings == part.settings or now.config.type != part.config.type:
        return target
    fresh = targets.make(now.config.type, now.settings)
    return fresh if fresh.where == target.where else target
