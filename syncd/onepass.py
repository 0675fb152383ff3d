"""`syncd sync`: one full pass over source and targets, then done. Lanes work while the source is still being swept."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from syncd import control
from syncd.assembly import Assembly
from syncd.config import Config
from syncd.errors import Misconfigured, Unavailable
from syncd.faults import fault_point
from syncd.lane import Lane
from syncd.model import Project
from syncd.sources import named


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass came to, per target."""

    targets: dict[str, dict[str, Any]]

    @property
    def whole(self) -> bool:
        """Nothing was set aside, held or left."""
        left = ("quarantined", "quarantined_in_mirrors", "held_deletes", "dirty")
        return not any(target[what] for target in self.targets.values() for what in left)


def one_pass(
    assembly: Assembly, progress: Callable[[int], None] = lambda _: None, *, only: Sequence[str] | None = None
) -> Passed:
    """Sweep the source, write what differs, publish the claims; with `only`, write for these projects (ids or titles).

    Raises the first lane's error once every lane has ended.
    """
    instance = assembly.instance()
    projects = numbers_of(assembly.source.projects(), only or ())
    for lane in assembly.lanes:
        lane.lane.only = projects
    swept = threading.Event()
    with ThreadPoolExecutor(len(assembly.lanes), thread_name_prefix="lane") as pool:
        at_work = [lane for lane in assembly.lanes if not lane.lane.facts().paused]
        running = [pool.submit(_one_lane, lane, instance, swept, progress) for lane in at_work]
        try:
            sweep(assembly)
        finally:
            swept.set()
        errors = [error for error in (lane.exception() for lane in running) if error is not None]
    if errors:
        raise errors[0]
    return Passed({lane.settings.name: summary(lane) for lane in assembly.lanes})


def through_daemon(config: Config, only: Sequence[str] | None = None) -> Passed:
    """The same, by the daemon that holds the ledger. Raises Unavailable when it cannot, or a target is out of reach."""
    answer = control.ask(config.root.state.path, {"order": "sync", "projects": list(only or ())})
    if answer is None:
        raise Unavailable(
            f"the ledger {config.root.state.path} is in use, and its daemon does not answer yet; try again"
        )
    if "error" in answer:
        raise (Unavailable if answer.get("unreachable") else Misconfigured)(answer["error"])
    away = [t["error"] for t in answer["targets"].values() if t["state"] == "unreachable" and t["error"]]
    if away:
        raise Unavailable(away[0])
    return Passed(answer["targets"])


def numbers_of(projects: Iterable[Project], only: Collection[str]) -> frozenset[int] | None:
    """The ids of projects named by id or title; None for all of them. Raises Misconfigured for one that is not there."""
    there = list(projects)
    return frozenset(named(name, there, "the source").id for name in only) or None


def left_over(lane: Lane, projects: Collection[int] | None) -> dict[str, Any]:
    """What a lane has not settled, of some projects or all; how many files it keeps; and how it is."""
    due, held = lane.lane.waiting(projects)
    facts, rows = lane.lane.facts(), lane.mirrors.rows
    mirrors = [kept for kept in rows.mirrors() if kept.configured and (projects is None or kept.project in projects)]
    # A rebuild that waits for deletions which the brake holds is not waited for.
    waits = {"waiting"} if held else {"waiting", "rebuilding"}
    return {
        "state": "paused" if facts.paused else lane.status,
        "error": facts.error,
        "dirty": due,
        "held_deletes": held,
        "quarantined": sum(projects is None or one.project in projects for one in lane.lane.quarantine()),
        "quarantined_in_mirrors": sum(rows.aside_count(kept.id) for kept in mirrors if kept.generation),
        "mirrors_due": sum(kept.state in waits for kept in mirrors),
        "in_doubt": lane.in_doubt.is_set() or lane.is_learning,
        "files": sum(count for p, count in lane.lane.counts().items() if projects is None or p in projects),
    }


def sweep(assembly: Assembly) -> None:
    """Signal everything that is not as remembered."""
    for batch in assembly.source.sweep(assembly.ledger, threading.Event()):
        assembly.record(batch)
        fault_point("signals recorded")


def summary(lane: Lane) -> dict[str, Any]:
    """What one lane did, and what it still owes."""
    totals = asdict(lane.pipeline.totals)
    del totals["held"]  # those that still are count
    return {**totals, **left_over(lane, lane.lane.only)}


def _one_lane(lane: Lane, instance: str, swept: threading.Event, progress: Callable[[int], None]) -> None:
    lane.open(instance)
    while not swept.wait(0.05):
        lane.once_so_far(progress)
    if lane.ledger.swept:  # else the source failed midway: nothing may be deleted, and what is due stays due
        lane.once(progress)
