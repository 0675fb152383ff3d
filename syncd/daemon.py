"""The daemon: one thread follows the source, one or two per lane write, and a control socket takes orders.

A batch of signals counts when the ledger has it; only then is the source asked for the next one. SIGTERM and SIGINT drain and
end with exit code 0; a second one stops at once. SIGHUP follows a changed configuration.
"""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any

import structlog

from syncd import __version__, control
from syncd.assembly import Assembly
from syncd.control import Order
from syncd.errors import SyncdError
from syncd.faults import fault_point
from syncd.health import Health, hung_loops, trouble_of, waiting_for
from syncd.onepass import left_over, numbers_of
from syncd.pulse import Heeded, Pulse
from syncd.rates import SAMPLE_SECONDS
from syncd.reloading import Changes, Configuration
from syncd.running import Threads
from syncd.status import status_of
from syncd.steering import set_aside, steer
from syncd.supervision import Supervisor

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
AWAY = ("paused", "unreachable", "refused", "standing by")
"""States of a lane that nobody waits for."""


class Daemon:
    """Runs an assembly until told to stop."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._stop = threading.Event()
        self._called = threading.Event()
        """Set by signals: to end, or to follow a changed configuration."""
        self._pulse = Pulse()
        self._sweep_again = Heeded(self._pulse)
        self._threads = Threads(assembly, self._follow_source, self._sweep_again.set)
        self.configuration = Configuration(assembly, self._threads)
        self._source_error: str | None = None
        self._source_read = False
        self._died: str | None = None
        self._supervisor = Supervisor()

    @property
    def configured_at(self) -> float:
        """When the configuration in force was read, in seconds since the epoch."""
        return self.configuration.loaded_at

    @property
    def assembly(self) -> Assembly:
        """What runs."""
        return self._assembly

    def run(self) -> None:
        """Blocks until SIGTERM or SIGINT; what is in hand is finished within `shutdown_seconds`.

        Raises SyncdError when one of its threads fails by a fault of syncd's own: a daemon that only looks alive helps nobody.
        """
        a = self._assembly
        with (
            self._signals(),
            control.serve(a.config.root.state.path, self.order),
            self._served(),
            self._supervisor.listening(self.health, self._in_short),
        ):
            log.info(
                "started", version=__version__, source=a.source.where, targets=[lane.target.where for lane in a.lanes]
            )
            self._threads.start()
            self._sample()
            while not self._stop.is_set():
                if self._called.wait(SAMPLE_SECONDS) and not self._stop.is_set():
                    self._called.clear()
                    with suppress(SyncdError):  # said in log and status
                        self._reload()
                self._sample()
            log.info("stopping")
            self._supervisor.stopping()
            self._drain()
        log.info("stopped")
        if self._died is not None:
            raise SyncdError(
                f"the part of syncd called {self._died} failed, by a fault of its own: the log has the details, please "
                "report them. Nothing is lost; start syncd again"
            )

    def _sample(self) -> None:
        with suppress(sqlite3.Error):  # a ledger that cannot be read for a moment leaves a gap in the charts
            for lane in self._assembly.lanes:
                lane.sample()

    def _served(self) -> AbstractContextManager[None]:
        """HTTP, when the configuration wants it; only then is the server imported."""
        http = self._assembly.config.root.http
        if http is None:
            return nullcontext()
        from syncd.web._server import served

        return served(self, http)

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        self._died = failure.thread.name if failure.thread else "?"
        log.error("thread failed", thread=self._died, exc_info=failure.exc_value)
        self._end()

    def _end(self) -> None:
        self._stop.set()
        self._threads.end()
        self._called.set()

    def _drain(self) -> None:
        with self.configuration.changing:
            self._end()  # what a reload may have started meanwhile, too
            self._threads.drain(self._assembly.config.root.shutdown_seconds)

    def _follow_source(self, stop: threading.Event) -> None:
        a, pause = self._assembly, 0.5
        while not stop.is_set():
            try:
                self._pulse.beat()
                a.instance()
                position = None if self._sweep_again.is_set() else a.ledger.fact("position")
                self._sweep_again.clear()
                if stop.is_set():
                    return
                for batch in a.source.watch(a.ledger, position, self._sweep_again):
                    if a.record(batch):
                        fault_point("signals recorded")
                        for lane in a.lanes:
                            lane.wake.set()
                    self._source_error, self._source_read, pause = None, True, 0.5
                    self._pulse.beat()
                    if stop.is_set():
                        return
            except SyncdError as error:
                if str(error) != self._source_error:
                    log.error("source unreachable", source=a.source.where, reason=str(error))  # noqa: TRY400
                self._source_error = str(error)
                self._pulse.beat(resting=pause)
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    # --- orders --------------------------------------------------------------------------------------------------

    def order(self, order: Order) -> Order:
        """Carry out an order; of the control socket, or of the web page. Raises SyncdError when it cannot be followed."""
        match order:
            case {"order": "status"}:
                return self.status()
            case {"order": "sync"}:
                return self._sync(order.get("projects") or ())
            case {"order": "reload"}:
                return {"reloaded": self._reload().as_json()}
            case {"order": "doubt", "target": name}:
                return self._doubt(str(name), order.get("tasks") or (), mirrors=bool(order.get("mirrors")))
            case {"order": "quarantine", "do": "list"}:
                found = set_aside(self._assembly.ledger, order.get("target"), order.get("project"))
                return {"quarantined": found}
            case _:
                return self._steer(order)

    def _reload(self) -> Changes:
        with self._supervisor.reloading():
            return self.configuration.reload()

    def _steer(self, order: Order) -> Order:
        done = steer(self._assembly.ledger, order)
        if order["order"] == "backfill":
            self._sweep_again.set()
        for lane in self._assembly.lanes:
            lane.wake.set()
        return {"done": done}

    def _doubt(self, name: str, tasks: Collection[int], *, mirrors: bool) -> Order:
        for lane in self._assembly.lanes:
            if lane.settings.name == name:
                lane.doubt(tasks, mirrors=mirrors)
                return {"done": [f"{name}: is listed"]}
        return {"error": f"there is no target {name!r}"}

    def status(self) -> dict[str, Any]:
        a = self._assembly
        states = {lane.settings.name: lane.status for lane in a.lanes}
        rates = {lane.settings.name: lane.rates.now() for lane in a.lanes}
        error = self._source_error
        found = status_of(a.ledger, running=True, pid=os.getpid(), states=states, rates=rates, source_error=error)
        said: dict[str, Any] = self.configuration.masked.everywhere(
            found | {"configuration": self.configuration.as_json()}
        )
        return said

    def _in_short(self) -> str:
        """Each target in a few words, from memory alone."""
        said = []
        for lane in self._assembly.lanes:
            words = [f"{lane.settings.name}: {lane.status}"]
            for last in lane.rates.samples()[-1:]:
                words += [f"lag {last.lag_seconds:.1f} s"] if last.lag_seconds is not None else []
                words.append(f"{last.due} due")
            said.append(", ".join(words))
        return "; ".join(said)

    def health(self) -> Health:
        """Whether we live and have started: from memory alone, so that a probe never waits."""
        lanes = self._assembly.lanes
        loops = {"the source's loop": self._pulse}
        loops |= {f"the loop of target {lane.settings.name}": lane.pulse for lane in lanes}
        return Health(
            hung_loops(loops, self._assembly.config.root.hung_seconds),
            waiting_for(self._source_read, lanes),
            trouble_of(self._source_error, lanes),
        )

    def _sync(self, only: Collection[str]) -> dict[str, Any]:
        """Sweep again and wait until every lane that can has settled it and published its mirrors, or those of some projects."""
        a, began = self._assembly, time.time()
        a.ledger.swept_at = 0.0
        self._sweep_again.set()
        for lane in self._assembly.lanes:
            lane.publish_now.set()
        while not self._stop.wait(0.1):
            if self._source_error:
                return {"error": self._source_error, "unreachable": True}
            if a.ledger.swept_at < began:
                continue
            projects = numbers_of(a.ledger.projects().values(), only)
            left = {lane.settings.name: left_over(lane, projects) for lane in a.lanes}
            if all(
                lane["state"] in AWAY or lane["dirty"] + lane["mirrors_due"] + lane["in_doubt"] == 0
                for lane in left.values()
            ):
                return {"targets": left}
        return {"error": "the daemon is stopping", "unreachable": True}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _: FrameType | None) -> None:
            if self._stop.is_set():
                os._exit(128 + number)
            self._end()

        def reload(_: int, __: FrameType | None) -> None:
            self._called.set()

        handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        threads_before, threading.excepthook = threading.excepthook, self._thread_failed
        try:
            yield
        finally:
            threading.excepthook = threads_before
            for number, handler in before.items():
                signal.signal(number, handler)
