"""The full pass that a registry begins with: which classes and columns a project's tasks need.

Tasks are looked at a little at a time, before any of them is rendered. Where nothing is visible before the last task is rendered
(mirrors without files per task), the first rendering is that pass: what its first tasks need is guessed to be all. A guess that
was wrong costs a second rendering; right or wrong, nobody sees a number before every task was looked at.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from syncd.documents import document_from
from syncd.errors import TaskRejected
from syncd.formats import Context, Format
from syncd.labelstudio.labelconfig import number_classes, region_classes
from syncd.ledger.registries import Registry
from syncd.mirrors.settings import MirrorSettings
from syncd.model import DocumentShape, LabelSchema, TaskDocument
from syncd.rendering import has_names, names_of
from syncd.sources import Source

READ = 256


@dataclass(slots=True)
class Survey:
    """What was found so far in a project; the names of classes are everybody's, columns a rendition's."""

    project: int
    schema: LabelSchema
    mirrors: Sequence[MirrorSettings]
    classes: set[str] = field(default_factory=set)
    columns: dict[str, set[str]] = field(default_factory=dict)
    _formats: list[tuple[MirrorSettings, Format]] = field(default_factory=list)
    _tasks: Iterator[int] | None = None
    _guess: Registry | None = None

    def __post_init__(self) -> None:
        self._formats = [(one, one.make()) for one in self.mirrors]
        self._formats = [(one, chosen) for one, chosen in self._formats if chosen.accepts(self.schema) is None]
        self.columns = {one.rendition: set(chosen.columns(self.schema)) for one, chosen in self._formats}

    @property
    def is_needed(self) -> bool:
        """Whether any of the formats has classes or columns that only tasks tell."""
        return any(has_names(chosen) for _, chosen in self._formats)

    def can_guess(self, known: Collection[str]) -> bool:
        """Whether the first rendering may be the pass, when these renditions had theirs."""
        named = [chosen for _, chosen in self._formats if has_names(chosen)]
        tables = all(type(chosen).columns is not Format.columns for chosen in named)
        return not any(chosen.own_files for chosen in named) and (tables or not known)

    def guess(self, source: Source, shape: DocumentShape, published: Registry) -> Registry:
        """What is published, and what the first tasks need besides; always the same from then on."""
        if self._guess is None:
            self._look_at(list(islice(source.tasks(self.project), READ)), source, shape)
            classes = number_classes(region_classes(self.schema), self.classes, published.classes)
            columns = {
                name: (*known, *sorted(self.columns[name].difference(known)))
                for name in self.columns
                for known in [published.columns.get(name, ())]
            }
            surveyed = published.surveyed | self.columns.keys()
            self._guess = Registry(classes, {**published.columns, **columns}, surveyed, published.edition)
        return self._guess

    def note(self, classes: Collection[str], columns: Mapping[str, Collection[str]]) -> None:
        """Names that tasks need beyond the guess."""
        self.classes.update(classes)
        for rendition, names in columns.items():
            self.columns[rendition].update(names)

    def go_on(self, source: Source, shape: DocumentShape, seconds: float | None) -> bool:
        """Look at more tasks for about so long (None: at all that are left); True when every task was looked at."""
        began = time.monotonic()
        self._tasks = self._tasks or iter(source.tasks(self.project))
        while seconds is None or time.monotonic() - began < seconds:
            tasks = list(islice(self._tasks, READ))
            if not tasks:
                return True
            self._look_at(tasks, source, shape)
        return False

    def _look_at(self, tasks: Sequence[int], source: Source, shape: DocumentShape) -> None:
        for read in source.read(tasks, shape):
            if isinstance(read, TaskDocument) and read.body is not None and read.project == self.project:
                for rendition, classes, columns in self._names(read.body):
                    self.note(classes, {rendition: columns})

    def _names(self, body: bytes) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
        try:
            document = document_from(body)
        except TaskRejected:
            return
        for one, chosen in self._formats:
            if not has_names(chosen):
                continue
            try:
                names = names_of(chosen, document, Context(self.schema, policy=one.policy))
            except TaskRejected:
                continue  # it is set aside when it is rendered
            yield one.rendition, names.classes, names.columns
