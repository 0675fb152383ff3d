"""One lane's mirrors from the lane's side: what a batch changes, what is to be done between batches, how far they are true.

Called by the lane's thread between drains: no plan is under way then. Only `changes` and `shows` (while a batch is planned) and
`announce` (before one is written) are called by both threads that carry out batches: each by one at a time, `announce` perhaps
while the other one's batch is planned.
"""

import time
from collections.abc import Callable, Collection, Sequence

import structlog

from syncd.claims import synced_of
from syncd.faults import fault_point
from syncd.lanesettings import LaneSettings
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept
from syncd.ledger.rendered import Change
from syncd.mirrors.batch import changes
from syncd.mirrors.clearing import clear_stale, sweep_folder
from syncd.mirrors.current import CurrentMirrors
from syncd.mirrors.mirror import Mirror
from syncd.mirrors.publishing import publish, publish_extras
from syncd.mirrors.settings import MirrorSettings
from syncd.mirrors.tasks import Shown
from syncd.sources import Source
from syncd.targets import Target

log = structlog.get_logger()

PATIENCE = 20
"""A file is not published before so many times as long as its last publish took: at most a twentieth of the time goes there."""


class Mirrors:
    """The mirrors of one target. `everyones` are those of all targets."""

    def __init__(
        self,
        settings: LaneSettings,
        source: Source,
        target: Target,
        ledger: Ledger,
        lane: LaneLedger,
        *,
        everyones: Sequence[MirrorSettings],
        announce: Callable[[Collection[int]], None],
    ) -> None:
        """`announce` stores the project.json of projects: the registry is there before anything that uses it."""
        self._current = CurrentMirrors(settings, source, target, ledger, lane, everyones)
        self.rows = self._current.rows
        self._settings = settings
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._announce = announce

    # --- while a batch is planned and written --------------------------------------------------------------------

    def changes(self, shown: Sequence[Shown], leaving: Collection[tuple[int, int]]) -> list[Change]:
        """What a batch changes: documents as they are now, and tasks that leave a project (task, project)."""
        return changes(self._current, shown, leaving)

    def shows(self, project: int, task: int) -> bool:
        """Whether any mirror shows the task."""
        return any(self.rows.rendered(mirror.kept.id, [task]) for mirror in self._current.of(project))

    def announce(self, projects: Collection[int]) -> None:
        """Before anything is written for these projects: what class numbers and columns mean."""
        self._announce(projects)
        for project in projects:
            for mirror in self._current.of(project):
                if mirror.format.own_files:
                    publish_extras(mirror, self._target, self.rows)

    # --- between batches -----------------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether there is more to do before the mirrors are whole."""
        return self._current.is_surveying or bool(self.rows.take(1, (), self._lane.only))

    def follow(self) -> None:
        """Before anything is planned: begin what configuration, label configurations and registries ask for."""
        self._current.follow(seconds=0)

    def keep_up(self, *, seconds: float | None = None, at_once: bool = False) -> bool:
        """Follow what changed, begin and end rebuilds, publish what is due; True when that made more work.

        Full passes take about `seconds` a project (None: to their end); `at_once`: publish whatever has changed.
        """
        self._current.follow(seconds=seconds)
        self._current.conclude()
        for mirror in self._current.all():
            if mirror.kept.rebuilding is not None and self.rows.is_rendered(mirror.kept):
                self._end_rebuild(mirror)
        self.publish(at_once=at_once)
        return self.is_due()

    def publish(self, *, at_once: bool) -> None:
        """Publish what has changed: what is due, or, with `at_once`, all of it; never what is being rebuilt."""
        for mirror in self._current.all():
            kept = mirror.kept
            if kept.changed and kept.rebuilding is None and (at_once or self._is_time(kept)):
                self._publish(mirror)

    def distrust(self) -> None:
        """Another writer was here, or the ledger is new: write everything again, and look for what nobody knows of."""
        self.rows.distrust()
        self._current.make_anew()

    def _is_time(self, kept: Kept) -> bool:
        passed = time.time() - kept.published_at
        return passed < 0 or passed >= max(self._settings.publish_seconds, PATIENCE * kept.took)

    def _publish(self, mirror: Mirror) -> None:
        began = time.monotonic()
        self._announce({mirror.kept.project})
        synced = synced_of(self._ledger, self._lane, mirror.kept.project)
        done = publish(mirror, self._target, self.rows)
        took = time.monotonic() - began
        etag = mirror.kept.etag if done.etag is None else done.etag
        self.rows.keep(mirror.kept.id, changed=0, published_at=time.time(), took=took, etag=etag, synced=synced)
        fault_point("mirror published")
        if done.written:
            log.info("mirror published", target=self._settings.name, folder=mirror.folder, seconds=round(took, 3))

    def _end_rebuild(self, mirror: Mirror) -> None:
        clear_stale(mirror.kept, self._target, self.rows)
        if mirror.kept.trusted == mirror.kept.generation:
            self._publish(mirror)  # before anything that readers may still use goes
            sweep_folder(mirror, self._target, self.rows)
        self.rows.keep(mirror.kept.id, rebuilding=None, changed=1)
        fault_point("mirror rebuilt")
        log.info("mirror rebuilt", target=self._settings.name, folder=mirror.folder)
