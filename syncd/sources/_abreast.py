"""Looks at two spans at a time: a database server works on one while we work on the other."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WIDTH = 2


def abreast(work: Callable[[Item], Answer], items: Iterable[Item]) -> Generator[Answer, None, None]:
    """The answer to each item, in order; each is worked on by one of WIDTH threads. Raises what `work` raises."""
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="sweep") as pool:
        waiting: deque[Future[Answer]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > WIDTH:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
