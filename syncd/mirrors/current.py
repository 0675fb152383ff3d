"""Which mirrors a lane has now, and in which context: what configuration, label configurations and registries make of it.

`follow` is called by the lane's thread before anything is planned: what a mirror is not told of, it would never learn.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog

from syncd.errors import Misconfigured
from syncd.faults import fault_point
from syncd.labelstudio.labelconfig import parse_label_config, region_classes
from syncd.lanesettings import LaneSettings
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept, MirrorLedger
from syncd.ledger.registries import grow, registry_of
from syncd.mirrors.clearing import empty
from syncd.mirrors.mirror import Mirror, around, context_of, contradictions, sections_of, version_of, why_not
from syncd.mirrors.settings import MirrorSettings
from syncd.mirrors.survey import Survey
from syncd.model import LabelSchema, Project
from syncd.sources import Source, chosen
from syncd.targets import Target

log = structlog.get_logger()


class _Grounds(NamedTuple):
    """What a project's mirrors are made from."""

    label_config: str
    registry_at: int
    conflict: str | None


class CurrentMirrors:
    """The mirrors of one target, by project. `everyones` are those of all targets: a registry begins with all they need."""

    def __init__(
        self,
        settings: LaneSettings,
        source: Source,
        target: Target,
        ledger: Ledger,
        lane: LaneLedger,
        everyones: Sequence[MirrorSettings],
    ) -> None:
        self.rows = MirrorLedger(ledger, lane.id)
        self._settings = settings
        self._source = source
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._everyones = everyones
        self._of: dict[int, tuple[Mirror, ...]] = {}
        self._made_from: dict[int, _Grounds] = {}
        self._surveys: dict[int, Survey] = {}

    @property
    def is_surveying(self) -> bool:
        """Whether a full pass over a project is under way."""
        return bool(self._surveys)

    def of(self, project: int) -> tuple[Mirror, ...]:
        """A project's mirrors; none before its first full pass."""
        return self._of.get(project, ())

    def all(self) -> list[Mirror]:
        """Every mirror, with the ledger's newest facts."""
        kept = {one.id: one for one in self.rows.mirrors()}
        mirrors = (mirror for of_project in self._of.values() for mirror in of_project)
        return [replace(mirror, kept=kept[mirror.kept.id]) for mirror in mirrors if mirror.kept.id in kept]

    def follow(self, *, seconds: float | None) -> None:
        """Make the mirrors what they are to be; full passes go on for about `seconds` a project (None: to their end)."""
        if not (self._settings.mirrors or self.rows.mirrors()):
            return
        counts, projects, conflicts = self._lane.counts(), self._ledger.projects(), self._lane.conflicts()
        kept = {(one.project, one.name): one for one in self.rows.mirrors()}
        for id_ in sorted(self._ours(counts.keys() & projects.keys())):
            grounds = _Grounds(projects[id_].label_config, self._ledger.registries_at[id_], conflicts.get(id_))
            wanted = self._wanted(projects[id_])
            if wanted and self._made_from.get(id_) != grounds:
                self._make(projects[id_], wanted, grounds, kept, seconds)
        for one in kept.values():
            if one.configured and self._ours([one.project]):
                self._let_go(one, projects.get(one.project), counts)

    def make_anew(self) -> None:
        """At the next `follow`, as after a start."""
        self._made_from.clear()

    def register(self, project: int, classes: Collection[str], columns: Mapping[str, Collection[str]]) -> None:
        """Names that documents need, sorted among themselves, go into the registry.

        Columns stay as they are here until the rebuild that new ones bring: one generation has one set of them.
        """
        if not registry_of(self._ledger, project).surveyed:
            return  # a rebuild numbers anew, and renders these tasks again
        labels = region_classes(self._of[project][0].context.schema)
        registry = grow(self._ledger, project, labels=labels, classes=classes, columns=columns)
        fault_point("registry grown")
        self._of[project] = tuple(
            replace(m, context=replace(m.context, classes=registry.classes)) for m in self._of[project]
        )

    # --- one project ---------------------------------------------------------------------------------------------

    def _make(
        self,
        project: Project,
        wanted: Sequence[MirrorSettings],
        grounds: _Grounds,
        kept: Mapping[tuple[int, str], Kept],
        seconds: float | None,
    ) -> None:
        if grounds.conflict is not None:
            self._refuse(project, wanted, grounds.conflict, kept)
            self._made_from[project.id] = grounds
            return
        try:
            schema = parse_label_config(project.label_config)
        except Misconfigured as error:
            self._of[project.id] = ()
            for one in wanted:
                self._leave_out(project, one, str(error), kept)
            self._made_from[project.id] = grounds
            return
        is_surveyed = self._survey(project, schema, seconds)
        known = registry_of(self._ledger, project.id).surveyed
        if not known and not is_surveyed:
            return
        registry = grow(self._ledger, project.id, labels=region_classes(schema))
        found = []
        for one in wanted:
            mirror = one.make()
            context = context_of(one, schema, registry)
            reason = why_not(mirror, context)
            if reason is not None:
                self._leave_out(project, one, reason, kept)
            elif one.rendition in known:
                found.append(self._level(Mirror(one, mirror, context, self._row(project, one, kept)), registry.edition))
        self._of[project.id] = tuple(found)
        if is_surveyed:
            self._made_from[project.id] = grounds._replace(registry_at=self._ledger.registries_at[project.id])

    def _survey(self, project: Project, schema: LabelSchema, seconds: float | None) -> bool:
        """Whether every rendition that applies had its full pass; goes on with it."""
        survey = self._surveys.get(project.id)
        if survey is None or survey.schema != schema:
            known = registry_of(self._ledger, project.id).surveyed
            everyones = [one for one in self._everyones if chosen(one.projects, [project])]
            new = [one for one in everyones if one.rendition not in known and one.make().accepts(schema) is None]
            if not new:
                return True
            survey = self._surveys[project.id] = Survey(project.id, schema, new)
        if survey.is_needed and not survey.go_on(self._source, self._settings.shape, seconds):
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

    def _level(self, mirror: Mirror, edition: int) -> Mirror:
        """The mirror with a rebuild begun, when what it was rendered from is not what it is rendered from now."""
        kept, version = mirror.kept, version_of(mirror.settings, mirror.context, edition)
        names = sections_of(mirror.format, mirror.context)
        if kept.generation and kept.sections != len(names):
            empty(kept, self._target, self.rows)  # another format takes the folder over
            kept = self.rows.make(kept.project, kept.name)
        if kept.version != version:
            own_files = bool(mirror.format.own_files)
            self.rows.start_rebuild(kept, version, mirror.settings.rendition, len(names), own_files=own_files)
            log.info("mirror rebuild begins", target=self._settings.name, folder=mirror.folder)
        stands, note = around(mirror.format, mirror.context), contradictions(mirror.format, mirror.context)
        if stands != kept.around:
            self.rows.keep(kept.id, around=stands, changed=1)
        if note != kept.note:
            self.rows.keep(kept.id, note=note)
            if note is not None:
                log.warning("category refused", target=self._settings.name, folder=mirror.folder, reason=note)
        return replace(mirror, kept=next(one for one in self.rows.mirrors() if one.id == kept.id))

    # --- what there is not ---------------------------------------------------------------------------------------

    def _refuse(
        self,
        project: Project,
        wanted: Sequence[MirrorSettings],
        conflict: str,
        kept: Mapping[tuple[int, str], Kept],
    ) -> None:
        """Leave everything as its readers know it, and render all of it again when the conflict is over."""
        reason = (
            f"refused: project.json in {self._target.where} contradicts the registry known here ({conflict}). Its files stay as "
            f"they are. To number classes and columns anew: syncd mirror rebuild --project {project.id}"
        )
        self._of[project.id] = ()
        for one in wanted:
            row = self._row(project, one, kept)
            if row.reason != reason:
                self.rows.keep(row.id, reason=reason, version="", rebuilding=None)
                log.warning(
                    "mirror refused", target=self._settings.name, folder=f"{project.id}/{one.name}/", reason=reason
                )

    def _leave_out(
        self, project: Project, one: MirrorSettings, reason: str, kept: Mapping[tuple[int, str], Kept]
    ) -> None:
        row = self._row(project, one, kept)
        if row.generation:
            empty(row, self._target, self.rows)
            row = self.rows.make(project.id, one.name)
        if row.reason != reason:
            self.rows.keep(row.id, reason=reason)

    def _let_go(self, one: Kept, project: Project | None, counts: Mapping[int, int]) -> None:
        """A mirror that is configured no more stays where it is; the files of a project without tasks go."""
        if project is not None and one.name not in {wanted.name for wanted in self._wanted(project)}:
            self.rows.keep(one.id, configured=0, version="", rebuilding=None)
            self._of[one.project] = tuple(m for m in self.of(one.project) if m.settings.name != one.name)
        elif one.project not in counts:
            empty(one, self._target, self.rows)
            self._of.pop(one.project, None)
            self._made_from.pop(one.project, None)

    # --- small questions -----------------------------------------------------------------------------------------

    def _ours(self, projects: Collection[int]) -> Collection[int]:
        only = self._lane.only
        return projects if only is None else [project for project in projects if project in only]

    def _wanted(self, project: Project) -> list[MirrorSettings]:
        return [one for one in self._settings.mirrors if chosen(one.projects, [project])]

    def _row(self, project: Project, one: MirrorSettings, kept: Mapping[tuple[int, str], Kept]) -> Kept:
        return kept.get((project.id, one.name)) or self.rows.make(project.id, one.name)
