"""A crew: units worked on by several processes, answered in order, and nobody left at work."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syncd.converting.crew import Crew
from syncd.errors import Unavailable
from syncd.taskfiles.elements import Unit
from tests.deployment import eventually

ANSWERED = 300


def units(count: int = ANSWERED) -> Iterator[Unit]:
    return (Unit(Path("tasks"), number, number + 1, b",") for number in range(count))


def answer(unit: Unit) -> tuple[int, int]:
    time.sleep(0.001 * (unit.first % 3))
    return unit.first, os.getpid()


def test_answers_come_in_the_order_of_the_units_from_every_process(tmp_path: Path) -> None:
    def work(unit: Unit) -> tuple[int, int]:
        (tmp_path / str(os.getpid())).touch()
        if unit.first < 3:
            eventually(lambda: len(list(tmp_path.iterdir())) == 3)
        return answer(unit)

    with closing(Crew(3, lambda: work)) as crew:
        answers = list(crew.each(units()))

    assert [number for number, _ in answers] == list(range(ANSWERED))
    assert len({process for _, process in answers}) == 3


def test_a_fault_is_raised_when_it_is_its_units_turn() -> None:
    def work(unit: Unit) -> int:
        if unit.first >= 7:
            raise Unavailable(f"unit {unit.first}")
        time.sleep(0.02)
        return unit.first

    answers = []
    with closing(Crew(4, lambda: work)) as crew, pytest.raises(Unavailable, match="unit 7"):
        answers.extend(crew.each(units()))

    assert answers == list(range(7))


class OddError(Exception):
    """An error that can be pickled, and not be made again."""

    def __init__(self, *, why: str) -> None:
        super().__init__(why)


@pytest.mark.parametrize("fault", ["raised", "answered"])
def test_a_fault_that_cannot_travel_is_told_in_words(fault: str) -> None:
    parent = os.getpid()

    def work(unit: Unit) -> object:
        if os.getpid() == parent:
            time.sleep(0.01)
            return unit.first
        if fault == "raised":
            raise OddError(why="the tag is odd")
        return lambda: unit

    with closing(Crew(2, lambda: work)) as crew, pytest.raises(RuntimeError, match=r"the tag is odd|pickle"):
        list(crew.each(units()))


def test_a_killed_process_is_told_of() -> None:
    parent = os.getpid()

    def work(unit: Unit) -> int:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return unit.first

    with closing(Crew(2, lambda: work)) as crew, pytest.raises(Unavailable, match="was killed"):
        list(crew.each(units()))


def test_nobody_is_at_work_when_a_crew_is_closed_early(tmp_path: Path) -> None:
    def work(unit: Unit) -> bytes:
        (tmp_path / f"{unit.first}.begun").touch()
        time.sleep(0.01)
        (tmp_path / f"{unit.first}.ended").touch()
        return bytes(100_000)

    with closing(Crew(3, lambda: work)) as crew:
        next(crew.each(units()))

    names = [path.suffix for path in tmp_path.iterdir()]
    assert names.count(".begun") == names.count(".ended") < ANSWERED
    assert not multiprocessing.active_children()


def test_no_units_no_answers() -> None:
    with closing(Crew(2, lambda: answer)) as crew:
        assert list(crew.each(units(0))) == []
