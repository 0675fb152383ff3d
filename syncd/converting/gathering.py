"""The ways tasks come in: one file, a folder of files, or a source; each ends as a file of tasks in task order."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syncd.converting.report import SetAside, Tally, set_aside
from syncd.converting.spool import spooled
from syncd.documents import Document
from syncd.errors import Misconfigured, TaskRejected
from syncd.model import DocumentShape, Json
from syncd.sources import Gone, Source
from syncd.taskfiles.elements import Elements, WrongBorder, elements_of
from syncd.taskfiles.stream import values_of

_NOT_TASKS = frozenset({"project.json"})
_READ = 256


@dataclass(frozen=True, slots=True)
class GivenFile:
    """An export: a JSON array, one task per line, or one task."""

    path: Path

    def elements(self, scratch: Path, tally: Tally) -> Elements:
        """The file itself where its borders can be guessed."""
        try:
            return elements_of(self.path)
        except WrongBorder:
            return self.exactly(scratch, tally)

    def exactly(self, scratch: Path, tally: Tally) -> Elements:
        """The file's tasks by exact parsing, in task order, written anew."""
        return spooled(_with_ids(values_of(self.path), self.path, tally), scratch, tally)


@dataclass(frozen=True, slots=True)
class GivenFolder:
    """A folder of task files, with folders inside; `tasks/` in it when there is one (a project in the bucket's layout)."""

    path: Path

    def elements(self, scratch: Path, tally: Tally) -> Elements:
        folder = self.path / "tasks" if (self.path / "tasks").is_dir() else self.path
        return spooled(_of_files(folder, tally), scratch, tally)

    exactly = elements


@dataclass(frozen=True, slots=True)
class GivenProject:
    """A project of a source, read once, whole tasks at a time."""

    source: Source
    project: int
    shape: DocumentShape
    only: frozenset[int] | None = None

    def elements(self, scratch: Path, tally: Tally) -> Elements:
        return spooled(self._tasks(tally), scratch, tally)

    exactly = elements

    def _asked(self) -> Iterator[int]:
        return (task for task in self.source.tasks(self.project) if self.only is None or task in self.only)

    def _tasks(self, tally: Tally) -> Iterator[tuple[int, bytes]]:
        for tasks in batches_of(self._asked(), _READ):
            for read in self.source.read(tasks, self.shape):
                if isinstance(read, TaskRejected):
                    tally.set_aside(set_aside(read))
                elif not isinstance(read, Gone) and read.body is not None:
                    yield read.task, read.body


Given = GivenFile | GivenFolder | GivenProject


def given_path(path: Path) -> GivenFile | GivenFolder:
    """Raises Misconfigured when there is nothing to read."""
    if path.is_dir():
        return GivenFolder(path)
    if path.is_file():
        return GivenFile(path)
    raise Misconfigured(
        f"{path} is neither a file nor a folder; give a Label Studio JSON export or a folder of task files"
    )


def in_order(elements: Elements, scratch: Path, tally: Tally) -> Elements:
    """The same tasks ordered by id, written anew."""
    return spooled(_of_units(elements, tally), scratch, tally)


def _of_units(elements: Elements, tally: Tally) -> Iterator[tuple[int, bytes]]:
    for unit in elements.units():
        for document in unit.documents():
            if isinstance(document, Document):
                yield document.id, document.body
            else:
                tally.set_aside(set_aside(document))


def _of_files(folder: Path, tally: Tally) -> Iterator[tuple[int, bytes]]:
    for path in _files(folder):
        try:
            yield from _with_ids(values_of(path), path, tally)
        except Misconfigured as error:
            named = int(path.stem) if path.stem.isdecimal() else None
            tally.set_aside(SetAside(named, None, str(error)))


def _files(folder: Path) -> Iterator[Path]:
    """The files of tasks: `….json`, and numbers without suffix as Label Studio's own storage names them."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in names:
            if (name.endswith(".json") and name not in _NOT_TASKS and not name.startswith(".")) or name.isdecimal():
                yield Path(place, name)


def _with_ids(values: Iterator[tuple[Json, bytes]], path: Path, tally: Tally) -> Iterator[tuple[int, bytes]]:
    for value, body in values:
        task = value.get("id") if isinstance(value, dict) else None
        if type(task) is int and -(2**63) <= task < 2**63:
            yield task, body
        else:
            tally.set_aside(SetAside(None, None, f"a value in {path} has no whole number as `id`: {ascii(value)[:60]}"))


def batches_of(tasks: Iterator[int], size: int) -> Iterator[list[int]]:
    """The ids, some at a time."""
    batch: list[int] = []
    for task in tasks:
        batch.append(task)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
