"""The daemon: one thread follows the source, one thread per lane writes, and a control socket takes orders.

A batch of signals counts when the ledger has it; only then is the source asked for the next one. SIGTERM and SIGINT drain and
end with exit code 0; a second one stops at once.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import structlog

from syncd import __version__, control
from syncd.assembly import Assembly
from syncd.control import Order
from syncd.errors import SyncdError
from syncd.faults import fault_point
from syncd.status import status_of
from syncd.steering import set_aside, steer

log = structlog.get_logger()

LONGEST_PAUSE = 30.0


class Daemon:
    """Runs an assembly until told to stop."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._stop = threading.Event()
        self._sweep_again = threading.Event()
        self._source_error: str | None = None
        self._died: str | None = None

    def run(self) -> None:
        """Blocks until SIGTERM or SIGINT; what is in hand is finished within `shutdown_seconds`.

        Raises SyncdError when one of its threads fails by a fault of syncd's own: a daemon that only looks alive helps nobody.
        """
        a = self._assembly
        threads = [threading.Thread(target=self._follow_source, name="source", daemon=True)]
        threads += [
            threading.Thread(target=lane.run, args=(self._stop, self._instance), name=lane.settings.name, daemon=True)
            for lane in a.lanes
        ]
        with self._signals(), control.serve(a.config.root.state.path, self._order):
            log.info(
                "started", version=__version__, source=a.source.where, targets=[lane.target.where for lane in a.lanes]
            )
            for thread in threads:
                thread.start()
            self._stop.wait()
            log.info("stopping")
            self._drain(threads)
        log.info("stopped")
        if self._died is not None:
            raise SyncdError(
                f"the part of syncd called {self._died} failed, by a fault of its own: the log has the details, please "
                "report them. Nothing is lost; start syncd again"
            )

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        self._died = failure.thread.name if failure.thread else "?"
        log.error("thread failed", thread=self._died, exc_info=failure.exc_value)
        self._end()

    def _end(self) -> None:
        self._stop.set()
        self._sweep_again.set()
        for lane in self._assembly.lanes:
            lane.wake.set()

    def _drain(self, threads: list[threading.Thread]) -> None:
        deadline = time.monotonic() + self._assembly.config.root.shutdown_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("left unfinished", thread=thread.name)
        for lane in self._assembly.lanes:
            try:
                lane.last_words()
            except SyncdError as error:
                log.warning("last state not stored", target=lane.settings.name, reason=str(error))

    def _instance(self) -> str:
        return self._assembly.instance()

    def _follow_source(self) -> None:
        a, pause = self._assembly, 0.5
        numbers = [lane.lane.id for lane in a.lanes]
        while not self._stop.is_set():
            try:
                a.instance()
                position = None if self._sweep_again.is_set() else a.ledger.fact("position")
                self._sweep_again.clear()
                for batch in a.source.watch(a.ledger, position, self._sweep_again):
                    if a.ledger.record(batch, numbers):
                        fault_point("signals recorded")
                        for lane in a.lanes:
                            lane.wake.set()
                    self._source_error, pause = None, 0.5
                    if self._stop.is_set():
                        return
            except SyncdError as error:
                if str(error) != self._source_error:
                    log.error("source unreachable", source=a.source.where, reason=str(error))  # noqa: TRY400
                self._source_error = str(error)
                self._stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    # --- orders --------------------------------------------------------------------------------------------------

    def _order(self, order: Order) -> Order:
        match order:
            case {"order": "status"}:
                return self.status()
            case {"order": "sync"}:
                return self._sync()
            case {"order": "quarantine", "do": "list"}:
                found = set_aside(self._assembly.ledger, order.get("target"), order.get("project"))
                return {"quarantined": found}
            case _:
                return self._steer(order)

    def _steer(self, order: Order) -> Order:
        done = steer(self._assembly.ledger, order)
        if order["order"] == "backfill":
            self._sweep_again.set()
        for lane in self._assembly.lanes:
            lane.wake.set()
        return {"done": done}

    def status(self) -> dict[str, Any]:
        a = self._assembly
        states = {lane.settings.name: lane.status for lane in a.lanes}
        return status_of(a.ledger, running=True, pid=os.getpid(), states=states, source_error=self._source_error)

    def _sync(self) -> dict[str, Any]:
        """Sweep again and wait until every lane that can has settled it, and published its mirrors."""
        began = time.time()
        self._assembly.ledger.swept_at = 0.0
        self._sweep_again.set()
        for lane in self._assembly.lanes:
            lane.publish_now.set()
        while not self._stop.wait(0.1):
            status = self.status()
            if self._source_error:
                return {"error": self._source_error, "unreachable": True}
            if self._assembly.ledger.swept_at >= began and all(
                t["state"] in ("paused", "unreachable", "refused", "standing by") or _is_done(t)
                for t in status["targets"].values()
            ):
                return status
        return {"error": "the daemon is stopping"}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _: FrameType | None) -> None:
            if self._stop.is_set():
                os._exit(128 + number)
            self._end()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        threads_before, threading.excepthook = threading.excepthook, self._thread_failed
        try:
            yield
        finally:
            threading.excepthook = threads_before
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_done(target: dict[str, Any]) -> bool:
    """Nothing is due; a rebuild that waits for deletions which the brake holds is not waited for."""
    waits = {"waiting"} if target["held_deletes"] else {"waiting", "rebuilding"}
    return target["dirty"] == 0 and not any(mirror["state"] in waits for mirror in target["mirrors"])
