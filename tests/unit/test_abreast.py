"""Requests abreast: each answered once, and none still under way when the caller hears of a failure."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncd.errors import Unavailable
from syncd.targets._abreast import Pool

WIDTH = 4


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(WIDTH, "test")
    yield made
    made.close()


def test_every_item_is_answered_once(pool: Pool) -> None:
    assert sorted(pool.each(lambda item: item * 2, range(1_000))) == list(range(0, 2_000, 2))


def test_as_many_run_together_as_the_pool_is_wide(pool: Pool) -> None:
    together = threading.Barrier(WIDTH, timeout=10)
    assert len(list(pool.each(lambda _: together.wait(), range(WIDTH * 3)))) == WIDTH * 3


def test_nothing_is_under_way_any_more_when_a_failure_is_told(pool: Pool) -> None:
    failed, running, ended = threading.Event(), [], []

    def work(item: int) -> int:
        running.append(item)
        if item == 1:
            failed.set()
            raise Unavailable("the store is gone")
        failed.wait(10)
        ended.append(item)
        return item

    answers: list[int] = []
    with pytest.raises(Unavailable, match="the store is gone"):
        answers.extend(pool.each(work, range(1_000)))

    assert sorted([*ended, 1]) == sorted(running)
    assert sorted(answers or ended) == sorted(ended)
    assert len(running) <= WIDTH * 2


def test_a_caller_that_stops_early_stops_the_rest(pool: Pool) -> None:
    running, ended, request_takes = [], [], threading.Event()

    def work(item: int) -> int:
        running.append(item)
        request_takes.wait(0.005)
        ended.append(item)
        return item

    answers = pool.each(work, range(1_000))
    next(answers)
    answers.close()  # type: ignore[attr-defined]  # a generator, promised as an iterator only

    assert len(running) == len(ended) < 1_000


def test_one_item_waits_for_nobody(pool: Pool) -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(1) as other:
        busy = other.submit(lambda: list(pool.each(lambda _: gate.wait(10), range(WIDTH * 2))))
        assert list(pool.each(lambda _: threading.current_thread(), [1])) == [threading.current_thread()]
        gate.set()
        assert all(busy.result())


def test_many_callers_share_the_pool(pool: Pool) -> None:
    with ThreadPoolExecutor(8) as callers:
        sums = list(callers.map(lambda number: sum(pool.each(lambda item: item + number, range(100))), range(8)))
    assert sums == [4_950 + 100 * number for number in range(8)]
