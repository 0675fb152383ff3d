"""Many requests at once in a bounded pool of threads: for stores that take one object per request.

When a request fails for all, no further one is started and those under way are waited for: nothing lands after
the error was seen.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Pool:
    """`width` threads, shared by all callers of one target."""

    def __init__(self, width: int, name: str) -> None:
        self._width = width
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)

    def each(self, work: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """The answer to each item, as they come. Raises what `work` raised, after all that was under way has ended.

        A caller that stops early ends the rest in the same way. One item is worked on by the caller itself and
        waits for nobody.
        """
        if len(items) == 1:
            yield work(items[0])
            return
        waiting = deque(items)
        answers: SimpleQueue[list[Answer]] = SimpleQueue()

        def take_turns() -> None:
            try:
                while waiting:
                    try:
                        item = waiting.popleft()
                    except IndexError:
                        return
                    answers.put([work(item)])
            finally:
                waiting.clear()
                answers.put([])

        workers = [self._threads.submit(take_turns) for _ in range(min(self._width, len(items)))]
        running = len(workers)
        try:
            while running:
                if answer := answers.get():
                    yield answer[0]
                else:
                    running -= 1
        finally:
            waiting.clear()
            while running:
                running -= not answers.get()
        for worker in workers:
            worker.result()

    def close(self) -> None:
        """Wait for what is under way, then end the threads."""
        self._threads.shutdown()
