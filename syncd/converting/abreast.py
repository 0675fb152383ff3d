"""Work on units in several processes, their answers in order and never more of them waiting than there are processes."""

import ctypes
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from syncd.converting.rendering import Bench, Rendered, Surveyed, Wish
from syncd.errors import Unavailable
from syncd.media import MediaSettings
from syncd.taskfiles.elements import Unit

Answer = TypeVar("Answer")
_PR_SET_PDEATHSIG = 1
_bench: Bench | None = None


class Workers(Protocol):
    """Whoever does the work: this process, or several."""

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]: ...

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]: ...


class Alone:
    """This process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]:
        return map(self._bench.survey, units)

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]:
        return map(self._bench.render, units)


class Abreast:
    """A pool of processes, each with a bench of its own."""

    def __init__(self, pool: ProcessPoolExecutor, width: int) -> None:
        self._pool = pool
        self._width = width

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]:
        return self._each(_survey, units)

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]:
        return self._each(_render, units)

    def _each(self, work: Callable[[Unit], Answer], units: Iterable[Unit]) -> Iterator[Answer]:
        waiting: deque[Future[Answer]] = deque()
        for unit in units:
            waiting.append(self._pool.submit(work, unit))
            if len(waiting) > 2 * self._width:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def working(count: int, wish: Wish, folder: Path, media: MediaSettings | None) -> Iterator[Workers]:
    """`count` processes that know the wish; with one, this process itself."""
    if count == 1:
        yield Alone(Bench(wish, folder, media))
        return
    # Forked, a worker is there in a millisecond; started anew it would import for half a second.
    how = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    pool = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context(how), initializer=_begin, initargs=(wish, folder, media)
    )
    try:
        yield Abreast(pool, count)
    except BrokenProcessPool as error:
        raise Unavailable("a worker was killed, perhaps for want of memory; try again with fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(wish: Wish, folder: Path, media: MediaSettings | None) -> None:
    _die_with_parent()
    global _bench  # noqa: PLW0603 - a process has one bench, and pools pass no state to their work
    _bench = Bench(wish, folder, media)


def _die_with_parent() -> None:
    """Ctrl-C is the parent's to handle; and no worker outlives a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _survey(unit: Unit) -> Surveyed:
    return _here().survey(unit)


def _render(unit: Unit) -> Rendered:
    return _here().render(unit)


def _here() -> Bench:
    if _bench is None:
        raise RuntimeError("this process was not begun as a worker")
    return _bench
