"""One lane's mirrors: keeps them level with configuration, label configurations and registries, and says how far they are true.

Called by the lane's thread, between batches: no plan is under way then. Only `changes` is called while the next batch is planned.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from syncd.claims import synced_of
from syncd.errors import Misconfigured, TaskRejected
from syncd.faults import fault_point
from syncd.labelstudio.labelconfig import parse_label_config, region_classes
from syncd.lanesettings import LaneSettings
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept, MirrorLedger
from syncd.ledger.registries import grow, registry_of
from syncd.ledger.rendered import Change
from syncd.mirrors.clearing import clear_stale, empty, sweep_folder
from syncd.mirrors.mirror import Mirror, conflicts, context_of, sections_of, version_of, why_not
from syncd.mirrors.publishing import publish
from syncd.mirrors.settings import MirrorSettings
from syncd.mirrors.survey import Survey
from syncd.mirrors.tasks import Parsed, Shown, changed
from syncd.model import LabelSchema, Project
from syncd.rendering import names_of
from syncd.sources import Source, chosen
from syncd.targets import Target

log = structlog.get_logger()

PATIENCE = 20
"""A file is not published before so many times as long as its last publish took: at most a twentieth of the time goes there."""


class Mirrors:
    """The mirrors of one target. `everyones` are those of all targets: a registry begins with what any of them needs."""

    def __init__(
        self,
        settings: LaneSettings,
        source: Source,
        target: Target,
        ledger: Ledger,
        lane: LaneLedger,
        *,
        everyones: Sequence[MirrorSettings],
        announce: Callable[[set[int]], None],
    ) -> None:
        """`announce` stores the project.json of projects: the registry is there before anything that uses it."""
        self.rows = MirrorLedger(ledger, lane.id)
        self._settings = settings
        self._source = source
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._everyones = everyones
        self._announce = announce
        self._current: dict[int, tuple[Mirror, ...]] = {}
        self._level: dict[int, tuple[str, int]] = {}
        """Project → label configuration and registries that `_current` was made from."""
        self._surveys: dict[int, Survey] = {}

    # --- between batches -----------------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether tasks wait to be rendered again."""
        return bool(self.rows.take(1, (), self._lane.only))

    def keep_up(self, *, seconds: float | None = None, at_once: bool = False) -> bool:
        """Follow what changed, begin and end rebuilds, publish what is due; True when that made more work.

        Surveys take about `seconds` a project (None: to their end); `at_once`: publish whatever has changed.
        """
        self.follow(seconds=seconds)
        for mirror in self._mirrors():
            if mirror.kept.rebuilding is not None and self.rows.is_rendered(mirror.kept):
                self._end_rebuild(mirror)
        self.publish(at_once=at_once)
        return self.is_due() or bool(self._surveys)

    def publish(self, *, at_once: bool) -> None:
        """Publish what has changed: what is due, or, with `at_once`, all of it; never what is being rebuilt."""
        for mirror in self._mirrors():
            kept = mirror.kept
            wait = 0 if at_once else max(self._settings.publish_seconds, PATIENCE * kept.took)
            if kept.changed and kept.rebuilding is None and kept.version and time.time() >= kept.published_at + wait:
                self._publish(mirror)

    def distrust(self) -> None:
        """Another writer was here, or the ledger is new: write everything again, and look for what nobody knows of."""
        self.rows.distrust()
        self._level.clear()

    def _publish(self, mirror: Mirror) -> None:
        began = time.monotonic()
        self._announce({mirror.kept.project})
        synced = synced_of(self._ledger, self._lane, mirror.kept.project)
        done = publish(mirror, self._target, self.rows)
        took = time.monotonic() - began
        etag = done.etag or mirror.kept.etag
        self.rows.keep(
            mirror.kept.id, changed=0, published_at=time.time(), took=took, etag=etag, synced=synced
        )
        fault_point("mirror published")
        if done.written:
            log.info("mirror published", target=self._settings.name, folder=mirror.folder, seconds=round(took, 3))

    def _end_rebuild(self, mirror: Mirror) -> None:
        clear_stale(mirror.kept, self._target, self.rows)
        if mirror.kept.trusted == mirror.kept.generation:
            self._announce({mirror.kept.project})
            publish(mirror, self._target, self.rows)  # before anything that readers may still use goes
            sweep_folder(mirror, self._target, self.rows)
        self.rows.keep(mirror.kept.id, rebuilding=None, changed=1)
        fault_point("mirror rebuilt")
        log.info("mirror rebuilt", target=self._settings.name, folder=mirror.folder)

    def _mirrors(self) -> list[Mirror]:
        """The mirrors as they are to be, with the ledger's newest facts."""
        kept = {one.id: one for one in self.rows.mirrors()}
        return [
            replace(mirror, kept=kept[mirror.kept.id])
            for mirrors in self._current.values()
            for mirror in mirrors
            if mirror.kept.id in kept
        ]

    # --- following -----------------------------------------------------------------------------------------------

    def follow(self, *, seconds: float | None) -> None:
        """Make the mirrors what configuration, label configurations and registries say; before anything is planned, too."""
        only = self._lane.only
        projects = {p.id: p for p in self._ledger.projects().values() if only is None or p.id in only}
        counts = self._lane.counts()
        kept = {(one.project, one.name): one for one in self.rows.mirrors()}
        for id_ in sorted(counts.keys() & projects.keys()):
            self._follow(projects[id_], kept, seconds)
        for (project, name), one in kept.items():
            if one.configured and project in projects and not self._is_wanted(projects[project], name):
                self.rows.keep(one.id, configured=0, version="", rebuilding=None)
                self._current[project] = tuple(m for m in self._current.get(project, ()) if m.settings.name != name)
            elif one.configured and project not in counts and (only is None or project in only):
                empty(one, self._target, self.rows)
                self._current.pop(project, None)
                self._level.pop(project, None)

    def _is_wanted(self, project: Project, name: str) -> bool:
        return any(one.name == name for one in self._wanted(project))

    def _wanted(self, project: Project) -> list[MirrorSettings]:
        return [one for one in self._settings.mirrors if chosen(one.projects, [project])]

    def _follow(self, project: Project, kept: Mapping[tuple[int, str], Kept], seconds: float | None) -> None:
        level = (project.label_config, self._ledger.registries_at)
        wanted = self._wanted(project)
        if not wanted or self._level.get(project.id) == level:
            return
        try:
            schema = parse_label_config(project.label_config)
        except Misconfigured as error:
            for one in wanted:
                self._leave_out(project, one, str(error), kept)
            self._level[project.id] = level
            return
        is_surveyed = self._survey(project, schema, seconds)
        known = registry_of(self._ledger, project.id).surveyed
        if not known:
            return
        registry = grow(self._ledger, project.id, labels=region_classes(schema))
        found = []
        for one in wanted:
            context = context_of(one, schema, registry)
            reason = why_not(one.make(), context)
            if reason is not None:
                self._leave_out(project, one, reason, kept)
            elif one.rendition in known:
                found.append(self._level_with(Mirror(one, one.make(), context, self._row(project, one, kept))))
        self._current[project.id] = tuple(found)
        if is_surveyed:
            self._level[project.id] = (project.label_config, self._ledger.registries_at)

    def _survey(self, project: Project, schema: LabelSchema, seconds: float | None) -> bool:
        """Whether every rendition that applies had its full pass; goes on with it once the source has been swept."""
        survey = self._surveys.get(project.id)
        if survey is None or survey.schema != schema:
            known = registry_of(self._ledger, project.id).surveyed
            everyones = [one for one in self._everyones if chosen(one.projects, [project])]
            new = [one for one in everyones if one.rendition not in known and one.make().accepts(schema) is None]
            if not new:
                return True
            survey = self._surveys[project.id] = Survey(project.id, schema, new)
        if not self._ledger.swept or not survey.go_on(self._source, self._ledger, self._settings.shape, seconds):
            return False
        grow(
            self._ledger,
            project.id,
            labels=region_classes(schema),
            classes=survey.classes,
            columns=survey.columns,
            surveyed=survey.columns,
        )
        del self._surveys[project.id]
        fault_point("registry grown")
        return True

    def _row(self, project: Project, one: MirrorSettings, kept: Mapping[tuple[int, str], Kept]) -> Kept:
        return kept.get((project.id, one.name)) or self.rows.make(project.id, one.name)

    def _level_with(self, mirror: Mirror) -> Mirror:
        """The mirror with a rebuild begun, when what it was rendered from is not what it is rendered from now."""
        kept, version = mirror.kept, version_of(mirror.settings, mirror.context)
        names = sections_of(mirror.format, mirror.context)
        if kept.generation and kept.sections != len(names):
            empty(kept, self._target, self.rows)  # another format takes the folder over
            kept = self.rows.make(kept.project, kept.name)
        if kept.version != version:
            self.rows.start_rebuild(kept, version, mirror.settings.rendition, len(names))
            log.info("mirror rebuild begins", target=self._settings.name, folder=mirror.folder)
        note = conflicts(mirror.context)
        if note != kept.note:
            self.rows.keep(kept.id, note=note)
        return replace(mirror, kept=next(one for one in self.rows.mirrors() if one.id == kept.id))

    def _leave_out(
        self, project: Project, one: MirrorSettings, reason: str, kept: Mapping[tuple[int, str], Kept]
    ) -> None:
        row = self._row(project, one, kept)
        if row.generation:
            empty(row, self._target, self.rows)
            row = self.rows.make(project.id, one.name)
        if row.reason != reason:
            self.rows.keep(row.id, reason=reason)

    # --- while a batch is planned --------------------------------------------------------------------------------

    def changes(self, shown: Sequence[Shown], leaving: Mapping[int, int]) -> list[Change]:
        """What a batch changes: documents as they are now, and tasks that leave a project (task → project)."""
        current = self._current
        if not current:
            return []
        parsed = Parsed()
        due = [
            (mirror, one, before.get(one.task))
            for project in sorted({one.project for one in shown})
            for mirror in current.get(project, ())
            for before in (self.rows.rendered(mirror.kept.id, [o.task for o in shown if o.project == project]),)
            for one in shown
            if one.project == project and not _is_shown(mirror, one, before.get(one.task))
        ]
        self._register([(mirror, one) for mirror, one, _ in due], parsed)
        found = [changed(self._newest(mirror), one, before, parsed) for mirror, one, before in due]
        for project in sorted(set(leaving.values())):
            tasks = [task for task, from_ in leaving.items() if from_ == project]
            for mirror in current.get(project, ()):
                rows = self.rows.rendered(mirror.kept.id, tasks)
                found += [
                    Change(mirror.kept.id, project, mirror.folder, task, before, None)
                    for task, before in rows.items()
                ]
        return found

    def shows(self, project: int, task: int) -> bool:
        """Whether any mirror shows the task."""
        return any(self.rows.rendered(mirror.kept.id, [task]) for mirror in self._current.get(project, ()))

    def _register(self, due: Sequence[tuple[Mirror, Shown]], parsed: Parsed) -> None:
        """Registries first: whatever names these documents need, sorted, so that their order does not matter."""
        classes: dict[int, set[str]] = {}
        columns: dict[int, dict[str, set[str]]] = {}
        for mirror, one in due:
            try:
                names = names_of(mirror.format, parsed(one), mirror.context)
            except TaskRejected:
                continue
            if not names.classes <= mirror.context.classes.keys():
                classes.setdefault(one.project, set()).update(names.classes)
            if not names.columns <= set(mirror.context.columns):
                of_project = columns.setdefault(one.project, {})
                of_project.setdefault(mirror.settings.rendition, set()).update(names.columns)
        for project in sorted(classes.keys() | columns.keys()):
            mirrors = self._current[project]
            if not registry_of(self._ledger, project).surveyed:
                continue  # a rebuild numbers anew, and renders these tasks again
            labels = region_classes(mirrors[0].context.schema)
            registry = grow(
                self._ledger,
                project,
                labels=labels,
                classes=classes.get(project, ()),
                columns=columns.get(project, {}),
            )
            fault_point("registry grown")
            # Columns stay as they are until the rebuild that new ones bring: one generation has one set of them.
            self._current[project] = tuple(
                replace(m, context=replace(m.context, classes=registry.classes)) for m in mirrors
            )

    def _newest(self, mirror: Mirror) -> Mirror:
        return next(m for m in self._current[mirror.kept.project] if m.kept.id == mirror.kept.id)

    # --- what is said --------------------------------------------------------------------------------------------

    def claims(self, project: int, synced: str | None, last: Mapping[str, Any]) -> dict[str, Any]:
        """Each mirror's part of state.json; `synced` is how far the project's tasks are true, `last` what was said before."""
        said = {}
        for mirror in self._mirrors():
            kept = mirror.kept
            if kept.project != project:
                continue
            through = synced if not kept.changed and kept.rebuilding is None else kept.synced
            before = last.get(kept.name, {}).get("synced_through")
            said[kept.name] = {
                "synced_through": max(filter(None, (through, before)), default=None),
                "etag": kept.etag,
                "quarantined": self.rows.aside_count(kept.id),
                "rebuilding": kept.rebuilding is not None and bool(mirror.format.own_files),
            }
        return said

    def quarantine(self) -> list[dict[str, Any]]:
        """What is set aside for a format, as quarantine.json lists it; such a task is tried again whenever it changes."""
        return [
            {"task": task, "project": mirror.kept.project, "mirror": mirror.kept.name, "reason": reason}
            for mirror in self._mirrors()
            for task, reason in self.rows.aside(mirror.kept.id)
        ]


def _is_shown(mirror: Mirror, one: Shown, before: Any) -> bool:
    return before is not None and (before.document, before.generation) == (one.digest, mirror.kept.generation)
