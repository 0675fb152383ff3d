"""Which mirrors a lane has now, and in which context: what configuration, label configurations and registries make of it.

`follow` is called by the lane's thread before anything is planned: what a mirror is not told of, it would never learn.
"""

import json
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
from syncd.mirrors.surveys import Surveys
from syncd.model import Project
from syncd.sources import Source, chosen
from syncd.targets import Target

log = structlog.get_logger()


class _Grounds(NamedTuple):
    """What a project's mirrors are made from."""

    label_config: str
    registry_at: int
    conflict: str | None
    is_swept: bool


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
        self._target = target
        self._ledger = ledger
        self._lane = lane
        self._surveys = Surveys(source, ledger, settings.shape, everyones)
        self._of: dict[int, tuple[Mirror, ...]] = {}
        self._made_from: dict[int, _Grounds] = {}

    @property
    def is_surveying(self) -> bool:
        """Whether a full pass over a project is under way, apart from rendering."""
        return self._surveys.is_passing

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
            grounds = _Grounds(
                projects[id_].label_config, self._ledger.registries_at[id_], conflicts.get(id_), self._ledger.swept
            )
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
        classes, columns = self._surveys.take(project, classes, columns)
        if not (classes or columns) or not registry_of(self._ledger, project).surveyed:
            return  # a rebuild numbers anew, and renders these tasks again
        labels = region_classes(self._of[project][0].context.schema)
        registry = grow(self._ledger, project, labels=labels, classes=classes, columns=columns)
        fault_point("registry grown")
        self._of[project] = tuple(
            replace(m, context=replace(m.context, classes=registry.classes)) for m in self._of[project]
        )

    def conclude(self) -> None:
        """Publish the registries whose first rendering is done, and make the mirrors what they are to be with them."""
        done = []
        for project in self._surveys.guessed:
            ours = {mirror.kept.id for mirror in self.of(project)}
            mirrors = [one for one in self.rows.mirrors() if one.id in ours]
            if mirrors and all(self.rows.is_rendered(one) for one in mirrors):
                done.append(project)
        for project in done:
            self._surveys.conclude(project)
        if done:
            self.follow(seconds=0)

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
        registry = self._surveys.registry(project, schema, wanted, seconds=seconds)
        grounds = grounds._replace(registry_at=self._ledger.registries_at[project.id])
        begun = self._surveys.just_begun(project.id)
        is_known = bool(registry.surveyed) or self._surveys.is_final(project.id)
        found = []
        for one in wanted if is_known else ():
            mirror = one.make()
            context = context_of(one, schema, registry)
            reason = why_not(mirror, context)
            if reason is not None:
                self._leave_out(project, one, reason, kept)
            elif one.rendition in registry.surveyed:
                made = Mirror(one, mirror, context, self._row(project, one, kept))
                found.append(
                    self._level(made, registry.edition, anew=one.rendition in begun or not self._is_right(made))
                )
        if is_known:  # else those that there are go on
            self._of[project.id] = tuple(found)
        if not self._surveys.is_under_way(project.id):
            self._made_from[project.id] = grounds

    def _is_right(self, mirror: Mirror) -> bool:
        """Whether the numbers that a first rendering guessed are those of the registry, when it is not a guess any more."""
        kept, is_guess = mirror.kept, mirror.kept.project in self._surveys.guessed
        if is_guess or not kept.guess:
            return True
        is_right: bool = json.loads(kept.guess) == dict(mirror.context.classes)
        self.rows.keep(kept.id, guess="", version=kept.version if is_right else "")
        return is_right

    def _level(self, mirror: Mirror, edition: int, *, anew: bool) -> Mirror:
        """The mirror with a rebuild begun, when what it was rendered from is not what it is rendered from now."""
        kept, version = mirror.kept, version_of(mirror.settings, mirror.context, edition)
        names = sections_of(mirror.format, mirror.context)
        if kept.generation and kept.sections != len(names):
            empty(kept, self._target, self.rows)  # another format takes the folder over
            kept = self.rows.make(kept.project, kept.name)
        if kept.version != version or anew:
            own_files = bool(mirror.format.own_files)
            self.rows.start_rebuild(kept, version, mirror.settings.rendition, len(names), own_files=own_files)
            is_guess = kept.project in self._surveys.guessed
            self.rows.keep(kept.id, guess=json.dumps(dict(mirror.context.classes)) if is_guess else "")
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
