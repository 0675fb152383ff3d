"""`syncd plan`: what a pass would write and delete. Works on a copy of the ledger, so nothing is changed anywhere."""

import math
import sqlite3
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from syncd import sources, targets
from syncd.bucket import reconcile
from syncd.config import Config, TargetPart
from syncd.costs import PRICES, requests_of_pass
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.planning import Planner
from syncd.sources import Source
from syncd.targets import Target
from syncd.upkeep import prices_of, upkeep_of


@dataclass(frozen=True, slots=True)
class _Lane:
    """One target with what decides about it. `listed`: objects that a first pass has to list."""

    part: TargetPart
    target: Target
    lane: LaneLedger
    planner: Planner
    listed: int


def foresee(config: Config) -> dict[str, Any]:
    """Objects, bytes, requests and what they cost, per target, by the same decisions that `sync` takes."""
    with tempfile.TemporaryDirectory(prefix="syncd-plan-") as folder, ExitStack() as opened:
        ledger = Ledger(_copied(config.root.state.path, Path(folder)))
        opened.callback(ledger.close)
        source = sources.make(config.source_type, config.source)
        opened.callback(source.close)
        lanes = [_lane(part, config, ledger, source, opened) for part in config.targets]
        for batch in source.sweep(ledger, threading.Event()):
            ledger.record(batch, [one.lane.id for one in lanes])
        return {"targets": {one.part.config.name: _one(one, ledger) for one in lanes}}


def _copied(state: Path, folder: Path) -> Path:
    """The ledger as it is now, daemon running or not; an empty one when there is none yet."""
    copy = folder / "ledger.db"
    if state.exists():
        there = sqlite3.connect(f"{state.resolve().as_uri()}?mode=ro", uri=True)
        here = sqlite3.connect(copy)
        there.backup(here)
        here.close()
        there.close()
    return copy


def _lane(part: TargetPart, config: Config, ledger: Ledger, source: Source, opened: ExitStack) -> _Lane:
    target = targets.make(part.config.type, part.settings)
    opened.callback(target.close)
    target.open()
    number, is_new = ledger.lane(part.config.name, where=target.where)
    lane, settings = LaneLedger(ledger, number), part.lane(config.root.documents)
    if is_new:
        reconcile(target, lane)
    if is_new or lane.facts().selection != settings.selection:
        lane.dirty_everything()
    listed = sum(lane.counts().values()) if is_new else 0
    return _Lane(part, target, lane, Planner(settings, source, target, ledger, lane), listed)


def _one(one: _Lane, ledger: Ledger) -> dict[str, Any]:
    totals = _totals(one.planner, one.lane, ledger)
    if one.part.config.type not in PRICES:
        return totals
    passed = requests_of_pass(one.part.config.type, puts=totals["writes"], deletes=totals["deletes"], listed=one.listed)
    upkeep, prices = upkeep_of(one.part, one.target, one.lane), prices_of(one.part)
    days = None if upkeep.retention.days == math.inf else upkeep.retention.days
    kept = {"days": days, "gb_a_month": upkeep.kept_gigabytes, "warning": upkeep.warning}
    return totals | {
        "requests": asdict(passed) | {"usd": passed.dollars(prices) if prices else None},
        "month": asdict(upkeep.requests) | {"usd": upkeep.dollars, "changes": round(upkeep.pace.changes)},
        "kept": kept if upkeep.warning else None,
    }


def _totals(planner: Planner, lane: LaneLedger, ledger: Ledger) -> dict[str, Any]:
    held_already = sum(lane.held().values())
    totals = {"writes": 0, "bytes": 0, "deletes": 0, "unchanged": 0, "held_deletes": held_already, "set_aside": 0}
    while True:
        plan = planner.next()
        if not plan.tasks():
            return totals
        totals["writes"] += len(plan.puts)
        totals["bytes"] += plan.bytes
        totals["deletes"] += len(plan.deletes)
        totals["unchanged"] += plan.unchanged
        totals["held_deletes"] += len(plan.held)
        totals["set_aside"] += len(plan.rejected)
        with ledger.transaction() as t:
            t.executemany(f"DELETE FROM dirty_{lane.id} WHERE task = ?", [(task,) for task in plan.tasks()])
