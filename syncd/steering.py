"""Steers lanes through the ledger: pause, resume, quarantine, backfill, mirrors.

A running daemon sees it at its next step.

An order is the object that goes over the control socket: `{"order": "quarantine", "do": "retry", "target": "lake"}`.
Each takes `target` (a name; else all) and, but for `pause`, `project` (id or title; else all).
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

from syncd.control import Order
from syncd.errors import Misconfigured
from syncd.ledger import Ledger, aside
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import MirrorLedger
from syncd.ledger.registries import begin_edition
from syncd.sources import named
from syncd.words import did_you_mean


def steer(ledger: Ledger, order: Order) -> list[str]:
    """Do as ordered; returns what was done, one sentence per target. Raises Misconfigured for what is not there."""
    project = project_number(ledger, order.get("project"))
    if order.get("order") == "mirror":
        return _rebuild(ledger, project, keep_numbers=bool(order.get("keep_numbers")))
    act = _act(order, project)
    return [f"{name}: {act(lane)}" for name, lane in lanes_named(ledger, order.get("target")).items()]


def set_aside(ledger: Ledger, target: str | None = None, project: object = None) -> dict[str, list[dict[str, Any]]]:
    """Target → what is set aside there and why."""
    number = project_number(ledger, project)
    return {
        name: [asdict(one) for one in lane.quarantine() if number in (None, one.project)]
        for name, lane in lanes_named(ledger, target).items()
    }


def lanes_named(ledger: Ledger, target: str | None) -> dict[str, LaneLedger]:
    """One lane, or all of them."""
    there = ledger.lanes()
    if target is not None and target not in there:
        raise Misconfigured(f"there is no target {target!r}{did_you_mean(target, there)}")
    return {name: LaneLedger(ledger, number) for name, number in sorted(there.items()) if target in (None, name)}


def project_number(ledger: Ledger, wanted: object) -> int | None:
    """The id of a project that the source shows, or that has files or tasks set aside somewhere; None for all of them."""
    if wanted is None:
        return None
    if str(wanted).isdecimal() and any(
        int(str(wanted)) in {*lane.counts(), *lane.held(), *(one.project for one in lane.quarantine())}
        for lane in lanes_named(ledger, None).values()
    ):
        return int(str(wanted))
    return named(str(wanted), ledger.projects().values(), "the source").id


def _act(order: Order, project: int | None) -> Callable[[LaneLedger], str]:
    match order:
        case {"order": "pause"}:
            return _pause
        case {"order": "resume", "allow_deletes": True}:
            return lambda lane: f"{lane.release(project)} held deletions may pass"
        case {"order": "resume"}:
            return _resume
        case {"order": "quarantine", "do": "retry"}:
            return lambda lane: f"{_tasks(aside.retry(lane, _listed(order), project))} tried again"
        case {"order": "quarantine", "do": "drop"}:
            return lambda lane: f"{_tasks(aside.drop(lane, _listed(order), project))} dropped"
        case {"order": "backfill"}:
            return lambda lane: f"{_tasks(lane.dirty_everything(project=project))} looked at again"
    raise Misconfigured(f"unknown order {' '.join(str(order[key]) for key in ('order', 'do') if key in order)!r}")


def _rebuild(ledger: Ledger, project: int | None, *, keep_numbers: bool) -> list[str]:
    """The registry is one for all targets, so that all of them begin anew."""
    mirrors = {
        name: Counter(one.project for one in MirrorLedger(ledger, lane.id).mirrors() if project in (None, one.project))
        for name, lane in lanes_named(ledger, None).items()
    }
    for each in sorted({each for counted in mirrors.values() for each in counted}):
        begin_edition(ledger, each, keep_numbers=keep_numbers)
    how = "with the same numbers" if keep_numbers else "with classes and columns numbered anew"
    return [
        f"{name}: project {each}: {count} mirror{'s'[: count != 1]} written again, {how}"
        for name, counted in mirrors.items()
        for each, count in sorted(counted.items())
    ] or ["there are no mirrors"]


def _pause(lane: LaneLedger) -> str:
    lane.keep(paused=1)
    return "paused"


def _resume(lane: LaneLedger) -> str:
    lane.keep(paused=0)
    return "resumed"


def _listed(order: Order) -> Collection[int] | None:
    tasks = order.get("tasks")
    if tasks is not None and not (isinstance(tasks, list) and all(isinstance(task, int) for task in tasks)):
        raise Misconfigured("`tasks` is a list of task ids")
    return tasks or None


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
