"""A lane keeps one target true: opens it, holds its lease, drains what is due, then says so in journal and state.

Lanes know nothing of each other: a dead target stops neither another one nor the source.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import orjson
import structlog

from syncd.bucket import ProjectFiles, claim_marker, last_claims, reconcile
from syncd.claims import claims_of, iso, lag_seconds, store_claims
from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.journal import Journal
from syncd.lanesettings import NO_LIMIT, LaneSettings, Rate
from syncd.lease import LEASE_SECONDS, Heartbeat, Lease
from syncd.ledger import Ledger
from syncd.ledger.doubt import doubt
from syncd.ledger.lane import LaneLedger
from syncd.mirrors.settings import MirrorSettings
from syncd.mirrors.upkeep import Mirrors
from syncd.pipeline import Pipeline
from syncd.planning import Planner
from syncd.pulse import Pulse
from syncd.rates import Rates
from syncd.sources import Source
from syncd.targets import Target, Traffic, paced

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
"""Label Studio commits one submission in several steps; signals this close together are one."""
STATE_SECONDS = 10.0
"""state.json is rewritten at least this often, also when nothing happens."""
SURVEY_SECONDS = 0.2
"""How long one look at a project's classes and columns takes at a time, while changes wait."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds between two tries while the target is out of reach."""


class Lane:
    """One target's lane. `run` is its thread; `once` is one full pass for `syncd sync`."""

    def __init__(
        self,
        settings: LaneSettings,
        *,
        source: Source,
        make: Callable[[], Target],
        ledger: Ledger,
        everyones: Sequence[MirrorSettings] = (),
        rate: Rate = NO_LIMIT,
        claims_seconds: float = 5,
        journal_days: float = 30,
    ) -> None:
        self.settings = settings
        self.traffic = Traffic()
        self.pulse = Pulse()
        self.rates = Rates()
        target = self.target = paced(
            make(),
            self.traffic,
            requests_per_second=rate.requests_per_second,
            bytes_per_second=rate.bytes_per_second,
            may_start=self._may_write,
            wait=self._wait,
            remake=make,
            beat=self._step,
        )
        self.ledger = ledger
        self._stopping = threading.Event()
        number, _ = ledger.lane(settings.name, where=target.where)
        self.lane = LaneLedger(ledger, number)
        self.wake = threading.Event()
        self.publish_now = threading.Event()
        """Set: mirrors are published as soon as they are whole, whatever `publish_seconds` says."""
        self.in_doubt = threading.Event()
        """Set: the target is to be listed before anything else, for it is not what the ledger believes."""
        self.is_learning = False
        """Whether it was listed, and the mirrors have not taken that in yet."""
        self._doubts_mirrors = False
        self.status = "starting"
        self.tried = False
        """The first attempt to reach the target has ended, well or not; `reached`: one has ended well."""
        self.reached = False
        self.differing: int | None = None
        """Objects that were not as the ledger knew them when the target was last listed."""
        self._claims_seconds = claims_seconds
        self._projects = ProjectFiles(target, ledger, self.lane)
        announce = self._projects.announce
        self.mirrors = Mirrors(settings, source, target, ledger, self.lane, everyones=everyones, announce=announce)
        planner = Planner(settings, source, target, ledger, self.lane, self.mirrors)
        self.pipeline = Pipeline(planner, target, ledger, self.lane, before_puts=self.mirrors.announce)
        self._journal = Journal(target, self.lane, days=journal_days)
        self._lease = Lease(target, ledger.id)
        self._heartbeat = Heartbeat(self._lease)
        self._opened = False
        self._instance = ""
        self._state_at = 0.0
        self._pause = SHORTEST_PAUSE
        self._quarantine = b""
        self._said = -1

    # --- one pass ------------------------------------------------------------------------------------------------

    def open(self, instance: str) -> None:
        """Connect, check whose prefix it is, become the writer. Raises Unavailable while another daemon writes here."""
        self._connect(instance)
        deadline = time.monotonic() + LEASE_SECONDS + 5
        while not self._take_lease():
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self.target.where} is being written by the syncd on {self._lease.other}; stop that one first"
                )
            time.sleep(0.5)
        self._heartbeat.start()

    def once_so_far(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Write what is due by now, while the source is still being swept."""
        self.mirrors.follow()
        self.pipeline.drain(self._lease.may_write, progress)

    def once(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Settle everything that is due and say so. Raises Unavailable when the lease is lost on the way."""
        self.lane.retry_quarantine()
        self.mirrors.follow()
        self.is_learning = False
        self._drain(progress)
        while self.mirrors.keep_up(at_once=True):
            self.say()
            self._drain(progress)
        self._projects.refresh()
        self.say()
        self.status = "current"

    def last_words(self) -> None:
        """At the end: what was done until now is published and told."""
        if self._opened and self._lease.may_write():
            self.mirrors.publish(at_once=True)
            self.say()

    def sample(self) -> None:
        """Note what was done by now, for rates and charts."""
        done, synced = self.pipeline.totals, orjson.loads(self.lane.facts().state or "{}").get("synced_through")
        self.rates.sample(
            looked=done.written + done.deleted + done.unchanged + done.rejected,
            written=done.written,
            bytes_=done.bytes,
            due=self.lane.due(),
            held=sum(self.lane.held().values()),
            lag_seconds=lag_seconds(synced),
        )

    def _drain(self, progress: Callable[[int], None]) -> None:
        while self.lane.is_due() or self.mirrors.is_due():
            self.pipeline.drain(self._lease.may_write, progress)
            if not self._lease.may_write():
                raise Unavailable(f"the lease of {self.target.where} was lost; another syncd may have taken over")
            if not self.lane.is_due():
                return
            time.sleep(COALESCE_SECONDS)  # a task that was read too early is looked at once more

    def close(self) -> None:
        """Let the next writer in and let go of the target."""
        self._heartbeat.stop()
        try:
            if self._opened:
                self._lease.release()
        except SyncdError as error:
            log.warning("lease not released", target=self.settings.name, reason=str(error))
        self.target.close()

    # --- the daemon's thread -------------------------------------------------------------------------------------

    def run(self, stop: threading.Event, instance: Callable[[], str]) -> None:
        """Keep the target true until `stop`; what cannot be done now is tried again with back-off."""
        self._stopping = stop
        while not stop.is_set():
            try:
                if not self._opened:
                    self._connect(instance())
                if self._stand_by(stop):
                    log.info("target opened", target=self.settings.name, where=self.target.where)
                    self._heartbeat.start()
                    self._follow(stop)
            except SyncdError as error:
                self._heartbeat.stop()
                self._opened = False
                self.status = "refused" if isinstance(error, Misconfigured) else "unreachable"
                self.tried = True
                with contextlib.suppress(Unavailable):  # it may be the ledger itself that cannot be written
                    self._remember(error)
                log.error("target " + self.status, target=self.settings.name, reason=str(error))  # noqa: TRY400
                pause = self._pause * random.uniform(0.7, 1.3)  # noqa: S311 - jitter
                self.pulse.beat(resting=pause)
                stop.wait(pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self.status = "stopped"

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set() and self._lease.remaining() > 0:
            self.pulse.beat()
            is_paused = self.lane.facts().paused
            has_more = not is_paused and self._work(stop)
            self._say_in_time()
            self._remember(None)
            self.status, self._pause = "paused" if is_paused else "current", SHORTEST_PAUSE
            self.wake.wait(timeout=0 if has_more else min(0.25, self._claims_seconds))
            self.wake.clear()

    def _work(self, stop: threading.Event) -> bool:
        """Write what is due; True when the mirrors have more to do."""
        if self.in_doubt.is_set():
            self._learn(mirrors=False)
        self.lane.retry_quarantine(now=time.time())
        self.mirrors.follow()
        self.is_learning = False
        if self.lane.take(1) or self.mirrors.is_due():
            self.status = "catching up"
            stop.wait(COALESCE_SECONDS)
            self.pipeline.drain(self._may_go_on, self._batch_settled)
        has_more = self._keep_up()
        self._projects.refresh()
        return has_more

    def _keep_up(self) -> bool:
        """Look after the mirrors; True when that made work, which readers are told of before it is begun."""
        if not self._lease.may_write():
            return False
        has_more = self.mirrors.keep_up(seconds=SURVEY_SECONDS, at_once=self.publish_now.is_set())
        if has_more:
            self._state_at = 0.0
        elif not self.lane.is_due():
            self.publish_now.clear()
        return has_more

    def _stand_by(self, stop: threading.Event) -> bool:
        while not stop.is_set():
            self.pulse.beat()
            if self._take_lease():
                return True
            if self.status != "standing by":
                log.info("standing by", target=self.settings.name, writer=self._lease.other)
            self.status = "standing by"
            stop.wait(2)
        return False

    def doubt(self, tasks: Collection[int], *, mirrors: bool = False) -> None:
        """Somebody looked: the target is not what the ledger believes. It is listed, and these tasks are written again."""
        doubt(self.lane, tasks)
        self._doubts_mirrors = self._doubts_mirrors or mirrors
        self.in_doubt.set()
        self.wake.set()

    # --- steps ---------------------------------------------------------------------------------------------------

    def say(self) -> None:
        """Journal first, then what it proves."""
        claims = claims_of(self.ledger, self.lane)
        seq = self._journal.flush()
        self._quarantine = store_claims(claims, self.target, self.lane, seq, self._quarantine)
        busy = claims.state["dirty"] or seq != self._said
        self._said = seq
        self._state_at = time.monotonic() + (
            self._claims_seconds if busy else min(STATE_SECONDS, self._claims_seconds * 2)
        )

    def _connect(self, instance: str) -> None:
        self.target.open()
        claim_marker(self.target, instance)
        self._instance = instance
        self._opened = self.tried = self.reached = True

    def _take_lease(self) -> bool:
        if not self._lease.take():
            return False
        self._journal.take_over()
        selection = self.lane.facts().selection
        is_unknown = selection is None or self._lease.taken_over
        if is_unknown or self.in_doubt.is_set():
            self._learn(mirrors=is_unknown)
        oldest_cursor = self._journal.begin_anew() if is_unknown else 0
        if selection != self.settings.selection:
            self.lane.dirty_everything()
        self.lane.keep(selection=self.settings.selection, state=last_claims(self.target, self.lane, oldest_cursor))
        self._lease.know_all()
        return True

    def _learn(self, *, mirrors: bool) -> None:
        """List the target and believe what is there; of `mirrors`, or of those in doubt, nothing is believed."""
        self.is_learning = True
        self.in_doubt.clear()
        doubted, self._doubts_mirrors = self._doubts_mirrors, False
        try:
            claim_marker(self.target, self._instance)
            self.differing = reconcile(self.target, self.lane)
        except SyncdError:
            self.doubt((), mirrors=doubted)
            raise
        self._projects.make_anew()
        if mirrors or doubted:
            self.mirrors.distrust()
        log.info("target listed", target=self.settings.name, differing=self.differing)

    def _may_write(self) -> bool:
        return self._lease.may_write()

    def _may_go_on(self) -> bool:
        return self._lease.may_write() and not self._stopping.is_set() and not self.lane.facts().paused

    def _batch_settled(self, _: int) -> None:
        self._step()
        self._say_in_time()  # there may be no end of batches for hours

    def _say_in_time(self) -> None:
        if time.monotonic() >= self._state_at and self._lease.may_write():
            self.say()

    def _step(self, _: object = None) -> None:
        self.pulse.beat()

    @property
    def reached_now(self) -> bool:
        """Whether the target answered last time it was asked."""
        return self.reached and self.status not in ("unreachable", "refused")

    @property
    def leading(self) -> bool:
        """Whether this process may write to the target now."""
        return self._lease.remaining() > 0

    def _wait(self, seconds: float) -> bool:
        self.pulse.beat(resting=seconds)
        return self._stopping.wait(seconds)

    def _remember(self, error: SyncdError | None) -> None:
        known = self.lane.facts().error
        if (str(error) if error else None) != known:
            self.lane.keep(error=str(error) if error else None, error_at=iso(datetime.now(UTC)))
