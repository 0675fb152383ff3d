"""`syncd sync`: one full pass over source and targets, then done. Lanes work while the source is still being swept."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from syncd import control
from syncd.assembly import Assembly
from syncd.config import Config
from syncd.errors import Misconfigured, Unavailable
from syncd.faults import fault_point
from syncd.lane import Lane


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
    if only:
        _restrict(assembly, only)
    swept = threading.Event()
    with ThreadPoolExecutor(len(assembly.lanes), thread_name_prefix="lane") as pool:
        running = [pool.submit(_one_lane, lane, instance, swept, progress) for lane in assembly.lanes]
        try:
            sweep(assembly)
        finally:
            swept.set()
        errors = [error for error in (lane.exception() for lane in running) if error is not None]
    if errors:
        raise errors[0]
    return Passed({lane.settings.name: summary(lane) for lane in assembly.lanes})


def through_daemon(config: Config) -> Passed:
    """The same, by the daemon that holds the ledger. Raises Unavailable when it cannot."""
    answer = control.ask(config.root.state.path, {"order": "sync"})
    if answer is None:
        raise Unavailable(
            f"the ledger {config.root.state.path} is in use, and its daemon does not answer yet; try again"
        )
    if "error" in answer:
        raise Unavailable(answer["error"])
    counts = ("dirty", "held_deletes", "quarantined", "files")
    return Passed(
        {
            name: {key: target[key] for key in counts}
            | {"quarantined_in_mirrors": sum(mirror["quarantined"] for mirror in target["mirrors"])}
            for name, target in answer["targets"].items()
        }
    )


def _restrict(assembly: Assembly, only: Sequence[str]) -> None:
    projects = assembly.source.projects()
    chosen = {p.id for p in projects if str(p.id) in only or p.title in only}
    lost = [name for name in only if not any(name in (str(p.id), p.title) for p in projects)]
    if lost:
        there = ", ".join(f"{p.id} ({p.title})" for p in projects[:20])
        raise Misconfigured(f"there is no project {lost[0]!r}; there are {there}")
    for lane in assembly.lanes:
        lane.lane.only = frozenset(chosen)


def sweep(assembly: Assembly) -> None:
    """Signal everything that is not as remembered."""
    numbers = [lane.lane.id for lane in assembly.lanes]
    for batch in assembly.source.sweep(assembly.ledger, threading.Event()):
        assembly.ledger.record(batch, numbers)
        fault_point("signals recorded")


def summary(lane: Lane) -> dict[str, Any]:
    """What one lane did, and what it still owes."""
    owed = lane.lane.owed()
    quarantined = len(lane.lane.quarantine())
    return {
        **asdict(lane.pipeline.totals),
        "dirty": owed.dirty - owed.held,
        "held_deletes": owed.held,
        "quarantined": quarantined,
        "quarantined_in_mirrors": lane.mirrors.rows.aside_total(),
    }


def _one_lane(lane: Lane, instance: str, swept: threading.Event, progress: Callable[[int], None]) -> None:
    lane.open(instance)
    while not swept.wait(0.05):
        lane.once_so_far(progress)
    if lane.ledger.swept:  # else the source failed midway: nothing may be deleted, and what is due stays due
        lane.once(progress)
