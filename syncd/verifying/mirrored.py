"""The files that mirrors have to be: every task rendered again, shared files put together a fragment at a time."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5, sha256
from itertools import pairwise
from pathlib import PurePosixPath

from syncd.documents import Document
from syncd.errors import TaskRejected
from syncd.formats import Format, Section
from syncd.labelstudio.labelconfig import parse_label_config
from syncd.ledger.registries import Registry
from syncd.mirrors.mirror import context_of, why_not
from syncd.mirrors.settings import MirrorSettings
from syncd.model import Project
from syncd.rendering import rendering_of
from syncd.verifying import Wanted
from syncd.verifying.comparison import Comparison

BEFORE_ALL, AFTER_ALL = -(2**63), 2**63 - 1


class MirrorFiles:
    """One mirror of one project. Feed it every document, then ask for the shared files."""

    def __init__(self, settings: MirrorSettings, project: Project, registry: Registry, number: int) -> None:
        """`number` tells its fragments from other mirrors'."""
        self.format: Format = settings.make()
        self.folder = f"{project.id}/{settings.name}/"
        self._context = context_of(settings, parse_label_config(project.label_config), registry)
        self.reason = why_not(self.format, self._context)
        """Why there is no such mirror; None when there is one."""
        self._newest = ""
        files = [] if self.format.parts or self.reason else list(self.format.shared_files(self._context))
        names = [section.name for file in files for section in file.sections] or ["part"]
        self._sections = {name: number * 100 + n for n, name in enumerate(names)}

    def add(self, document: Document, tables: Comparison) -> Iterator[Wanted]:
        """The task's own files; its fragments are kept until the end. One that the format cannot hold has none."""
        try:
            made = rendering_of(self.format, document, self._context)
        except TaskRejected:
            return
        self._newest = max(self._newest, made.updated_at)
        tables.keep_fragments((self._sections[name], document.id, body) for name, body in made.fragments.items())
        for path, body in made.files.items():
            yield _wanted(self.folder + path, [body])

    def shared(self, tables: Comparison) -> Iterator[Wanted]:
        """The files that all tasks share, and the small ones beside them."""
        for file in self.format.shared_files(self._context, newest=self._newest):
            pieces = (piece for section in file.sections for piece in self._section(section, tables))
            yield _wanted(self.folder + file.path, pieces)
        for path, body in self.format.extras(self._context).items():
            yield _wanted(self.folder + path, [body])
        if self.format.parts:
            yield from self._parts(tables)

    def _section(self, section: Section, tables: Comparison) -> Iterator[bytes]:
        yield section.head
        for n, (_, body) in enumerate(tables.fragments(self._sections[section.name])):
            if n:
                yield section.separator
            yield body
        yield section.tail

    def _parts(self, tables: Comparison) -> Iterator[Wanted]:
        """Part files with the borders that the names of those that are there tell."""
        suffix = self.format.part_suffix
        names = [PurePosixPath(key).name for key in tables.listed_keys(f"{self.folder}part-")]
        numbers = [name.removeprefix("part-").removesuffix(suffix) for name in names]
        firsts: Sequence[int] = sorted(int(n) for n in numbers if n.isdecimal()) or [0]
        for first, (start, end) in zip(firsts, pairwise([BEFORE_ALL, *firsts[1:], AFTER_ALL]), strict=True):
            body = self.format.part(tables.fragments(self._sections["part"], start, end), self._context)
            yield _wanted(f"{self.folder}part-{first:020}{suffix}", [body])


def _wanted(key: str, pieces: Iterable[bytes]) -> Wanted:
    size, digest, checksum = 0, sha256(), md5(usedforsecurity=False)
    for piece in pieces:
        size += len(piece)
        digest.update(piece)
        checksum.update(piece)
    return Wanted(key, size, digest.digest(), checksum.hexdigest())
