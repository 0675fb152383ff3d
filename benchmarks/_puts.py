"""Puts of many objects in threads, as quick as Python makes them, and what they take."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from _stores import Put, Store


@dataclass(frozen=True, slots=True)
class Measured:
    """So many objects took so many seconds, and so much CPU of the process that put them; `in_flight` at the most, if known."""

    objects: int
    seconds: float
    cpu: float
    in_flight: int = 0

    @property
    def speed(self) -> float:
        """Objects a second."""
        return self.objects / self.seconds


def best(
    fresh: Callable[[], AbstractContextManager[Store]],
    client: Callable[[Store], Put],
    documents: Sequence[bytes],
    widths: Sequence[int],
) -> int:
    """With how many threads a client is quickest, each number tried on a fresh store."""
    found = {}
    for width in widths:
        with fresh() as store:
            store.warm_up()
            found[width] = put_all(client(store), documents, width).speed
    return max(found, key=found.__getitem__)


def put_all(put: Put, documents: Sequence[bytes], width: int) -> Measured:
    """Every document once. No pool: its queue costs as much as a put."""
    waiting = iter(range(len(documents)))
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for number in waiting:
                put(f"beside/1/tasks/{number}.json", documents[number])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(width)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Measured(len(documents), time.perf_counter() - began, time.process_time() - cpu)
