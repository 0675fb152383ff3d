"""The registries that a lane's mirrors are rendered with: published ones, and those whose first full pass is under way."""

from collections.abc import Collection, Mapping, Sequence

from syncd.faults import fault_point
from syncd.labelstudio.labelconfig import region_classes
from syncd.ledger import Ledger
from syncd.ledger.registries import Registry, grow, registry_of
from syncd.mirrors.settings import MirrorSettings
from syncd.mirrors.survey import Survey
from syncd.model import DocumentShape, LabelSchema, Project
from syncd.sources import Source, chosen


class Surveys:
    """One lane's. `everyones` are the mirrors of all targets: a registry begins with what any of them needs."""

    def __init__(
        self, source: Source, ledger: Ledger, shape: DocumentShape, everyones: Sequence[MirrorSettings]
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._shape = shape
        self._everyones = everyones
        self._under_way: dict[int, Survey] = {}
        self._guessed: set[int] = set()
        self._just_begun: set[int] = set()
        self._waiting: set[int] = set()
        """Projects that want a pass before the source has been swept: it begins when all their tasks are known."""

    @property
    def is_passing(self) -> bool:
        """Whether a pass of its own is under way."""
        return len(self._under_way) > len(self._guessed)

    @property
    def guessed(self) -> Collection[int]:
        """Projects whose registry is a guess, until `conclude`."""
        return frozenset(self._guessed)

    def is_final(self, project: int) -> bool:
        """Whether all renditions of a project had their pass."""
        return project not in self._under_way and project not in self._waiting

    def is_under_way(self, project: int) -> bool:
        """Whether there is more to do now for a project's passes."""
        return project in self._under_way

    def registry(
        self, project: Project, schema: LabelSchema, wanted: Sequence[MirrorSettings], *, seconds: float | None
    ) -> Registry:
        """What to render with: of renditions in `surveyed`. A pass goes on for about `seconds` (None: to its end)."""
        known = registry_of(self._ledger, project.id)
        survey = self._survey(project, schema, wanted, known.surveyed)
        if known.surveyed or project.id in self._guessed or self.is_final(project.id):
            # The configuration's own numbers do not depend on what else is found.
            known = grow(self._ledger, project.id, labels=region_classes(schema))
        if survey is None:
            return known
        if project.id in self._guessed:
            return survey.guess(self._source, self._shape, known)
        if not survey.is_needed or survey.go_on(self._source, self._shape, seconds):
            self.conclude(project.id)
        return registry_of(self._ledger, project.id)

    def just_begun(self, project: int) -> Collection[str]:
        """Renditions whose guess has just begun: what a first rendering had found before died with a process. Asked once."""
        if project not in self._just_begun:
            return ()
        self._just_begun.discard(project)
        return self._under_way[project].columns.keys() if project in self._guessed else ()

    def take(
        self, project: int, classes: Collection[str], columns: Mapping[str, Collection[str]]
    ) -> tuple[Collection[str], Mapping[str, Collection[str]]]:
        """Keep for later what a guess lacks; returns the names that go into the published registry now."""
        if project not in self._guessed:
            return classes, columns
        survey, known = self._under_way[project], registry_of(self._ledger, project).surveyed
        own = {name: names for name, names in columns.items() if name in survey.columns}
        survey.note(() if known else classes, own)
        return classes if known else (), {name: names for name, names in columns.items() if name not in own}

    def conclude(self, project: int) -> None:
        """Every task was looked at: what was found is published."""
        survey = self._under_way.pop(project)
        self._guessed.discard(project)
        grow(
            self._ledger,
            project,
            labels=region_classes(survey.schema),
            classes=survey.classes,
            columns=survey.columns,
            surveyed=survey.columns,
        )
        fault_point("registry grown")

    def _survey(
        self, project: Project, schema: LabelSchema, wanted: Sequence[MirrorSettings], known: Collection[str]
    ) -> Survey | None:
        """The pass that is under way, or begins now; None when there is nothing to look for, or it has to wait."""
        everyones = [one for one in self._everyones if chosen(one.projects, [project])]
        new = [one for one in everyones if one.rendition not in known and one.make().accepts(schema) is None]
        survey = self._under_way.get(project.id)
        if survey is not None and survey.schema == schema and survey.columns.keys() == {one.rendition for one in new}:
            return survey
        for held in (self._waiting, self._guessed):
            held.discard(project.id)
        self._under_way.pop(project.id, None)
        if not new:
            return None
        if not self._ledger.swept:
            self._waiting.add(project.id)
            return None
        survey = self._under_way[project.id] = Survey(project.id, schema, new)
        ours = {one.rendition for one in wanted}
        if survey.is_needed and survey.columns.keys() <= ours and survey.can_guess(known):
            self._guessed.add(project.id)
            self._just_begun.add(project.id)
        return survey
