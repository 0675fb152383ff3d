"""The daemon's threads: the source's and one per lane (its second hand is the pipeline's), each told to end by itself."""

import threading
import time
from collections.abc import Callable, Collection

import structlog

from syncd.assembly import Assembly
from syncd.errors import SyncdError
from syncd.lane import Lane

log = structlog.get_logger()


class Running:
    """Work on a thread of its own, from now until `end`."""

    def __init__(self, name: str, work: Callable[[threading.Event], None], wake: Callable[[], object]) -> None:
        """`work` returns soon after its event is set; `wake` makes it look there."""
        self.name = name
        self._stop = threading.Event()
        self._wake = wake
        self._thread = threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell it; returns at once."""
        self._stop.set()
        self._wake()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, after waiting so long at most."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()


class Threads:
    """What runs of an assembly. Called by one thread at a time, but for `end`."""

    def __init__(
        self, assembly: Assembly, follow_source: Callable[[threading.Event], None], wake_source: Callable[[], object]
    ) -> None:
        self._assembly = assembly
        self._follow_source = follow_source
        self._wake_source = wake_source
        self._source: list[Running] = []
        self._lanes: dict[str, Running] = {}

    def start(self) -> None:
        """Start what is not running."""
        if not self._source:
            self._source = [Running("source", self._follow_source, self._wake_source)]
        for lane in self._assembly.lanes:
            if lane.settings.name not in self._lanes:
                self._lanes[lane.settings.name] = self._running(lane)

    def end(self) -> None:
        """Tell all of them; returns at once."""
        for running in (*self._source, *self._lanes.values()):
            running.end()

    def drain(self, seconds: float) -> None:
        """Wait for all of them, so long at most; then say what was done."""
        deadline = time.monotonic() + seconds
        for running in (*self._source, *self._lanes.values()):
            if not running.ended(deadline - time.monotonic()):
                log.warning("left unfinished", thread=running.name)
        for lane in self._assembly.lanes:
            _last_words(lane)

    def let_go(self, names: Collection[str]) -> None:
        """End some lanes once what they have in hand is written. Signals go on being noted for them."""
        for name in names:
            self._lanes[name].end()
        for name in names:
            self._lanes.pop(name).wait()
        for lane in self._assembly.lanes:
            if lane.settings.name in names:
                _last_words(lane)
                lane.close()

    def let_source_go(self) -> None:
        """End the source's thread."""
        for source in self._source:
            source.end()
            source.wait()
        self._source = []

    def _running(self, lane: Lane) -> Running:
        def work(stop: threading.Event) -> None:
            lane.run(stop, self._assembly.instance)

        return Running(lane.settings.name, work, lane.wake.set)


def _last_words(lane: Lane) -> None:
    try:
        lane.last_words()
    except SyncdError as error:
        log.warning("last state not stored", target=lane.settings.name, reason=str(error))
