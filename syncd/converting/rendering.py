"""What one process does with one unit of tasks: survey it (which classes and columns), or render it.

A task that cannot be rendered is set aside and costs nobody else anything. Everything here travels between processes.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from syncd import formats
from syncd.converting.files import place_of, write_own_files
from syncd.converting.report import Tally, set_aside
from syncd.converting.runs import Run, RunWriter
from syncd.converting.sections import part_of, section_of
from syncd.converting.staging import Staging
from syncd.documents import Document
from syncd.errors import TaskRejected
from syncd.formats import Context, Format, MediaFact, Options, Rendering
from syncd.media import Media, MediaMissing, MediaSettings
from syncd.rendering import has_names, names_of, rendering_of
from syncd.taskfiles.elements import Unit

OWN_FILES = "own files"
"""The section of their names, one a line; no format's section is called so."""
FETCHES = 8
"""Media fetched at a time by one process."""


class OutOfOrder(Exception):
    """Tasks do not come in the order of their ids."""


class MoreNames(Exception):
    """A task needs a class or column that the context does not have. `done`: units rendered before."""

    def __init__(self, done: int = 0) -> None:
        super().__init__(done)
        self.done = done


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make of the tasks: a format by name with its options, and which tasks of the input."""

    format: str
    options: Options
    context: Context
    only: frozenset[int] | None = None
    """Task ids; None for all."""


@dataclass(slots=True)
class Surveyed:
    """What the tasks of a unit need in the registries. `first` and `last` are task ids, None of an empty unit."""

    classes: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    first: int | None = None
    last: int | None = None


@dataclass(slots=True)
class Rendered:
    """A unit's output, written already: its own files, and its runs by section; in OWN_FILES the names of the former."""

    runs: dict[str, Run] = field(default_factory=dict)
    missing_media: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    """The tasks that are here, when only some were asked for."""
    tally: Tally = field(default_factory=Tally)
    first: int | None = None
    last: int | None = None


class Image(NamedTuple):
    """An image to fetch beside a task's labels."""

    task: int
    path: str
    address: str


class Bench:
    """A process's own format, media and folder: made once, used for every unit."""

    def __init__(self, wish: Wish, place: Staging, media: MediaSettings | None) -> None:
        self.wish = wish
        self.folder = place.folder
        self.format: Format = formats.find(wish.format)(wish.options)
        self._runs = RunWriter(place.runs)
        self._media = None if media is None else Media(media)
        self._has_names = has_names(self.format)

    def survey(self, unit: Unit) -> Surveyed:
        """Raises OutOfOrder, WrongBorder. What is wrong with a task shows again when it is rendered, and counts then."""
        found = Surveyed()
        context = self.wish.context
        for document in self._documents(unit, found, Tally()):
            try:
                names = names_of(self.format, document, context)
            except TaskRejected:
                continue
            found.classes |= names.classes
            found.columns |= names.columns
        return found

    def render(self, unit: Unit) -> Rendered:
        """Raises OutOfOrder, WrongBorder, MoreNames."""
        made = Rendered()
        fragments: dict[str, list[tuple[int, bytes]]] = {}
        files: list[str] = []
        images: list[Image] = []
        for document in self._documents(unit, made, made.tally):
            if self.wish.only is not None:
                made.asked.append(document.id)
            try:
                if self._has_names:
                    self._check_names(document)
                rendering = rendering_of(self.format, document, self._context_of(document))
            except TaskRejected as rejected:
                made.tally.set_aside(set_aside(rejected))
                continue
            self._count(rendering, document, made.tally)
            for section, fragment in rendering.fragments.items():
                fragments.setdefault(section, []).append((document.id, fragment))
            if rendering.files:
                write_own_files(self.folder, rendering.files)
                files += rendering.files
            if self._media is not None and rendering.items:
                images += [Image(document.id, *each) for each in self.format.images(document.task, self.wish.context)]
        if images:
            files += self._fetched(images, made.missing_media)
        made.runs = {
            section: self._runs.write(section, self._run_of(section, fragments[section])) for section in fragments
        }
        if files:
            made.runs[OWN_FILES] = self._runs.write(OWN_FILES, "".join([f"{name}\n" for name in files]).encode())
        return made

    def close(self) -> None:
        """Nothing may follow."""
        self._runs.close()

    def _documents(self, unit: Unit, span: Surveyed | Rendered, tally: Tally) -> Iterator[Document]:
        """The documents that were asked for; notes first and last id in `span`, and the broken ones in `tally`."""
        only = self.wish.only
        for document in unit.documents():
            if isinstance(document, TaskRejected):
                if only is None or document.task in only:
                    tally.set_aside(set_aside(document))
                continue
            number = document.id
            if span.last is not None and number <= span.last:
                raise OutOfOrder
            span.first, span.last = number if span.first is None else span.first, number
            if only is None or number in only:
                yield document

    def _check_names(self, document: Document) -> None:
        context = self.wish.context
        names = names_of(self.format, document, context)
        if names.classes and not names.classes <= context.classes.keys():
            raise MoreNames
        if names.columns and not names.columns <= self._columns:
            raise MoreNames

    def _context_of(self, document: Document) -> Context:
        """The context, with facts of the media that this task does not tell the facts of."""
        context = self.wish.context
        if self._media is None:
            return context
        facts: dict[str, MediaFact] = {}
        for address in self.format.media(document.task, context.schema):
            fact = self._media.fact(address)
            if fact is not None:
                facts[address] = fact
        return replace(context, media=facts) if facts else context

    def _count(self, rendering: Rendering, document: Document, tally: Tally) -> None:
        if rendering.skipped:
            tally.skip(rendering.skipped, document.id)
        tally.items += rendering.items
        if rendering.items:
            tally.tasks += 1
            tally.newest = max(tally.newest, rendering.updated_at)

    def _run_of(self, section: str, fragments: list[tuple[int, bytes]]) -> bytes:
        if self.format.parts:
            return part_of(fragments)
        return section_of([fragment for _, fragment in fragments], self._separators[section])

    def _fetched(self, images: Sequence[Image], missing: list[str]) -> Iterator[str]:
        """The paths of those that are there now, several at a time: most of it is waiting. Why others are not, in task order."""
        with ThreadPoolExecutor(min(FETCHES, len(images))) as threads:
            for image, reason in zip(images, threads.map(self._fetch, images), strict=True):
                if reason is None:
                    yield image.path
                else:
                    missing.append(f"task {image.task}: {reason}")

    def _fetch(self, image: Image) -> str | None:
        """None when it is there now; else why not."""
        if self._media is None:
            return None
        try:
            self._media.copy(image.address, Path(place_of(self.folder, image.path)))
        except MediaMissing as missing:
            return str(missing)
        return None

    @cached_property
    def _columns(self) -> frozenset[str]:
        return frozenset(self.wish.context.columns)

    @cached_property
    def _separators(self) -> Mapping[str, bytes]:
        files = self.format.shared_files(self.wish.context)
        return {section.name: section.separator for file in files for section in file.sections}
