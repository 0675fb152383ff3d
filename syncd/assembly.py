"""Puts the parts together as a configuration says: one source, one ledger, a lane per target."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from syncd import sources, targets
from syncd.config import Config, load
from syncd.errors import Misconfigured
from syncd.lane import Lane
from syncd.lanesettings import Rate
from syncd.ledger import Ledger
from syncd.sources import Source
from syncd.targets import Target


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything one process works with."""

    config: Config
    source: Source
    ledger: Ledger
    lanes: tuple[Lane, ...]

    def instance(self) -> str:
        """The name of this Label Studio: the configured one, else from its content.

        Raises Misconfigured when the ledger knows another one: then nothing is written nor deleted.
        """
        instance = self.config.root.instance or self.source.identity()
        known = self.ledger.fact("instance")
        if known is None:
            self.ledger.keep_fact("instance", instance)
        elif known != instance:
            raise Misconfigured(
                f"{self.source.where} is another Label Studio ({instance}) than the one this ledger knows ({known}). Nothing "
                f"is written or deleted. Give it its own `state.path` and prefixes, or set `instance: {known}` if it is the same"
            )
        return instance


@contextlib.contextmanager
def assembled(config: Config) -> Iterator[Assembly]:
    """Open everything but the targets; close it all at the end. Raises LedgerHeld when a daemon runs."""
    with contextlib.ExitStack() as stack:
        ledger = Ledger(config.root.state.path)
        stack.callback(ledger.close)
        source = sources.make(config.source_type, config.source)
        stack.callback(source.close)
        everyones = tuple(mirror.settings for part in config.targets for mirror in part.config.mirrors)
        lanes = []
        for part in config.targets:
            lane = Lane(
                part.lane(config.root.documents),
                source=source,
                make=partial(_made, config, part.config.name),
                ledger=ledger,
                everyones=everyones,
                rate=Rate(part.config.rate.requests_per_second, part.config.rate.bytes_per_second),
                claims_seconds=part.config.claims_seconds,
                journal_days=part.config.journal_days,
            )
            stack.callback(lane.close)
            lanes.append(lane)
        ledger.drop_lanes_except([lane.settings.name for lane in lanes])
        yield Assembly(config, source, ledger, tuple(lanes))


def _made(config: Config, name: str) -> Target:
    """The target, with its settings and secret files as they are now; as they were while the file is being edited."""
    try:
        parts = load(config.path).targets
    except Misconfigured:
        parts = config.targets
    part = next(p for p in (*parts, *config.targets) if p.config.name == name)
    return targets.make(part.config.type, part.settings)
