"""Whether the daemon lives and has started, as probes and watchdogs ask.

Alive looks at our own loops only: each has taken a step lately. A store that is down, or a catch-up that takes days, kills
nobody. Ready is said once and stays: the source was read, every target has answered or has said why not, one at least is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.lane import Lane
from syncd.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Health:
    """The answers to both questions; reasons name parts and states, never addresses."""

    hung: tuple[str, ...] = ()
    """Loops that took no step for `hung_seconds`."""
    waiting: tuple[str, ...] = ()
    """What start-up still waits for."""
    trouble: tuple[str, ...] = ()
    """What is wrong and stops neither answer."""

    @property
    def alive(self) -> bool:
        return not self.hung

    @property
    def ready(self) -> bool:
        return not self.waiting


def hung_loops(loops: Mapping[str, Pulse], hung_seconds: float) -> tuple[str, ...]:
    """The loops that have been silent for too long, each with its silence."""
    return tuple(
        f"{name} has taken no step for {pulse.silent_seconds():.0f} s"
        for name, pulse in loops.items()
        if pulse.silent_seconds() > hung_seconds
    )


def waiting_for(source_read: bool, lanes: Sequence[Lane]) -> tuple[str, ...]:
    """What is missing until start-up is done. One dead target among others delays nothing, it only has to be known."""
    waiting = [] if source_read else ["the source has not been read yet"]
    waiting += [f"target {lane.settings.name} has not answered yet" for lane in lanes if not lane.tried]
    if lanes and not waiting and not any(lane.reached for lane in lanes):
        waiting.append("no target could be reached yet")
    return tuple(waiting)


def trouble_of(source_error: str | None, lanes: Sequence[Lane]) -> tuple[str, ...]:
    """Sources and targets that are not as they should be; `syncd status` has the details."""
    found = ["the source is unreachable"] if source_error else []
    for lane in lanes:
        if lane.status in ("unreachable", "refused", "paused", "standing by"):
            found.append(f"target {lane.settings.name} is {lane.status}")
        if lane.rates.held():
            found.append(f"the brake holds deletions in target {lane.settings.name}")
    return tuple(found)
