"""Has what differs written again: by the daemon that holds the ledger, else by a pass of our own."""

from collections.abc import Iterable, Iterator, Sequence

from syncd import control
from syncd.assembly import assembled
from syncd.config import Config
from syncd.errors import Misconfigured, Unavailable
from syncd.layout import task_of_key
from syncd.ledger import LedgerHeld
from syncd.onepass import one_pass, through_daemon
from syncd.verifying.inspection import Inspection

TASKS_PER_ORDER = 2000
"""An order is one line of 64 kB at most."""


def repair(config: Config, inspections: Sequence[Inspection]) -> bool:
    """Doubt what was found, have the targets listed, and settle; False when all was right. Raises as a pass does."""
    wrong = [one for one in inspections if any(True for _ in one.tables.differences())]
    if not wrong:
        return False
    try:
        with assembled(config) as assembly:
            lanes = {lane.settings.name: lane for lane in assembly.lanes}
            for one in wrong:
                for tasks in one.tables.tasks_found():
                    lanes[one.name].doubt(tasks)
                lanes[one.name].doubt((), mirrors=_in_mirrors(one))
            one_pass(assembly)
    except LedgerHeld:
        for order in _orders(wrong):
            _ask(config, order)
        through_daemon(config)
    return True


def _orders(wrong: Iterable[Inspection]) -> Iterator[control.Order]:
    for one in wrong:
        for tasks in one.tables.tasks_found():
            for at in range(0, len(tasks), TASKS_PER_ORDER):
                yield {"order": "doubt", "target": one.name, "tasks": tasks[at : at + TASKS_PER_ORDER]}
        yield {"order": "doubt", "target": one.name, "mirrors": _in_mirrors(one)}


def _ask(config: Config, order: control.Order) -> None:
    answer = control.ask(config.root.state.path, order)
    if answer is None:
        raise Unavailable(f"the ledger {config.root.state.path} is in use, and its daemon does not answer; try again")
    if "error" in answer:
        raise Misconfigured(answer["error"])


def _in_mirrors(one: Inspection) -> bool:
    """Whether a file of a mirror is among what was found."""
    return any(task_of_key(d.key) is None and d.key.count("/") > 1 for d in one.tables.differences())
