"""The full pass that a registry begins with: which classes and columns a project's tasks need, a little at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from syncd.documents import document_from
from syncd.errors import TaskRejected
from syncd.formats import Context, Format
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

    def __post_init__(self) -> None:
        self._formats = [(one, one.make()) for one in self.mirrors]
        self._formats = [(one, chosen) for one, chosen in self._formats if chosen.accepts(self.schema) is None]
        self.columns = {one.rendition: set(chosen.columns(self.schema)) for one, chosen in self._formats}

    @property
    def is_needed(self) -> bool:
        """Whether any of the formats has classes or columns that only tasks tell."""
        return any(has_names(chosen) for _, chosen in self._formats)

    def go_on(self, source: Source, shape: DocumentShape, seconds: float | None) -> bool:
        """Look at more tasks for about so long (None: at all that are left); True when every task was looked at."""
        began = time.monotonic()
        self._tasks = self._tasks or iter(source.tasks(self.project))
        while seconds is None or time.monotonic() - began < seconds:
            tasks = list(islice(self._tasks, READ))
            if not tasks:
                return True
            for read in source.read(tasks, shape):
                if isinstance(read, TaskDocument) and read.body is not None and read.project == self.project:
                    self._note(read.body)
        return False

    def _note(self, body: bytes) -> None:
        for rendition, classes, columns in self._names(body):
            self.classes |= classes
            self.columns[rendition] |= columns

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
