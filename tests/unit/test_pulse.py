"""A loop that waits is told from one that hangs."""

from syncd.health import hung_loops
from syncd.pulse import Heeded, Pulse


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_hangs_once_it_has_been_silent_for_longer_than_allowed() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    clock.now = 300.0
    assert hung_loops({"a loop": pulse}, 300) == ()
    clock.now = 301.0
    assert hung_loops({"a loop": pulse}, 300) == ("a loop has taken no step for 301 s",)
    pulse.beat()
    assert hung_loops({"a loop": pulse}, 300) == ()


def test_a_rest_that_was_announced_is_no_silence() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    pulse.beat(resting=1000)
    clock.now = 1100.0
    assert pulse.silent_seconds() == 100.0


def test_whoever_looks_whether_to_stop_has_taken_a_step() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    stop = Heeded(pulse)
    clock.now = 500.0
    assert not stop.is_set()
    assert pulse.silent_seconds() == 0.0
    stop.set()
    clock.now = 900.0
    assert stop.wait(10)
    assert pulse.silent_seconds() == 0.0
