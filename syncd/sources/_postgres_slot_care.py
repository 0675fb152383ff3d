"""Whether the log may be followed, and from where: looks at server, publication and slot, and mends what syncd may mend.

A slot that is not there, or has lost what it needs, is made anew; one that would keep too much of the log is dropped first. In
all these cases, and whenever the server or the slot's place is not the one remembered, something may have been missed: then the
slot is put in order *first* and everything is compared afterwards, so that what happens in between is in the log.
"""

from dataclasses import asdict, dataclass

import orjson
import structlog

from syncd.sources._postgres_database import Database
from syncd.sources._postgres_log import Place
from syncd.sources._postgres_publication import publication
from syncd.sources._postgres_slot import LogState, LogUnavailable, Slot
from syncd.sources.postgres import Settings

log = structlog.get_logger()

CREATE_SECONDS = 5.0
"""A new slot waits for open transactions; while it does, it keeps the log as an old one would."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where in which log everything has been signalled, and what every document drew from then."""

    system: int
    timeline: str
    slot: str
    basis: str
    confirmed: int
    at: int

    def text(self) -> str:
        return orjson.dumps(asdict(self)).decode()


def position_of(text: str | None) -> Position | None:
    """The position that was remembered; None when there is none, or another version of syncd wrote it."""
    try:
        return Position(**orjson.loads(text or "null"))
    except (orjson.JSONDecodeError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Start:
    """Where the log is followed from."""

    position: Position
    run: str
    places: frozenset[Place]
    gap: str
    """Why something may have been missed before; empty when nothing was."""


class SlotCare:
    """Keeps one slot in order. Raises LogUnavailable when the log cannot, or should not, be followed now."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.slot = Slot(database, settings.slot, settings.publication)
        self._database = database
        self._ceiling = settings.slot_ceiling_mb * 1e6
        self._gap = ""
        """Why something may have been missed, until a slot is in order: making one may take several starts."""

    def start(self, remembered: str | None, basis: str) -> Start:
        """Put the slot in order and say from where on it shows everything."""
        self._drop_what_is_useless(self.slot.state())
        self._require_log(self.slot.state())
        places = self.places()
        if self.slot.state().slot is None:
            self._gap = self._gap or f"there was no slot {self.slot.name}"
            self.slot.create(seconds=CREATE_SECONDS)
        state, system = self.slot.state(), self.slot.system()
        if state.slot is None:
            raise LogUnavailable(f"{self._database.where}: the slot {self.slot.name} is gone again")
        now = Position(system, state.timeline, self.slot.name, basis, state.slot.confirmed, state.slot.confirmed)
        before = position_of(remembered)
        gap, self._gap = self._gap or _differs(before, now, state), ""
        if before is not None and not gap:
            return Start(before, state.run, places, "")
        say = log.info if before is None else log.warning
        say("the log may not show everything, comparing all tasks", source=self._database.where, reason=gap)
        return Start(now, state.run, places, gap)

    def places(self) -> frozenset[Place]:
        """The tables that the log shows."""
        found = publication(self._database, self.slot.publication)
        if not found.exists:
            raise LogUnavailable(
                f"{self._database.where} has no publication {self.slot.publication}; run `syncd slot create`"
            )
        if found.lacking:
            raise LogUnavailable(
                f"{self._database.where}: the publication {self.slot.publication} lacks {', '.join(found.lacking)}; drop it "
                f"there, then: {found.to_create}"
            )
        return found.places

    def bounded(self, state: LogState) -> None:
        """Drop the slot when it keeps more than the ceiling: the server's disk goes first, and decoding takes too long."""
        gap = self._drop_what_is_useless(state)
        if gap:
            raise LogUnavailable(f"{self._database.where}: {gap}")

    def give_up(self) -> None:
        """Drop a slot whose log cannot be read: the next start makes it anew."""
        state = self.slot.state()
        if state.slot is not None and state.slot.ours:
            self.slot.drop()

    def _require_log(self, state: LogState) -> None:
        where = self._database.where
        if state.standby:
            raise LogUnavailable(f"{where} is a standby; `capture: logical` wants the primary")
        if state.level != "logical":
            raise LogUnavailable(
                f"{where}: wal_level is {state.level}; run ALTER SYSTEM SET wal_level = logical, and restart it"
            )
        if state.slot is not None and not state.slot.ours:
            raise LogUnavailable(
                f"{where}: the slot {self.slot.name} is somebody else's (another plug-in or database); set `source.slot`"
            )

    def _drop_what_is_useless(self, state: LogState) -> str:
        """A slot of ours that was lost, or keeps too much; which of the two, or nothing."""
        gap = ""
        if state.slot is not None and state.slot.ours and state.slot.needs_from is None:
            gap = f"the server had let go of the slot {self.slot.name} (wal_status {state.slot.wal_status})"
        elif state.slot is not None and state.slot.ours and state.retained > self._ceiling:
            gap = (
                f"the slot {self.slot.name} kept {state.retained / 1e6:,.0f} MB of the server's log, more than "
                "`slot_ceiling_mb` (syncd was away, or a transaction stays open: see pg_stat_activity)"
            )
        if gap:
            self.slot.drop()
            self._gap = gap
        return gap


def _differs(before: Position | None, now: Position, state: LogState) -> str:
    """Why the log after `before` is not the one that the slot shows; empty when it is."""
    if before is None:
        return "the log is followed for the first time"
    if (before.system, before.timeline) != (now.system, now.timeline):
        return "the server is another one than before (failover, or a restored copy)"
    if before.slot != now.slot or not before.confirmed <= now.confirmed <= before.at <= state.flushed:
        return f"the slot {now.slot} is not where syncd left it"
    if before.basis != now.basis:
        return "users, projects, tables or syncd have changed since"
    return ""
