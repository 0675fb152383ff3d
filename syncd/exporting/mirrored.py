"""An export streamed from what a mirror holds in the ledger: nothing is rendered, whatever the target is."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from syncd.assembly import Assembly
from syncd.claims import synced_of
from syncd.exporting.wanted import EASY, Wanted
from syncd.lane import Lane
from syncd.ledger import Ledger
from syncd.ledger.mirrors import Kept, MirrorLedger
from syncd.mirrors.mirror import Mirror, sections, version_of
from syncd.mirrors.segments import body_of, runs_of
from syncd.mirrors.settings import MirrorSettings

FRESH_SECONDS = 5.0
"""A mirror that is true up to so long ago is as good as the source."""
_WHOLE_TASKS = frozenset({"JSON", "JSONL"})
"""Formats that show drafts and predictions, in the target's shape."""


@dataclass(frozen=True, slots=True)
class Held:
    """A fresh mirror, to be read by `chunks`."""

    state: Path
    lane: int
    mirror: Mirror

    def chunks(self) -> Iterator[bytes]:
        """The file in pieces of some megabytes, all of one moment. To be iterated, and closed, by one thread."""
        with closing(Ledger(self.state, read_only=True)) as ledger:
            rows = MirrorLedger(ledger, self.lane)
            ledger.reader().execute("BEGIN")
            ((_, numbered),) = sections(self.mirror, rows.newest(self.mirror.kept.id))
            for number, section in numbered:
                for run in runs_of(rows, self.mirror.kept.id, number, section):
                    yield body_of(run, rows, self.mirror.kept.id)


def from_mirror(assembly: Assembly, wanted: Wanted) -> Held | None:
    """The mirror that holds what is wanted, if one does and is fresh."""
    if wanted.is_packed or wanted.only is not None or wanted.shape != EASY:
        return None
    for lane in assembly.lanes:
        rows = MirrorLedger(assembly.ledger, lane.lane.id)
        for kept in rows.mirrors():
            if _holds(kept, wanted, lane) and _is_fresh(assembly.ledger, lane, kept.project):
                settings = MirrorSettings(kept.name, wanted.format.name, wanted.format.options, wanted.context.policy)
                mirror = Mirror(settings, wanted.format, wanted.context, kept)
                if kept.version == version_of(settings, wanted.context, wanted.registry.edition):
                    return Held(assembly.ledger.path, lane.lane.id, mirror)
    return None


def _holds(kept: Kept, wanted: Wanted, lane: Lane) -> bool:
    shape = lane.settings.shape
    is_shaped = (
        shape == EASY if wanted.format.name in _WHOLE_TASKS else (shape.tasks, shape.annotations) == ("labeled", "all")
    )
    return (
        (kept.project, kept.rendition) == (wanted.project.id, wanted.rendition)
        and kept.is_there
        and kept.reason is None
        and kept.rebuilding is None
        and is_shaped
    )


def _is_fresh(ledger: Ledger, lane: Lane, project: int) -> bool:
    synced = synced_of(ledger, lane.lane, project)
    return synced is not None and time.time() - _seconds(synced) < FRESH_SECONDS


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).astimezone(UTC).timestamp()
