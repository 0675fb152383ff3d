"""`syncd plan`: what a pass would write and delete. Works on a copy of the ledger, so nothing is changed anywhere."""

import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import Any

from syncd import sources, targets
from syncd.bucket import reconcile
from syncd.config import Config, TargetPart
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.planning import Planner
from syncd.sources import Source


def foresee(config: Config) -> dict[str, Any]:
    """Objects and bytes per target, by the same decisions that `sync` takes."""
    with tempfile.TemporaryDirectory(prefix="syncd-plan-") as folder:
        ledger = Ledger(_copied(config.root.state.path, Path(folder)))
        source = sources.make(config.source_type, config.source)
        try:
            lanes = {part.config.name: _lane(part, config, ledger, source) for part in config.targets}
            numbers = [lane.id for _, lane in lanes.values()]
            for batch in source.sweep(ledger, threading.Event()):
                ledger.record(batch, numbers)
            return {"targets": {name: _one(planner, lane, ledger) for name, (planner, lane) in lanes.items()}}
        finally:
            source.close()
            ledger.close()


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


def _lane(part: TargetPart, config: Config, ledger: Ledger, source: Source) -> tuple[Planner, LaneLedger]:
    target = targets.make(part.config.type, part.settings)
    target.open()
    number, is_new = ledger.lane(part.config.name, where=target.where)
    lane, settings = LaneLedger(ledger, number), part.lane(config.root.documents)
    if is_new:
        reconcile(target, lane)
    if is_new or lane.facts().selection != settings.selection:
        lane.dirty_everything()
    return Planner(settings, source, target, ledger, lane), lane


def _one(planner: Planner, lane: LaneLedger, ledger: Ledger) -> dict[str, Any]:
    totals = {"writes": 0, "bytes": 0, "deletes": 0, "unchanged": 0, "held_deletes": 0, "set_aside": 0}
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
