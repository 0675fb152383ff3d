"""What somebody wants to have: a project in a format, and how the answer is called."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from syncd import formats
from syncd.assembly import Assembly
from syncd.errors import Misconfigured, SyncdError
from syncd.formats import Context, Format
from syncd.labelstudio.labelconfig import parse_label_config
from syncd.ledger.registries import Registry, registry_of
from syncd.mirrors.settings import rendition_of
from syncd.model import DocumentShape, LabelSchema, Project

EASY = DocumentShape(tasks="labeled", predictions="ids", drafts="full")
"""The shape of Label Studio's Easy Export, and of `syncd export`."""


class NotFound(SyncdError):
    """There is no such project or snapshot."""


@dataclass(frozen=True)
class Wanted:
    """A project in a format with its default options: all of it, or some tasks."""

    project: Project
    format: Format
    registry: Registry
    shape: DocumentShape = EASY
    only: frozenset[int] | None = None

    @property
    def rendition(self) -> str:
        return rendition_of(self.format.name, self.format.options, None)

    @cached_property
    def schema(self) -> LabelSchema:
        return parse_label_config(self.project.label_config)

    @cached_property
    def context(self) -> Context:
        return Context(
            self.schema,
            classes=self.registry.classes,
            columns=self.registry.columns.get(self.rendition, ()),
            policy=self.format.default_policy,
        )

    @property
    def is_packed(self) -> bool:
        """Whether the format may give several files, which are packed into a zip."""
        f = self.format
        return bool(f.own_files or f.parts or not f.mirrors or f.extras(self.context))

    @cached_property
    def filename(self) -> str:
        """As Label Studio calls its exports."""
        now = datetime.now(UTC)
        return f"project-{self.project.id}-at-{now:%Y-%m-%d-%H-%M}-{secrets.token_hex(4)}.{self.suffix}"

    @property
    def suffix(self) -> str:
        if self.is_packed:
            return "zip"
        (file,) = self.format.shared_files(self.context)
        return file.path.rpartition(".")[2]


def wanted(
    assembly: Assembly,
    project: int,
    format_name: str,
    *,
    shape: DocumentShape = EASY,
    only: frozenset[int] | None = None,
) -> Wanted:
    """Raises NotFound; Misconfigured when the format is unknown or does not apply."""
    found = project_of(assembly, project)
    chosen = formats.find(format_name)
    made = chosen(chosen.Options())
    reason = made.accepts(parse_label_config(found.label_config))
    if reason is not None:
        raise Misconfigured(f"{made.name} does not apply to project {project}: {reason}")
    return Wanted(found, made, registry_of(assembly.ledger, project), shape, only)


def project_of(assembly: Assembly, project: int) -> Project:
    """Raises NotFound."""
    found = assembly.ledger.projects().get(project)
    found = found or next((p for p in assembly.source.projects() if p.id == project), None)
    if found is None:
        raise NotFound(f"there is no project {project} in {assembly.source.where}")
    return found
