"""One mirror of one project as it is to be now: its format, and the context its tasks are rendered in."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from syncd import __version__
from syncd.errors import Misconfigured
from syncd.formats import Context, Format, Section, SharedFile
from syncd.labelstudio.labelconfig import region_classes
from syncd.ledger.mirrors import Kept
from syncd.ledger.registries import Registry
from syncd.mirrors.settings import MirrorSettings
from syncd.model import LabelSchema

PART = "part"
"""The key of fragments that go into part files."""


@dataclass(frozen=True)
class Mirror:
    """What the configuration, the project's schema and the registry make of it, and the ledger's row."""

    settings: MirrorSettings
    format: Format
    context: Context
    kept: Kept

    @property
    def folder(self) -> str:
        """Its place in the bucket, `/` at the end."""
        return folder_of(self.kept)

    @cached_property
    def section_names(self) -> tuple[str, ...]:
        """The names of fragments, in the order of the ledger's columns."""
        return sections_of(self.format, self.context)

    def shared_files(self, newest: str) -> list[SharedFile]:
        """As the format has them; none of part files."""
        return list(self.format.shared_files(self.context, newest=newest))


def folder_of(kept: Kept) -> str:
    return f"{kept.project}/{kept.name}/"


def sections_of(chosen: Format, context: Context) -> tuple[str, ...]:
    if chosen.parts:
        return (PART,)
    return tuple(section.name for file in chosen.shared_files(context) for section in file.sections)


def sections(mirror: Mirror, newest: str) -> list[tuple[str, list[tuple[int, Section]]]]:
    """Path and numbered sections of each shared file."""
    found, number = [], 0
    for file in mirror.shared_files(newest):
        found.append((file.path, list(enumerate(file.sections, number))))
        number += len(file.sections)
    return found


def context_of(settings: MirrorSettings, schema: LabelSchema, registry: Registry) -> Context:
    """What a rendering may know: the registry's numbers and this rendition's columns."""
    columns = registry.columns.get(settings.rendition, ())
    return Context(schema, classes=registry.classes, columns=columns, policy=settings.policy)


def why_not(chosen: Format, context: Context) -> str | None:
    """Why the format does not apply to the project; None when it does."""
    try:
        reason = chosen.accepts(context.schema)
        if reason is None:
            around(chosen, context)
            if chosen.parts:
                chosen.part((), context)
    except Misconfigured as error:
        return str(error)
    return reason


def version_of(settings: MirrorSettings, context: Context, edition: int) -> str:
    """Changes when every task has to be rendered again. Class numbers are not part of it: in an edition they never change."""
    return _hash((__version__, settings.rendition, context.schema, context.columns, edition))


def around(chosen: Format, context: Context) -> str:
    """Changes when the shared files do though no task does: another class, say."""
    return _hash((list(chosen.shared_files(context)), sorted(chosen.extras(context).items())))


def contradictions(chosen: Format, context: Context) -> str | None:
    """Where a label's `category` contradicts its published number; None when nowhere, or when the format shows no numbers."""
    found = [
        f"{label.name!r} has category {label.category}, and number {context.classes[label.name]} is published"
        for label in region_classes(context.schema)
        if label.category is not None and context.classes.get(label.name, label.category) != label.category
    ]
    if not found or around(chosen, context) == around(chosen, replace(context, classes={})):
        return None
    told = "; ".join(found[:3]) + ("; …" if len(found) > 3 else "")
    return f"{told}. Refused: the published number stays. To number all classes anew: syncd mirror rebuild"


def _hash(told: object) -> str:
    return sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()
